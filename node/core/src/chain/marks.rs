//! Marks: which blocks are remembered as invalid, under which version of the rules, and which the
//! operator has set aside.

use alloc::vec::Vec;

use super::Chain;
use super::draft::Draft;
use super::headers::point;
use super::tree::{Entry, none};
use super::verdict::{BadBranch, WalkVerdict};
use crate::params::RULES_VERSION;
use crate::primitives::{BlockId, Height, Timestamp};
use crate::schema::{self, HeaderRecord, Status, meta, write};
use crate::storage::{Reader, Storage, StorageError, Table};

impl<S: Storage> Chain<S> {
    /// Sets a block and its descendants aside at the operator's wish, and moves the best chain to
    /// the best of the rest.
    ///
    /// # Errors
    /// The machine's outside; inside, why there is nothing to set aside.
    pub fn invalidate(
        &mut self,
        now: Timestamp,
        id: &BlockId,
    ) -> Result<Result<WalkVerdict, BadBranch>, StorageError> {
        if let Err(bad) = self.find_branch(id)? {
            return Ok(Err(bad));
        }
        let on_best = self.height_on_best(id)?;
        if on_best.is_some_and(|height| height <= self.view.horizon) {
            return Ok(Err(BadBranch::BelowHorizon(self.view.horizon)));
        }
        let mut draft = self.draft_of_order(now);
        draft.mark(id, Status::SetAside)?;
        draft.release_all()?;
        draft.follow_best()?;
        let finished = draft.finish();
        self.commit(finished).map(Ok)
    }

    /// Takes the marks off a block, its ancestors and everything that descends from the first of
    /// them that was marked — whoever set them — and moves the best chain where the most work now
    /// is. What breaks a rule is found out and marked again.
    ///
    /// # Errors
    /// The machine's outside; inside, why there is nothing to reconsider.
    pub fn reconsider(
        &mut self,
        now: Timestamp,
        id: &BlockId,
    ) -> Result<Result<WalkVerdict, BadBranch>, StorageError> {
        if let Err(bad) = self.find_branch(id)? {
            return Ok(Err(bad));
        }
        let mut draft = self.draft_of_order(now);
        let mut wave: Vec<Entry> = draft.first_marked(id)?.into_iter().collect();
        let below = |(_, first): &Entry| first.header.height <= self.view.base;
        if self.view.base > Height::GENESIS && wave.first().is_some_and(below) {
            return Ok(Err(BadBranch::BelowHorizon(self.view.base)));
        }
        while !wave.is_empty() {
            for (id, _) in &wave {
                draft.take_off_mark(*id)?;
            }
            wave = draft.children(&wave)?;
            wave.retain(|(_, child)| !child.status.is_valid());
        }
        draft.follow_best()?;
        let finished = draft.finish();
        self.commit(finished).map(Ok)
    }

    pub(super) fn find_branch(&self, id: &BlockId) -> Result<Result<(), BadBranch>, StorageError> {
        Ok(match schema::header(&self.rows(), id)? {
            None => Err(BadBranch::Unknown),
            Some(_) if *id == self.genesis_id => Err(BadBranch::Genesis),
            Some(_) => Ok(()),
        })
    }

    /// Takes off all marks that another version of the rules has set, and moves the best chain
    /// where the most work now is. Looks at every header, once after an upgrade.
    pub(super) fn judge_old_marks_anew(&mut self) -> Result<(), StorageError> {
        let version: u32 = schema::required_meta_row(&self.storage, meta::RULES)?;
        if version == RULES_VERSION {
            return Ok(());
        }
        // Without a clock no tip counts as old.
        let mut draft = self.draft_of_order(Timestamp::new(0));
        let mut height = self.view.base;
        loop {
            let ids = schema::ids_at(&draft.rows, height)?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                if draft.has_old_mark(&id)? {
                    draft.take_off_mark(id)?;
                }
            }
            height = height.next();
        }
        draft.follow_best()?;
        write::put_meta(&mut draft.rows, meta::RULES, &RULES_VERSION);
        let finished = draft.finish();
        self.commit(finished).map(drop)
    }
}

impl<S: Reader> Draft<'_, S> {
    fn has_old_mark(&self, id: &BlockId) -> Result<bool, StorageError> {
        let HeaderRecord { status, header, .. } = schema::required_header(&self.rows, id)?;
        let old = |rules_version| rules_version != RULES_VERSION;
        // Under a mark that stays, below the base height, nothing comes back.
        Ok(
            matches!(status, Status::Invalid { rules_version } if old(rules_version))
                && header.height > self.view.base
                && schema::required_header(&self.rows, &header.parent)?
                    .status
                    .is_valid(),
        )
    }

    /// The farthest marked ancestor of a marked block, or the block itself.
    fn first_marked(&self, id: &BlockId) -> Result<Option<Entry>, StorageError> {
        let mut found = None;
        let mut entry = (*id, schema::required_header(&self.rows, id)?);
        while !entry.1.status.is_valid() {
            let parent = entry.1.header.parent;
            found = Some(entry);
            entry = (parent, schema::required_header(&self.rows, &parent)?);
        }
        Ok(found)
    }

    /// Takes off the mark of a block whose parent has none.
    fn take_off_mark(&mut self, id: BlockId) -> Result<(), StorageError> {
        let mut record = schema::required_header(&self.rows, &id)?;
        record.status = match schema::has_body(&self.rows, &id)? {
            true => Status::Stored,
            false => Status::HeaderOnly,
        };
        write::put_header(&mut self.rows, &id, &record);
        self.settle_tips(&id)?;
        self.settle_tips(&record.header.parent)?;
        if record.chainwork > self.view.best_header.chainwork {
            self.move_best_header(point(&id, &record))?;
        }
        Ok(())
    }

    /// Marks a block and all its descendants as breaking the rules.
    pub fn mark_invalid(&mut self, at: &BlockId) -> Result<(), StorageError> {
        let rules_version = RULES_VERSION;
        self.mark(at, Status::Invalid { rules_version })
    }

    /// Marks a block and all its descendants that have no mark yet.
    fn mark(&mut self, at: &BlockId, status: Status) -> Result<(), StorageError> {
        let record = schema::required_header(&self.rows, at)?;
        let parent = record.header.parent;
        let mut wave = alloc::vec![(*at, record)];
        wave.retain(|(_, block)| block.status.is_valid());
        while !wave.is_empty() {
            for (id, record) in &mut wave {
                write::set_header_tip(&mut self.rows, id, record, false);
                write::set_block_tip(&mut self.rows, id, record, false);
                record.status = status;
                write::put_header(&mut self.rows, id, record);
            }
            wave = self.children(&wave)?;
            wave.retain(|(_, child)| child.status.is_valid());
        }
        self.settle_tips(&parent)?;
        self.settle_best_header()
    }

    /// Makes a block whose children changed the end of a branch, if it is one now.
    pub(super) fn settle_tips(&mut self, id: &BlockId) -> Result<(), StorageError> {
        let entry = (*id, schema::required_header(&self.rows, id)?);
        let children = self.children(core::slice::from_ref(&entry))?;
        let (id, record) = &entry;
        let extended = children.iter().any(|(_, child)| child.status.is_valid());
        write::set_header_tip(
            &mut self.rows,
            id,
            record,
            record.status.is_valid() && !extended,
        );
        let extended = children.iter().any(|(_, child)| child.is_candidate());
        write::set_block_tip(
            &mut self.rows,
            id,
            record,
            record.is_candidate() && !extended,
        );
        Ok(())
    }

    /// Falls back to the heaviest valid header, if the best one is no longer valid.
    fn settle_best_header(&mut self) -> Result<(), StorageError> {
        let best = schema::required_header(&self.rows, &self.view.best_header.id)?;
        if best.status.is_valid() {
            return Ok(());
        }
        let id = schema::heaviest_header(&self.rows)?.ok_or_else(|| none(Table::HeaderTips))?;
        let record = schema::required_header(&self.rows, &id)?;
        self.move_best_header(point(&id, &record))
    }
}
