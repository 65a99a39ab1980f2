//! What is checked of a state that a sweep reopens, beside the checks of the simulated world.

archivas_scenarios::checks! {
    /// O11.
    OPENS = "sweep_opens", Safety,
        "whatever an end at any operation left on the disk opens again (O11)";
    /// O1 and O2.
    ROWS_AGREE = "sweep_rows_agree", Safety,
        "every row of a reopened database agrees with every other: tree, marks, indexes, LtHash, supply, nonces (O1, O2)";
    /// O3.
    IS_BOUNDARY = "sweep_is_boundary", Safety,
        "a reopened state is that of a block which the model replays from genesis (O3)";
    /// Acknowledged: a tip.
    KEEPS_TIP = "sweep_keeps_tip", Safety,
        "a reopened state has at least the work of every tip that was told";
    /// Acknowledged: a transfer.
    KEEPS_ACCEPTED = "sweep_keeps_accepted", Safety,
        "a transfer that was answered with ok:true is stored or confirmed";
    /// O4.
    UNDOES = "sweep_undoes", Safety,
        "the best chain, as far as it can be reverted, is left and joined again, and every row is as before (O4)";
    /// What recovery leaves is no dead end.
    WRITES_ON = "sweep_writes_on", Safety,
        "a reopened database takes more changes, is closed, and opens with the same rows";
    /// What an armed run shows is about the recorded one.
    REPEATS = "sweep_repeats", NotDeterministic,
        "a run with a fault is the recorded run up to the fault";
    /// O5 on each distinct state.
    CATCHES_UP = "sweep_catches_up", Liveness,
        "a node on each distinct reopened state and its peers share a tip within two minutes";
    /// An end between two operations.
    AWAITS = "sweep_awaits", Safety,
        "a node that is killed wherever one of its tasks waits breaks no promise of its plan";
}
