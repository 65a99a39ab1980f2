//! Everything that goes wrong on purpose in a simulated run, by the name under which it is counted
//! when it fires.

/// Names and what they mean: first what plans schedule, then what is drawn.
pub const ALL: &[(&str, &str)] = &[
    ("kill", "a node ends as by SIGKILL"),
    (
        "power_loss",
        "a node's machine goes dark, and unsynced writes are in doubt",
    ),
    ("stop", "a node is asked to stop"),
    ("restart", "a node starts on what an earlier life has left"),
    ("cut", "a link lets nothing pass in either direction"),
    (
        KILL_WHILE_WRITING,
        "a kill falls into the storing of a block",
    ),
    (
        POWER_LOSS_WHILE_WRITING,
        "a power loss falls into the storing of a block",
    ),
    (
        "power_loss_nothing_pending",
        "a power loss found everything synced",
    ),
    (
        "power_loss_none_survived",
        "a power loss took every pending write",
    ),
    (
        "power_loss_all_survived",
        "a power loss left every pending write",
    ),
    (
        "power_loss_prefix_survived",
        "a power loss left the first of the pending writes",
    ),
    (
        "power_loss_subset_survived",
        "a power loss left some of the pending writes",
    ),
    (
        "power_loss_torn",
        "a power loss left single sectors of the pending writes",
    ),
    (
        LATE_FINDING,
        "the checker's finding came up to two seconds late",
    ),
    ("cut_one_way", "a link lets nothing pass in one direction"),
    ("weather", "segments fare otherwise than usual"),
    (SEGMENT_SLOW, "a segment took longer than usual"),
    (SEGMENT_LOST, "a segment was lost and sent again, later"),
    (SEGMENT_CORRUPT, "a segment arrived with a bit flipped"),
    (SEGMENT_CHOPPED, "a single byte arrived of what was written"),
    (SEGMENT_RESET, "a connection was reset within a segment"),
    (SEGMENT_QUEUED, "a segment waited for a narrow line"),
    (SLOW_READER, "a node read less than had arrived"),
    ("reset", "all connections over a link were reset"),
    (
        "half_open",
        "a node forgot a connection, and its peer was not told",
    ),
    ("pause", "a node's process stood still"),
    ("clock", "a node's wall clock jumped"),
    ("wipe", "a node lost its data directory"),
    (
        "put_back",
        "a node got an earlier copy of its data directory",
    ),
    ("disk_io", "a disk operation failed"),
    ("disk_full", "a disk was full"),
    (
        "disk_sync",
        "a sync failed, and what it should have kept is in doubt",
    ),
    (
        "disk_power_loss",
        "the power failed at a chosen operation of a disk",
    ),
    (
        "disk_kill",
        "a node was killed at a chosen operation of its disk",
    ),
    (
        FELL_IN_RECOVERY,
        "a disk fault hit a node that was just starting",
    ),
    (SLOW_DISK, "a disk was slower than usual"),
    (SLOW_CHECKER, "a finding took longer than usual"),
    ("cache", "a node started with another page cache"),
    ("prune", "a node started to let go of what lies far below"),
    ("import", "a node began from another's snapshot"),
    (SPLIT_SEGMENT, "bytes written at once arrived in two pieces"),
];

/// See [`ALL`].
pub const KILL_WHILE_WRITING: &str = "kill_while_writing";
/// See [`ALL`].
pub const POWER_LOSS_WHILE_WRITING: &str = "power_loss_while_writing";
/// See [`ALL`].
pub const LATE_FINDING: &str = "late_finding";
/// See [`ALL`].
pub const SPLIT_SEGMENT: &str = "split_segment";
/// See [`ALL`].
pub const SEGMENT_SLOW: &str = "segment_slow";
/// See [`ALL`].
pub const SEGMENT_LOST: &str = "segment_lost";
/// See [`ALL`].
pub const SEGMENT_CORRUPT: &str = "segment_corrupt";
/// See [`ALL`].
pub const SEGMENT_CHOPPED: &str = "segment_chopped";
/// See [`ALL`].
pub const SEGMENT_RESET: &str = "segment_reset";
/// See [`ALL`].
pub const SEGMENT_QUEUED: &str = "segment_queued";
/// See [`ALL`].
pub const SLOW_READER: &str = "slow_reader";
/// See [`ALL`].
pub const SLOW_DISK: &str = "slow_disk";
/// See [`ALL`].
pub const SLOW_CHECKER: &str = "slow_checker";
/// See [`ALL`].
pub const FELL_IN_RECOVERY: &str = "fell_in_recovery";
