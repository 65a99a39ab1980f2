//! Marks: which blocks are remembered as invalid, under which version of the rules.

use super::Chain;
use super::draft::Draft;
use super::headers::point;
use super::tree::none;
use crate::params::RULES_VERSION;
use crate::primitives::{BlockId, Height};
use crate::schema::{self, Status, meta, write};
use crate::storage::{Reader, Storage, StorageError, Table};

impl<S: Storage> Chain<S> {
    /// Takes off all marks that another version of the rules has set, and moves the best chain
    /// where the most work now is. Looks at every header, once after an upgrade.
    pub(super) fn judge_old_marks_anew(&mut self) -> Result<(), StorageError> {
        let version: u32 = schema::required_meta_row(&self.storage, meta::RULES)?;
        if version == RULES_VERSION {
            return Ok(());
        }
        let mut draft = self.draft();
        let mut height = Height::GENESIS;
        loop {
            let ids = schema::ids_at(&draft.rows, height)?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                draft.take_off_old_mark(id)?;
            }
            height = height.next();
        }
        draft.follow_best()?;
        write::put_meta(&mut draft.rows, meta::RULES, &RULES_VERSION);
        let finished = draft.finish(&self.view);
        self.commit(finished).map(drop)
    }
}

impl<S: Reader> Draft<'_, S> {
    /// Takes off the mark of another version of the rules. Parents come before their children.
    fn take_off_old_mark(&mut self, id: BlockId) -> Result<(), StorageError> {
        let mut record = schema::required_header(&self.rows, &id)?;
        match record.status {
            Status::Invalid { rules_version } if rules_version != RULES_VERSION => {}
            _ => return Ok(()),
        }
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
        match record.status == Status::Stored && record.arrival.is_none() {
            true => self.connect(id, record),
            false => Ok(()),
        }
    }

    /// Marks a block and all its descendants invalid.
    pub fn mark_invalid(&mut self, at: &BlockId) -> Result<(), StorageError> {
        let record = schema::required_header(&self.rows, at)?;
        let parent = record.header.parent;
        let mut wave = alloc::vec![(*at, record)];
        while !wave.is_empty() {
            for (id, record) in &mut wave {
                write::set_header_tip(&mut self.rows, id, record, false);
                write::set_block_tip(&mut self.rows, id, record, false);
                record.status = Status::Invalid {
                    rules_version: RULES_VERSION,
                };
                write::put_header(&mut self.rows, id, record);
            }
            wave = self.children(&wave)?;
            wave.retain(|(_, child)| child.status.is_valid());
        }
        self.settle_tips(&parent)?;
        self.settle_best_header()
    }

    /// Makes a block whose children changed the end of a branch, if it is one now.
    fn settle_tips(&mut self, id: &BlockId) -> Result<(), StorageError> {
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
