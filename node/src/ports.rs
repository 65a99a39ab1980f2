//! What the shell needs from a world: time, streams, tasks, checkers; and the commands that clients
//! (API, miner, tests) send to the node's loop. Names only the standard library, the core and the
//! runtime-free pieces of tokio, because both worlds (production in `live/`, the simulator in
//! `sim/`) implement these traits. The seed of all randomness is a field of `service::Settings`.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use archivas_core::chain::{NoTemplate, Template};
use archivas_core::mempool::FeeRate;
use archivas_core::node::{Answer, Finding, Job, JobId, MempoolEntry, Order, PeerInfo, Status};
use archivas_core::p2p::bans::Ban;
use archivas_core::p2p::place::Place;
use archivas_core::primitives::{
    AccountNonce, Address, Block, Height, Millis, Now, SignedTransfer, TxId,
};
use archivas_core::rules::{CheckedTransfer, Law};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use crate::snapshot::{ExportError, Exported};
use crate::store::Snapshot;

/// The time of one node: a monotonic clock and a wall clock, which may differ in speed and jump.
pub trait Clock: Clone + Send + Sync + 'static {
    /// Both clocks, read together.
    fn now(&self) -> Now;
    /// Completes once the monotonic clock has advanced by `duration`; never earlier.
    fn sleep(&self, duration: Millis) -> impl Future<Output = ()> + Send;
}

/// The network as one node sees it: listeners and outgoing byte streams.
pub trait Network: Clone + Send + Sync + 'static {
    /// One connection: ordered bytes in both directions.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A bound address that connections arrive at.
    type Listener: Listener<Stream = Self::Stream>;
    /// Binds `address`; port 0 lets the world choose one.
    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send;
    /// Opens a connection to `address`. May take for ever: callers bound it with the `Clock`.
    fn dial(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A bound address. Dropping it stops listening.
pub trait Listener: Send + 'static {
    /// One connection.
    type Stream;
    /// The address that was bound, with its real port.
    fn local_addr(&self) -> SocketAddr;
    /// The next connection and the address it comes from. An error concerns that one attempt only.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// Starts tasks that belong to one node.
pub trait Spawner: Clone + Send + Sync + 'static {
    /// Runs `task` beside the caller until it ends by itself.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}

/// Runs `archivas_core::node::check` outside the loop: heavy, stateless and pure work.
pub trait Checker: Clone + Send + Sync + 'static {
    /// Takes the job and returns at once; the finding arrives on `done` later, in any order. The
    /// node bounds how many jobs are under way. A closed `done` means that nobody cares any more.
    fn check(&self, id: JobId, job: Job, law: Arc<Law>, done: mpsc::Sender<(JobId, Finding)>);
}

/// One world, as one node sees it: everything that the shell may ask of its surroundings.
pub trait Host: Clone + Send + Sync + 'static {
    /// Time.
    type Clock: Clock;
    /// Streams.
    type Network: Network;
    /// Tasks.
    type Spawner: Spawner;
    /// Heavy work.
    type Checker: Checker;
    /// Whether the loop checks the node's caps and indexes after each input: dear, for simulations.
    const CHECKS_INVARIANTS: bool = false;
    /// Time.
    fn clock(&self) -> &Self::Clock;
    /// Streams.
    fn network(&self) -> &Self::Network;
    /// Tasks.
    fn spawner(&self) -> &Self::Spawner;
    /// Heavy work.
    fn checker(&self) -> &Self::Checker;
    /// Time that the disk still owes for what was written since the last call. The driver sleeps
    /// this long before it speaks. Zero in production, where the call itself has waited.
    fn storage_debt(&self) -> Millis;
}

/// A connection from a program on this machine, whatever it came over.
pub trait LocalStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> LocalStream for S {}

/// The machine below a node, as far as its operator needs it. Production has one, the simulator none.
pub trait Machine: fmt::Debug + Send + Sync {
    /// Room on the disk that holds the data; `None` when the system does not tell.
    fn disk(&self) -> Option<DiskSpace>;
    /// Bytes of the database's file; `None` when the system does not tell.
    fn database_bytes(&self) -> Option<u64>;
    /// Which log lines are written: a level, or directives such as `info,archivas::http=debug`.
    fn log(&self) -> String;
    /// Changes that for the rest of this life.
    ///
    /// # Errors
    /// A sentence, when it is neither a level nor directives.
    fn set_log(&self, filter: &str) -> Result<(), String>;
    /// Begins to write a snapshot of `rows` into a new file, beside everything else; false while one
    /// is being written already.
    fn export(&self, rows: Snapshot, height: Height, file: &Path) -> bool;
    /// How far the last one is that was begun; `None` before the first.
    fn exported(&self) -> Option<Export>;
}

/// A snapshot that is being written, or was.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// What is being written.
    pub phase: &'static str,
    /// So much of it is.
    pub done: u64,
    /// Of so much, where that is known.
    pub total: Option<u64>,
    /// What came of it, at the end.
    pub end: Option<Arc<Result<Exported, ExportError>>>,
}

/// Bytes of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DiskSpace {
    /// All of it.
    pub total: u64,
    /// What is left for this process.
    pub free: u64,
}

/// What this program is, said to users and peers. An argument of the node, so that the simulator
/// can keep it constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The release, as in `Cargo.toml`.
    pub version: String,
    /// The git commit that was built, or `unknown`.
    pub commit: String,
    /// When it was built, RFC 3339, or `unknown`.
    pub built_at: String,
    /// What peers are told in Hello, at most 64 bytes.
    pub agent: String,
}

/// A request to the node's loop; each carries the place for its answer. A dropped answer place is
/// no error: whoever asked has gone.
#[derive(Debug)]
pub enum Command {
    /// A client's transfer: admitted to the mempool and stored before it is answered.
    Submit(SignedTransfer, oneshot::Sender<Answer>),
    /// A block to be sealed, whose reward goes to the address.
    Template(Address, oneshot::Sender<Result<Template, NoTemplate>>),
    /// A sealed block of our own miner.
    SubmitBlock(Block, oneshot::Sender<Answer>),
    /// The mempool, in the order in which its transfers came.
    Mempool(oneshot::Sender<Vec<MempoolEntry>>),
    /// The transfer of that id, if it waits in the mempool.
    Waiting(TxId, oneshot::Sender<Option<CheckedTransfer>>),
    /// The nonce that the account's next transfer should have, after those that wait.
    NextNonce(Address, oneshot::Sender<AccountNonce>),
    /// The fee rate below which the mempool takes nothing now.
    FeeFloor(oneshot::Sender<FeeRate>),
    /// Counters of the node.
    Status(oneshot::Sender<Status>),
    /// An order of the operator; answered when it is carried out and committed.
    Operate(Order, oneshot::Sender<Answer>),
    /// Peers that have said `Hello`, by number.
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    /// Addresses of nodes that are known, connected or not, in order.
    KnownAddresses(oneshot::Sender<Vec<SocketAddr>>),
    /// All bans, in the order of their places.
    Bans(oneshot::Sender<Vec<(Place, Ban)>>),
}
