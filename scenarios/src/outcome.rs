//! What came of a run, and the exit code that it means (interfaces §4).

use std::collections::BTreeMap;

use archivas_core::primitives::Millis;

use crate::world::{CheckCount, HarnessError, Tip, Violation, ViolationKind, WorldKind};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The world that played it.
    pub world: WorldKind,
    /// The seed of its draws.
    pub seed: u64,
    /// The checks that failed, in the order in which they were found.
    pub violations: Vec<Violation>,
    /// What did not happen without which the run proves nothing, a sentence each.
    pub vacuous: Vec<String>,
    /// Why the world itself could not go on.
    pub harness: Option<HarnessError>,
    /// Every check by name, the world's own included.
    pub checks: BTreeMap<String, CheckCount>,
    /// Faults that fired, by name.
    pub faults: BTreeMap<String, u64>,
    /// Rare states that were hit, by name.
    pub probes: BTreeMap<String, u64>,
    /// The running hash over every event; `None` where runs are not repeatable.
    pub digest: Option<[u8; 16]>,
    /// The nodes, in the order of the plan.
    pub nodes: Vec<NodeSummary>,
    /// Plan time that passed.
    pub simulated: Millis,
}

/// A node at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSummary {
    /// Its name.
    pub name: String,
    /// Whether it was up.
    pub up: bool,
    /// Its last known tip.
    pub tip: Option<Tip>,
    /// How often it was started.
    pub lives: u64,
    /// Blocks that it mined.
    pub mined: u64,
    /// Reorganizations that it made.
    pub reorgs: u64,
    /// The most blocks that left its best chain at once.
    pub deepest_reorg: u64,
}

/// The one word for a run. The order is that of severity: with several kinds of failure, the
/// greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All checks held, and the story was told.
    Pass,
    /// The world itself failed.
    Harness,
    /// The story was not told: a fault never fired, or a check never ran.
    Vacuous,
    /// A declared limit was passed.
    Resource,
    /// Something that must happen did not happen in time.
    Liveness,
    /// Something happened that must never happen.
    Safety,
    /// Node code panicked.
    Panic,
    /// Two runs of one seed differ.
    NotDeterministic,
}

impl Verdict {
    /// The exit code of interfaces §4.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Harness => 1,
            Self::Safety => 10,
            Self::Liveness => 11,
            Self::Panic => 12,
            Self::NotDeterministic => 13,
            Self::Resource => 14,
            Self::Vacuous => 15,
        }
    }

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::Harness => "harness error",
            Self::Safety => "safety check failed",
            Self::Liveness => "liveness missed",
            Self::Panic => "panic in node code",
            Self::NotDeterministic => "not deterministic",
            Self::Resource => "resource limit",
            Self::Vacuous => "vacuous",
        }
    }
}

impl From<ViolationKind> for Verdict {
    fn from(kind: ViolationKind) -> Self {
        match kind {
            ViolationKind::Safety => Self::Safety,
            ViolationKind::Liveness => Self::Liveness,
            ViolationKind::Panic => Self::Panic,
            ViolationKind::NotDeterministic => Self::NotDeterministic,
            ViolationKind::Resource => Self::Resource,
        }
    }
}

impl Outcome {
    /// The one word for this run. A broken world comes before vacuity, which it explains.
    pub fn verdict(&self) -> Verdict {
        let worst = self
            .violations
            .iter()
            .map(|violation| Verdict::from(violation.kind))
            .max();
        match worst {
            Some(worst) => worst,
            None if self.harness.is_some() => Verdict::Harness,
            None if !self.vacuous.is_empty() => Verdict::Vacuous,
            None => Verdict::Pass,
        }
    }

    /// The violation that the verdict is about: the first of the gravest kind. Failing seeds are
    /// grouped by its check.
    pub fn first_violation(&self) -> Option<&Violation> {
        let verdict = self.verdict();
        self.violations
            .iter()
            .find(|violation| Verdict::from(violation.kind) == verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kinds: &[ViolationKind], vacuous: bool, harness: bool) -> Outcome {
        let violation = |kind: &ViolationKind| Violation {
            check: "some_check".to_owned(),
            kind: *kind,
            at_ms: 0,
            node: None,
            sentence: String::new(),
        };
        Outcome {
            scenario: "tiny".to_owned(),
            world: WorldKind::Sim,
            seed: 0,
            violations: kinds.iter().map(violation).collect(),
            vacuous: vacuous
                .then(|| "no cut fired".to_owned())
                .into_iter()
                .collect(),
            harness: harness.then(|| HarnessError("no memory".to_owned())),
            checks: BTreeMap::new(),
            faults: BTreeMap::new(),
            probes: BTreeMap::new(),
            digest: None,
            nodes: Vec::new(),
            simulated: Millis::ZERO,
        }
    }

    #[test]
    fn the_gravest_kind_gives_the_exit_code() {
        use ViolationKind::{Liveness, NotDeterministic, Panic, Resource, Safety};
        let code = |kinds: &[_]| outcome(kinds, true, false).verdict().exit_code();
        assert_eq!(
            code(&[Resource, Liveness, Safety, Panic, NotDeterministic]),
            13
        );
        assert_eq!(code(&[Resource, Liveness, Safety, Panic]), 12);
        assert_eq!(code(&[Resource, Liveness, Safety]), 10);
        assert_eq!(code(&[Resource, Liveness]), 11);
        assert_eq!(code(&[Resource]), 14);
        assert_eq!(code(&[]), 15);
    }

    #[test]
    fn without_violations_the_world_and_then_the_story_decide() {
        assert_eq!(outcome(&[], false, false).verdict().exit_code(), 0);
        assert_eq!(outcome(&[], true, true).verdict().exit_code(), 1);
    }

    #[test]
    fn the_first_violation_is_of_the_gravest_kind() {
        use ViolationKind::{Liveness, Safety};
        let outcome = outcome(&[Liveness, Safety], false, false);
        assert_eq!(outcome.first_violation().unwrap().kind, Safety);
    }
}
