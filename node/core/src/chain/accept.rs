//! Taking headers and blocks from outside, and our own miner's alike.

use super::Chain;
use super::draft::Draft;
use super::headers::Admission;
use super::verdict::{BlockOutcome, BlockVerdict, HeadersVerdict, WalkVerdict};
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
        let verdict = self.add_headers(now, headers)?;
        self.commit_added()?;
        Ok(verdict)
    }

    /// Takes headers like [`Chain::accept_headers`], but leaves the commit for later.
    ///
    /// # Errors
    /// The machine's only; nothing is marked or blamed for them.
    pub fn add_headers(
        &mut self,
        now: Timestamp,
        headers: &[Header],
    ) -> Result<HeadersVerdict, StorageError> {
        let mut verdict = HeadersVerdict::default();
        let added = self.take_added();
        let mut draft = self.draft(added, now);
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
        self.added = draft.put_aside();
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
        let outcome = self.add_block(now, block)?;
        let walk = self.commit_added()?;
        Ok(BlockVerdict { outcome, walk })
    }

    /// Takes a block like [`Chain::accept_block`], but leaves the commit for later: until then the
    /// outcome is for nobody's ears.
    ///
    /// # Errors
    /// The machine's only; nothing is marked or blamed for them.
    pub fn add_block(
        &mut self,
        now: Timestamp,
        block: CheckedBlock,
    ) -> Result<BlockOutcome, StorageError> {
        let added = self.take_added();
        let mut draft = self.draft(added, now);
        let (id, header) = (block.id(), *block.header());
        let outcome = match draft.admit_header(now, &id, &header)? {
            Admission::Stopped(stop) => stop.into(),
            Admission::Stored(known) if known.status.had_body() => BlockOutcome::Duplicate,
            Admission::Stored(known) => draft.take_block(&id, known, block)?,
        };
        self.added = draft.put_aside();
        Ok(outcome)
    }

    /// Remembers that a block broke a rule before it could become a `CheckedBlock`. Nothing happens
    /// when the rule does not mark blocks (the id may be an honest block's), or the header is not
    /// stored, or the block's body is: then it did pass. What was added is committed with the mark.
    ///
    /// # Errors
    /// The machine's only.
    pub fn refuse_block(
        &mut self,
        id: &BlockId,
        why: &Invalid,
    ) -> Result<WalkVerdict, StorageError> {
        let known = schema::header(&self.rows(), id)?;
        if !why.marks_block() || known.is_none_or(|known| known.status != Status::HeaderOnly) {
            return Ok(WalkVerdict::default());
        }
        let added = self.take_added();
        let mut draft = self.draft(added, Timestamp::new(0));
        draft.mark_invalid(id)?;
        let finished = draft.finish();
        self.commit(finished)
    }
}

impl<S: Storage> Draft<'_, S> {
    fn take_block(
        &mut self,
        id: &BlockId,
        known: HeaderRecord,
        block: CheckedBlock,
    ) -> Result<BlockOutcome, StorageError> {
        self.store_body(id, known, &block.block().transfers)?;
        self.blocks += 1;
        self.fresh = Some(block);
        self.follow_best()?;
        Ok(match self.invalid.iter().find(|(at, _)| at == id) {
            Some((_, why)) => BlockOutcome::Invalid(*why),
            None => match schema::required_header(&self.rows, id)?.status.is_valid() {
                true => BlockOutcome::Stored,
                false => BlockOutcome::KnownInvalid,
            },
        })
    }
}
