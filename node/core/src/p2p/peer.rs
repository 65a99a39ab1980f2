//! What we hold of one connected peer, and how its `Hello` is judged.

use crate::p2p::known::RecentSet;
use crate::p2p::message::{Hello, Item};
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{
    ANNOUNCE_QUEUE_MAX, BLOCKS_OUTSTANDING_MAX, KNOWN_IDS_MAX, LATE_BLOCKS_MAX,
    POSTPONED_TRANSFERS_MAX, PROTOCOL_VERSION, SERVE_QUEUE_MAX, TRANSFERS_OUTSTANDING_MAX,
};
use crate::primitives::{BlockId, Height, Instant, Millis, TxId, Work};
use alloc::collections::{BTreeSet, VecDeque};
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// One connection, numbered by the shell; a number is never used again in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeerId(pub u64);

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// They did.
    Inbound,
    /// We did.
    Outbound,
}

/// Why a connection ends by our wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// Its genesis is not ours.
    ForeignGenesis,
    /// It speaks another version of the protocol.
    OtherVersion,
    /// It is we.
    Ourselves,
    /// There is another connection to the same node.
    Duplicate,
    /// No place is free.
    Full,
    /// It did not say `Hello` in time, or something else before it.
    NoHandshake,
    /// It left two pings unanswered.
    Silent,
    /// It sent bytes that do not decode under a right checksum.
    Undecodable,
    /// It sent a message that the protocol does not allow there.
    Protocol,
    /// It sent a header, block or body that breaks a rule.
    Invalid,
    /// It was rude so often that nothing is left of its score.
    Misbehaved,
    /// Its address is banned.
    Banned,
    /// Enough others have connected from near its address.
    Crowded,
    /// It made room for a newcomer.
    Evicted,
    /// It does not read what we send.
    Congested,
    /// The operator asked for it.
    Operator,
    /// We only looked whether somebody is there.
    Feeler,
}

impl Disconnect {
    /// The reason for programs, logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ForeignGenesis => "foreign_genesis",
            Self::OtherVersion => "other_version",
            Self::Ourselves => "ourselves",
            Self::Duplicate => "duplicate",
            Self::Full => "full",
            Self::NoHandshake => "no_handshake",
            Self::Silent => "silent",
            Self::Undecodable => "undecodable",
            Self::Protocol => "protocol",
            Self::Invalid => "invalid",
            Self::Misbehaved => "misbehaved",
            Self::Banned => "banned",
            Self::Crowded => "crowded",
            Self::Evicted => "evicted",
            Self::Congested => "congested",
            Self::Operator => "operator",
            Self::Feeler => "feeler",
        }
    }
}

impl From<Misbehaviour> for Disconnect {
    fn from(what: Misbehaviour) -> Self {
        match what {
            Misbehaviour::InvalidHeader
            | Misbehaviour::InvalidBlock
            | Misbehaviour::MutatedBody => Self::Invalid,
            Misbehaviour::Undecodable => Self::Undecodable,
            Misbehaviour::Unrequested
            | Misbehaviour::InvalidTransfer
            | Misbehaviour::Flood
            | Misbehaviour::Protocol => Self::Misbehaved,
        }
    }
}

/// Whether a `Hello` can be lived with; duplicates are judged by the caller, who knows the others.
pub fn judge_hello(hello: &Hello, genesis: &BlockId, our_nonce: u64) -> Result<(), Disconnect> {
    if hello.genesis != *genesis {
        return Err(Disconnect::ForeignGenesis);
    }
    if hello.protocol != PROTOCOL_VERSION {
        return Err(Disconnect::OtherVersion);
    }
    if hello.nonce == our_nonce {
        return Err(Disconnect::Ourselves);
    }
    Ok(())
}

/// State of one connection. Every collection is bounded by a constant in `params::peers`.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address at the other end of the connection.
    pub addr: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// When the connection began.
    pub since: Instant,
    /// Its `Hello`; before it nothing else is read.
    pub hello: Option<Hello>,
    /// Most chainwork that it is believed to have: claimed in `Hello`, or shown by headers.
    pub work: Work,
    /// Things that it is known to have: they are not announced to it.
    pub known: RecentSet<Item>,
    /// Things to announce at the next flush.
    pub announce: VecDeque<Item>,
    /// Number of the ping that waits for its answer, and how many went unanswered in a row.
    pub ping: Option<(u64, u8)>,
    /// When that ping was sent.
    pub pinged: Instant,
    /// Shortest time in which it answered one.
    pub latency: Option<Millis>,
    /// When it last brought a block that was wanted.
    pub last_block: Option<Instant>,
    /// When it last brought a transfer that was wanted.
    pub last_transfer: Option<Instant>,
    /// Bytes that came from it, with their frames.
    pub bytes_in: u64,
    /// Bytes that were sent to it, with their frames.
    pub bytes_out: u64,
    /// Requests for headers that it has not answered, late ones too.
    pub headers_owed: u32,
    /// Blocks and transfers asked for that it has not answered, late ones too: what exceeds them
    /// nobody asked for.
    pub items_owed: u64,
    /// Whether anything came from it since the last ping: on a slow line the answer to a ping stands
    /// behind whatever we asked for before.
    pub heard: bool,
    /// Whether a `GetHeaders` waits for its answer: there is one at a time.
    pub headers_asked: bool,
    /// Whether there is something to ask for that no answer has covered yet: an unknown block was
    /// announced, an answer did not come, or a header was from the future.
    pub headers_wanted: bool,
    /// Blocks that it was asked for.
    pub blocks_owed: BTreeSet<BlockId>,
    /// How many blocks in a row did not come in time: others are asked before it.
    pub late_blocks: u32,
    /// Blocks that it was asked for and did not send in time: on a slow line they still come.
    pub late: RecentSet<BlockId>,
    /// Transfers that it was asked for.
    pub transfers_owed: BTreeSet<TxId>,
    /// Transfers that it announced while it owed too much: it is asked for them later.
    pub postponed: VecDeque<TxId>,
    /// Blocks that it said it does not have, or did not send in time: it is not asked for them
    /// again until the next ping.
    pub lacks: RecentSet<BlockId>,
    /// Ids that it asked us for and that were not sent yet.
    pub serve: VecDeque<Item>,
    /// Its outgoing queue holds so much that nothing more is read from disk for it.
    pub congested: bool,
    /// Its wall clock less our monotonic one when its `Hello` came, in milliseconds: ours may jump
    /// later, and is compared all the same.
    pub clock: Option<i128>,
    /// The block that it last named as its tip.
    pub claim: Option<BlockId>,
    /// Whether its chain was last seen to have parted from ours.
    pub apart: bool,
    /// Questions for addresses that it has not answered.
    pub addresses_owed: u32,
    /// When it was last told addresses.
    pub addresses_told: Option<Instant>,
}

impl Peer {
    /// A connection that was just opened.
    pub fn new(addr: SocketAddr, direction: Direction, now: Instant) -> Self {
        Self {
            addr,
            direction,
            since: now,
            hello: None,
            work: Work::ZERO,
            known: RecentSet::new(KNOWN_IDS_MAX),
            announce: VecDeque::new(),
            ping: None,
            pinged: now,
            latency: None,
            last_block: None,
            last_transfer: None,
            bytes_in: 0,
            bytes_out: 0,
            headers_owed: 0,
            items_owed: 0,
            heard: false,
            headers_asked: false,
            headers_wanted: false,
            blocks_owed: BTreeSet::new(),
            late_blocks: 0,
            late: RecentSet::new(LATE_BLOCKS_MAX),
            transfers_owed: BTreeSet::new(),
            postponed: VecDeque::new(),
            lacks: RecentSet::new(KNOWN_IDS_MAX),
            serve: VecDeque::new(),
            congested: false,
            clock: None,
            claim: None,
            apart: false,
            addresses_owed: 0,
            addresses_told: None,
        }
    }

    /// Whether both sides have said `Hello`.
    pub const fn is_ready(&self) -> bool {
        self.hello.is_some()
    }

    /// The lowest height whose body it said that it can serve.
    pub fn keeps_bodies_from(&self) -> Height {
        self.hello
            .as_ref()
            .map_or(Height::GENESIS, |hello| hello.oldest_body)
    }

    /// Whether it may be asked for one more block.
    pub fn has_room_for_block(&self) -> bool {
        self.blocks_owed.len() < BLOCKS_OUTSTANDING_MAX
    }

    /// Whether it may be asked for one more transfer.
    pub fn has_room_for_transfer(&self) -> bool {
        self.transfers_owed.len() < TRANSFERS_OUTSTANDING_MAX
    }

    /// Remembers to ask it for a transfer later; what exceeds the bound is left to other announcers.
    pub fn postpone(&mut self, id: TxId) {
        if self.postponed.len() < POSTPONED_TRANSFERS_MAX {
            self.postponed.push_back(id);
        }
    }

    /// Queues an announcement unless the peer knows the thing; false if there is nothing to do.
    pub fn queue_announcement(&mut self, item: Item) -> bool {
        if !self.is_ready() || !self.known.insert(item) {
            return false;
        }
        if self.announce.len() >= ANNOUNCE_QUEUE_MAX {
            self.announce.pop_front();
        }
        self.announce.push_back(item);
        true
    }

    /// Queues what it asked for; what exceeds the bound is dropped, and it can ask again.
    pub fn queue_service(&mut self, items: impl IntoIterator<Item = Item>) {
        let room = SERVE_QUEUE_MAX.saturating_sub(self.serve.len());
        self.serve.extend(items.into_iter().take(room));
    }

    /// Checks the caps of this peer's collections.
    ///
    /// # Panics
    /// When one is exceeded: a bug of ours.
    pub fn check_invariants(&self) {
        assert!(self.known.len() <= KNOWN_IDS_MAX);
        assert!(self.lacks.len() <= KNOWN_IDS_MAX);
        assert!(self.late.len() <= LATE_BLOCKS_MAX);
        assert!(self.announce.len() <= ANNOUNCE_QUEUE_MAX);
        assert!(self.serve.len() <= SERVE_QUEUE_MAX);
        assert!(self.blocks_owed.len() <= BLOCKS_OUTSTANDING_MAX);
        assert!(self.transfers_owed.len() <= TRANSFERS_OUTSTANDING_MAX);
        assert!(self.postponed.len() <= POSTPONED_TRANSFERS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::BlockId;

    fn peer() -> Peer {
        let addr = SocketAddr::from(([203, 0, 113, 5], 9090));
        Peer::new(addr, Direction::Inbound, Instant::new(0))
    }

    fn transfer(number: usize) -> TxId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        TxId::from_bytes(bytes)
    }

    #[test]
    fn however_much_a_peer_announces_or_asks_for_its_queues_are_bounded() {
        let mut peer = peer();
        for number in 0..POSTPONED_TRANSFERS_MAX + 9 {
            peer.postpone(transfer(number));
        }
        assert_eq!(peer.postponed.len(), POSTPONED_TRANSFERS_MAX);
        peer.queue_service((0..SERVE_QUEUE_MAX + 9).map(|number| Item::Transfer(transfer(number))));
        assert_eq!(peer.serve.len(), SERVE_QUEUE_MAX);
        for number in 0..u64::try_from(KNOWN_IDS_MAX + LATE_BLOCKS_MAX).expect("small") {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            peer.late.insert(BlockId::from_bytes(bytes));
            peer.lacks.insert(BlockId::from_bytes(bytes));
        }
        assert_eq!(peer.late.len(), LATE_BLOCKS_MAX);
        assert_eq!(peer.lacks.len(), KNOWN_IDS_MAX);
        peer.check_invariants();
    }

    #[test]
    fn of_announcements_that_a_peer_does_not_take_the_oldest_are_forgotten() {
        let mut peer = peer();
        let last = ANNOUNCE_QUEUE_MAX + 8;
        assert!(!peer.queue_announcement(Item::Transfer(transfer(0))));
        peer.hello = Some(Hello {
            protocol: PROTOCOL_VERSION,
            genesis: BlockId::ZERO,
            best: BlockId::ZERO,
            height: Height::GENESIS,
            chainwork: Work::ZERO,
            oldest_body: Height::GENESIS,
            time: crate::primitives::Timestamp::new(0),
            user_agent: crate::primitives::BoundedString::default(),
            listen_port: 0,
            nonce: 1,
        });
        for number in 1..=last {
            assert!(peer.queue_announcement(Item::Transfer(transfer(number))));
        }
        assert_eq!(peer.announce.len(), ANNOUNCE_QUEUE_MAX);
        assert_eq!(peer.announce.back(), Some(&Item::Transfer(transfer(last))));
        assert_eq!(peer.announce.front(), Some(&Item::Transfer(transfer(9))));
        peer.check_invariants();
    }
}
