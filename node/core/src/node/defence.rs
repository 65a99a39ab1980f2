//! Who is let in, who is blamed, and who has to go: the desk's side of scores, bans and budgets.

use super::{Action, Event, Node, Timer};
use crate::p2p::bans::{Ban, Bans};
use crate::p2p::budget::{Budgets, KindGroup};
use crate::p2p::frame::{FRAME_HEADER_BYTES, kind};
use crate::p2p::inbound::{self, Candidate};
use crate::p2p::peer::{Direction, Disconnect, Peer, PeerId};
use crate::p2p::place::{Group, Place, Who, is_loopback};
use crate::p2p::score::{Misbehaviour, Scores};
use crate::params::peers::{
    BAN_TIME, DELIVERERS_MAX, INBOUND_GROUP_MAX, INBOUND_MAX, PEERS_SAVE_INTERVAL,
};
use crate::primitives::{BlockId, BoundedString, Instant, Millis, Now};
use crate::storage::{Scan, Storage, StorageError, Table};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// Who delivered a block, so that he can be blamed when it proves invalid later.
#[derive(Clone, Copy, Debug)]
struct Deliverer {
    peer: PeerId,
    addr: SocketAddr,
}

/// What the desk remembers of strangers' conduct. Every part is bounded.
#[derive(Clone, Debug, Default)]
pub(super) struct Defence {
    scores: Scores,
    bans: Bans,
    budgets: Budgets,
    deliverers: BTreeMap<BlockId, Deliverer>,
    delivered: VecDeque<BlockId>,
    /// Mixed into what is drawn for groups, so that nobody outside can foresee it.
    secret: u64,
}

impl Defence {
    /// Nothing known of anybody.
    pub(super) fn new(secret: u64) -> Self {
        Self {
            secret,
            ..Self::default()
        }
    }

    /// Remembers the first who delivered a block.
    fn note_deliverer(&mut self, id: BlockId, deliverer: Deliverer) {
        if self.deliverers.contains_key(&id) {
            return;
        }
        if self.delivered.len() >= DELIVERERS_MAX
            && let Some(oldest) = self.delivered.pop_front()
        {
            self.deliverers.remove(&oldest);
        }
        self.deliverers.insert(id, deliverer);
        self.delivered.push_back(id);
    }

    /// A number for a group that is the same in this life, and not to be foreseen.
    fn draw(&self, group: Option<Group>) -> u64 {
        let mut hash = self.secret;
        let bytes: &[u8] = match &group {
            None => &[],
            Some(Group::V4(bytes)) => bytes,
            Some(Group::V6(bytes)) => bytes,
        };
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            hash ^= hash >> 29;
        }
        hash
    }
}

impl<S: Storage> Node<S> {
    /// Reads the bans of earlier lives.
    pub(super) fn load_bans(&mut self, now: Now) -> Result<(), StorageError> {
        let rows = self.chain.reader().scan(Table::Bans, &Scan::all())?;
        let (damaged, dead) = self.defence.bans.load(now, rows);
        for key in damaged {
            let table = Table::Bans;
            self.notify(Event::RowDropped { table, key });
        }
        match dead.is_empty() {
            true => Ok(()),
            false => self.chain.commit_beside(dead),
        }
    }

    /// Writes what has changed of bans and addresses.
    pub(super) fn save_peers(&mut self, now: Now) -> Result<(), StorageError> {
        let mut batch = self.defence.bans.save(now.monotonic);
        batch.append(self.book_rows());
        match batch.is_empty() {
            true => Ok(()),
            false => self.chain.commit_beside(batch),
        }
    }

    pub(super) fn save_peers_later(&mut self, now: Now) {
        let at = now.monotonic.plus(PEERS_SAVE_INTERVAL);
        self.timers.set_if_idle(Timer::SavePeers, at);
    }

    /// Whether somebody who connects to us may stay; makes room for him if need be.
    pub(super) fn let_in(
        &mut self,
        now: Now,
        addr: SocketAddr,
    ) -> Result<Result<(), Disconnect>, StorageError> {
        if self.is_banned(now, addr.ip()) {
            return Ok(Err(Disconnect::Banned));
        }
        if let Some(group) = self.inbound_group(addr.ip()) {
            let inbound = self.inbound().map(|(_, peer)| peer.addr.ip());
            let crowd = inbound.filter(|ip| self.inbound_group(*ip) == Some(group));
            if crowd.count() >= INBOUND_GROUP_MAX {
                return Ok(Err(Disconnect::Crowded));
            }
        }
        if self.inbound().count() < INBOUND_MAX {
            return Ok(Ok(()));
        }
        match inbound::choose(self.eviction_candidates()) {
            None => Ok(Err(Disconnect::Full)),
            Some(loser) => self.disconnect(now, loser, Disconnect::Evicted).map(Ok),
        }
    }

    /// The group that limits how many may connect from near an address; whom the operator named and
    /// who runs on this machine is in none.
    fn inbound_group(&self, ip: IpAddr) -> Option<Group> {
        let free = is_loopback(ip) || self.targets.names(ip);
        (!free).then(|| Group::inbound(ip))
    }

    fn inbound(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        let all = self.peers.iter();
        all.filter(|(_, peer)| peer.direction == Direction::Inbound)
    }

    /// Whom the operator named is not among them.
    fn eviction_candidates(&self) -> Vec<Candidate> {
        self.inbound()
            .filter(|(_, state)| !self.targets.names(state.addr.ip()))
            .map(|(peer, state)| {
                let group = self.inbound_group(state.addr.ip());
                Candidate {
                    peer: *peer,
                    group,
                    draw: self.defence.draw(group),
                    since: state.since,
                    ready: state.is_ready(),
                    latency: state.latency,
                    last_block: state.last_block,
                    last_transfer: state.last_transfer,
                }
            })
            .collect()
    }

    /// Charges a message before it is decoded. What we asked for is free; who is over his rate is not
    /// read for a while.
    pub(super) fn charge(
        &mut self,
        now: Now,
        peer: PeerId,
        message: u8,
        length: usize,
    ) -> Result<(), StorageError> {
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        let bytes = length + FRAME_HEADER_BYTES;
        state.bytes_in = state.bytes_in.saturating_add(bytes as u64);
        let asked_for = match message {
            kind::HEADERS => state.headers_owed > 0,
            kind::RES => state.items_owed > 0,
            kind::PONG => state.ping.is_some(),
            _ => false,
        };
        if asked_for {
            return Ok(());
        }
        let who = Who::of(state.addr.ip(), peer);
        let group = KindGroup::of(message);
        let charge = self
            .defence
            .budgets
            .charge(who, group, bytes, now.monotonic);
        if charge.rest > Millis::new(0) {
            let until = now.monotonic.plus(charge.rest);
            self.actions.push_back(Action::Rest { peer, until });
        }
        match charge.flood {
            true => self.misbehaved(now, peer, Misbehaviour::Flood),
            false => Ok(()),
        }
    }

    /// A connected peer did something that no honest node does.
    pub(super) fn misbehaved(
        &mut self,
        now: Now,
        peer: PeerId,
        what: Misbehaviour,
    ) -> Result<(), StorageError> {
        match self.peers.get(&peer).map(|state| state.addr) {
            Some(addr) => self.blame(now, Deliverer { peer, addr }, what),
            None => Ok(()),
        }
    }

    /// Remembers who delivered a block that is about to be judged.
    pub(super) fn note_delivery(&mut self, peer: PeerId, id: BlockId) {
        if let Some(state) = self.peers.get(&peer) {
            let addr = state.addr;
            self.defence.note_deliverer(id, Deliverer { peer, addr });
        }
    }

    /// A block proved invalid: who delivered it is to blame, if he is still known, and nobody else.
    pub(super) fn blame_deliverer(&mut self, now: Now, id: &BlockId) -> Result<(), StorageError> {
        match self.defence.deliverers.get(id).copied() {
            Some(deliverer) => self.blame(now, deliverer, Misbehaviour::InvalidBlock),
            None => Ok(()),
        }
    }

    fn blame(
        &mut self,
        now: Now,
        culprit: Deliverer,
        what: Misbehaviour,
    ) -> Result<(), StorageError> {
        let Deliverer { peer, addr } = culprit;
        self.note_refusal(now, peer, what);
        let who = Who::of(addr.ip(), peer);
        let score = self.defence.scores.lose(who, what.points(), now.monotonic);
        self.notify(Event::PeerMisbehaved {
            peer,
            addr,
            what,
            score,
        });
        if score > 0 {
            return Ok(());
        }
        self.defence.scores.forget(&who);
        if let Who::Place(place) = who
            && !self.targets.names(addr.ip())
        {
            self.ban(now, place, BAN_TIME, what.code());
        }
        self.targets.punish(addr.ip());
        self.disconnect_all(now, |ip, peer| Who::of(ip, peer) == who, what.into())
    }

    fn ban(&mut self, now: Now, place: Place, time: Millis, reason: &str) {
        let reason = BoundedString::truncated(reason);
        self.defence.bans.insert(now, place, time, reason);
        self.notify(Event::Banned { place });
        self.save_peers_later(now);
    }

    fn disconnect_all(
        &mut self,
        now: Now,
        whom: impl Fn(IpAddr, PeerId) -> bool,
        reason: Disconnect,
    ) -> Result<(), StorageError> {
        let peers = self.peers.iter();
        let chosen: Vec<PeerId> = peers
            .filter(|(peer, state)| whom(state.addr.ip(), **peer))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in chosen {
            self.disconnect(now, peer, reason)?;
        }
        Ok(())
    }

    pub(super) fn is_banned(&self, now: Now, ip: IpAddr) -> bool {
        let banned = self.defence.bans.contains(&Place::of(ip), now.monotonic);
        banned && !is_loopback(ip) && !self.targets.names(ip)
    }

    /// The operator bans an address (an IPv6 /64) for a while, and ends its connections. False for
    /// this machine's own addresses, which are never banned.
    pub(super) fn ban_address(
        &mut self,
        now: Now,
        ip: IpAddr,
        time: Millis,
    ) -> Result<bool, StorageError> {
        if is_loopback(ip) {
            return Ok(false);
        }
        let place = Place::of(ip);
        self.ban(now, place, time, "operator");
        self.disconnect_all(now, |ip, _| Place::of(ip) == place, Disconnect::Operator)?;
        Ok(true)
    }

    /// The operator forgives an address. False if it was not banned.
    pub(super) fn unban_address(&mut self, now: Now, ip: IpAddr) -> bool {
        let place = Place::of(ip);
        self.defence.scores.forget(&Who::Place(place));
        self.save_peers_later(now);
        self.defence.bans.remove(&place)
    }

    /// All bans that have not ended, in the order of their places.
    pub fn bans(&self, now: Now) -> impl Iterator<Item = (Place, Ban)> {
        let bans = &self.defence.bans;
        bans.iter()
            .filter(move |(place, _)| bans.contains(place, now.monotonic))
            .map(|(place, ban)| (*place, ban.clone()))
    }

    /// A connection from this machine is gone, and with it what it lost and used.
    pub(super) fn forget_conduct(&mut self, ip: IpAddr, peer: PeerId) {
        if let who @ Who::Link(_) = Who::of(ip, peer) {
            self.defence.scores.forget(&who);
            self.defence.budgets.forget(&who);
        }
    }

    pub(super) fn score_of(&self, ip: IpAddr, peer: PeerId, now: Instant) -> u32 {
        self.defence.scores.of(&Who::of(ip, peer), now)
    }

    pub(super) fn check_defence(&self) {
        use crate::params::peers::{BANS_MAX, BUDGETS_MAX, SCORES_MAX};
        assert!(self.defence.scores.len() <= SCORES_MAX);
        assert!(self.defence.bans.len() <= BANS_MAX);
        assert!(self.defence.budgets.len() <= BUDGETS_MAX);
        assert!(self.defence.deliverers.len() <= DELIVERERS_MAX);
        assert_eq!(self.defence.deliverers.len(), self.defence.delivered.len());
        assert!(self.inbound().count() <= INBOUND_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_blocks_whose_deliverers_are_known_the_oldest_is_forgotten_first() {
        let mut defence = Defence::new(1);
        let id = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
            BlockId::from_bytes(bytes)
        };
        let addr = SocketAddr::from(([203, 0, 113, 5], 9090));
        for number in 0..=DELIVERERS_MAX {
            let peer = PeerId(number as u64);
            defence.note_deliverer(id(number), Deliverer { peer, addr });
        }
        assert_eq!(defence.deliverers.len(), DELIVERERS_MAX);
        assert_eq!(defence.delivered.len(), DELIVERERS_MAX);
        assert!(!defence.deliverers.contains_key(&id(0)));
        let peer = PeerId(9);
        defence.note_deliverer(id(1), Deliverer { peer, addr });
        assert_eq!(
            defence.deliverers[&id(1)].peer,
            PeerId(1),
            "the first counts"
        );
    }
}
