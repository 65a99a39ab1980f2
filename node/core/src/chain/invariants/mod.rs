//! What is true of a chain at rest, after every change (law 11).
//!
//! A contradiction is damage when a store is opened, and a bug of ours when it follows a change.

mod state;
mod tree;

use alloc::string::String;

use super::Chain;
use crate::schema::{self, meta};
use crate::storage::{Reader, Storage, StorageError, StorageErrorKind};

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// A handful of rows: tip, best header, LtHash and the ends of the branches agree.
    Quick,
    /// Every row; needs memory and time in proportion to the whole store. For tests, simulations
    /// and checks on demand.
    Full,
}

impl<S: Storage> Chain<S> {
    /// Checks that memory and rows agree with one another.
    ///
    /// # Errors
    /// Damage, with a sentence that says which two things contradict one another.
    pub fn check_invariants(&self, thoroughness: Thoroughness) -> Result<(), StorageError> {
        self.check_ends()?;
        if thoroughness == Thoroughness::Full {
            self.check_tree()?;
            self.check_state()?;
        }
        Ok(())
    }

    fn check_ends(&self) -> Result<(), StorageError> {
        let (rows, view) = (&self.storage, &self.view);
        let (tip, best) = (&view.tip, &view.best_header);
        ensure(
            schema::tip(rows)? == *tip,
            || "the tip is not the stored one",
        )?;
        ensure(
            schema::lthash(rows)? == view.lthash,
            || "the LtHash is not the stored one",
        )?;
        ensure(
            view.lthash.root() == tip.header.state_root,
            || "the LtHash of the accounts is not the state root of the tip",
        )?;
        ensure(
            schema::best_candidate(rows)? == Some(view.walk.map_or(tip.id, |walk| walk.target)),
            || "the tip, or the block walked to, is not the first comer with the most work",
        )?;
        ensure(
            schema::meta_row(rows, meta::WALK)? == view.walk,
            || "the walk under way is not the stored one",
        )?;
        ensure(
            schema::best_ids(rows, tip.height, 2)? == [tip.id],
            || "the best chain does not end in the tip",
        )?;
        ensure(
            schema::best_header_ids(rows, best.height, 2)? == [best.id],
            || "the best header's chain does not end in the best header",
        )?;
        let heaviest = schema::heaviest_header(rows)?;
        let heaviest = heaviest
            .map(|id| schema::required_header(rows, &id))
            .transpose()?;
        ensure(
            heaviest.map(|record| record.chainwork) == Some(best.chainwork),
            || "another header has more work than the best one",
        )?;
        ensure(
            (schema::base(rows)?, schema::horizon(rows)?) == (view.base, view.horizon),
            || "the base height or the undo horizon is not the stored one",
        )?;
        ensure(
            view.base <= view.horizon,
            || "blocks that could be reverted have no body",
        )?;
        let arrival = schema::required_meta_row(rows, meta::NEXT_ARRIVAL)?;
        ensure(
            view.next_arrival == arrival,
            || "the arrival counter is not the stored one",
        )
    }
}

/// Damage, unless the claim holds.
pub(super) fn ensure<T: Into<String>>(
    holds: bool,
    what: impl FnOnce() -> T,
) -> Result<(), StorageError> {
    match holds {
        true => Ok(()),
        false => {
            let what = alloc::format!("the database contradicts itself: {}", what().into());
            Err(StorageError::new(StorageErrorKind::Damaged, what))
        }
    }
}

/// How many rows a table has.
fn count(rows: &impl Reader, table: crate::storage::Table) -> Result<usize, StorageError> {
    Ok(rows.scan(table, &crate::storage::Scan::all())?.len())
}
