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
