//! What is checked of a state that a sweep reopens.

use archivas_scenarios::checks::Check;
use archivas_scenarios::world::ViolationKind;

const fn safety(name: &'static str, about: &'static str) -> Check {
    let kind = ViolationKind::Safety;
    Check { name, kind, about }
}

/// See [`ALL`].
pub const OPENS: Check = safety(
    "sweep_opens",
    "whatever an end at any operation left on the disk opens again (O11)",
);
/// See [`ALL`].
pub const ROWS_AGREE: Check = safety(
    "sweep_rows_agree",
    "every row of a reopened database agrees with every other: tree, marks, indexes, LtHash, supply, nonces (O1, O2)",
);
/// See [`ALL`].
pub const IS_BOUNDARY: Check = safety(
    "sweep_is_boundary",
    "a reopened state is that of a block which the model replays from genesis (O3)",
);
/// See [`ALL`].
pub const KEEPS_TIP: Check = safety(
    "sweep_keeps_tip",
    "a reopened state has at least the work of every tip that was told",
);
/// See [`ALL`].
pub const KEEPS_ACCEPTED: Check = safety(
    "sweep_keeps_accepted",
    "a transfer that was answered with ok:true is stored or confirmed",
);
/// See [`ALL`].
pub const UNDOES: Check = safety(
    "sweep_undoes",
    "the best chain, as far as it can be reverted, is left and joined again, and every row is as before (O4)",
);
/// See [`ALL`].
pub const WRITES_ON: Check = safety(
    "sweep_writes_on",
    "a reopened database takes more changes, is closed, and opens with the same rows",
);
/// See [`ALL`].
pub const REPEATS: Check = Check {
    name: "sweep_repeats",
    kind: ViolationKind::NotDeterministic,
    about: "a run with a fault is the recorded run up to the fault",
};
/// See [`ALL`].
pub const CATCHES_UP: Check = Check {
    name: "sweep_catches_up",
    kind: ViolationKind::Liveness,
    about: "a node on each distinct reopened state and its peers share a tip within two minutes",
};

/// See [`ALL`].
pub const AWAITS: Check = safety(
    "sweep_awaits",
    "a node that is killed wherever one of its tasks waits breaks no promise of its plan",
);

/// Every check of a sweep, beside those of the simulated world.
pub const ALL: &[Check] = &[
    OPENS,
    ROWS_AGREE,
    IS_BOUNDARY,
    KEEPS_TIP,
    KEEPS_ACCEPTED,
    UNDOES,
    WRITES_ON,
    REPEATS,
    CATCHES_UP,
    AWAITS,
];
