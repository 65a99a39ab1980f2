//! The reorg window: a branch that forks deep below the tip is not followed by itself but held, and
//! the operator is told and decides (`protocol.md` §3).
//!
//! Held branches leave `block_tips` for a table of their own, so that the best candidate is always
//! one that may be followed. They come back when they may, or when our own branch outweighs them.

use alloc::vec::Vec;

use super::Chain;
use super::draft::Draft;
use super::headers::point;
use super::queries::{descends, fork_of};
use super::verdict::{BadBranch, HeldBranch, WalkVerdict};
use crate::params::{IBD_TIP_AGE, REORG_DEPTH_MAX, UNDO_BLOCKS};
use crate::primitives::{BlockId, Height, Timestamp, Work};
use crate::schema::{self, HeaderRecord, meta, write};
use crate::storage::{Reader, Storage, StorageError};
use serde::{Deserialize, Serialize};

/// What a node follows by itself. Constants of a network's release, not of its genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How many blocks may be left for another branch without the operator.
    pub reorg_depth_max: u64,
    /// How many blocks below the tip can be reverted by a node that lets go of what lies deeper.
    pub undo_blocks: u64,
    /// Whether it does: of undo, bodies and their rows in indexes.
    pub prune: bool,
    /// Whether confirmed transfers are found by their id and by account.
    pub tx_index: bool,
    /// A tip of less work is one of a node that still catches up: it follows every branch.
    pub minimum_chainwork: Work,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            reorg_depth_max: REORG_DEPTH_MAX,
            undo_blocks: UNDO_BLOCKS,
            prune: false,
            tx_index: true,
            minimum_chainwork: Work::ZERO,
        }
    }
}

impl<S: Storage> Chain<S> {
    /// Sets what is followed without the operator. Changes nothing by itself.
    pub const fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The branches that have the work to be followed and are held, the heaviest first.
    ///
    /// # Errors
    /// The machine's only.
    pub fn held_branches(&self) -> Result<Vec<HeldBranch>, StorageError> {
        let rows = &self.storage;
        let held = schema::held_tips(rows)?;
        let branch = |id: BlockId| -> Result<HeldBranch, StorageError> {
            let tip = point(&id, &schema::required_header(rows, &id)?);
            let fork_height = fork_of(rows, self.view.tip.height, &id)?;
            Ok(HeldBranch { tip, fork_height })
        };
        held.into_iter().map(branch).collect()
    }

    /// Lets a branch be followed at the operator's wish, however deep it forks: the one that holds
    /// or will hold this block. It is followed once it has the most work; with that the word is
    /// kept, and what forks deep from then on waits for another.
    ///
    /// # Errors
    /// The machine's outside; inside, why there is no such branch.
    pub fn accept_branch(
        &mut self,
        now: Timestamp,
        id: &BlockId,
    ) -> Result<Result<WalkVerdict, BadBranch>, StorageError> {
        if let Err(bad) = self.find_branch(id)? {
            return Ok(Err(bad));
        }
        let mut draft = self.draft_of_order(now);
        if draft.forks_below_horizon(id)? {
            return Ok(Err(BadBranch::BelowHorizon(self.view.horizon)));
        }
        write::set_accepted(&mut draft.rows, Some(id));
        draft.release_all()?;
        draft.follow_best()?;
        let finished = draft.finish();
        self.commit(finished).map(Ok)
    }
}

impl<S: Reader> Draft<'_, S> {
    /// Whether the best chain may move to this block without the operator. Cheapest first.
    pub fn may_follow(&self, id: &BlockId) -> Result<bool, StorageError> {
        let record = self.record(id)?;
        let home_id = self.home()?;
        if record.header.parent == home_id {
            return Ok(true);
        }
        if self.forks_below_horizon(id)? {
            return Ok(false);
        }
        if self.is_catching_up()? || self.has_agreed_to(id)? {
            return Ok(true);
        }
        let (home, fork) = (self.record(&home_id)?, self.fork_from(home_id, id)?);
        let depth = home.header.height.get() - fork.header.height.get();
        let above = |work: Work| {
            work.checked_sub(fork.chainwork)
                .expect("a fork has less work")
        };
        Ok(depth <= self.policy.reorg_depth_max
            || above(record.chainwork) >= above(home.chainwork).saturating_mul(2))
    }

    /// Whether a branch parts from ours where nothing leads back to: then not even the operator's
    /// word lets it be followed.
    fn forks_below_horizon(&self, id: &BlockId) -> Result<bool, StorageError> {
        if self.view.horizon == Height::GENESIS {
            return Ok(false);
        }
        Ok(self.fork_from(self.home()?, id)?.header.height < self.view.horizon)
    }

    /// Where depths are measured from: the tip, or where a walk that is under way began; when the
    /// operator has set that aside, the last block below it that has no mark.
    pub fn home(&self) -> Result<BlockId, StorageError> {
        let mut home = self.view.walk.map_or(self.view.tip.id, |walk| walk.home);
        loop {
            let record = self.record(&home)?;
            if record.status.is_valid() {
                return Ok(home);
            }
            home = record.header.parent;
        }
    }

    /// Whether the best chain has left the block where a walk began.
    pub fn has_left_home(&self) -> Result<bool, StorageError> {
        let Some(walk) = self.view.walk else {
            return Ok(false);
        };
        let height = self.record(&walk.home)?.header.height;
        Ok(schema::best_id(&self.rows, height)? != Some(walk.home))
    }

    /// The last block that a block's chain shares with the one that ends at home.
    fn fork_from(&self, mut home: BlockId, id: &BlockId) -> Result<HeaderRecord, StorageError> {
        if home == self.view.tip.id {
            let height = fork_of(&self.rows, self.view.tip.height, id)?;
            let shared = schema::required_best(&self.rows, height)?;
            return self.record(&shared);
        }
        let mut id = *id;
        loop {
            let (ours, theirs) = (self.record(&home)?, self.record(&id)?);
            if home == id {
                return Ok(ours);
            }
            if ours.header.height >= theirs.header.height {
                home = ours.header.parent;
            }
            if theirs.header.height >= ours.header.height {
                id = theirs.header.parent;
            }
        }
    }

    fn record(&self, id: &BlockId) -> Result<HeaderRecord, StorageError> {
        schema::required_header(&self.rows, id)
    }

    /// Whether a walk to this branch is under way, or the operator has accepted it.
    fn has_agreed_to(&self, id: &BlockId) -> Result<bool, StorageError> {
        let accepted = self.accepted()?;
        let target = self.view.walk.map(|walk| walk.target);
        for agreed in target.iter().chain(&accepted) {
            if descends(&self.rows, id, agreed)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn accepted(&self) -> Result<Option<BlockId>, StorageError> {
        schema::meta_row(&self.rows, meta::ACCEPTED)
    }

    /// Forgets which branch the operator has accepted once the best chain holds it: in time every
    /// branch descends from a block that was accepted long ago, and no window would be left.
    pub fn forget_kept_word(&mut self) -> Result<(), StorageError> {
        if let Some(accepted) = self.accepted()? {
            let height = self.record(&accepted)?.header.height;
            if schema::best_id(&self.rows, height)? == Some(accepted) {
                write::set_accepted(&mut self.rows, None);
            }
        }
        Ok(())
    }

    /// Whether the node is in its initial download. A tip on the way of a walk is always old and
    /// light and says nothing of that: home counts.
    fn is_catching_up(&self) -> Result<bool, StorageError> {
        let home = self.record(&self.home()?)?;
        let age = self.now.since(home.header.timestamp);
        Ok(home.chainwork < self.policy.minimum_chainwork || age > IBD_TIP_AGE)
    }

    /// Takes a candidate out of the choice until it may be followed.
    pub fn hold(&mut self, id: BlockId) -> Result<(), StorageError> {
        let record = self.record(&id)?;
        write::hold_block_tip(&mut self.rows, &id, &record);
        self.held.push(id);
        Ok(())
    }

    /// Brings held branches back into the choice while the node catches up.
    pub fn release_if_catching_up(&mut self) -> Result<(), StorageError> {
        match self.is_catching_up()? {
            true => self.release_held(|draft, id, _| Ok(!draft.forks_below_horizon(id)?)),
            false => Ok(()),
        }
    }

    /// Brings all held branches back into the choice, to be judged anew: home has changed.
    pub fn release_all(&mut self) -> Result<(), StorageError> {
        self.release_held(|_, _, _| Ok(true))
    }

    /// Brings back the held branches that our own outweighs: there is nothing to decide any more.
    pub fn release_outweighed(&mut self) -> Result<(), StorageError> {
        self.release_held(|draft, _, work| Ok(work < draft.view.tip.chainwork))
    }

    fn release_held(
        &mut self,
        which: fn(&Self, &BlockId, Work) -> Result<bool, StorageError>,
    ) -> Result<(), StorageError> {
        for id in schema::held_tips(&self.rows)? {
            let record = self.record(&id)?;
            if which(self, &id, record.chainwork)? {
                write::set_block_tip(&mut self.rows, &id, &record, true);
            }
        }
        Ok(())
    }
}
