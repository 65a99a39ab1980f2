//! The tree of blocks: which are connectable, and where its branches end.
//!
//! The tree stands in storage and not in memory: children are found through the headers of the next
//! height, the ends of branches are rows sorted by work.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::draft::Draft;
use crate::primitives::{BlockId, SignedTransfer};
use crate::schema::{self, HeaderRecord, Status, write};
use crate::storage::{Reader, StorageError, Table};

pub(super) type Entry = (BlockId, HeaderRecord);

impl<S: Reader> Draft<'_, S> {
    /// Stores the body of a block whose header is stored, and connects what it completes.
    pub fn store_body(
        &mut self,
        id: &BlockId,
        record: HeaderRecord,
        transfers: &[SignedTransfer],
    ) -> Result<(), StorageError> {
        write::put_body(&mut self.rows, id, transfers);
        let record = HeaderRecord {
            status: Status::Stored,
            ..record
        };
        write::put_header(&mut self.rows, id, &record);
        self.advance_missing()?;
        self.connect(*id, record)
    }

    /// Gives arrival numbers to a stored block, if its parent has one, and to the stored blocks that
    /// waited for it: parents first, then by id. Marks play no part in that.
    fn connect(&mut self, id: BlockId, record: HeaderRecord) -> Result<(), StorageError> {
        let parent = schema::required_header(&self.rows, &record.header.parent)?;
        if parent.arrival.is_none() {
            return Ok(());
        }
        let mut wave = alloc::vec![(id, record)];
        while !wave.is_empty() {
            for (id, record) in &mut wave {
                self.give_arrival(id, record)?;
            }
            let children = self.children(&wave)?;
            wave.clear();
            for (id, child) in children {
                let stored = match child.status {
                    Status::Stored | Status::Pruned => true,
                    Status::HeaderOnly => false,
                    Status::Invalid { .. } | Status::SetAside => schema::has_body(&self.rows, &id)?,
                };
                if stored {
                    wave.push((id, child));
                }
            }
        }
        Ok(())
    }

    fn give_arrival(
        &mut self,
        id: &BlockId,
        record: &mut HeaderRecord,
    ) -> Result<(), StorageError> {
        record.arrival = Some(self.view.next_arrival);
        self.view.next_arrival = self.view.next_arrival.next();
        write::put_header(&mut self.rows, id, record);
        if record.is_candidate() {
            let parent_id = &record.header.parent;
            let parent = schema::required_header(&self.rows, parent_id)?;
            write::set_block_tip(&mut self.rows, parent_id, &parent, false);
            write::set_block_tip(&mut self.rows, id, record, true);
        }
        Ok(())
    }

    /// The block that the best chain should end in.
    pub fn best_candidate(&self) -> Result<BlockId, StorageError> {
        schema::best_candidate(&self.rows)?.ok_or_else(|| none(Table::BlockTips))
    }

    /// All children of blocks that share one height, by id.
    pub fn children(&self, parents: &[Entry]) -> Result<Vec<Entry>, StorageError> {
        let Some((_, first)) = parents.first() else {
            return Ok(Vec::new());
        };
        let parents: BTreeSet<&BlockId> = parents.iter().map(|(id, _)| id).collect();
        let mut found = Vec::new();
        for id in schema::ids_at(&self.rows, first.header.height.next())? {
            let record = schema::required_header(&self.rows, &id)?;
            if parents.contains(&record.header.parent) {
                found.push((id, record));
            }
        }
        Ok(found)
    }
}

pub(super) fn none(table: Table) -> StorageError {
    StorageError::damaged(table, &[], &"the table is empty")
}
