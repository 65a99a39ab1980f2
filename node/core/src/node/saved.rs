//! The pool on disk: written every half minute while it changes and when the node stops, judged anew
//! when it starts (`protocol.md` §5). Losing it costs nobody's money: it is a help, never a promise.

use super::{Event, Node, Source, Timer};
use crate::params::pool::{POOL_COUNT_MAX, POOL_SAVE_INTERVAL, SAVED_CHECKS_MAX};
use crate::primitives::{Now, SignedTransfer, TxId, decode, encode};
use crate::probes::probe;
use crate::storage::{Batch, Scan, Storage, StorageError, Table};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

/// A row of the table: the place in the order of arrival, and the transfer; its key is the id.
type Row = (u64, SignedTransfer);

/// What is known of the table.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// The ids that have a row.
    rows: BTreeSet<TxId>,
    /// Transfers of an earlier life that are still to be judged, the oldest first.
    waiting: VecDeque<SignedTransfer>,
    /// How many of them are at the checker.
    judged: usize,
    /// The table has been read.
    pub loaded: bool,
}

impl<S: Storage> Node<S> {
    /// Reads the pool of an earlier life. Its transfers go through the checker like everybody's, a
    /// few at a time, so that a start takes no longer for a full pool.
    pub(super) fn reload_pool(&mut self, now: Now) -> Result<(), StorageError> {
        self.saved.loaded = true;
        let scan = Scan::all().limit(POOL_COUNT_MAX);
        let mut broken = Batch::new();
        let mut found: Vec<Row> = Vec::new();
        for (key, value) in self.chain.reader().scan(Table::Mempool, &scan)? {
            let row = decode::<Row>(&value).ok();
            let id = row.as_ref().map(|row| row.1.id(&self.chain.law().domain));
            match (row, id) {
                (Some(row), Some(id)) if *id.as_bytes() == key[..] => {
                    self.saved.rows.insert(id);
                    found.push(row);
                }
                _ => self.drop_row(&mut broken, Table::Mempool, key),
            }
        }
        if !broken.is_empty() {
            self.chain.commit_beside(broken)?;
        }
        found.sort_by_key(|(arrival, _)| *arrival);
        self.saved.waiting = found.into_iter().map(|(_, transfer)| transfer).collect();
        self.judge_saved(now)
    }

    /// Hands saved transfers to the checker, as far as there is room for them.
    pub(super) fn judge_saved(&mut self, now: Now) -> Result<(), StorageError> {
        while self.saved.judged < SAVED_CHECKS_MAX
            && self.has_room_for_transfer_check()
            && let Some(transfer) = self.saved.waiting.pop_front()
        {
            if let Err(why) = self.precheck(now, &transfer)? {
                let id = transfer.id(&self.chain.law().domain);
                self.saved_refused(id, why.code());
            } else {
                probe!(self.probes, "saved.judged_again");
                self.saved.judged += 1;
                self.check_transfer(Source::Saved, transfer);
            }
            if self.saved.waiting.is_empty() {
                self.save_pool_soon(now);
            }
        }
        Ok(())
    }

    /// The checker is done with a saved transfer.
    pub(super) fn saved_judged(&mut self, now: Now) -> Result<(), StorageError> {
        self.saved.judged -= 1;
        self.judge_saved(now)
    }

    /// A saved transfer is not taken again.
    pub(super) fn saved_refused(&mut self, id: TxId, code: &'static str) {
        probe!(self.probes, "saved.not_taken_again");
        self.notify(Event::SavedTransferDropped { id, code });
    }

    /// After whatever changes the pool.
    pub(super) fn save_pool_soon(&mut self, now: Now) {
        let at = now.monotonic.plus(POOL_SAVE_INTERVAL);
        self.timers.set_if_idle(Timer::SavePool, at);
    }

    /// Makes the table what the pool is. What is still to be judged keeps its row.
    pub(super) fn save_pool(&mut self) -> Result<(), StorageError> {
        self.timers.cancel(&Timer::SavePool);
        let mut batch = Batch::new();
        for (entry, _) in self.mempool.entries() {
            if self.saved.rows.insert(entry.transfer.id()) {
                let row = (entry.arrival, entry.transfer.signed());
                let key = entry.transfer.id().as_bytes().to_vec();
                batch.put(Table::Mempool, key, encode(&row));
            }
        }
        if self.saved.loaded && self.saved.waiting.is_empty() && self.saved.judged == 0 {
            let pool = &self.mempool;
            self.saved.rows.retain(|id| {
                let waits = pool.contains(id);
                if !waits {
                    batch.delete(Table::Mempool, id.as_bytes().to_vec());
                }
                waits
            });
        }
        match batch.is_empty() {
            true => Ok(()),
            false => self.chain.commit_beside(batch),
        }
    }
}
