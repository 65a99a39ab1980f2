//! Branches of headers beside the best one. A best header whose body nobody delivers, or whose branch
//! is held, must not hold up another branch that has more work than the tip.

use alloc::vec::Vec;

use super::Chain;
use crate::primitives::BlockId;
use crate::schema::{self, Status};
use crate::storage::{Storage, StorageError};

/// How many branches are looked at, the ones with the most work.
const RIVALS_MAX: usize = 8;

impl<S: Storage> Chain<S> {
    /// The blocks whose bodies are not here on branches that have more work than the tip and do not
    /// end in the best header: first the children of the tip, so that no number of other branches
    /// holds up our own; then the branch with the most work first, of each the lowest first. A
    /// branch with more than `depth` blocks that cannot be connected yet is left out.
    ///
    /// # Errors
    /// The machine's only.
    pub fn missing_of_rivals(&self, depth: usize) -> Result<Vec<BlockId>, StorageError> {
        let children = self.missing_children()?;
        let mut missing = children.clone();
        let rows = &self.rows();
        for end in schema::heaviest_headers(rows, RIVALS_MAX + 1)? {
            if end == self.best_header().id {
                continue;
            }
            let record = schema::required_header(rows, &end)?;
            if record.chainwork <= self.added_tip().chainwork {
                break;
            }
            let mut below = self.missing_below(end, depth)?.unwrap_or_default();
            below.retain(|id| !children.contains(id));
            missing.append(&mut below);
        }
        Ok(missing)
    }

    /// The children of the tip without a body, but for the one below the best header.
    fn missing_children(&self) -> Result<Vec<BlockId>, StorageError> {
        let (rows, tip) = (&self.rows(), self.added_tip());
        let height = tip.height.next();
        let best = schema::best_header_id(rows, height)?;
        let mut missing = Vec::new();
        for id in schema::ids_at(rows, height)? {
            let record = schema::required_header(rows, &id)?;
            let waits = record.status == Status::HeaderOnly && record.header.parent == tip.id;
            if waits && best != Some(id) {
                missing.push(id);
            }
        }
        Ok(missing)
    }

    /// The blocks without a body from the last connectable one up to `end`, lowest first; `None` if
    /// it is more than `depth` blocks away.
    fn missing_below(
        &self,
        end: BlockId,
        depth: usize,
    ) -> Result<Option<Vec<BlockId>>, StorageError> {
        let mut missing = Vec::new();
        let mut id = end;
        for _ in 0..=depth {
            let record = schema::required_header(&self.rows(), &id)?;
            if record.arrival.is_some() {
                missing.reverse();
                return Ok(Some(missing));
            }
            if record.status == Status::HeaderOnly {
                missing.push(id);
            }
            id = record.header.parent;
        }
        Ok(None)
    }
}
