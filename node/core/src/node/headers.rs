//! Headers first: asking for them, judging them, and asking for the bodies along them.

use super::{Event, Node, Timer};
use crate::chain::HeaderStop;
use crate::p2p::message::{GetHeaders, Item, Message};
use crate::p2p::peer::{Disconnect, Peer, PeerId};
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{
    AT_TIP_BLOCKS, BLOCK_CHECKS_MAX, BLOCK_TIMEOUT, BLOCK_TIMEOUT_AT_TIP, BLOCKS_OUTSTANDING_MAX,
    BODY_WINDOW, HEADERS_MAX, HEADERS_TIMEOUT, REQ_BLOCKS_MAX, RIVAL_WINDOW,
};
use crate::primitives::{BlockId, BoundedVec, Header, Millis, Now};
use crate::probes::probe;
use crate::rules::Invalid;
use crate::schema::HeaderRecord;
use crate::storage::{Storage, StorageError};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

impl<S: Storage> Node<S> {
    /// Asks a peer for headers when it is believed to have more work than all headers that we know,
    /// or when something is still to be asked.
    pub(super) fn ask_headers_if_ahead(
        &mut self,
        now: Now,
        peer: PeerId,
    ) -> Result<(), StorageError> {
        let best = self.chain.best_header().chainwork;
        match self.peers.get(&peer) {
            Some(state) if state.is_ready() && (state.work > best || state.headers_wanted) => {
                self.ask_headers(now, peer, None)
            }
            _ => Ok(()),
        }
    }

    /// Asks a peer for the headers after `from`, or after whatever we share with it. One request a
    /// peer at a time; another wish meanwhile is remembered.
    pub(super) fn ask_headers(
        &mut self,
        now: Now,
        peer: PeerId,
        from: Option<BlockId>,
    ) -> Result<(), StorageError> {
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        state.headers_wanted = state.headers_asked;
        if core::mem::replace(&mut state.headers_asked, true) {
            probe!(self.probes, "headers.asked_while_asking");
            return Ok(());
        }
        state.headers_owed = state.headers_owed.saturating_add(1);
        self.timers
            .set(Timer::Headers(peer), now.monotonic.plus(HEADERS_TIMEOUT));
        let mut locator: Vec<BlockId> = from.into_iter().collect();
        locator.extend(self.chain.locator()?);
        let locator = BoundedVec::truncated(locator);
        let stop = BlockId::from_bytes([0; 32]);
        self.send(peer, &Message::GetHeaders(GetHeaders { locator, stop }));
        Ok(())
    }

    /// A slow answer costs nothing; the next ping asks again.
    pub(super) fn headers_late(&mut self, peer: PeerId) {
        self.abandon_presync(peer);
        if let Some(state) = self.peers.get_mut(&peer) {
            probe!(self.probes, "headers.late");
            state.headers_asked = false;
            state.headers_wanted = true;
        }
    }

    pub(super) fn headers(
        &mut self,
        now: Now,
        peer: PeerId,
        headers: &[Header],
    ) -> Result<(), StorageError> {
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        let Some(owed) = state.headers_owed.checked_sub(1) else {
            return self.misbehaved(now, peer, Misbehaviour::Unrequested);
        };
        state.headers_owed = owed;
        state.headers_asked = false;
        let again = core::mem::take(&mut state.headers_wanted);
        self.timers.cancel(&Timer::Headers(peer));
        self.note_chain_of(peer, headers)?;

        if self.presync.as_ref().is_some_and(|it| it.peer() == peer) {
            return self.presync_headers(now, peer, headers);
        }
        let weighed = self.chain.weigh_headers(now.wall, headers)?;
        let stretch = weighed.stretch.as_ref();
        let enough = self.chain.anti_dos_work();
        let low = stretch.is_some_and(|stretch| stretch.end().chainwork < enough);
        match weighed.stop {
            None | Some((_, HeaderStop::NotYet)) if low => {
                self.begin_presync(now, peer, headers, weighed)
            }
            // What stands before a header that nobody should have sent is as little work as without it.
            Some((at, stop)) if low => {
                self.headers_stopped(now, peer, &headers[at], stop)?;
                self.request_bodies(now)
            }
            _ => self.take_headers(now, peer, headers, again),
        }
    }

    /// Headers of a chain with enough work, or such as nobody should have sent: they are stored up to
    /// the first that is not taken.
    fn take_headers(
        &mut self,
        now: Now,
        peer: PeerId,
        headers: &[Header],
        again: bool,
    ) -> Result<(), StorageError> {
        let verdict = self.chain.add_headers(now.wall, headers)?;
        self.settle_added(now)?;
        if let Some(last) = verdict.accepted.last() {
            self.note_work(peer, last)?;
        }
        match verdict.stop {
            Some((at, HeaderStop::NotYet)) => self.hold_early(now, peer, headers[at]),
            Some((at, stop)) => self.headers_stopped(now, peer, &headers[at], stop)?,
            None if headers.len() == HEADERS_MAX => {
                probe!(self.probes, "headers.full_message");
                self.ask_headers(now, peer, verdict.accepted.last().copied())?;
            }
            None if again => {
                probe!(self.probes, "headers.asked_again");
                self.ask_headers(now, peer, None)?;
            }
            None => {}
        }
        self.request_bodies(now)
    }

    /// A header was not taken; whether somebody is to blame.
    pub(super) fn headers_stopped(
        &mut self,
        now: Now,
        peer: PeerId,
        header: &Header,
        stop: HeaderStop,
    ) -> Result<(), StorageError> {
        match stop {
            HeaderStop::Invalid(why) => {
                probe!(self.probes, "headers.invalid");
                let (id, code) = (header.id(), why.code());
                self.notify(Event::BlockRefused { id, code });
                match why {
                    // Peers of a newer release are not to blame, and still serve what we understand.
                    Invalid::UnknownVersion { .. } => Ok(()),
                    _ => self.misbehaved(now, peer, Misbehaviour::InvalidHeader),
                }
            }
            HeaderStop::KnownInvalid => {
                probe!(self.probes, "headers.below_invalid");
                self.misbehaved(now, peer, Misbehaviour::InvalidHeader)
            }
            HeaderStop::Orphan => {
                probe!(self.probes, "headers.orphan");
                self.disconnect(now, peer, Disconnect::Protocol)
            }
            HeaderStop::SetAside => {
                probe!(self.probes, "headers.set_aside");
                Ok(())
            }
            HeaderStop::NotYet => Ok(()),
        }
    }

    /// Holds a header until our clock allows it; what comes after it is asked for then.
    fn hold_early(&mut self, now: Now, peer: PeerId, header: Header) {
        probe!(self.probes, "headers.from_the_future");
        self.early.hold(now.wall, peer, header);
        self.await_early(now);
        if let Some(state) = self.peers.get_mut(&peer) {
            state.headers_wanted = true;
        }
    }

    /// The wall clock may jump meanwhile: the timer only looks again, it decides nothing.
    fn await_early(&mut self, now: Now) {
        if let Some(timestamp) = self.early.next() {
            let allowed = now.wall.plus(self.chain.law().rules.future_limit);
            let wait = timestamp.since(allowed).plus(Millis::new(1));
            self.timers.set(Timer::Early, now.monotonic.plus(wait));
        }
    }

    pub(super) fn early_headers_due(&mut self, now: Now) -> Result<(), StorageError> {
        let allowed = now.wall.plus(self.chain.law().rules.future_limit);
        while let Some((peer, header)) = self.early.take_due(allowed) {
            let weighed = self.chain.weigh_headers(now.wall, &[header])?;
            let enough = self.chain.anti_dos_work();
            if weighed
                .stretch
                .is_some_and(|it| it.end().chainwork < enough)
            {
                continue;
            }
            let verdict = self.chain.add_headers(now.wall, &[header])?;
            self.settle_added(now)?;
            if let Some(id) = verdict.accepted.last() {
                probe!(self.probes, "headers.came_of_age");
                self.note_work(peer, id)?;
                self.ask_headers(now, peer, Some(*id))?;
            }
        }
        self.await_early(now);
        self.request_bodies(now)
    }

    /// The peer has announced a block, or shown headers up to it: it has the work, and the block.
    /// False if we do not know the header.
    pub(super) fn note_work(&mut self, peer: PeerId, id: &BlockId) -> Result<bool, StorageError> {
        let Some(record) = self.chain.header(id)? else {
            return Ok(false);
        };
        if let Some(state) = self.peers.get_mut(&peer) {
            state.work = state.work.max(record.chainwork);
            state.known.insert(Item::Block(*id));
            state.lacks.remove(id);
        }
        Ok(true)
    }

    /// Asks peers for missing bodies, lowest first, while the checker has room: along the best header
    /// chain, and with the room that is left along other branches that have more work than the tip.
    pub(super) fn request_bodies(&mut self, now: Now) -> Result<(), StorageError> {
        if self.chain.best_header().chainwork <= self.chain.added_tip().chainwork {
            return Ok(());
        }
        let under_way = self.blocks_under_way();
        let mut free = self.free_for_blocks();
        if free == 0 {
            probe!(self.probes, "bodies.checker_is_full");
            return Ok(());
        }
        let mut requests = BTreeMap::new();
        // What is under way is still missing: it stands before what may be asked for now.
        let window = (under_way + free).min(BODY_WINDOW);
        for id in self.chain.missing_bodies(window)? {
            free -= usize::from(free > 0 && self.request_body(now, id, &mut requests)?);
        }
        if free > 0 {
            probe!(self.probes, "bodies.other_branches_asked");
            let depth = if under_way == 0 {
                BODY_WINDOW
            } else {
                RIVAL_WINDOW
            };
            for id in self.chain.missing_of_rivals(depth)? {
                free -= usize::from(free > 0 && self.request_body(now, id, &mut requests)?);
            }
        }
        for (peer, items) in requests {
            for part in items.chunks(REQ_BLOCKS_MAX) {
                self.request(peer, part.to_vec());
            }
        }
        Ok(())
    }

    /// Asks a peer for things that it should have.
    pub(super) fn request(&mut self, peer: PeerId, items: Vec<Item>) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.items_owed = state.items_owed.saturating_add(items.len() as u64);
        }
        self.send(peer, &Message::Req(items));
    }

    /// How many more blocks may be asked for now.
    fn free_for_blocks(&self) -> usize {
        let ready = self.peers.values().filter(|peer| peer.is_ready());
        let free: usize = ready
            .map(|peer| BLOCKS_OUTSTANDING_MAX - peer.blocks_owed.len())
            .sum();
        free.min(BLOCK_CHECKS_MAX.saturating_sub(self.blocks_under_way()))
    }

    /// Adds a block to the requests of a peer that can serve it; false if there is none, or the block
    /// is under way.
    fn request_body(
        &mut self,
        now: Now,
        id: BlockId,
        requests: &mut BTreeMap<PeerId, Vec<Item>>,
    ) -> Result<bool, StorageError> {
        if self.downloads.contains_key(&id) || self.is_checking(&id) {
            return Ok(false);
        }
        let Some(record) = self.chain.header(&id)? else {
            return Ok(false);
        };
        let Some(peer) = self.choose_server(&id, &record) else {
            probe!(self.probes, "bodies.nobody_can_serve");
            return Ok(false);
        };
        let state = self
            .peers
            .get_mut(&peer)
            .expect("it was just chosen among the peers");
        state.blocks_owed.insert(id);
        self.downloads.insert(id, peer);
        let time = self.block_timeout();
        self.timers.set(Timer::Block(id), now.monotonic.plus(time));
        requests.entry(peer).or_default().push(Item::Block(id));
        Ok(true)
    }

    /// The peer to ask for a block: it should have it, has been punctual, and owes us least. So a few
    /// that claim to have everything and deliver nothing cannot keep a block among themselves. While
    /// a punctual one can serve it, a late one is not asked, even if the punctual one has no room at
    /// present: it soon has, and whoever was late may take all the time that he is given.
    fn choose_server(&self, id: &BlockId, record: &HeaderRecord) -> Option<PeerId> {
        let (work, height) = (record.chainwork, record.header.height);
        let can_serve = |peer: &Peer| {
            peer.is_ready()
                && peer.keeps_bodies_from() <= height
                && peer.work >= work
                && !peer.lacks.contains(id)
        };
        let able = || self.peers.iter().filter(|(_, peer)| can_serve(peer));
        let least_late = able().map(|(_, peer)| peer.late_blocks.min(1)).min()?;
        able()
            .filter(|(_, peer)| peer.late_blocks.min(1) == least_late && peer.has_room_for_block())
            .min_by_key(|(id, peer)| (peer.late_blocks, peer.blocks_owed.len(), **id))
            .map(|(id, _)| *id)
    }

    /// How long a peer has for a block: less at the tip, more after others have come late.
    fn block_timeout(&self) -> Millis {
        let base = match self.downloads.len() <= AT_TIP_BLOCKS {
            true => BLOCK_TIMEOUT_AT_TIP,
            false => BLOCK_TIMEOUT,
        };
        Millis::new(base.get() << self.patience)
    }

    pub(super) fn is_checking(&self, id: &BlockId) -> bool {
        self.block_checks.values().any(|check| check.id == *id)
    }
}
