//! Taking headers and blocks from outside, and our own miner's alike.

use alloc::vec::Vec;

use super::Chain;
use super::draft::Draft;
use super::headers::Admission;
use super::reorganize::Culprits;
use super::verdict::{BlockOutcome, BlockVerdict, HeadersVerdict};
use crate::primitives::{BlockId, Header, Timestamp};
use crate::rules::{CheckedBlock, Invalid};
use crate::schema::{self, HeaderRecord, Status};
use crate::storage::{Storage, StorageError};

impl<S: Storage> Chain<S> {
    /// Stores headers, each the child of a stored one, up to the first that cannot be.
    ///
    /// # Errors
    /// The machine's only; nothing is marked or blamed for them.
    pub fn accept_headers(
        &mut self,
        now: Timestamp,
        headers: &[Header],
    ) -> Result<HeadersVerdict, StorageError> {
        let mut verdict = HeadersVerdict::default();
        let mut draft = self.draft(now);
        for (index, header) in headers.iter().enumerate() {
            let id = header.id();
            match draft.admit_header(now, &id, header)? {
                Admission::Stored(_) => verdict.accepted.push(id),
                Admission::Stopped(stop) => {
                    verdict.stop = Some((index, stop));
                    break;
                }
            }
        }
        let finished = draft.finish(&self.view);
        self.commit(finished)?;
        Ok(verdict)
    }

    /// Stores a block and moves the best chain where the most work now is.
    ///
    /// # Errors
    /// The machine's only; nothing is marked or blamed for them.
    pub fn accept_block(
        &mut self,
        now: Timestamp,
        block: CheckedBlock,
    ) -> Result<BlockVerdict, StorageError> {
        let mut draft = self.draft(now);
        let (id, header) = (block.id(), *block.header());
        let (outcome, invalid) = match draft.admit_header(now, &id, &header)? {
            Admission::Stopped(stop) => (stop.into(), Vec::new()),
            Admission::Stored(known) if known.status.had_body() => {
                (BlockOutcome::Duplicate, Vec::new())
            }
            Admission::Stored(known) => draft.take_block(&id, known, block)?,
        };
        let finished = draft.finish(&self.view);
        let walk = self.finish_walk(finished, invalid)?;
        Ok(BlockVerdict { outcome, walk })
    }

    /// Remembers that a block broke a rule before it could become a `CheckedBlock`. Nothing happens
    /// when the rule does not mark blocks (the id may be an honest block's), or the header is not
    /// stored, or the block's body is: then it did pass.
    ///
    /// # Errors
    /// The machine's only.
    pub fn refuse_block(&mut self, id: &BlockId, why: &Invalid) -> Result<(), StorageError> {
        let known = schema::header(&self.storage, id)?;
        if !why.marks_block() || known.is_none_or(|known| known.status != Status::HeaderOnly) {
            return Ok(());
        }
        let mut draft = self.draft(Timestamp::new(0));
        draft.mark_invalid(id)?;
        let finished = draft.finish(&self.view);
        self.commit(finished).map(drop)
    }
}

impl<S: Storage> Draft<'_, S> {
    fn take_block(
        &mut self,
        id: &BlockId,
        known: HeaderRecord,
        block: CheckedBlock,
    ) -> Result<(BlockOutcome, Culprits), StorageError> {
        self.store_body(id, known, &block.block().transfers)?;
        self.fresh = Some(block);
        let invalid = self.follow_best()?;
        let outcome = match invalid.iter().find(|(at, _)| at == id) {
            Some((_, why)) => BlockOutcome::Invalid(*why),
            None => match schema::required_header(&self.rows, id)?.status.is_valid() {
                true => BlockOutcome::Stored,
                false => BlockOutcome::KnownInvalid,
            },
        };
        Ok((outcome, invalid))
    }
}
