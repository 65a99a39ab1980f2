//! One run: a plan and a seed, on a fresh thread, in a fresh runtime, in a fresh world. A panic in
//! node code ends the run and is part of its report, with the node and the place.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use archivas_core::primitives::Millis;
use archivas_scenarios::checks::Check;
use archivas_scenarios::draws::Draws;
use archivas_scenarios::observer::{NodeView, Observer, Row};
use archivas_scenarios::outcome::{NodeSummary, Outcome};
use archivas_scenarios::plan::Plan;
use archivas_scenarios::player::play;
use archivas_scenarios::world::{
    CheckCount, HarnessError, NodeIndex, Violation, ViolationKind, World, WorldKind,
};

use crate::agenda::Agenda;
use crate::judges;
use crate::log::{self, Wanted};
use crate::meter::Meter;
use crate::panics;
use crate::spawner::Blame;
use crate::stopwatch::Stopwatch;
use crate::thread::{Measured, run_measured};
use crate::trace::{Digest, Trace};
use crate::world::SimWorld;

/// What came of one run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The player's and the world's findings.
    pub outcome: Outcome,
    /// XXH3-128 of everything that happened.
    pub digest: Digest,
    /// How many events that were.
    pub events: u64,
    /// Whether the list of events that was asked for is whole.
    pub lines_written: bool,
    /// Real time, in seconds.
    pub real_s: f64,
    /// CPU time of the run's thread, in seconds.
    pub cpu_s: f64,
}

/// Under this name a panic is reported.
pub const NO_PANIC: Check = Check {
    name: "no_panic",
    kind: ViolationKind::Panic,
    about: "no code of a node panics (O13)",
};

/// Under this name two runs of one seed that differ are reported.
pub const SAME_DIGEST: Check = Check {
    name: "same_digest",
    kind: ViolationKind::NotDeterministic,
    about: "two runs of one seed have one digest",
};

/// The violation that two runs of one seed with these digests are.
#[must_use]
pub fn two_digests(first: Digest, second: Digest) -> Violation {
    Violation {
        check: SAME_DIGEST.name.into(),
        kind: SAME_DIGEST.kind,
        at_ms: 0,
        node: None,
        sentence: format!("the same seed gave {first} and then {second}"),
    }
}

/// What outlives the run's thread: the trace once it exists, and how the nodes looked last.
#[derive(Clone, Default)]
struct Remains(Arc<Mutex<Left>>);

#[derive(Default)]
struct Left {
    trace: Option<(Trace, Blame)>,
    nodes: Vec<NodeView>,
}

impl Remains {
    fn with<T>(&self, look: impl FnOnce(&mut Left) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Passes rows on, and remembers how the nodes looked.
struct Witness<'a> {
    inner: &'a mut (dyn Observer + Send),
    remains: Remains,
}

impl Observer for Witness<'_> {
    fn row(&mut self, row: &Row, nodes: &[NodeView]) {
        self.remains.with(|left| left.nodes = nodes.to_vec());
        self.inner.row(row, nodes);
    }
}

/// What else is wanted of a run. Nothing of it changes what happens in it.
#[derive(Default)]
pub struct Options {
    /// Gets one line an event.
    pub lines: Option<Box<dyn Write + Send>>,
    /// Measures where the time goes.
    pub meter: Meter,
    /// From this time on all draws are others than those of the seed: another future, by its number.
    pub anew: Option<(Millis, u64)>,
    /// Nodes that log, and how much.
    pub log: Wanted,
}

/// Runs `plan` with `seed`.
#[must_use]
pub fn run(plan: &Plan, seed: u64) -> RunReport {
    run_with(plan, seed, &mut (), Options::default())
}

/// Runs `plan` with `seed` and tells `observer`.
pub fn run_with(
    plan: &Plan,
    seed: u64,
    observer: &mut (dyn Observer + Send),
    options: Options,
) -> RunReport {
    run_in(plan, seed, observer, options, |world| world)
}

/// Runs `plan` in a world made from ours: with checks, faults and peers of one's own around it.
pub fn run_in<W: World>(
    plan: &Plan,
    seed: u64,
    observer: &mut (dyn Observer + Send),
    options: Options,
    wrap: impl FnOnce(SimWorld) -> W + Send,
) -> RunReport {
    let Options {
        lines,
        meter,
        anew,
        log,
    } = options;
    panics::watch();
    let watch = Stopwatch::start();
    let remains = Remains::default();
    let mut witness = Witness {
        inner: observer,
        remains: remains.clone(),
    };
    let begun = remains.clone();
    let measured = run_measured(seed, async move || {
        let agenda = Agenda::new();
        let clock = agenda.clone();
        let trace = Trace::metered(move || clock.now(), meter);
        if let Some(lines) = lines {
            trace.write_lines_to(lines);
        }
        let blame = Blame::new(trace.clone());
        begun.with(|left| left.trace = Some((trace.clone(), blame.clone())));
        let _log = (!log.is_empty()).then(|| log::begin(&log, &trace, &blame.current));
        let time = trace.clone();
        let draws = match anew {
            None => Draws::new(seed),
            Some((at, future)) => {
                Draws::new(seed).anew_after(future, move || time.now() / 1_000_000 >= at.get())
            }
        };
        let world = SimWorld::new(plan, draws.clone(), agenda, trace, blame);
        play(plan, &draws, wrap(world), &mut witness).await
    });
    report(plan, seed, measured, &remains, watch)
}

fn report(
    plan: &Plan,
    seed: u64,
    measured: Measured<Outcome>,
    remains: &Remains,
    watch: Stopwatch,
) -> RunReport {
    let left = remains.with(std::mem::take);
    let (trace, blame) = left
        .trace
        .expect("the run made its trace before anything else");
    let lines_written = trace.finish_lines();
    let cpu_s = measured.cpu_s;
    let outcome = match measured.result {
        Ok(mut outcome) => {
            outcome
                .checks
                .insert(NO_PANIC.name.into(), CheckCount { ran: 1, failed: 0 });
            let blind = blind_judges(&outcome);
            outcome.vacuous.extend(blind);
            outcome
        }
        Err(payload) => {
            let words = panics::words(&*payload);
            let place = measured.place.unwrap_or_else(|| "an unknown place".into());
            let panic = Panic {
                sentence: format!("{place}: {words}"),
                node: blame.node(),
            };
            ended_by(&panic, plan, seed, (&trace, &left.nodes))
        }
    };
    let (digest, events) = (trace.digest(), trace.events());
    RunReport {
        outcome,
        digest,
        events,
        lines_written,
        real_s: watch.seconds(),
        cpu_s,
    }
}

/// The checks of this world that should have looked in a run which was played to its end.
fn blind_judges(outcome: &Outcome) -> Vec<String> {
    if !outcome.violations.is_empty() || outcome.harness.is_some() {
        return Vec::new();
    }
    let mut wanted: Vec<&Check> = judges::IN_EVERY_RUN.iter().collect();
    let fired = |fault: &str| outcome.faults.contains_key(fault);
    // A node whose disk was wiped comes back with nothing, and it may be the only one that came back.
    let kept = fired("restart") && !fired("wipe");
    wanted.extend(kept.then_some(&judges::TOLD_TIP_SURVIVES));
    wanted.extend(fired("stop").then_some(&judges::STOPS_IN_TIME));
    let ran = |check: &Check| outcome.checks.get(check.name).map_or(0, |count| count.ran);
    let blind = wanted.into_iter().filter(|check| ran(check) == 0);
    blind
        .map(|check| format!("the check `{}` never ran", check.name))
        .collect()
}

struct Panic {
    sentence: String,
    node: Option<u16>,
}

/// The outcome of a run that a panic ended: of a node's code a violation, of ours a harness error.
fn ended_by(panic: &Panic, plan: &Plan, seed: u64, left: (&Trace, &[NodeView])) -> Outcome {
    let (trace, views) = left;
    let simulated = Millis::new(trace.now() / 1_000_000);
    let violation = |node: u16| Violation {
        check: NO_PANIC.name.into(),
        kind: NO_PANIC.kind,
        at_ms: simulated.get(),
        node: Some(NodeIndex(node.into())),
        sentence: panic.sentence.clone(),
    };
    let harness = panic.node.is_none();
    let tally = trace.tally();
    Outcome {
        scenario: plan.name.clone(),
        world: WorldKind::Sim,
        seed,
        violations: panic.node.map(violation).into_iter().collect(),
        vacuous: Vec::new(),
        harness: harness
            .then(|| HarnessError(format!("the simulator panicked at {}", panic.sentence))),
        checks: BTreeMap::from([(NO_PANIC.name.into(), CheckCount { ran: 1, failed: 1 })]),
        faults: tally
            .into_iter()
            .map(|(name, count)| (name.into(), count))
            .collect(),
        probes: BTreeMap::new(),
        digest: Some(trace.digest().to_bytes()),
        nodes: summaries(plan, views),
        simulated,
    }
}

fn summaries(plan: &Plan, views: &[NodeView]) -> Vec<NodeSummary> {
    let summary = |(node, view): (&archivas_scenarios::plan::Node, &NodeView)| NodeSummary {
        name: node.name.clone(),
        up: view.up,
        tip: view.tip,
        lives: view.lives,
        mined: view.mined,
        reorgs: view.reorgs,
        deepest_reorg: view.deepest_reorg,
    };
    plan.nodes.iter().zip(views).map(summary).collect()
}

#[cfg(test)]
mod tests {
    use archivas_scenarios::outcome::Verdict;
    use archivas_scenarios::plan::{Overrides, load};

    use super::*;

    #[test]
    fn a_judge_that_never_looked_makes_a_run_vacuous() {
        let short = Overrides {
            nodes: None,
            duration: Some(Millis::from_secs(30)),
        };
        let plan = load("three-nodes-agree", short).unwrap();
        let RunReport {
            mut outcome,
            digest,
            ..
        } = run(&plan, 1);
        assert_eq!(outcome.verdict(), Verdict::Pass, "{:?}", outcome.vacuous);
        assert_eq!(outcome.digest, Some(digest.to_bytes()));
        for check in judges::IN_EVERY_RUN {
            let count = outcome
                .checks
                .insert(check.name.into(), CheckCount::default());
            let sentence = format!("the check `{}` never ran", check.name);
            assert_eq!(blind_judges(&outcome), [sentence]);
            outcome.checks.insert(check.name.into(), count.unwrap());
        }
        outcome.faults.insert("restart".into(), 1);
        assert_eq!(
            blind_judges(&outcome),
            ["the check `told_tip_survives` never ran"]
        );
    }
}
