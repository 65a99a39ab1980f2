//! What a story needs from the place where it is played: a clock, nodes that start, die and come
//! back, links that can be cut, tips, mining and HTTP. Implemented by the simulator's world and by
//! `process::ProcessWorld` (real processes). Names no runtime: both worlds must be able to.

use std::collections::BTreeMap;
use std::fmt;

use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, CompactTarget, Height, Millis, Timestamp, Work};
use serde::{Deserialize, Serialize};

use crate::disturb::Disturbance;

/// A node of the plan: its place in `Plan::nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeIndex(pub usize);

/// A link of the plan: its place in `Plan::links`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkIndex(pub usize);

/// Which world plays the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorldKind {
    /// The deterministic simulator: virtual time, one thread, a seed.
    Sim,
    /// Real `archivas` processes on loopback.
    Processes,
}

impl fmt::Display for WorldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sim => "sim",
            Self::Processes => "processes",
        })
    }
}

/// Something that a plan does to the world. Names are resolved: indices are those of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Starts a node that is down: its first life, or a restart on the data that it left.
    Start(NodeIndex),
    /// Asks a node to stop (SIGTERM) and waits until it has saved everything and gone.
    Stop(NodeIndex),
    /// Ends a node at once (SIGKILL): what it wrote survives, what it meant to write does not.
    Kill(NodeIndex),
    /// Ends a node as a power failure does: unsynced writes survive wholly, partly or not at all.
    PowerLoss(NodeIndex),
    /// No byte passes these links in either direction until they are healed. Connections are not
    /// closed by it: what was under way waits, as it does on a network.
    Cut(Vec<LinkIndex>),
    /// Bytes pass these links again, in both directions.
    Heal(Vec<LinkIndex>),
    /// Something that only the simulator can do.
    Disturb(Disturbance),
}

impl Act {
    /// The name in plans and reports; also the name of the fault that it is, if it is one.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Stop(_) => "stop",
            Self::Kill(_) => "kill",
            Self::PowerLoss(_) => "power_loss",
            Self::Cut(_) => "cut",
            Self::Heal(_) => "heal",
            Self::Disturb(disturbance) => disturbance.name(),
        }
    }
}

/// Whether an act did anything: killing a node that is down, or cutting a link that is cut, does
/// not, and must not count as a fault that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The world is another one now.
    Fired,
    /// Nothing changed.
    Nothing,
}

/// The end of a node's best chain, as the node itself reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The block at the tip.
    pub id: BlockId,
    /// Its height.
    pub height: Height,
    /// Work of the chain from genesis to it.
    pub chainwork: Work,
    /// Its compact target.
    pub bits: CompactTarget,
    /// Its timestamp, on the world's wall clock (which a plan's speedup compresses).
    pub timestamp: Timestamp,
}

/// One change of a node's best chain within one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TipMove {
    /// When it was seen, since the run began.
    pub at: Millis,
    /// Whose tip.
    pub node: NodeIndex,
    /// The tip before.
    pub from: Tip,
    /// The tip after.
    pub to: Tip,
    /// Blocks that left the best chain; more than zero is a reorganization.
    pub left: u64,
    /// Blocks that joined it.
    pub joined: u64,
}

/// What came of asking a node to mine a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mined {
    /// The node accepted the sealed block.
    Block(BlockId),
    /// No block, and nobody's fault: the node is down, walks, has no template, or its tip moved
    /// while the seal was ground. The sentence says which.
    Nothing(String),
    /// The node refused a block made from its own template: `code` and sentence. Never allowed.
    Refused {
        /// The code of the answer.
        code: String,
        /// Its sentence.
        sentence: String,
    },
}

/// One HTTP request to a node's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` or `OPTIONS`.
    pub method: &'static str,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Sent with `Content-Type: application/json` when not empty.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A GET of `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            body: Vec::new(),
        }
    }

    /// A POST of the JSON text `body` to `path`.
    pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST",
            path: path.into(),
            body: body.into(),
        }
    }
}

/// One HTTP answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// No whole HTTP answer came: the node is down, or the connection broke. The sentence says which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// The world itself failed (not the nodes): exit code 1, never a verdict about the nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HarnessError(pub String);

/// What kind of promise was broken; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViolationKind {
    /// Something happened that must never happen.
    Safety,
    /// Something that must happen did not happen in time.
    Liveness,
    /// Node code panicked, or a node ended by itself.
    Panic,
    /// Two runs of one seed differ.
    NotDeterministic,
    /// A declared limit of memory, bytes or tasks was passed.
    Resource,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The name of the check: one of `checks::ALL`, or one of the world's own.
    pub check: String,
    /// Which promise it guards.
    pub kind: ViolationKind,
    /// When it was noticed, in milliseconds since the run began.
    pub at_ms: u64,
    /// The node concerned, if it is one.
    pub node: Option<NodeIndex>,
    /// What was expected and what was found, in one sentence.
    pub sentence: String,
}

/// Why `World::judge` is called: dear checks need a quiet network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Something happened: look at what is cheap to look at.
    Event,
    /// The end: no block is mined, no fault is on, honest nodes agree or never will.
    Quiet,
}

/// How often a check ran and how often it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCount {
    /// Times that it looked.
    pub ran: u64,
    /// Times that it found a violation.
    pub failed: u64,
}

/// What a world has counted by its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorldReport {
    /// The world's own checks by name.
    pub checks: BTreeMap<String, CheckCount>,
    /// Faults that fired beyond the plan's events (drawn ones), by name.
    pub faults: BTreeMap<String, u64>,
    /// Rare states that were hit, by name.
    pub probes: BTreeMap<String, u64>,
    /// The running hash over every event; `None` where runs are not repeatable.
    pub digest: Option<[u8; 16]>,
}

/// A place where a plan is played. Futures need not be `Send`: a run lives on one thread.
#[expect(
    async_fn_in_trait,
    reason = "a run lives on one thread, so no future needs to be Send"
)]
pub trait World {
    /// Which world this is.
    fn kind(&self) -> WorldKind;

    /// The genesis that the nodes of this run share.
    fn genesis(&self) -> &Genesis;

    /// Plan time since the run began.
    fn now(&self) -> Millis;

    /// Waits until plan time `at`. May return earlier, and should as soon as some node's tip has
    /// moved: the player then looks and waits again.
    async fn sleep_until(&mut self, at: Millis);

    /// The shortest time in which looking again can show anything new: the player's finest grain.
    fn grain(&self) -> Millis {
        Millis::new(20)
    }

    /// Does `act` to the world; an act on a node waits until it has started, or has gone.
    async fn act(&mut self, act: &Act) -> Result<Effect, HarnessError>;

    /// Whether a node that was started and not ended since is still there: its disk may have failed.
    fn is_up(&self, _node: NodeIndex) -> bool {
        true
    }

    /// Why these nodes cannot be asked to agree, if that can be proven: no one of them holds some
    /// block that all of them need.
    fn excuse(&mut self, _core: &[NodeIndex]) -> Option<String> {
        None
    }

    /// The node's tip at present; `None` while it is down or does not answer. Cheap.
    async fn tip(&mut self, node: NodeIndex) -> Result<Option<Tip>, HarnessError>;

    /// All tip changes since the last call, in the order in which they happened.
    async fn tip_moves(&mut self) -> Result<Vec<TipMove>, HarnessError>;

    /// Makes `node` mine one block at once: its template, a real seal, and its own judgement.
    async fn mine(&mut self, node: NodeIndex) -> Result<Mined, HarnessError>;

    /// One request to the node's HTTP server, over real streams and real bytes.
    async fn http(
        &mut self,
        node: NodeIndex,
        request: HttpRequest,
    ) -> Result<HttpAnswer, Unreachable>;

    /// The world's own checks (stores, panics, limits): what they found since the last call.
    async fn judge(&mut self, moment: Moment) -> Vec<Violation>;

    /// Ends every node and hands over what was counted.
    async fn finish(self) -> WorldReport;
}
