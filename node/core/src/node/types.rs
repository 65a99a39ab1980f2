//! What goes into the node and what comes out of it.

use crate::chain::Policy;
use crate::mempool::Dropped;
use crate::p2p::peer::{Direction, Disconnect, PeerId};
use crate::p2p::place::Place;
use crate::p2p::score::Misbehaviour;
use crate::primitives::{
    Block, BlockId, CompactTarget, Height, Instant, Millis, SignedHash, SignedTransfer, Timestamp,
    TxId, Work,
};
use crate::rules::{CheckedBlock, CheckedTransfer, Invalid, Law, check_block_with, check_transfer};
use crate::schema::Tip;
use crate::storage::Table;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// Local settings: none of them is a consensus number. The default is a node that names nobody, looks
/// for nobody and listens nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// Name and version that peers are told; what exceeds 64 bytes is cut off.
    pub user_agent: String,
    /// The port on which peers can reach us, or 0.
    pub listen_port: u16,
    /// Peers to stay connected with.
    pub connect: Vec<SocketAddr>,
    /// Whether to look for others beside them.
    pub discover: bool,
    /// What is followed without the operator, and how much of the past is kept.
    pub policy: Policy,
}

/// Connects an answer with who waits for it; drawn by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// Connects a finding with its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// Heavy work without state, for the checker.
#[derive(Clone, Debug)]
pub enum Job {
    /// Judge a block's seal, tx root and signatures.
    Block {
        /// The block.
        block: Box<Block>,
        /// Those of its transfers whose signatures were verified here before.
        verified: BTreeSet<SignedHash>,
    },
    /// Judge a transfer's signature.
    Transfer(Box<SignedTransfer>),
}

/// What the checker found.
#[derive(Clone, Debug)]
pub enum Finding {
    /// Of a block.
    Block(Box<Result<CheckedBlock, Invalid>>),
    /// Of a transfer.
    Transfer(Box<Result<CheckedTransfer, Invalid>>),
}

/// Does a job: a pure function, to be run anywhere.
pub fn check(job: Job, law: &Law) -> Finding {
    match job {
        Job::Block { block, verified } => {
            Finding::Block(Box::new(check_block_with(*block, law, &verified)))
        }
        Job::Transfer(transfer) => Finding::Transfer(Box::new(check_transfer(*transfer, law))),
    }
}

/// What the node wants the shell to do, in this order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Put a message into a peer's outgoing queue.
    Send {
        /// To whom.
        peer: PeerId,
        /// Kind of the message on the wire.
        kind: u8,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// End a connection, after what was queued before has been tried.
    Disconnect {
        /// Whose.
        peer: PeerId,
        /// Why.
        reason: Disconnect,
    },
    /// Read nothing more of a peer until then: it is over its rate.
    Rest {
        /// Whose messages wait.
        peer: PeerId,
        /// Until when.
        until: Instant,
    },
    /// Open a connection.
    Dial(SocketAddr),
    /// Have a job done.
    Check {
        /// Under which number the finding comes back.
        id: JobId,
        /// The job.
        job: Job,
    },
    /// Answer a request.
    Answer {
        /// Whose.
        ticket: Ticket,
        /// The answer; everything it promises is durable.
        answer: Answer,
    },
    /// Tell whoever listens.
    Notify(Event),
}

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The transfer is in the pool, and on disk.
    Accepted(TxId),
    /// The block is on disk, and the tip or a branch.
    BlockAccepted(BlockId),
    /// The operator's order is carried out.
    Done,
    /// Not taken.
    Refused {
        /// For programs.
        code: &'static str,
        /// For people.
        sentence: String,
    },
}

/// A tip as it is told to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TipInfo {
    /// The block.
    pub id: BlockId,
    /// Its height.
    pub height: Height,
    /// Work from genesis up to and with it.
    pub chainwork: Work,
    /// Its target in compact form.
    pub bits: CompactTarget,
    /// Its time.
    pub timestamp: Timestamp,
}

impl From<&Tip> for TipInfo {
    fn from(tip: &Tip) -> Self {
        Self {
            id: tip.id,
            height: tip.height,
            chainwork: tip.chainwork,
            bits: tip.header.bits,
            timestamp: tip.header.timestamp,
        }
    }
}

/// Something that happened. Everything it tells is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The best chain has another tip.
    TipChanged {
        /// The tip before.
        from: TipInfo,
        /// The tip now.
        to: TipInfo,
        /// Height of the last common block.
        fork_height: Height,
        /// Blocks that were left: more than none is a reorganization.
        left_blocks: u64,
        /// Blocks that were joined.
        joined_blocks: u64,
    },
    /// A transfer entered the pool.
    TransferAdded(TxId),
    /// A transfer left the pool.
    TransferDropped(Dropped),
    /// A block was refused.
    BlockRefused {
        /// The block.
        id: BlockId,
        /// The rule that it breaks, for programs.
        code: &'static str,
    },
    /// A branch has the most work but forks too deep to be followed without the operator: an alarm.
    BranchHeld {
        /// Its last block.
        id: BlockId,
    },
    /// As many peers as follow us go on with another chain, or several that we chose served what we
    /// refuse: an alarm.
    ForkSuspected {
        /// Peers on another chain.
        apart: usize,
        /// Groups of peers that served what we refuse.
        refused: usize,
    },
    /// That is over.
    ForkOver,
    /// A peer has said `Hello`.
    PeerReady {
        /// The connection.
        peer: PeerId,
        /// Its address.
        addr: SocketAddr,
        /// Who opened it.
        direction: Direction,
        /// Its software: a stranger's text.
        user_agent: String,
    },
    /// A connection ended.
    PeerLost {
        /// The connection.
        peer: PeerId,
        /// Its address.
        addr: SocketAddr,
        /// Why, if we ended it.
        reason: Option<Disconnect>,
    },
    /// A row of a table that only helps does not decode, and was deleted.
    RowDropped {
        /// The table.
        table: Table,
        /// The row's key.
        key: Vec<u8>,
    },
    /// A saved transfer was not taken into the pool again at start.
    SavedTransferDropped {
        /// The transfer.
        id: TxId,
        /// Why, for programs.
        code: &'static str,
    },
    /// A peer did something that no honest node does.
    PeerMisbehaved {
        /// The connection.
        peer: PeerId,
        /// Its address.
        addr: SocketAddr,
        /// What.
        what: Misbehaviour,
        /// Points that are left.
        score: u32,
    },
    /// A place is not talked to for a while.
    Banned {
        /// Which.
        place: Place,
    },
    /// A stored own transfer was not taken into the pool again at start.
    OwnTransferDropped {
        /// The transfer.
        id: TxId,
        /// Why, for programs.
        code: &'static str,
    },
}

/// A look at the node's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The tip.
    pub tip: TipInfo,
    /// Whether a long reorganization is under way: the node is not ready meanwhile.
    pub walking: bool,
    /// Height of the best header chain, with or without bodies.
    pub best_header: Height,
    /// Peers that have said `Hello`.
    pub peers_ready: usize,
    /// How far our wall clock is ahead of the middle of our peers' (behind: negative), in
    /// milliseconds; `None` with few peers.
    pub clock_ahead: Option<i64>,
    /// Whether we and others may be on two chains for good.
    pub fork_suspected: bool,
    /// Addresses of nodes that are known, connected or not.
    pub addresses_known: usize,
    /// Transfers in the pool.
    pub mempool_count: usize,
    /// Their bytes on the wire.
    pub mempool_bytes: usize,
    /// Blocks asked for and not here yet.
    pub blocks_in_flight: usize,
}

/// A ready peer as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The connection.
    pub peer: PeerId,
    /// Its address.
    pub addr: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// Its software: a stranger's text.
    pub user_agent: String,
    /// Height of its tip when it said `Hello`.
    pub height: Height,
    /// Points that are left of its score.
    pub score: u32,
    /// How long it has been connected.
    pub connected: Millis,
    /// Shortest answer to a ping.
    pub latency: Option<Millis>,
    /// Bytes that came from it.
    pub bytes_in: u64,
    /// Bytes that were sent to it.
    pub bytes_out: u64,
}

/// A waiting transfer as the API tells it.
#[derive(Clone, Debug)]
pub struct MempoolEntry {
    /// The transfer.
    pub transfer: CheckedTransfer,
    /// Whether it could be in the next block, as far as nonces and balance go.
    pub pending: bool,
}
