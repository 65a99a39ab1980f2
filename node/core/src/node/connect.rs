//! Connections: opening, `Hello`, staying alive, ending.

use super::{Action, Event, Node, Timer};
use crate::p2p::message::{Hello, Item, Message};
use crate::p2p::peer::{Direction, Disconnect, Peer, PeerId, judge_hello};
use crate::params::peers::{
    CLOCK_PEERS_MIN, HANDSHAKE_TIMEOUT, PING_INTERVAL, PROTOCOL_VERSION, REDIAL_MAX,
};
use crate::primitives::{BoundedString, Now};
use crate::probes::probe;
use crate::storage::{Storage, StorageError};
use alloc::vec::Vec;
use core::net::SocketAddr;
use rand_core::Rng as _;

impl<S: Storage> Node<S> {
    /// A connection stands; both sides now say `Hello`.
    pub fn handle_connected(
        &mut self,
        now: Now,
        peer: PeerId,
        addr: SocketAddr,
        direction: Direction,
    ) -> Result<(), StorageError> {
        match direction {
            Direction::Outbound => {
                self.targets.connected(&addr, peer);
                self.discovery_connected(addr, peer);
            }
            Direction::Inbound => {
                if let Err(reason) = self.let_in(now, addr)? {
                    self.refuse(peer, addr, reason);
                    return Ok(());
                }
            }
        }
        self.peers
            .insert(peer, Peer::new(addr, direction, now.monotonic));
        self.timers.set(
            Timer::Handshake(peer),
            now.monotonic.plus(HANDSHAKE_TIMEOUT),
        );
        let hello = self.our_hello(now);
        self.send(peer, &Message::Hello(hello));
        Ok(())
    }

    /// Ends a connection that has not begun.
    fn refuse(&mut self, peer: PeerId, addr: SocketAddr, reason: Disconnect) {
        self.actions.push_back(Action::Disconnect { peer, reason });
        self.notify(Event::PeerLost {
            peer,
            addr,
            reason: Some(reason),
        });
    }

    /// A wished connection did not come about.
    pub fn handle_dial_failed(&mut self, now: Now, addr: SocketAddr) {
        self.redial_later(now, addr);
        self.discovery_failed(now, addr);
    }

    /// A connection has ended, by whoever's wish.
    pub fn handle_closed(&mut self, now: Now, peer: PeerId) -> Result<(), StorageError> {
        self.forget_peer(now, peer, None)
    }

    /// A peer's outgoing queue is so full that nothing more is to be read for it, or no longer.
    pub fn handle_congestion(&mut self, peer: PeerId, congested: bool) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.congested = congested;
            probe!(self.probes, "peer.congested");
        }
    }

    pub(super) fn hello(
        &mut self,
        now: Now,
        peer: PeerId,
        hello: Hello,
    ) -> Result<(), StorageError> {
        let Some(state) = self.peers.get(&peer) else {
            return Ok(());
        };
        let (addr, direction) = (state.addr, state.direction);
        if let Err(reason) = judge_hello(&hello, self.chain.genesis_id(), self.nonce) {
            return self.disconnect(now, peer, reason);
        }
        if direction == Direction::Outbound {
            self.targets.identified(&addr, hello.nonce);
        }
        if let Some(other) = self.other_connection(peer, hello.nonce) {
            let keep_new = self.prefers(direction, other, hello.nonce);
            if keep_new {
                probe!(self.probes, "peer.duplicate_kept_new");
            } else {
                probe!(self.probes, "peer.duplicate_kept_old");
            }
            let loser = if keep_new { other } else { peer };
            self.disconnect(now, loser, Disconnect::Duplicate)?;
            if !keep_new {
                return Ok(());
            }
        }
        if self.discovery_met(now, peer, &hello) {
            return self.disconnect(now, peer, Disconnect::Feeler);
        }
        self.welcome(now, peer, hello);
        self.ask_addresses(peer);
        self.ask_headers_if_ahead(now, peer)
    }

    fn welcome(&mut self, now: Now, peer: PeerId, hello: Hello) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let (addr, direction) = (state.addr, state.direction);
        let user_agent = hello.user_agent.as_str().into();
        state.work = hello.chainwork;
        state.claim = Some(hello.best);
        let (theirs, ours) = (hello.time.get(), now.monotonic.get());
        state.clock = Some(i128::from(theirs) - i128::from(ours));
        state.known.insert(Item::Block(hello.best));
        state.hello = Some(hello);
        self.timers.cancel(&Timer::Handshake(peer));
        self.timers
            .set(Timer::Ping(peer), now.monotonic.plus(PING_INTERVAL));
        self.notify(Event::PeerReady {
            peer,
            addr,
            direction,
            user_agent,
        });
        self.announce_pool(now, peer);
    }

    pub(super) fn our_hello(&self, now: Now) -> Hello {
        let tip = self.announced_tip();
        Hello {
            protocol: PROTOCOL_VERSION,
            genesis: *self.chain.genesis_id(),
            best: tip.id,
            height: tip.height,
            chainwork: tip.chainwork,
            oldest_body: self.chain.oldest_body(),
            time: now.wall,
            user_agent: BoundedString::truncated(&self.config.user_agent),
            listen_port: self.config.listen_port,
            nonce: self.nonce,
        }
    }

    /// How far our wall clock is ahead of the middle of our peers' (behind: negative), in milliseconds
    /// and within a year; `None` with few peers. For operators: never a part of any verdict.
    pub(super) fn clock_ahead(&self, now: Now) -> Option<i64> {
        const YEAR: i128 = 366 * 24 * 60 * 60 * 1_000;
        let clocks = self.peers.values().filter_map(|peer| peer.clock);
        let mut clocks: Vec<i128> = clocks.collect();
        if clocks.len() < CLOCK_PEERS_MIN {
            return None;
        }
        clocks.sort_unstable();
        let ours = i128::from(now.wall.get()) - i128::from(now.monotonic.get());
        let ahead = (ours - clocks[clocks.len() / 2]).clamp(-YEAR, YEAR);
        i64::try_from(ahead).ok()
    }

    /// Another connection to the node that drew `nonce`.
    fn other_connection(&self, peer: PeerId, nonce: u64) -> Option<PeerId> {
        let same = |state: &Peer| {
            state
                .hello
                .as_ref()
                .is_some_and(|hello| hello.nonce == nonce)
        };
        self.peers
            .iter()
            .find(|(id, state)| **id != peer && same(state))
            .map(|(id, _)| *id)
    }

    /// Whether a new connection is kept rather than another one to the same node. Both sides choose
    /// the same: of two that each side opened, the one by the side with the lower nonce; of two that
    /// the same side opened, the newer, because that side has lost the older.
    fn prefers(&self, new: Direction, other: PeerId, their_nonce: u64) -> bool {
        let old = self.peers.get(&other).map(|state| state.direction);
        if old == Some(new) {
            return true;
        }
        (new == Direction::Outbound) == (self.nonce < their_nonce)
    }

    pub(super) fn ping(&mut self, now: Now, peer: PeerId) -> Result<(), StorageError> {
        let number = self.rng.next_u64();
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        let heard = core::mem::take(&mut state.heard);
        let unanswered = match state.ping {
            Some((_, unanswered)) if !heard => unanswered + 1,
            _ => 0,
        };
        if unanswered > 0 {
            probe!(self.probes, "peer.ping_unanswered");
        }
        if unanswered >= 2 {
            return self.disconnect(now, peer, Disconnect::Silent);
        }
        state.ping = Some((number, unanswered));
        state.pinged = now.monotonic;
        state.lacks.clear();
        self.timers
            .set(Timer::Ping(peer), now.monotonic.plus(PING_INTERVAL));
        self.send(peer, &Message::Ping(number));
        self.ask_postponed(now, peer)?;
        self.ask_headers_if_ahead(now, peer)?;
        self.compare_tips(now, peer)?;
        self.request_bodies(now)
    }

    pub(super) fn pong(&mut self, now: Now, peer: PeerId, number: u64) {
        if let Some(state) = self.peers.get_mut(&peer)
            && state.ping.is_some_and(|(asked, _)| asked == number)
        {
            let time = now.monotonic.since(state.pinged);
            state.latency = Some(state.latency.map_or(time, |best| best.min(time)));
            state.ping = None;
        }
    }

    /// Ends a connection by our wish and forgets everything about it.
    pub(super) fn disconnect(
        &mut self,
        now: Now,
        peer: PeerId,
        reason: Disconnect,
    ) -> Result<(), StorageError> {
        if !self.peers.contains_key(&peer) {
            return Ok(());
        }
        self.probes.lost(reason);
        self.actions.push_back(Action::Disconnect { peer, reason });
        self.forget_peer(now, peer, Some(reason))
    }

    /// What the peer owed is asked from others; a named peer is dialled again later.
    fn forget_peer(
        &mut self,
        now: Now,
        peer: PeerId,
        reason: Option<Disconnect>,
    ) -> Result<(), StorageError> {
        let Some(state) = self.peers.remove(&peer) else {
            return Ok(());
        };
        for timer in [
            Timer::Handshake(peer),
            Timer::Ping(peer),
            Timer::Announce(peer),
            Timer::Headers(peer),
        ] {
            self.timers.cancel(&timer);
        }
        self.forget_conduct(state.addr.ip(), peer);
        self.judge_fork(now);
        self.discovery_lost(now, peer, &state, reason);
        if !state.blocks_owed.is_empty() {
            probe!(self.probes, "peer.left_owing_blocks");
        }
        if !state.transfers_owed.is_empty() {
            probe!(self.probes, "peer.left_owing_transfers");
        }
        self.early.forget_peer(peer);
        self.abandon_presync(peer);
        for id in &state.blocks_owed {
            self.downloads.remove(id);
            self.timers.cancel(&Timer::Block(*id));
        }
        for id in self.wanted.forget_peer(peer) {
            self.ask_next_for_transfer(now, id);
        }
        if state.direction == Direction::Outbound {
            self.redial_later(now, state.addr);
        }
        if state.is_ready() || reason.is_some() {
            self.notify(Event::PeerLost {
                peer,
                addr: state.addr,
                reason,
            });
        }
        self.request_bodies(now)
    }

    pub(super) fn dial(&mut self, now: Now, addr: SocketAddr) {
        let peers = &self.peers;
        let connected = |nonce: u64| {
            peers.values().any(|peer| {
                peer.hello
                    .as_ref()
                    .is_some_and(|hello| hello.nonce == nonce)
            })
        };
        if self.targets.should_dial(&addr, connected) {
            self.targets.dialling(&addr);
            self.actions.push_back(Action::Dial(addr));
        } else {
            probe!(self.probes, "peer.dialled_back_already");
            // Connected by the other side's dial: look again later, should that one end.
            self.timers
                .set(Timer::Dial(addr), now.monotonic.plus(REDIAL_MAX));
        }
    }

    /// The pause is drawn from the upper half of its bound, so that nodes do not dial in step.
    fn redial_later(&mut self, now: Now, addr: SocketAddr) {
        if let Some(pause) = self.targets.lost(&addr) {
            let half = pause.get() / 2;
            let pause = half + self.draw_below(half + 1);
            let at = now.monotonic.plus(crate::primitives::Millis::new(pause));
            self.timers.set(Timer::Dial(addr), at);
        }
    }
}
