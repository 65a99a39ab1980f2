//! How many states of a sweep were tried, of how many there are, and what was found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::state::{Found, Outcome, StateId};

/// Tried of total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// States that were tried.
    pub tried: u64,
    /// States that there are.
    pub total: u64,
}

impl Tried {
    /// Adds another count to this.
    pub fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.total += other.total;
    }
}

/// What came of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// For each outcome, its states.
    pub outcomes: BTreeMap<Outcome, Tried>,
    /// Operations whose recoveries were swept as well, of how many.
    pub recoveries: Tried,
    /// States of those recoveries; all of them are tried.
    pub nested: u64,
    /// Polls at which the process was killed, of how many.
    pub awaits: Tried,
    /// Sets of rows that were reopened, each judged to the bottom.
    pub distinct: usize,
    /// What was found.
    pub found: Vec<(StateId, Found)>,
}

impl Tally {
    /// How many states were tried.
    #[must_use]
    pub fn tried(&self) -> u64 {
        let ends: u64 = self.outcomes.values().map(|count| count.tried).sum();
        ends + self.nested + self.awaits.tried
    }

    /// Adds what another worker has done of the same sweep, or another plan's.
    pub fn add(&mut self, other: Self) {
        for (outcome, count) in other.outcomes {
            self.outcomes.entry(outcome).or_default().add(count);
        }
        self.recoveries.add(other.recoveries);
        self.awaits.add(other.awaits);
        self.nested += other.nested;
        self.distinct += other.distinct;
        self.found.extend(other.found);
    }
}
