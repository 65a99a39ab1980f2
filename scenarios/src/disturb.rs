//! What only a simulated world can do to its nodes: to their lines, disks, clocks and processes. A
//! plan names each by an act of its own (`plan/faults.rs`); here are the resolved forms. Rates are
//! whole parts per million, so that every machine draws alike.

use archivas_core::primitives::{Height, Millis};
use serde::{Deserialize, Serialize};

use crate::world::{LinkIndex, NodeIndex};

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// Who sends.
    pub from: NodeIndex,
    /// Who receives.
    pub to: NodeIndex,
}

/// What happens to segments on their way. The default is the line as the plan's `[links]` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Least and greatest latency of a segment, in the place of the link's own.
    pub latency: Option<(Millis, Millis)>,
    /// Segments that are lost and sent again, later: parts per million.
    pub loss_ppm: u32,
    /// Segments of which one bit arrives flipped.
    pub corrupt_ppm: u32,
    /// Segments that arrive as a single byte, the rest after it.
    pub chop_ppm: u32,
    /// Segments in whose middle the connection is reset.
    pub reset_ppm: u32,
    /// The bytes that pass in a second; `None` = as many as are sent.
    pub bytes_per_s: Option<u64>,
}

/// What goes wrong at one operation of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFault {
    /// An operation fails with an I/O error.
    Io,
    /// An operation fails because the disk is full.
    Full,
    /// A sync fails, and what it should have made durable is in doubt.
    Sync,
    /// The power fails.
    PowerLoss,
    /// The process is killed.
    Kill,
}

impl DiskFault {
    /// The name under which it is counted when it fires.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "disk_io",
            Self::Full => "disk_full",
            Self::Sync => "disk_sync",
            Self::PowerLoss => "disk_power_loss",
            Self::Kill => "disk_kill",
        }
    }
}

/// Something that is done to a simulated world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// No byte passes in these directions until the links are healed.
    CutOneWay(Vec<Way>),
    /// Other weather from now on.
    Weather(Vec<Way>, Weather),
    /// The connections over these links are reset, in the middle of whatever is under way.
    Reset(Vec<LinkIndex>),
    /// The node forgets its connections over these links, and the others are not told.
    HalfOpen(NodeIndex, Vec<LinkIndex>),
    /// The process stands still (SIGSTOP).
    Pause(NodeIndex),
    /// The process goes on (SIGCONT).
    Resume(NodeIndex),
    /// From now on the node's wall clock is so many milliseconds off.
    Clock(NodeIndex, i64),
    /// The data directory of a node that is down is emptied.
    Wipe(NodeIndex),
    /// Somebody copies the node's data directory.
    CopyImage(NodeIndex),
    /// The copy is put in the place of the data directory of a node that is down.
    PutBack(NodeIndex),
    /// Something goes wrong at the disk's `after`-th operation from now (from 0).
    Disk {
        /// Whose disk.
        node: NodeIndex,
        /// What.
        fault: DiskFault,
        /// After how many operations; for a failed sync, the first sync from there on.
        after: u64,
    },
    /// Every sync and write of the node's disk takes so much longer; 0 = as usual.
    DiskSpeed(NodeIndex, Millis),
    /// The node's checker takes up to so much longer for each finding; 0 = as usual.
    CheckerSpeed(NodeIndex, Millis),
    /// The node reads so many bytes a second from each peer at most; 0 = as fast as they come.
    ReaderSpeed(NodeIndex, u64),
    /// The page cache of the node's next lives, in KiB.
    Cache(NodeIndex, u64),
    /// The node's next lives let go of what lies more than so many blocks below the tip.
    Prune(NodeIndex, u64),
    /// A node that has never been up begins from a snapshot of another.
    Import {
        /// Who begins.
        node: NodeIndex,
        /// Who exports, while it is up.
        source: NodeIndex,
        /// The height of the accounts.
        height: Height,
    },
    /// Phase two: every fault ends for these nodes and the links among them, and those that are down
    /// come up.
    Calm(Vec<NodeIndex>),
}

impl Disturbance {
    /// The name in reports; for most also that of the fault which is counted when it fires.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CutOneWay(_) => "cut_one_way",
            Self::Weather(..) => "weather",
            Self::Reset(_) => "reset",
            Self::HalfOpen(..) => "half_open",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Clock(..) => "clock",
            Self::Wipe(_) => "wipe",
            Self::CopyImage(_) => "copy_image",
            Self::PutBack(_) => "put_back",
            Self::Disk { fault, .. } => fault.name(),
            Self::DiskSpeed(..) => "slow_disk",
            Self::CheckerSpeed(..) => "slow_checker",
            Self::ReaderSpeed(..) => "slow_reader",
            Self::Cache(..) => "cache",
            Self::Prune(..) => "prune",
            Self::Import { .. } => "import",
            Self::Calm(_) => "calm",
        }
    }

    /// The nodes that it is done to.
    pub fn nodes(&self) -> Vec<NodeIndex> {
        match self {
            Self::CutOneWay(ways) | Self::Weather(ways, _) => {
                let mut nodes: Vec<NodeIndex> = ways.iter().map(|way| way.from).collect();
                nodes.sort_unstable();
                nodes.dedup();
                nodes
            }
            Self::Reset(_) => Vec::new(),
            Self::Calm(core) => core.clone(),
            Self::HalfOpen(node, _)
            | Self::Pause(node)
            | Self::Resume(node)
            | Self::Clock(node, _)
            | Self::Wipe(node)
            | Self::CopyImage(node)
            | Self::PutBack(node)
            | Self::Disk { node, .. }
            | Self::DiskSpeed(node, _)
            | Self::CheckerSpeed(node, _)
            | Self::ReaderSpeed(node, _)
            | Self::Cache(node, _)
            | Self::Prune(node, _)
            | Self::Import { node, .. } => vec![*node],
        }
    }

    /// The faults that must have fired by the end of a run in which this was done.
    pub fn fires(&self) -> Vec<&'static str> {
        match self {
            Self::Weather(_, weather) => weather.fires(),
            Self::Resume(_) | Self::Calm(_) | Self::CopyImage(_) => Vec::new(),
            Self::DiskSpeed(_, Millis::ZERO) | Self::CheckerSpeed(_, Millis::ZERO) => Vec::new(),
            Self::ReaderSpeed(_, 0) => Vec::new(),
            other => vec![other.name()],
        }
    }
}

impl Weather {
    fn fires(&self) -> Vec<&'static str> {
        let all = [
            ("segment_slow", self.latency.is_some()),
            ("segment_lost", self.loss_ppm > 0),
            ("segment_corrupt", self.corrupt_ppm > 0),
            ("segment_chopped", self.chop_ppm > 0),
            ("segment_reset", self.reset_ppm > 0),
            ("segment_queued", self.bytes_per_s.is_some()),
        ];
        let meant = all.into_iter().filter(|(_, is)| *is);
        meant.map(|(name, _)| name).collect()
    }
}
