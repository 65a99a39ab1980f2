//! A plan as it is written: TOML by hand, JSON by machine, one set of keys. Every key is known or
//! refused; names are still names. `resolve.rs` turns a `Document` into a `Plan`.

use serde::{Deserialize, Serialize};

use super::seconds::Seconds;
use crate::disturb::DiskFault;
use crate::world::WorldKind;

/// The only version of the format that this program reads.
pub const VERSION: u64 = 1;

/// A whole plan document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The version of the format: 1.
    pub version: u64,
    /// The scenario's name.
    pub name: String,
    /// Other names by which it is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What the story is, in a sentence or two.
    pub about: String,
    /// The worlds that can play it.
    #[serde(default = "every_world")]
    pub worlds: Vec<WorldKind>,
    /// How long blocks are mined and events may happen; the settling comes after it.
    pub duration_s: Seconds,
    /// The parameters of the network's genesis.
    #[serde(default)]
    pub network: NetworkDoc,
    /// The nodes.
    pub nodes: Vec<NodeDoc>,
    /// Only so many of the nodes, from the first on; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_count: Option<usize>,
    /// Who is linked to whom.
    #[serde(default)]
    pub links: LinksDoc,
    /// What happens, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventDoc>,
    /// What must hold, and by when.
    pub expect: ExpectDoc,
    /// Faults that must fire for the run to prove anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_fire: Vec<MustFireDoc>,
    /// How real processes play it.
    #[serde(default)]
    pub processes: ProcessesDoc,
}

/// `[network]`: the genesis of a simulation network, whose seals take few hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkDoc {
    /// Time between blocks that the retarget aims at.
    pub block_time_s: Seconds,
    /// ASERT's half-life: this far behind schedule, the target doubles.
    pub half_life_s: Seconds,
    /// How targets follow the hash rate.
    pub retarget: RetargetDoc,
    /// Hashes that the first block takes on the average, 2 to 512; left out: what the nodes make
    /// together in one block time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_hashes: Option<u64>,
    /// How many test keys have funds at genesis.
    pub funded_keys: usize,
    /// Base units on each of them.
    pub funds: u64,
}

impl Default for NetworkDoc {
    fn default() -> Self {
        Self {
            block_time_s: Seconds::whole(20),
            half_life_s: Seconds::whole(600),
            retarget: RetargetDoc::Asert,
            start_hashes: None,
            funded_keys: 3,
            funds: 1_000_000_000_000,
        }
    }
}

/// How targets follow the hash rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetargetDoc {
    /// The absolute schedule of the protocol.
    Asert,
    /// The genesis target for ever.
    Fixed,
}

/// One entry of `[[nodes]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeDoc {
    /// Its name: letters, digits, `-`.
    pub name: String,
    /// Hashes per second of plan time; 0 = it never mines by itself.
    #[serde(default)]
    pub hash_power: f64,
    /// How far its wall clock is off, in seconds; left out: drawn, within a second (simulator).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_s: Option<f64>,
    /// How much faster its clocks run, in parts per million; left out: drawn, within 100 (simulator).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_ppm: Option<i32>,
    /// Whether it is up from the beginning; if not, a `start` event brings it up.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub starts: bool,
}

/// `[links]`: a shape over all nodes, or the pairs one by one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinksDoc {
    /// The shape; left out together with `pairs`: a mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<ShapeDoc>,
    /// Pairs of node names: the first dials the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Vec<[String; 2]>>,
    /// The least and the greatest latency of a segment in one direction (simulator only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<[u64; 2]>,
    /// Whether nodes look for others beside their links (simulator only).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discover: bool,
}

/// A shape of links over the nodes in the order of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeDoc {
    /// Everyone with everyone.
    Mesh,
    /// Each with the next.
    Line,
    /// Each with the next, and the last with the first.
    Ring,
    /// Everyone with the first.
    Star,
}

/// One entry of `[[events]]`. Which keys are wanted depends on `act`; others are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventDoc {
    /// When, since the run began.
    pub at_s: Seconds,
    /// What.
    pub act: ActDoc,
    /// The subject of the event's draws; left out: made from its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Only in these worlds; left out: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worlds: Option<Vec<WorldKind>>,
    /// The node that it happens to, or through which a transfer enters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Groups of nodes between which every link is meant; nodes that none names are one group more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Vec<String>>>,
    /// The links meant, one by one, each by the names of its two nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<[String; 2]>>,
    /// How many blocks or transfers; left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The number of the funded key that pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<usize>,
    /// The number of the funded key that is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<usize>,
    /// Base units paid by each transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// Base units of fee of each transfer; left out: 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<u64>,
    /// The memo of each transfer; left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The transfer's nonce is so far above the one that the node calls the account's next confirmed:
    /// 0 replaces or spends twice, 2 leaves a gap. Nobody demands that such a transfer is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce_ahead: Option<u64>,
    /// The transfer takes all that the node says is on the account; with `nonce_ahead`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empties: Option<bool>,
    /// Undone after this time: healed, started again, resumed, as usual again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_s: Option<Seconds>,
    /// Only what the first of each pair, or of the groups, sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_way: Option<bool>,
    /// Weather: the least and the greatest latency of a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<[u64; 2]>,
    /// Weather: the share of segments that are lost and sent again, later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Weather: the share of segments of which one bit flips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<f64>,
    /// Weather: the share of segments that arrive byte by byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chop: Option<f64>,
    /// Weather: the share of segments in whose middle the connection is reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<f64>,
    /// Weather and slow readers: KiB that pass in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kib_s: Option<u64>,
    /// Clock: how far the node's wall clock is off from now on, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_s: Option<f64>,
    /// Disk: what goes wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<DiskFault>,
    /// Disk: after how many operations; left out: at the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Slow disks and checkers: how much longer each operation or finding takes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slower_ms: Option<u64>,
    /// Cache: the size of the page cache of the next lives, in KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_kib: Option<u64>,
    /// Prune: how many blocks below the tip the next lives keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps_blocks: Option<u64>,
    /// Import: the node whose snapshot it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Import: the height of the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
}

/// What an event does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActDoc {
    /// Starts a node that is down.
    #[default]
    Start,
    /// Asks a node to stop.
    Stop,
    /// SIGKILL.
    Kill,
    /// Power failure: unsynced writes are at risk.
    PowerLoss,
    /// Cuts links, by `groups` or `links`.
    Cut,
    /// Heals links, by `groups` or `links`, or all that are cut.
    Heal,
    /// Makes a node mine `count` blocks at once.
    Mine,
    /// Sends `count` transfers to a node's API, one after the other.
    Transfer,
    /// Other weather on links: `latency_ms`, `loss`, `corrupt`, `chop`, `reset`, `kib_s`.
    Weather,
    /// Resets the connections over links, in the middle of what is under way.
    Reset,
    /// A node forgets its connections, and the others are not told.
    HalfOpen,
    /// A node's process stands still for a time.
    Pause,
    /// A node's wall clock is `offset_s` off from now on.
    Clock,
    /// The data directory of a node that is down is emptied.
    Wipe,
    /// A node's data directory is copied.
    CopyImage,
    /// The copy comes in the place of the data directory of a node that is down.
    PutBack,
    /// Something goes wrong at one of the next operations of a node's disk.
    Disk,
    /// A node's disk is slow.
    SlowDisk,
    /// A node's checker is slow.
    SlowChecker,
    /// A node reads slowly from its peers.
    SlowReader,
    /// A node's next lives have another page cache.
    Cache,
    /// A node's next lives let go of what lies far below the tip.
    Prune,
    /// A node that has never been up begins from another's snapshot.
    Import,
}

impl ActDoc {
    /// The word of the plan format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::PowerLoss => "power_loss",
            Self::Cut => "cut",
            Self::Heal => "heal",
            Self::Mine => "mine",
            Self::Transfer => "transfer",
            Self::Weather => "weather",
            Self::Reset => "reset",
            Self::HalfOpen => "half_open",
            Self::Pause => "pause",
            Self::Clock => "clock",
            Self::Wipe => "wipe",
            Self::CopyImage => "copy_image",
            Self::PutBack => "put_back",
            Self::Disk => "disk",
            Self::SlowDisk => "slow_disk",
            Self::SlowChecker => "slow_checker",
            Self::SlowReader => "slow_reader",
            Self::Cache => "cache",
            Self::Prune => "prune",
            Self::Import => "import",
        }
    }
}

/// `[expect]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectDoc {
    /// Within this time after the last event, and again after the end, all nodes share one tip.
    pub agree_within_s: Seconds,
    /// Phase two: the nodes for which all faults end when the plan does, and which must then agree
    /// and go on; left out: there is one phase, and all nodes must.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub core: Vec<String>,
    /// Events may change nothing and faults not fire: they are placed without knowing what the nodes
    /// do at the time.
    #[serde(default, skip_serializing_if = "is_no")]
    pub may_miss: bool,
    /// The height that the chain must have reached at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_height: Option<u64>,
    /// Reorganizations without which the story has not been told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reorgs: Option<ReorgsDoc>,
    /// Nodes that must come back at least once, and with the tip that they had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps_tip: Vec<String>,
    /// Every transfer is in every node's mempool, or confirmed, within this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relayed_within_s: Option<Seconds>,
    /// Every transfer is confirmed on every node within this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_within_s: Option<Seconds>,
}

/// Reorganizations without which the story has not been told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReorgsDoc {
    /// How many, over all the nodes named.
    pub at_least: u64,
    /// On which nodes; left out: on any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

/// One entry of `must_fire`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MustFireDoc {
    /// The fault's name.
    pub fault: String,
    /// How often it must fire at least.
    pub at_least: u64,
    /// Only in these worlds; left out: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worlds: Option<Vec<WorldKind>>,
}

/// `[processes]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessesDoc {
    /// Seconds of plan time in one real second; block time and half-life shrink with it.
    pub speedup: u32,
}

impl Default for ProcessesDoc {
    fn default() -> Self {
        Self { speedup: 20 }
    }
}

fn every_world() -> Vec<WorldKind> {
    vec![WorldKind::Sim, WorldKind::Processes]
}

const fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape that serde asks for"
)]
const fn is_no(value: &bool) -> bool {
    !*value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape that serde asks for"
)]
const fn is_yes(value: &bool) -> bool {
    *value
}
