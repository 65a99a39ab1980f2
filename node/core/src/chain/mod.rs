//! Floor 6, history: the tree of headers and blocks, and the best chain through it.
//!
//! Every public change is one batch and one commit, at the end; memory follows only after it. Headers
//! and blocks may be added before that commit: who asks from outside sees nothing of them. What
//! stands in memory is a fixed handful of values that storage determines, so a restart decides the
//! same. The tree itself stays in storage, however long the chain is.

mod accept;
mod added;
mod adopt;
mod audit;
mod draft;
mod headers;
mod invariants;
mod marks;
mod open;
mod past;
mod prune;
mod queries;
mod reorganize;
mod replay;
mod rivals;
mod rollback;
mod stretch;
mod template;
mod tree;
mod verdict;
mod window;

pub use added::Addition;
pub use adopt::{Adoption, Unfit};
pub use audit::{Audited, audit};
pub use invariants::Thoroughness;
pub use past::AccountsAt;
pub use replay::{DERIVED, Key, Replay, copy_underived, first_difference, open_rebuilt};
pub use stretch::{Stretch, Weighed};
pub use verdict::{
    BadBranch, BlockOutcome, BlockVerdict, HeaderPoint, HeaderStop, HeadersVerdict, HeldBranch,
    NoTemplate, OpenError, Template, TipChange, WalkVerdict,
};
pub use window::Policy;

use crate::params::{Genesis, Law};
use crate::primitives::{BlockId, Timestamp};
use crate::schema::Tip;
use crate::storage::{Batch, Overlay, Storage, StorageError, StorageErrorKind, Table};
use added::Added;
use draft::{Draft, View};

/// The history of one network, over a store that it owns.
///
/// After an `Err` of any method that changes something, the store may hold the change or not: the
/// chain must be dropped and opened anew.
#[derive(Debug)]
pub struct Chain<S> {
    storage: S,
    genesis: Genesis,
    genesis_id: BlockId,
    law: Law,
    view: View,
    added: Added,
    self_checks: Option<Thoroughness>,
    policy: Policy,
    /// Blocks that one commit reverts and applies at most: enough to leave
    /// [`REORG_STEP_BLOCKS`](crate::params::REORG_STEP_BLOCKS) for a branch that is one longer.
    step_moves: u64,
}

impl<S: Storage> Chain<S> {
    /// The last block of the best chain, as committed.
    pub const fn tip(&self) -> &Tip {
        &self.view.tip
    }

    /// True while a reorganization is under way that takes more than one step: the tip is a block on
    /// the way, [`Chain::step`] goes on, and there is no template.
    pub const fn is_walking(&self) -> bool {
        self.view.walk.is_some()
    }

    /// The tip that a commit of what was added makes: what sync goes on from, and nobody is told.
    pub const fn added_tip(&self) -> &Tip {
        &self.added.view.tip
    }

    /// The valid header with the most chainwork, among equals the first that came; committed or not.
    pub const fn best_header(&self) -> &HeaderPoint {
        &self.added.view.best_header
    }

    /// The same as committed.
    pub const fn committed_best_header(&self) -> &HeaderPoint {
        &self.view.best_header
    }

    /// The store, to be read: the last commit.
    pub const fn reader(&self) -> &S {
        &self.storage
    }

    /// The network's genesis.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The id of the genesis block.
    pub const fn genesis_id(&self) -> &BlockId {
        &self.genesis_id
    }

    /// What stateless checks need to know of the network.
    pub const fn law(&self) -> &Law {
        &self.law
    }

    /// Checks the invariants after every change from now on, or no longer. For simulators and
    /// fuzzers; on from the start in this crate's tests.
    pub const fn set_self_checks(&mut self, checks: Option<Thoroughness>) {
        self.self_checks = checks;
    }

    /// Writes rows that the chain does not own: own submissions, the saved mempool, peers, bans.
    ///
    /// # Errors
    /// The machine's only.
    ///
    /// # Panics
    /// When the batch touches a table of the chain: a bug of ours.
    pub fn commit_beside(&mut self, batch: Batch) -> Result<(), StorageError> {
        use Table::{Bans, Mempool, OwnTxs, Peers};
        let beside = |table| matches!(table, Mempool | OwnTxs | Peers | Bans);
        assert!(
            batch.ops().all(|(table, ..)| beside(table)),
            "only accept and reorganize write the chain's tables"
        );
        self.storage.commit(batch)
    }

    /// A change that goes on from what was added.
    fn draft(&self, added: Added, now: Timestamp) -> Draft<'_, S> {
        Draft {
            rows: Overlay::over(&self.storage, added.batch),
            view: added.view,
            before: &self.view,
            genesis: &self.genesis,
            policy: self.policy,
            now,
            moves_left: self.step_moves,
            fresh: None,
            left: added.left,
            joined: added.joined,
            held: added.held,
            invalid: added.invalid,
            headers: added.headers,
            blocks: added.blocks,
        }
    }

    /// A change that is no addition: what was added before must be committed, because whether the
    /// change is possible is read from the last commit.
    fn draft_of_order(&self, now: Timestamp) -> Draft<'_, S> {
        let added = self.added();
        assert!(
            added.headers == 0 && added.blocks == 0,
            "what was added is committed before the operator's order"
        );
        self.draft(Added::nothing(&self.view), now)
    }

    /// Makes a draft true: one commit, then memory.
    fn commit(&mut self, finished: draft::Finished) -> Result<WalkVerdict, StorageError> {
        if !finished.batch.is_empty() {
            self.storage.commit(finished.batch)?;
        }
        self.view = finished.view;
        self.added = Added::nothing(&self.view);
        if let Some(checks) = self.self_checks {
            match self.check_invariants(checks) {
                Err(error) if error.kind == StorageErrorKind::Damaged => panic!("{error}"),
                checked => checked?,
            }
        }
        Ok(finished.walk)
    }
}

#[cfg(test)]
mod tests;
