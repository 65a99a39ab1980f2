//! Checks of a node's history: the rows of headers, bodies and the best chain.

use std::collections::BTreeSet;

use archivas_core::primitives::{BlockId, Height};
use archivas_core::schema;
use archivas_core::storage::{Reader, StorageError};
use archivas_scenarios::world::Tip;

use super::answers::Answer;
use super::{Finding, unreadable};

/// What the judges remember of one node.
#[derive(Debug, Default)]
pub struct Known {
    /// The tip with the most work that it ever told.
    pub told: Option<Tip>,
    /// Its best chain as it was last looked at, by height.
    pub chain: Vec<BlockId>,
    /// What it said of accounts since it last lost its disk.
    pub answers: BTreeSet<Answer>,
    /// What it had told when its data directory was copied.
    pub copied: Option<Tip>,
}

/// A block of the best chain of these stores that none of them has: nobody among them can give it to
/// those that need it.
pub fn missing_everywhere(stores: &[impl Reader]) -> Option<String> {
    let tip_of = |rows| schema::tip(rows).ok();
    let best = stores
        .iter()
        .filter_map(tip_of)
        .max_by_key(|tip| tip.chainwork)?;
    let (mut id, mut height) = (best.id, best.height);
    while let Some(below) = height.parent() {
        let holds = |rows| schema::has_body(rows, &id).unwrap_or(false);
        if !stores.iter().any(holds) {
            return Some(format!(
                "no node of the core holds block {id} at height {height}"
            ));
        }
        let header = stores
            .iter()
            .find_map(|rows| schema::header(rows, &id).ok()?);
        (id, height) = (header?.header.parent, below);
    }
    None
}

/// The tip that a node tells is in its database, with its body, and the database's own tip has at
/// least as much work: told is stored.
pub fn told_is_stored(rows: &impl Reader, told: &Tip) -> Finding {
    let look = || -> Result<Finding, StorageError> {
        let stored = schema::tip(rows)?;
        if stored.chainwork < told.chainwork {
            let (told, stored) = (told.height, stored.height);
            return Ok(Err(format!(
                "tells height {told} and has stored height {stored}"
            )));
        }
        let Some(record) = schema::header(rows, &told.id)? else {
            return Ok(Err(format!("tells {} and has no header of it", told.id)));
        };
        // A node may begin at a block of which it has the state alone.
        let base = schema::base(rows)?;
        let whole = record.header.height <= base || schema::has_body(rows, &told.id)?;
        let torn = || format!("tells {} and has no body of it", told.id);
        Ok(whole.then_some(()).ok_or_else(torn))
    };
    look().unwrap_or_else(|error| Err(unreadable(&error)))
}

impl Known {
    /// Follows the best chain from the tip down to what was looked at before: ids are the hashes of
    /// their headers, heights count down by one, and each block names the one below.
    pub fn chain_links(&mut self, rows: &impl Reader) -> Finding {
        match self.follow(rows) {
            Ok(finding) => finding,
            Err(error) => Err(unreadable(&error)),
        }
    }

    fn follow(&mut self, rows: &impl Reader) -> Result<Finding, StorageError> {
        let tip = schema::tip(rows)?;
        let mut fresh = Vec::new();
        let (mut id, mut height) = (tip.id, tip.height);
        loop {
            if schema::best_id(rows, height)? != Some(id) {
                return Ok(Err(format!("the row of height {height} is not {id}")));
            }
            if self.chain.get(place(height)) == Some(&id) {
                break;
            }
            let Some(record) = schema::header(rows, &id)? else {
                return Ok(Err(format!("{id} at height {height} has no header")));
            };
            if record.header.id() != id || record.header.height != height {
                return Ok(Err(format!("the header of {id} is not of height {height}")));
            }
            fresh.push(id);
            let Some(below) = height.parent() else {
                break;
            };
            (id, height) = (record.header.parent, below);
        }
        self.chain.truncate(place(tip.height) + 1 - fresh.len());
        self.chain.extend(fresh.into_iter().rev());
        let above = tip.height.next();
        Ok(match schema::best_id(rows, above)? {
            Some(id) => Err(format!("the row of height {above} above the tip is {id}")),
            None => Ok(()),
        })
    }
}

fn place(height: Height) -> usize {
    usize::try_from(height.get()).expect("a simulated chain is short")
}
