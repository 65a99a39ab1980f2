//! Letting go of what lies behind, where the operator wants it: undo far below the reorg window, and
//! the bodies with it (`protocol.md` §5). A node that keeps all bodies keeps all undo, a tenth of them
//! at most, and so can follow a branch from anywhere: a fork below the horizon would strand it.
//!
//! Two heights say how far that went. No block up to the *horizon* can be reverted; bodies begin above
//! the *base*, which is never above the horizon, so that what can be reverted is always here whole.
//! Both only grow, in the same transactions as the tip, and at rest only: a reorganization that takes
//! several steps can always go back home.

use super::Chain;
use super::draft::Draft;
use crate::ledger;
use crate::params::PRUNE_HEIGHTS_MAX;
use crate::primitives::{BlockId, Height};
use crate::schema::{self, HeaderRecord, Status, write};
use crate::storage::{Reader, Storage, StorageError};

/// Heights that one step of [`Chain::prune`] lets go of.
const BACKLOG_STEP: u64 = 500;

impl<S: Storage> Chain<S> {
    /// The height up to which no block of the best chain can be reverted.
    pub const fn horizon(&self) -> Height {
        self.view.horizon
    }

    /// The height up to which bodies are not kept; genesis when all are here.
    pub const fn base(&self) -> Height {
        self.view.base
    }

    /// The lowest height from which on every body of the best chain can be served.
    pub const fn oldest_body(&self) -> Height {
        match self.view.base {
            Height::GENESIS => Height::GENESIS,
            base => base.next(),
        }
    }

    /// Lets go of a part of what is due since the policy was changed, in one commit; false when
    /// nothing more is.
    ///
    /// # Errors
    /// The machine's only.
    pub fn prune(&mut self) -> Result<bool, StorageError> {
        if self.is_walking() {
            return Ok(false);
        }
        let mut draft = self.draft_of_order(crate::primitives::Timestamp::new(0));
        draft.prune_heights(BACKLOG_STEP)?;
        let finished = draft.finish();
        let any = !finished.batch.is_empty();
        self.commit(finished)?;
        Ok(any)
    }
}

impl<S: Reader> Draft<'_, S> {
    /// Lets go of what is due, as much as one block may.
    pub fn prune(&mut self) -> Result<(), StorageError> {
        self.prune_heights(PRUNE_HEIGHTS_MAX)
    }

    fn prune_heights(&mut self, most: u64) -> Result<(), StorageError> {
        if !self.policy.prune {
            return Ok(());
        }
        let kept = self.policy.undo_blocks;
        let due = self.view.tip.height.saturating_sub(kept);
        for _ in 0..most {
            if self.view.horizon >= due {
                break;
            }
            self.view.horizon = self.view.horizon.next();
            let id = schema::required_best(&self.rows, self.view.horizon)?;
            write::set_undo(&mut self.rows, &id, None);
        }
        for _ in 0..most {
            if self.view.base >= self.view.horizon {
                break;
            }
            self.view.base = self.view.base.next();
            self.prune_bodies(self.view.base)?;
        }
        Ok(())
    }

    /// Lets go of all bodies of a height, and of what the indexes say of the best chain's.
    fn prune_bodies(&mut self, height: Height) -> Result<(), StorageError> {
        let best = schema::required_best(&self.rows, height)?;
        let block = self.load(&best)?;
        ledger::set_index(&mut self.rows, &block, false)?;
        for id in schema::ids_at(&self.rows, height)? {
            let record = schema::required_header(&self.rows, &id)?;
            self.prune_body(&id, record);
        }
        Ok(())
    }

    fn prune_body(&mut self, id: &BlockId, record: HeaderRecord) {
        write::delete_body(&mut self.rows, id);
        if record.status != Status::Stored {
            return;
        }
        // Without a number the block never was connectable: its body was never judged on a state.
        let status = match record.arrival {
            Some(_) => Status::Pruned,
            None => Status::HeaderOnly,
        };
        write::put_header(&mut self.rows, id, &HeaderRecord { status, ..record });
    }
}
