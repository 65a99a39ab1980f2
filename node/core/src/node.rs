//! The front desk of the core: inputs come in through `handle_*`, wishes leave through `poll_*`.
//!
//! Each input runs to completion. Time is an argument, randomness comes from the seed given to
//! [`Node::open`], and the only error is storage's: after one the node must not be used again.

mod batch;
mod blocks;
mod checks;
mod connect;
mod defence;
mod discover;
mod fork_watch;
mod headers;
mod operator;
mod own;
mod presync;
mod relay;
mod saved;
mod serve;
mod types;
mod verified;
mod walk;

pub use operator::Order;
pub use types::{
    Action, Answer, Event, Finding, Job, JobId, MempoolEntry, NodeConfig, PeerInfo, Status, Ticket,
    TipInfo, check,
};

use crate::chain::{Chain, NoTemplate, OpenError, Template};
use crate::mempool::Mempool;
use crate::p2p::dial::Targets;
use crate::p2p::early::EarlyHeaders;
use crate::p2p::fork_watch::ForkWatch;
use crate::p2p::frame::{FRAME_HEADER_BYTES, kind};
use crate::p2p::known::RecentSet;
use crate::p2p::message::Message;
use crate::p2p::peer::{Disconnect, Peer, PeerId};
use crate::p2p::presync::Presync;
use crate::p2p::score::Misbehaviour;
use crate::p2p::timers::Timers;
use crate::p2p::wanted::WantedTransfers;
use crate::params::Genesis;
use crate::params::peers::{
    BLOCK_CHECKS_MAX, OWN_BLOCK_CHECKS_MAX, PROTOCOL_VERSION, REFUSED_TRANSFERS_MAX,
    TRANSFER_CHECKS_MAX,
};
use crate::primitives::limits::{BLOCK_TRANSFERS_MAX, HEADER_BYTES};
use crate::primitives::{Address, BlockId, Instant, Now, SignedHash, TxId, codec};
use crate::probes::{Probes, probe};
use crate::storage::{Storage, StorageError};
use alloc::collections::{BTreeMap, VecDeque};
use checks::{BlockCheck, Origin, Source, TransferCheck};
use core::net::SocketAddr;
use defence::Defence;
use discover::Discovery;
use own::Own;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use saved::Saved;
use verified::Verified;

/// What comes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The peer should have said `Hello`.
    Handshake(PeerId),
    /// Ask whether the peer is there.
    Ping(PeerId),
    /// Send what is queued for announcement.
    Announce(PeerId),
    /// The peer should have answered `GetHeaders`.
    Headers(PeerId),
    /// The block should have come.
    Block(BlockId),
    /// The transfer should have come.
    Transfer(TxId),
    /// Dial a named peer.
    Dial(SocketAddr),
    /// Forget what waited too long in the pool.
    Expire,
    /// Delete stored own transfers that have left the pool.
    Tidy,
    /// Write the pool to disk.
    SavePool,
    /// Write bans and addresses to disk.
    SavePeers,
    /// Choose whom to connect with.
    Outbound,
    /// Look whether somebody is there.
    Feeler,
    /// Ask somebody for addresses.
    AskAddresses,
    /// A header from the future may have come of age.
    Early,
    /// Go on with a long reorganization.
    Walk,
    /// Commit what was added to the chain.
    Commit,
}

/// A whole node without its surroundings.
#[derive(Debug)]
pub struct Node<S> {
    chain: Chain<S>,
    mempool: Mempool,
    own: Own,
    saved: Saved,
    config: NodeConfig,
    rng: ChaCha8Rng,
    /// Tells this life of this node from all others, in `Hello`.
    nonce: u64,
    peers: BTreeMap<PeerId, Peer>,
    targets: Targets,
    wanted: WantedTransfers,
    refused: RecentSet<SignedHash>,
    verified: Verified,
    defence: Defence,
    discovery: Discovery,
    early: EarlyHeaders,
    fork_watch: ForkWatch,
    /// The one chain of little work that is being followed.
    presync: Option<Presync>,
    /// How often the time for a block is doubled: blocks came late.
    patience: u32,
    /// Blocks that were asked for, and from whom.
    downloads: BTreeMap<BlockId, PeerId>,
    block_checks: BTreeMap<JobId, BlockCheck>,
    transfer_checks: BTreeMap<JobId, TransferCheck>,
    jobs: u64,
    /// Set while a tip has changed and nobody has been told.
    unannounced: Option<walk::Unannounced>,
    timers: Timers<Timer>,
    actions: VecDeque<Action>,
    /// Peers with something to be served, in turn.
    serving: VecDeque<PeerId>,
    probes: Probes,
}

impl<S: Storage> Node<S> {
    /// Opens the chain in `storage`, or begins it there, and gets ready to dial.
    pub fn open(
        storage: S,
        genesis: Genesis,
        config: NodeConfig,
        seed: [u8; 32],
        now: Now,
    ) -> Result<Self, OpenError> {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let (nonce, secret) = (rng.next_u64(), rng.next_u64());
        let mut chain = Chain::open(storage, genesis)?;
        chain.settle_tx_index(config.policy.tx_index)?;
        chain.set_policy(config.policy);
        // Nothing, unless bodies are let go of that were kept in an earlier life.
        while chain.prune()? {}
        let discover = config.discover;
        let mut node = Self {
            chain,
            mempool: Mempool::default(),
            own: Own::default(),
            saved: Saved::default(),
            nonce,
            rng,
            peers: BTreeMap::new(),
            targets: Targets::new(config.connect.iter().copied()),
            config,
            wanted: WantedTransfers::default(),
            refused: RecentSet::new(REFUSED_TRANSFERS_MAX),
            verified: Verified::default(),
            defence: Defence::new(secret),
            discovery: Discovery::new(discover),
            early: EarlyHeaders::default(),
            fork_watch: ForkWatch::default(),
            presync: None,
            patience: 0,
            downloads: BTreeMap::new(),
            block_checks: BTreeMap::new(),
            transfer_checks: BTreeMap::new(),
            jobs: 0,
            unannounced: None,
            timers: Timers::default(),
            actions: VecDeque::new(),
            serving: VecDeque::new(),
            probes: Probes::default(),
        };
        node.load_bans(now)?;
        node.load_book(now)?;
        match node.chain.is_walking() {
            true => {
                probe!(node.probes, "walk.interrupted_by_an_end");
                node.timers.set(Timer::Walk, now.monotonic);
            }
            false => node.reload(now)?,
        }
        for addr in node.targets.addrs() {
            node.timers.set(Timer::Dial(addr), now.monotonic);
        }
        Ok(node)
    }

    /// A message of a peer, as it came out of its frame.
    pub fn handle_frame(
        &mut self,
        now: Now,
        peer: PeerId,
        kind: u8,
        payload: &[u8],
    ) -> Result<(), StorageError> {
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        state.heard = true;
        let ready = state.is_ready();
        self.charge(now, peer, kind, payload.len())?;
        if !self.peers.contains_key(&peer) {
            return Ok(());
        }
        let message = match Message::decode(kind, payload) {
            Ok(Some(message)) => message,
            Ok(None) if ready => return Ok(()),
            Ok(None) => return self.disconnect(now, peer, Disconnect::NoHandshake),
            Err(_) => return self.undecodable(now, peer, kind, payload),
        };
        match message {
            Message::Hello(hello) if !ready => self.hello(now, peer, hello),
            _ if !ready => self.disconnect(now, peer, Disconnect::NoHandshake),
            Message::Hello(_) => self.misbehaved(now, peer, Misbehaviour::Protocol),
            Message::Ping(number) => {
                self.send(peer, &Message::Pong(number));
                Ok(())
            }
            Message::Pong(number) => {
                self.pong(now, peer, number);
                Ok(())
            }
            Message::GetHeaders(get) => self.serve_headers(peer, &get),
            Message::Headers(headers) => self.headers(now, peer, &headers),
            Message::Inv(items) => self.inv(now, peer, items),
            Message::Req(items) => self.req(now, peer, items),
            Message::Res(response) => self.res(now, peer, response),
            Message::GetPeers => {
                self.get_peers(now, peer);
                Ok(())
            }
            Message::Peers(told) => self.told_addresses(now, peer, &told),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), StorageError> {
        while let Some(timer) = self.timers.pop_due(now.monotonic) {
            match timer {
                Timer::Handshake(peer) => self.disconnect(now, peer, Disconnect::NoHandshake)?,
                Timer::Ping(peer) => self.ping(now, peer)?,
                Timer::Announce(peer) => self.flush_announcements(peer),
                Timer::Headers(peer) => self.headers_late(peer),
                Timer::Block(id) => self.block_late(now, id)?,
                Timer::Transfer(id) => self.transfer_late(now, id)?,
                Timer::Dial(addr) => self.dial(now, addr),
                Timer::Expire => self.expire(now),
                Timer::Tidy => self.tidy_own(now)?,
                Timer::SavePool => self.save_pool()?,
                Timer::SavePeers => self.save_peers(now)?,
                Timer::Outbound => self.fill_outbound(now),
                Timer::Feeler => self.feel(now),
                Timer::AskAddresses => self.ask_somebody_for_addresses(now),
                Timer::Early => self.early_headers_due(now)?,
                Timer::Walk => self.walk(now)?,
                Timer::Commit => self.commit_added(now)?,
            }
        }
        Ok(())
    }

    /// The node is about to stop: everything that is in memory only goes to disk.
    pub fn handle_stop(&mut self, now: Now) -> Result<(), StorageError> {
        self.commit_added(now)?;
        self.answer_own()?;
        self.tidy_own(now)?;
        self.save_peers(now)?;
        self.save_pool()
    }

    /// The next thing to do; ask until there is none. What own clients were promised since the last
    /// call is stored first. Bodies for peers are read from storage here, one at a time, when nothing
    /// else is left to do.
    pub fn poll_action(&mut self) -> Result<Option<Action>, StorageError> {
        self.answer_own()?;
        match self.actions.pop_front() {
            Some(action) => Ok(Some(action)),
            None => self.serve_next(),
        }
    }

    /// When [`Node::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// A block to be sealed: the best of the pool on the tip. Commits what was added before, so that
    /// nobody seals a block on a tip that is about to be left.
    pub fn template(
        &mut self,
        now: Now,
        producer: Address,
    ) -> Result<Result<Template, NoTemplate>, StorageError> {
        self.commit_added(now)?;
        let block_max = self.chain.law().rules.block_bytes_max as usize;
        let list_length = codec::varint_bytes(BLOCK_TRANSFERS_MAX as u64);
        let room = block_max.saturating_sub(HEADER_BYTES + list_length);
        self.chain
            .template(now.wall, producer, self.mempool.select(room))
    }

    /// The tip of the best chain, as others were told.
    pub fn tip(&self) -> TipInfo {
        self.announced_tip().into()
    }

    /// The chain, for reading.
    pub const fn chain(&self) -> &Chain<S> {
        &self.chain
    }

    /// The counters of rare states, for reading while the node runs.
    pub const fn probes(&self) -> &Probes {
        &self.probes
    }

    /// The pool, for reading.
    pub const fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// The pool's transfers in the order in which they came.
    pub fn mempool_entries(&self) -> impl Iterator<Item = MempoolEntry> {
        self.mempool.entries().map(|(entry, pending)| MempoolEntry {
            transfer: entry.transfer.clone(),
            pending,
        })
    }

    /// Counters and the tip.
    pub fn status(&self, now: Now) -> Status {
        Status {
            clock_ahead: self.clock_ahead(now),
            fork_suspected: self.fork_watch.is_suspected(),
            tip: self.tip(),
            walking: self.chain.is_walking(),
            best_header: self.chain.committed_best_header().height,
            peers_ready: self.peers.values().filter(|peer| peer.is_ready()).count(),
            addresses_known: self.addresses_known(),
            mempool_count: self.mempool.len(),
            mempool_bytes: self.mempool.bytes(),
            blocks_in_flight: self.downloads.len(),
        }
    }

    /// Every peer that has said `Hello`, by number.
    pub fn peers(&self, now: Instant) -> impl Iterator<Item = PeerInfo> {
        self.peers.iter().filter_map(move |(peer, state)| {
            let hello = state.hello.as_ref()?;
            Some(PeerInfo {
                peer: *peer,
                addr: state.addr,
                direction: state.direction,
                user_agent: hello.user_agent.as_str().into(),
                height: hello.height,
                score: self.score_of(state.addr.ip(), *peer, now),
                connected: now.since(state.since),
                latency: state.latency,
                bytes_in: state.bytes_in,
                bytes_out: state.bytes_out,
            })
        })
    }

    /// Checks every cap and index.
    ///
    /// # Panics
    /// When one does not hold: a bug of ours.
    pub fn check_invariants(&self) {
        self.mempool.check_invariants();
        self.check_defence();
        self.check_discovery();
        assert!(self.blocks_under_way() <= BLOCK_CHECKS_MAX);
        assert!(self.own_block_checks() <= OWN_BLOCK_CHECKS_MAX);
        assert!(self.transfer_checks.len() <= TRANSFER_CHECKS_MAX);
        for peer in self.peers.values() {
            peer.check_invariants();
        }
        for (id, peer) in &self.downloads {
            let owed = self
                .peers
                .get(peer)
                .is_some_and(|state| state.blocks_owed.contains(id));
            assert!(owed, "a block in flight is owed by a connected peer");
        }
    }

    fn send(&mut self, peer: PeerId, message: &Message) {
        let (kind, payload) = message.encode();
        self.count_sent(peer, payload.len());
        self.actions.push_back(Action::Send {
            peer,
            kind,
            payload,
        });
    }

    fn count_sent(&mut self, peer: PeerId, length: usize) {
        if let Some(state) = self.peers.get_mut(&peer) {
            let bytes = (length + FRAME_HEADER_BYTES) as u64;
            state.bytes_out = state.bytes_out.saturating_add(bytes);
        }
    }

    /// Bytes that are no message of their kind. A `Hello` of another version may look otherwise, and
    /// nobody is to blame for it.
    fn undecodable(
        &mut self,
        now: Now,
        peer: PeerId,
        kind: u8,
        payload: &[u8],
    ) -> Result<(), StorageError> {
        let version = Message::hello_version(payload);
        if kind == kind::HELLO && version.is_some_and(|version| version != PROTOCOL_VERSION) {
            return self.disconnect(now, peer, Disconnect::OtherVersion);
        }
        self.misbehaved(now, peer, Misbehaviour::Undecodable)
    }

    fn notify(&mut self, event: Event) {
        self.actions.push_back(Action::Notify(event));
    }

    fn draw_below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }
}

#[cfg(test)]
mod tests;
