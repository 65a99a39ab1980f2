//! Our own clients' transfers: on disk before they are said to be accepted, in the pool again after a
//! restart, gone from disk once they have left the pool for good (`protocol.md` §5).

use super::{Action, Answer, Event, Node, Ticket, Timer};
use crate::mempool::{Dropped, PoolRefusal};
use crate::params::pool::{OWN_TIDY_INTERVAL, POOL_RETURN_BLOCKS_MAX};
use crate::primitives::{Height, Now, SignedTransfer, TxId, decode, encode};
use crate::probes::probe;
use crate::rules::check_transfer;
use crate::schema;
use crate::storage::{Batch, Scan, Storage, StorageError, Table};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What is known of own transfers.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Those with a row on disk, or one to be written.
    known: BTreeSet<TxId>,
    /// Those of them that have left the pool, to be deleted with the next tidying.
    gone: BTreeMap<TxId, Height>,
    /// Those of earlier lives have been offered to the pool.
    pub loaded: bool,
    /// Rows to be written before the answers are given.
    unsaved: Batch,
    /// Who waits for that.
    answers: Vec<(Ticket, TxId)>,
}

impl<S: Storage> Node<S> {
    /// Notes that an own transfer was taken; it is answered with all others of this turn.
    pub(super) fn accept_own(
        &mut self,
        now: Now,
        ticket: Ticket,
        id: TxId,
        transfer: &SignedTransfer,
    ) {
        self.own.gone.remove(&id);
        if self.own.known.insert(id) {
            probe!(self.probes, "submit.stored_first");
            let key = id.as_bytes().to_vec();
            self.own.unsaved.put(Table::OwnTxs, key, encode(transfer));
        }
        self.own.answers.push((ticket, id));
        self.tidy_soon(now);
    }

    /// Stores the own transfers of this turn in one commit, then says that they are accepted: in
    /// this order.
    pub(super) fn answer_own(&mut self) -> Result<(), StorageError> {
        if !self.own.unsaved.is_empty() {
            let unsaved = core::mem::take(&mut self.own.unsaved);
            self.chain.commit_beside(unsaved)?;
        }
        for (ticket, id) in core::mem::take(&mut self.own.answers) {
            let answer = Answer::Accepted(id);
            self.actions.push_back(Action::Answer { ticket, answer });
        }
        Ok(())
    }

    /// Takes the own transfers of earlier lives into the pool again. Not in the midst of a long
    /// reorganization: the accounts on the way would refuse what is valid at its end.
    pub(super) fn reload_own(&mut self, now: Now) -> Result<(), StorageError> {
        self.own.loaded = true;
        let rows = self.chain.reader().scan(Table::OwnTxs, &Scan::all())?;
        let mut broken = Batch::new();
        for (key, value) in rows {
            let domain = &self.chain.law().domain;
            let decoded = decode::<SignedTransfer>(&value).ok();
            let decoded = decoded.map(|transfer| (transfer.id(domain), transfer));
            let Some((id, transfer)) = decoded.filter(|(id, _)| *id.as_bytes() == key[..]) else {
                self.drop_row(&mut broken, Table::OwnTxs, key);
                continue;
            };
            self.own.known.insert(id);
            probe!(self.probes, "own.reloaded");
            if let Err(code) = self.readmit(now, transfer)? {
                probe!(self.probes, "own.not_reloaded");
                self.own.gone.insert(id, self.chain.tip().height);
                if schema::tx_location(self.chain.reader(), &id)?.is_none() {
                    self.notify(Event::OwnTransferDropped { id, code });
                }
            }
        }
        self.pool_grew(now);
        if !self.own.known.is_empty() {
            self.tidy_soon(now);
        }
        match broken.is_empty() {
            true => Ok(()),
            false => self.chain.commit_beside(broken),
        }
    }

    fn readmit(
        &mut self,
        now: Now,
        transfer: SignedTransfer,
    ) -> Result<Result<(), &'static str>, StorageError> {
        let account = schema::account(self.chain.reader(), &transfer.from())?;
        let checked = match check_transfer(transfer, self.chain.law()) {
            Ok(checked) => checked,
            Err(why) => return Ok(Err(why.code())),
        };
        self.verified.learn([&checked]);
        let admitted = self.mempool.admit(now.monotonic, checked, account);
        // A peer or the client may have been faster.
        Ok(match admitted {
            Ok(_) | Err(PoolRefusal::AlreadyKnown) => Ok(()),
            Err(why) => Err(why.code()),
        })
    }

    /// A row that only helps and does not decode: it goes, with a warning, and the node runs on.
    pub(super) fn drop_row(&mut self, batch: &mut Batch, table: Table, key: Vec<u8>) {
        batch.delete(table, key.clone());
        self.notify(Event::RowDropped { table, key });
    }

    /// Notes what left the pool; own transfers among it are deleted from disk a little later.
    pub(super) fn note_dropped(&mut self, now: Now, dropped: Vec<Dropped>) {
        if !dropped.is_empty() {
            self.save_pool_soon(now);
        }
        for dropped in dropped {
            self.probes.dropped(dropped.reason);
            if self.own.known.contains(&dropped.id) {
                self.own.gone.insert(dropped.id, self.chain.tip().height);
                self.tidy_soon(now);
            }
            self.notify(Event::TransferDropped(dropped));
        }
    }

    fn tidy_soon(&mut self, now: Now) {
        let at = now.monotonic.plus(OWN_TIDY_INTERVAL);
        self.timers.set_if_idle(Timer::Tidy, at);
    }

    /// Deletes the rows of own transfers that have left the pool and cannot come back to it; never in
    /// the midst of a long reorganization, where nobody knows that.
    pub(super) fn tidy_own(&mut self, now: Now) -> Result<(), StorageError> {
        if self.chain.is_walking() {
            self.tidy_soon(now);
            return Ok(());
        }
        let mut batch = Batch::default();
        for (id, since) in core::mem::take(&mut self.own.gone) {
            if self.mempool.contains(&id) {
                continue;
            }
            if self.may_return(&id, since)? {
                self.own.gone.insert(id, since);
                continue;
            }
            probe!(self.probes, "own.tidied");
            self.own.known.remove(&id);
            batch.delete(Table::OwnTxs, id.as_bytes().to_vec());
        }
        if !self.own.gone.is_empty() {
            self.tidy_soon(now);
        }
        match batch.is_empty() {
            true => Ok(()),
            false => self.chain.commit_beside(batch),
        }
    }

    /// Whether a reorganization could still bring a confirmed transfer back into the pool. Until then
    /// its row stays: a pool in memory alone would lose it in a crash after that. Without an index
    /// nobody knows whether it is confirmed: every one stays that left at a height so near.
    fn may_return(&self, id: &TxId, since: Height) -> Result<bool, StorageError> {
        let rows = self.chain.reader();
        let height = match schema::tx_location(rows, id)? {
            Some(location) => location.height,
            None if schema::has_tx_index(rows)? => return Ok(false),
            None => since,
        };
        let above = self.chain.tip().height.saturating_sub(height.get());
        Ok(above.get() < POOL_RETURN_BLOCKS_MAX)
    }
}
