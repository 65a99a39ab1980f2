//! What was added to the chain and is not committed yet. While a node catches up many blocks share a
//! commit, and at the tip a header shares that of its body (`protocol.md` §5). The chain itself goes
//! on from here; everybody else sees the last commit.

use alloc::vec::Vec;

use super::Chain;
use super::draft::View;
use super::verdict::WalkVerdict;
use crate::primitives::{BlockId, Height, Timestamp};
use crate::rules::{CheckedBlock, Invalid};
use crate::storage::{Batch, Layered, Storage, StorageError};

/// A draft between two calls.
#[derive(Debug)]
pub(super) struct Added {
    /// The rows to write.
    pub batch: Batch,
    /// What memory holds after the commit.
    pub view: View,
    /// See the fields of a draft.
    pub left: Vec<CheckedBlock>,
    /// See the fields of a draft.
    pub joined: Vec<CheckedBlock>,
    /// See the fields of a draft.
    pub held: Vec<BlockId>,
    /// See the fields of a draft.
    pub invalid: Vec<(BlockId, Invalid)>,
    /// See the fields of a draft.
    pub headers: usize,
    /// See the fields of a draft.
    pub blocks: usize,
}

impl Added {
    /// Nothing, on top of the last commit.
    pub fn nothing(committed: &View) -> Self {
        Self {
            batch: Batch::new(),
            view: committed.clone(),
            left: Vec::new(),
            joined: Vec::new(),
            held: Vec::new(),
            invalid: Vec::new(),
            headers: 0,
            blocks: 0,
        }
    }
}

/// How much was added since the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Headers that were stored.
    pub headers: usize,
    /// Bodies that were stored.
    pub blocks: usize,
    /// Bytes of the rows to be written.
    pub bytes: usize,
    /// The height of the tip that a commit makes.
    pub tip_height: Height,
    /// A block proved invalid, a branch was held, or a long reorganization has begun: that ends a
    /// batch.
    pub is_final: bool,
}

impl<S: Storage> Chain<S> {
    /// What [`Chain::commit_added`] would make true.
    pub fn added(&self) -> Addition {
        let added = &self.added;
        Addition {
            headers: added.headers,
            blocks: added.blocks,
            bytes: added.batch.bytes(),
            tip_height: added.view.tip.height,
            is_final: !added.invalid.is_empty()
                || !added.held.is_empty()
                || added.view.walk.is_some(),
        }
    }

    /// Makes everything true that was added, in one commit: the valid blocks and the marks of those
    /// that are not. With nothing added it writes nothing.
    ///
    /// # Errors
    /// The machine's only.
    pub fn commit_added(&mut self) -> Result<WalkVerdict, StorageError> {
        let added = self.take_added();
        // The time is for choices, and those are made.
        let finished = self.draft(added, Timestamp::new(0)).finish();
        self.commit(finished)
    }

    /// The rows as the chain goes on from them.
    pub(super) fn rows(&self) -> Layered<'_, S> {
        Layered::new(&self.storage, &self.added.batch)
    }

    pub(super) fn take_added(&mut self) -> Added {
        core::mem::replace(&mut self.added, Added::nothing(&self.view))
    }
}
