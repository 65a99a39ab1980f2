//! Transfers: announcing, asking, admitting.

use super::{Action, Answer, Event, Node, Source, Ticket, Timer, TransferCheck};
use crate::mempool::PoolRefusal;
use crate::p2p::message::{Item, Message, Response};
use crate::p2p::peer::PeerId;
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{
    ANNOUNCE_DELAY_MAX, INV_MAX, REQ_BLOCKS_MAX, REQ_TRANSFERS_MAX, TRANSFER_TIMEOUT,
};
use crate::primitives::{Millis, Now, SignedTransfer, TxId};
use crate::probes::probe;
use crate::rules::{CheckedTransfer, Invalid};
use crate::schema;
use crate::storage::{Storage, StorageError};
use alloc::string::ToString as _;
use alloc::vec::Vec;

impl<S: Storage> Node<S> {
    /// A client's transfer. It is answered once it is in the pool and on disk, or refused.
    pub fn handle_submit(
        &mut self,
        now: Now,
        ticket: Ticket,
        transfer: SignedTransfer,
    ) -> Result<(), StorageError> {
        let id = transfer.id(&self.chain.law().domain);
        if self
            .mempool
            .get(&id)
            .is_some_and(|entry| entry.transfer.hash() == transfer.hash())
        {
            probe!(self.probes, "submit.known_already");
            self.accept_own(now, ticket, id, &transfer);
            return Ok(());
        }
        let account = schema::account(self.chain.reader(), &transfer.from())?;
        if let Err(why) = self
            .mempool
            .precheck(now.monotonic, &transfer, transfer.from(), &account)
        {
            self.answer_refused(ticket, why);
        } else if self.has_room_for_transfer_check() {
            self.check_transfer(Source::Own(ticket), transfer);
        } else {
            probe!(self.probes, "submit.busy");
            self.answer_busy(ticket);
        }
        Ok(())
    }

    /// Ids that a peer announces: unknown blocks lead to headers, unknown transfers to requests.
    pub(super) fn inv(
        &mut self,
        now: Now,
        peer: PeerId,
        items: Vec<Item>,
    ) -> Result<(), StorageError> {
        let (mut known_block, mut unknown_block) = (false, false);
        for item in items {
            let Some(state) = self.peers.get_mut(&peer) else {
                return Ok(());
            };
            state.known.insert(item);
            match item {
                Item::Block(id) => {
                    state.claim = Some(id);
                    match self.note_work(peer, &id)? {
                        true => known_block = true,
                        false => unknown_block = true,
                    }
                }
                Item::Transfer(id) => state.postpone(id),
            }
        }
        self.ask_postponed(now, peer)?;
        if unknown_block {
            probe!(self.probes, "inv.unknown_block");
            self.ask_headers(now, peer, None)?;
        }
        if known_block {
            probe!(self.probes, "inv.known_block");
            self.request_bodies(now)?;
        }
        Ok(())
    }

    fn wants_transfer(&self, id: &TxId) -> Result<bool, StorageError> {
        Ok(!self.mempool.contains(id) && schema::tx_location(self.chain.reader(), id)?.is_none())
    }

    /// Asks a peer, or notes it as an announcer, for the transfers that it has announced, as far as
    /// it does not owe too much and there is room to check them.
    pub(super) fn ask_postponed(&mut self, now: Now, peer: PeerId) -> Result<(), StorageError> {
        while self.has_room_for_transfer_check()
            && let Some(state) = self.peers.get_mut(&peer)
            && state.has_room_for_transfer()
            && let Some(id) = state.postponed.pop_front()
        {
            if self.wants_transfer(&id)? && self.wanted.announced(id, peer) {
                self.ask_next_for_transfer(now, id);
            }
        }
        Ok(())
    }

    /// Asks the next announcer of a wanted transfer; who owes too much already is asked later.
    pub(super) fn ask_next_for_transfer(&mut self, now: Now, id: TxId) {
        while let Some(peer) = self.wanted.ask_next(&id) {
            let Some(state) = self.peers.get_mut(&peer) else {
                continue;
            };
            if !state.has_room_for_transfer() {
                state.postpone(id);
                continue;
            }
            probe!(self.probes, "transfer.next_announcer_asked");
            state.transfers_owed.insert(id);
            self.timers
                .set(Timer::Transfer(id), now.monotonic.plus(TRANSFER_TIMEOUT));
            self.request(peer, alloc::vec![Item::Transfer(id)]);
            return;
        }
        probe!(self.probes, "transfer.nobody_left_to_ask");
        self.timers.cancel(&Timer::Transfer(id));
    }

    pub(super) fn transfer_late(&mut self, now: Now, id: TxId) -> Result<(), StorageError> {
        probe!(self.probes, "transfer.late");
        let peer = self.wanted.asked(&id);
        if let Some(peer) = peer
            && let Some(state) = self.peers.get_mut(&peer)
        {
            state.transfers_owed.remove(&id);
        }
        self.ask_next_for_transfer(now, id);
        peer.map_or(Ok(()), |peer| self.ask_postponed(now, peer))
    }

    /// What a peer asks for is queued, and read when its outgoing queue has room.
    pub(super) fn req(
        &mut self,
        now: Now,
        peer: PeerId,
        items: Vec<Item>,
    ) -> Result<(), StorageError> {
        let blocks = items
            .iter()
            .filter(|item| matches!(item, Item::Block(_)))
            .count();
        if blocks > REQ_BLOCKS_MAX || items.len() - blocks > REQ_TRANSFERS_MAX {
            return self.misbehaved(now, peer, Misbehaviour::Protocol);
        }
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        state.queue_service(items);
        if !self.serving.contains(&peer) {
            self.serving.push_back(peer);
        }
        Ok(())
    }

    /// Something that we asked for, or that the peer claims that we did.
    pub(super) fn res(
        &mut self,
        now: Now,
        peer: PeerId,
        response: Response,
    ) -> Result<(), StorageError> {
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        let Some(owed) = state.items_owed.checked_sub(1) else {
            return self.misbehaved(now, peer, Misbehaviour::Unrequested);
        };
        state.items_owed = owed;
        match response {
            Response::Block(block) => self.block_received(now, peer, block),
            Response::NotFound(Item::Block(id)) => self.block_not_found(now, peer, id),
            Response::Transfer(transfer) => {
                self.transfer_received(now, peer, transfer)?;
                self.ask_postponed(now, peer)
            }
            Response::NotFound(Item::Transfer(id)) => {
                if self.settle_transfer(peer, &id) {
                    self.ask_next_for_transfer(now, id);
                }
                self.ask_postponed(now, peer)
            }
        }
    }

    fn settle_transfer(&mut self, peer: PeerId, id: &TxId) -> bool {
        let Some(state) = self.peers.get_mut(&peer) else {
            return false;
        };
        state.transfers_owed.remove(id) && self.wanted.asked(id) == Some(peer)
    }

    /// A transfer that a peer sent. What was not asked for, or came too late, is dropped. What proved
    /// invalid before, and what the pool would refuse anyway, costs no look at the signature.
    fn transfer_received(
        &mut self,
        now: Now,
        peer: PeerId,
        transfer: SignedTransfer,
    ) -> Result<(), StorageError> {
        let id = transfer.id(&self.chain.law().domain);
        if !self.settle_transfer(peer, &id) {
            return Ok(());
        }
        if self.refused.contains(&transfer.hash()) {
            probe!(self.probes, "transfer.refused_before");
            self.ask_next_for_transfer(now, id);
            return self.misbehaved(now, peer, Misbehaviour::InvalidTransfer);
        }
        if self.precheck(now, &transfer)?.is_err() {
            probe!(self.probes, "transfer.pool_would_not_take");
            // Not the peer's fault, and maybe welcome later: whoever announces it then is asked.
            self.timers.cancel(&Timer::Transfer(id));
            self.wanted.forget(&id);
        } else if self.has_room_for_transfer_check() {
            self.timers.cancel(&Timer::Transfer(id));
            self.check_transfer(Source::Peer(peer), transfer);
        } else {
            probe!(self.probes, "transfer.checker_is_full");
            if let Some(state) = self.peers.get_mut(&peer) {
                state.postpone(id);
            }
            self.ask_next_for_transfer(now, id);
        }
        Ok(())
    }

    /// What the pool says of a transfer before anybody looks at its signature.
    pub(super) fn precheck(
        &self,
        now: Now,
        transfer: &SignedTransfer,
    ) -> Result<Result<(), PoolRefusal>, StorageError> {
        let from = transfer.from();
        let account = schema::account(self.chain.reader(), &from)?;
        Ok(self
            .mempool
            .precheck(now.monotonic, transfer, from, &account))
    }

    pub(super) fn transfer_checked(
        &mut self,
        now: Now,
        check: TransferCheck,
        result: Result<CheckedTransfer, Invalid>,
    ) -> Result<(), StorageError> {
        let source = check.source;
        let transfer = match result {
            Ok(transfer) => transfer,
            Err(why) => {
                probe!(self.probes, "transfer.invalid");
                self.refused.insert(check.hash);
                return self.transfer_invalid(now, check, why);
            }
        };
        let id = transfer.id();
        self.verified.learn([&transfer]);
        self.wanted.forget(&id);
        let account = schema::account(self.chain.reader(), &transfer.from())?;
        let signed = transfer.signed().clone();
        match (self.mempool.admit(now.monotonic, transfer, account), source) {
            (Ok(admitted), _) => {
                if !admitted.pending {
                    probe!(self.probes, "pool.waits_behind_a_gap");
                }
                self.note_dropped(now, admitted.dropped);
                self.notify(Event::TransferAdded(id));
                self.announce_transfer(now, id, source.peer());
                self.pool_grew(now);
                match source {
                    Source::Own(ticket) => self.accept_own(now, ticket, id, &signed),
                    Source::Peer(peer) => {
                        if let Some(state) = self.peers.get_mut(&peer) {
                            state.last_transfer = Some(now.monotonic);
                        }
                    }
                    Source::Saved => {}
                }
            }
            (Err(PoolRefusal::AlreadyKnown), Source::Own(ticket)) => {
                self.accept_own(now, ticket, id, &signed);
            }
            (Err(why), Source::Own(ticket)) => self.answer_refused(ticket, why),
            (Err(why), Source::Saved) => self.saved_refused(id, why.code()),
            (Err(_), Source::Peer(_)) => {}
        }
        Ok(())
    }

    fn transfer_invalid(
        &mut self,
        now: Now,
        check: TransferCheck,
        why: Invalid,
    ) -> Result<(), StorageError> {
        match check.source {
            Source::Own(ticket) => {
                let answer = Answer::Refused {
                    code: why.code(),
                    sentence: why.to_string(),
                };
                self.actions.push_back(Action::Answer { ticket, answer });
                Ok(())
            }
            // Whoever else announced it may have the right signature.
            Source::Peer(peer) => {
                self.ask_next_for_transfer(now, check.id);
                self.misbehaved(now, peer, Misbehaviour::InvalidTransfer)
            }
            Source::Saved => {
                self.saved_refused(check.id, why.code());
                Ok(())
            }
        }
    }

    fn answer_refused(&mut self, ticket: Ticket, why: PoolRefusal) {
        self.probes.refused(why);
        let answer = Answer::Refused {
            code: why.code(),
            sentence: why.to_string(),
        };
        self.actions.push_back(Action::Answer { ticket, answer });
    }

    pub(super) fn expire(&mut self, now: Now) {
        let dropped = self.mempool.expire(now.monotonic);
        self.note_dropped(now, dropped);
        self.await_expiry();
    }

    /// After whatever adds to the pool.
    pub(super) fn pool_grew(&mut self, now: Now) {
        self.await_expiry();
        self.save_pool_soon(now);
    }

    fn await_expiry(&mut self) {
        if let Some(at) = self.mempool.next_expiry() {
            self.timers.set(Timer::Expire, at);
        }
    }

    /// Tells a new peer about everything that waits here.
    pub(super) fn announce_pool(&mut self, now: Now, peer: PeerId) {
        let ids: Vec<TxId> = self
            .mempool
            .entries()
            .map(|(entry, _)| entry.transfer.id())
            .collect();
        for id in ids {
            self.queue_announcement(now, peer, id);
        }
    }

    /// Tells everybody but the one it came from.
    pub(super) fn announce_transfer(&mut self, now: Now, id: TxId, from: Option<PeerId>) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in peers {
            if from != Some(peer) {
                self.queue_announcement(now, peer, id);
            }
        }
    }

    /// Announcements wait for a drawn time, so that many go together and their first source is hard
    /// to tell.
    fn queue_announcement(&mut self, now: Now, peer: PeerId, id: TxId) {
        let delay = Millis::new(self.draw_below(ANNOUNCE_DELAY_MAX.get()));
        if let Some(state) = self.peers.get_mut(&peer)
            && state.queue_announcement(Item::Transfer(id))
        {
            self.timers
                .set_if_idle(Timer::Announce(peer), now.monotonic.plus(delay));
        }
    }

    pub(super) fn flush_announcements(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let queued: Vec<Item> = state.announce.drain(..).collect();
        for items in queued.chunks(INV_MAX) {
            self.send(peer, &Message::Inv(items.to_vec()));
        }
    }
}
