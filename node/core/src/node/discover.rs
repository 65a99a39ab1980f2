//! Finding others: the desk's side of the address book. Which nodes are dialled beside those that the
//! operator named, who is asked for addresses, and who is told some. A node that only connects with
//! named peers keeps no book, asks nobody and dials nobody else, whatever it is told.

use super::{Action, Event, Node, Timer};
use crate::p2p::address::{PeerAddress, ToldAddress};
use crate::p2p::book::{AddressBook, Table as From};
use crate::p2p::message::{Hello, Message};
use crate::p2p::peer::{Direction, Disconnect, Peer, PeerId};
use crate::p2p::place::{Group, Who, is_loopback};
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{
    ADDRESS_TELLERS_MAX, ADDRESSES_A_DAY, ADDRESSES_ANSWER_PAUSE, ADDRESSES_PAUSE, ANCHORS_MAX,
    FEELER_PAUSE, OUTBOUND_IDLE, OUTBOUND_MAX, OUTBOUND_PAUSE, PEERS_MAX,
};
use crate::primitives::{Instant, Millis, Now};
use crate::probes::probe;
use crate::storage::{Batch, Scan, Storage, StorageError, Table};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use rand_core::Rng as _;

const DAY: Millis = Millis::from_secs(24 * 60 * 60);

/// Why an address of the book is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To stay connected.
    Stay,
    /// To see whether a node answers there.
    Feel,
}

/// What the desk does about addresses. Every part is bounded.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    /// Whether nodes are dialled that the operator did not name.
    on: bool,
    book: AddressBook,
    /// Peers of the last life that are still to be dialled.
    anchors: Vec<SocketAddr>,
    /// The anchors as they are stored.
    stored_anchors: Vec<SocketAddr>,
    dialling: BTreeMap<SocketAddr, Purpose>,
    standing: BTreeMap<PeerId, Purpose>,
    /// How many addresses a place has told since when.
    tellers: BTreeMap<Who, (Instant, u32)>,
}

impl Discovery {
    pub(super) fn new(on: bool) -> Self {
        Self {
            on,
            book: AddressBook::new([0; 32]),
            anchors: Vec::new(),
            stored_anchors: Vec::new(),
            dialling: BTreeMap::new(),
            standing: BTreeMap::new(),
            tellers: BTreeMap::new(),
        }
    }

    /// Whether one more address of `who` may be taken today.
    fn may_tell(&mut self, now: Instant, who: Who) -> bool {
        if !self.tellers.contains_key(&who) && self.tellers.len() >= ADDRESS_TELLERS_MAX {
            let oldest = self.tellers.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(who, _)| *who) {
                self.tellers.remove(&oldest);
            }
        }
        let (since, count) = self.tellers.entry(who).or_insert((now, 0));
        if now.since(*since) >= DAY {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= ADDRESSES_A_DAY
    }

    fn stays(&self) -> usize {
        let wanted = |purpose: &&Purpose| **purpose == Purpose::Stay;
        self.dialling.values().filter(wanted).count()
            + self.standing.values().filter(wanted).count()
    }
}

impl<S: Storage> Node<S> {
    /// Reads the addresses of earlier lives and begins to look for peers.
    pub(super) fn load_book(&mut self, now: Now) -> Result<(), StorageError> {
        if !self.discovery.on {
            return Ok(());
        }
        let rows = self.chain.reader().scan(Table::Peers, &Scan::all())?;
        let mut fresh = [0; 32];
        for part in fresh.chunks_mut(8) {
            part.copy_from_slice(&self.rng.next_u64().to_be_bytes());
        }
        let loaded = AddressBook::load(rows, fresh, now.wall);
        for key in loaded.damaged {
            let table = Table::Peers;
            self.notify(Event::RowDropped { table, key });
        }
        if !loaded.mend.is_empty() {
            self.chain.commit_beside(loaded.mend)?;
        }
        self.discovery.book = loaded.book;
        self.discovery.anchors = loaded.anchors.clone();
        self.discovery.stored_anchors = loaded.anchors;
        self.timers.set(Timer::Outbound, now.monotonic);
        self.set_drawn(Timer::Feeler, now, FEELER_PAUSE);
        self.set_drawn(Timer::AskAddresses, now, ADDRESSES_PAUSE);
        Ok(())
    }

    /// What has changed of the book and the anchors.
    pub(super) fn book_rows(&mut self) -> Batch {
        let mut batch = self.discovery.book.save();
        let mut standing: Vec<(Instant, SocketAddr)> = self
            .chosen_peers()
            .filter(|peer| peer.is_ready())
            .map(|peer| (peer.since, peer.addr))
            .collect();
        standing.sort_unstable();
        let longest = standing.into_iter().map(|(_, addr)| addr);
        let anchors: Vec<SocketAddr> = longest.take(ANCHORS_MAX).collect();
        // After a loss of all peers the last ones are still the best guess.
        if !anchors.is_empty() && anchors != self.discovery.stored_anchors {
            AddressBook::save_anchors(&mut batch, &anchors);
            self.discovery.stored_anchors = anchors;
        }
        batch
    }

    /// Peers that we chose and stay connected with.
    fn chosen_peers(&self) -> impl Iterator<Item = &Peer> {
        let standing = self.discovery.standing.iter();
        standing
            .filter(|(_, purpose)| **purpose == Purpose::Stay)
            .filter_map(|(peer, _)| self.peers.get(peer))
    }

    /// Dials one more peer if there are too few.
    pub(super) fn fill_outbound(&mut self, now: Now) {
        let mut pause = OUTBOUND_IDLE;
        if self.discovery.stays() < OUTBOUND_MAX {
            match self.choose_outbound(now) {
                Some(addr) => {
                    probe!(self.probes, "outbound.chosen");
                    self.dial_for(now, addr, Purpose::Stay);
                    pause = OUTBOUND_PAUSE;
                }
                None => probe!(self.probes, "outbound.nobody_to_choose"),
            }
        }
        self.timers.set(Timer::Outbound, now.monotonic.plus(pause));
    }

    fn choose_outbound(&mut self, now: Now) -> Option<SocketAddr> {
        while let Some(anchor) = self.discovery.anchors.pop() {
            if self.may_dial(now, &anchor) {
                probe!(self.probes, "outbound.anchor");
                return Some(anchor);
            }
        }
        let mut rng = self.rng.clone();
        let tables = match rng.next_u64() % 2 {
            0 => [From::New, From::Tried],
            _ => [From::Tried, From::New],
        };
        let allowed = |addr: &SocketAddr| self.may_dial(now, addr);
        let book = &self.discovery.book;
        let mut drawn = tables
            .into_iter()
            .filter_map(|table| book.choose(now.monotonic, table, &mut rng, allowed));
        let chosen = drawn.next();
        drop(drawn);
        self.rng = rng;
        chosen
    }

    /// Looks whether a node answers at some address.
    pub(super) fn feel(&mut self, now: Now) {
        let mut rng = self.rng.clone();
        let allowed = |addr: &SocketAddr| self.may_dial(now, addr);
        let book = &self.discovery.book;
        let chosen = book.choose_feeler(now.monotonic, &mut rng, allowed);
        self.rng = rng;
        if let Some(addr) = chosen {
            self.dial_for(now, addr, Purpose::Feel);
        }
        self.set_drawn(Timer::Feeler, now, FEELER_PAUSE);
    }

    /// Whether an address may be dialled: of no group that we chose somebody of, nobody who is
    /// connected, named or banned.
    fn may_dial(&self, now: Now, addr: &SocketAddr) -> bool {
        let ip = addr.ip();
        let group = Group::outbound(ip);
        let near = |other: &SocketAddr| {
            !is_loopback(ip) && !is_loopback(other.ip()) && Group::outbound(other.ip()) == group
        };
        let dialling = self.discovery.dialling.keys();
        !self.is_banned(now, ip)
            && !self.targets.addrs().any(|named| named == *addr)
            && !dialling
                .into_iter()
                .any(|other| other == addr || near(other))
            && !self.chosen_peers().any(|peer| near(&peer.addr))
            && !self
                .peers
                .values()
                .any(|peer| listens_at(peer) == Some(*addr))
    }

    fn dial_for(&mut self, now: Now, addr: SocketAddr, purpose: Purpose) {
        self.discovery.book.dialled(now.monotonic, &addr);
        self.discovery.dialling.insert(addr, purpose);
        self.actions.push_back(Action::Dial(addr));
    }

    /// A dial came about.
    pub(super) fn discovery_connected(&mut self, addr: SocketAddr, peer: PeerId) {
        if let Some(purpose) = self.discovery.dialling.remove(&addr) {
            self.discovery.standing.insert(peer, purpose);
        }
    }

    /// A dial did not come about.
    pub(super) fn discovery_failed(&mut self, now: Now, addr: SocketAddr) {
        if self.discovery.dialling.remove(&addr).is_some() {
            self.discovery.book.failed(now.wall, &addr);
        }
    }

    /// A peer has said an acceptable `Hello`. True if that was all that we wanted of it.
    pub(super) fn discovery_met(&mut self, now: Now, peer: PeerId, hello: &Hello) -> bool {
        let Some(state) = self.peers.get(&peer).filter(|_| self.discovery.on) else {
            return false;
        };
        let addr = state.addr;
        if state.direction == Direction::Inbound {
            let from = SocketAddr::new(addr.ip(), hello.listen_port);
            self.take_address(now, peer, from.into());
            return false;
        }
        self.discovery.book.answered(now.wall, &addr);
        self.save_peers_later(now);
        self.discovery.standing.get(&peer) == Some(&Purpose::Feel)
    }

    /// Asks a peer that we connected with for addresses.
    pub(super) fn ask_addresses(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        if self.discovery.on && state.direction == Direction::Outbound {
            state.addresses_owed = state.addresses_owed.saturating_add(1);
            self.send(peer, &Message::GetPeers);
        }
    }

    /// Asks one of those that we connected with.
    pub(super) fn ask_somebody_for_addresses(&mut self, now: Now) {
        let ready =
            |(_, peer): &(&PeerId, &Peer)| peer.is_ready() && peer.direction == Direction::Outbound;
        let peers: Vec<PeerId> = self.peers.iter().filter(ready).map(|(id, _)| *id).collect();
        let drawn = self.draw_below(peers.len() as u64);
        let drawn = usize::try_from(drawn).expect("below the number of peers");
        if let Some(peer) = peers.get(drawn) {
            self.ask_addresses(*peer);
        }
        self.set_drawn(Timer::AskAddresses, now, ADDRESSES_PAUSE);
    }

    /// Tells a peer addresses, unless it asks all the time.
    pub(super) fn get_peers(&mut self, now: Now, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let told = state.addresses_told;
        if told.is_some_and(|at| now.monotonic.since(at) < ADDRESSES_ANSWER_PAUSE) {
            probe!(self.probes, "address.asked_too_often");
            return;
        }
        state.addresses_told = Some(now.monotonic);
        let mut rng = self.rng.clone();
        let told = self.discovery.book.sample(now.wall, PEERS_MAX, &mut rng);
        self.rng = rng;
        probe!(self.probes, "address.told");
        self.send(peer, &Message::Peers(told));
    }

    /// A peer told addresses: those that were asked for are taken, up to so many a day.
    pub(super) fn told_addresses(
        &mut self,
        now: Now,
        peer: PeerId,
        told: &[ToldAddress],
    ) -> Result<(), StorageError> {
        let owed = self
            .peers
            .get_mut(&peer)
            .map(|state| &mut state.addresses_owed);
        match owed {
            Some(owed) if *owed > 0 => *owed -= 1,
            Some(_) => return self.misbehaved(now, peer, Misbehaviour::Unrequested),
            None => return Ok(()),
        }
        for told in told {
            self.take(now, peer, *told);
        }
        // The first addresses of a life are wanted at once.
        if self.discovery.on && self.discovery.stays() < OUTBOUND_MAX {
            let soon = now.monotonic.plus(OUTBOUND_PAUSE);
            self.timers.set(Timer::Outbound, soon);
        }
        Ok(())
    }

    fn take_address(&mut self, now: Now, peer: PeerId, address: PeerAddress) {
        let seen = now.wall;
        self.take(now, peer, ToldAddress { address, seen });
    }

    fn take(&mut self, now: Now, peer: PeerId, told: ToldAddress) {
        let Some(teller) = self.peers.get(&peer).map(|state| state.addr.ip()) else {
            return;
        };
        let who = Who::of(teller, peer);
        if !self.discovery.may_tell(now.monotonic, who) {
            probe!(self.probes, "address.over_the_day");
            return;
        }
        if self.discovery.book.take(now, told, teller, &mut self.rng) {
            probe!(self.probes, "address.taken");
            self.save_peers_later(now);
        } else {
            probe!(self.probes, "address.not_taken");
        }
    }

    /// A connection is gone: what does that say of its address?
    pub(super) fn discovery_lost(
        &mut self,
        now: Now,
        peer: PeerId,
        state: &Peer,
        reason: Option<Disconnect>,
    ) {
        if let who @ Who::Link(_) = Who::of(state.addr.ip(), peer) {
            self.discovery.tellers.remove(&who);
        }
        let Some(purpose) = self.discovery.standing.remove(&peer) else {
            return;
        };
        match reason {
            Some(Disconnect::ForeignGenesis | Disconnect::Ourselves) => {
                self.discovery.book.forget(&state.addr);
            }
            Some(Disconnect::Feeler | Disconnect::Duplicate) => {}
            _ if !state.is_ready() => self.discovery.book.failed(now.wall, &state.addr),
            _ => {}
        }
        if purpose == Purpose::Stay {
            let soon = now.monotonic.plus(OUTBOUND_PAUSE);
            self.timers.set(Timer::Outbound, soon);
        }
    }

    /// A pause drawn from the upper half of its bound, so that nodes do not act in step.
    fn set_drawn(&mut self, timer: Timer, now: Now, longest: Millis) {
        let half = longest.get() / 2;
        let pause = Millis::new(half + self.draw_below(half + 1));
        self.timers.set(timer, now.monotonic.plus(pause));
    }

    /// The addresses of nodes that are known, connected or not, in order.
    pub fn known_addresses(&self) -> Vec<SocketAddr> {
        let connected = self.peers.values().filter_map(listens_at);
        let mut known: Vec<SocketAddr> = self.discovery.book.addrs().chain(connected).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// How many there are of them; without a book those that are connected.
    pub(super) fn addresses_known(&self) -> usize {
        match self.discovery.on {
            true => self.discovery.book.counts().0,
            false => self.peers.values().filter_map(listens_at).count(),
        }
    }

    pub(super) fn check_discovery(&self) {
        let discovery = &self.discovery;
        discovery.book.check_invariants();
        assert!(discovery.on || discovery.dialling.is_empty());
        assert!(discovery.stays() <= OUTBOUND_MAX);
        assert!(discovery.tellers.len() <= ADDRESS_TELLERS_MAX);
        assert!(
            discovery
                .standing
                .keys()
                .all(|peer| self.peers.contains_key(peer))
        );
    }
}

/// Where the node at the other end accepts connections, as far as we know.
fn listens_at(peer: &Peer) -> Option<SocketAddr> {
    match (peer.direction, &peer.hello) {
        (Direction::Outbound, _) => Some(peer.addr),
        (Direction::Inbound, Some(hello)) if hello.listen_port != 0 => {
            Some(SocketAddr::new(peer.addr.ip(), hello.listen_port))
        }
        (Direction::Inbound, _) => None,
    }
}
