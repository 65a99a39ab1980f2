//! Making a failing plan small: takes away whatever the failure does not need, as long as the same
//! check fails. Knows a plan only as a tree of lists, fields and numbers, and asks the plan's own
//! reader which trees are plans: so it shrinks whatever a plan may ever hold.

use std::collections::BTreeSet;

use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::{Document, Plan};
use serde_json::Value;

use crate::explore::place_of;
use crate::failure::what_failed;
use crate::runner::{self, RunReport, SAME_DIGEST, two_digests};
use crate::seed::Seed;
use crate::stopwatch::Stopwatch;

mod tree;

use tree::{Path, at, forget, lists, names_of, numbers, optional_fields, parent_mut};

/// Lists that say who is there, or which worlds play: not taken apart element by element as others.
const WHOLE: &[&str] = &["worlds", "aliases", "latency_ms"];
/// Fields that say how long or how often: smaller is simpler.
const COUNTS: &[&str] = &["duration_s", "count"];

/// What must stay the same: the check, and for a panic its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    check: String,
    place: String,
}

impl Symptom {
    /// What this check and sentence show.
    #[must_use]
    pub fn new(check: &str, sentence: &str) -> Self {
        Self {
            check: check.into(),
            place: place_of(check, sentence).into(),
        }
    }

    /// Whether this run fails in the same way.
    #[must_use]
    pub fn is_shown_by(&self, report: &RunReport) -> bool {
        Self::of(report).as_ref() == Some(self)
    }

    fn of(report: &RunReport) -> Option<Self> {
        let (check, sentence) = what_failed(&report.outcome);
        (report.outcome.verdict() != Verdict::Pass).then(|| Self::new(&check, &sentence))
    }
}

/// Runs a plan, twice where the symptom is that two runs differ; `Some` if it shows the symptom.
#[must_use]
pub fn shows(plan: &Plan, seed: Seed, symptom: &Symptom) -> Option<RunReport> {
    let mut report = runner::run(plan, seed.0);
    if symptom.check == SAME_DIGEST.name {
        let again = runner::run(plan, seed.0);
        if again.digest != report.digest {
            let differs = two_digests(report.digest, again.digest);
            report.outcome.violations.push(differs);
        }
    }
    symptom.is_shown_by(&report).then_some(report)
}

/// How large a plan is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Entries of its timeline.
    pub events: usize,
    /// Nodes.
    pub nodes: usize,
    /// Blocks and transfers that events ask for.
    pub count: u64,
    /// Its duration, in milliseconds.
    pub duration_ms: u64,
}

impl Size {
    /// Of this document.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        Self {
            events: document.events.len(),
            nodes: document.nodes.len(),
            count: document.events.iter().filter_map(|event| event.count).sum(),
            duration_ms: document.duration_s.millis().get(),
        }
    }
}

/// The smallest plan that was found, and what it took.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// Its run.
    pub report: RunReport,
    /// Plans that were run.
    pub runs: u64,
    /// Whether nothing more can be taken away, one thing at a time; else the time was over.
    pub minimal: bool,
    /// Real time, in seconds.
    pub real_s: f64,
}

/// Shrinks `plan` for so many seconds; `None` when it does not show the symptom at all. `tell` hears
/// of each smaller plan.
pub fn shrink(
    plan: &Plan,
    seed: Seed,
    symptom: &Symptom,
    budget_s: f64,
    tell: &dyn Fn(&Document),
) -> Option<Shrunk> {
    let watch = Stopwatch::start();
    let report = shows(plan, seed, symptom)?;
    let mut search = Search {
        seed,
        symptom,
        budget_s,
        watch,
        tell,
        tree: serde_json::to_value(plan.document()).expect("a document is made of plain values"),
        best: (plan.clone(), report),
        tried: BTreeSet::new(),
        runs: 1,
    };
    while search.round() && !search.is_over() {}
    Some(Shrunk {
        minimal: !search.is_over(),
        plan: search.best.0,
        report: search.best.1,
        runs: search.runs,
        real_s: watch.seconds(),
    })
}

struct Search<'a> {
    seed: Seed,
    symptom: &'a Symptom,
    budget_s: f64,
    watch: Stopwatch,
    tell: &'a dyn Fn(&Document),
    /// The best plan as a tree.
    tree: Value,
    best: (Plan, RunReport),
    tried: BTreeSet<String>,
    runs: u64,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.watch.seconds() >= self.budget_s
    }

    /// Every way of making the plan smaller, once; whether one did. What saves most comes first.
    fn round(&mut self) -> bool {
        let mut smaller = self.cut_after_failure();
        smaller |= self.shrink_numbers("duration_s");
        smaller |= self.drop_names();
        for list in lists(&self.tree) {
            smaller |= self.minimize_list(&list);
        }
        for field in optional_fields(&self.tree) {
            smaller |= self.drop_field(&field);
        }
        for name in COUNTS {
            smaller |= self.shrink_numbers(name);
        }
        smaller
    }

    /// Takes the candidate if it is a plan that fails in the same way.
    fn try_tree(&mut self, candidate: Value) -> bool {
        if self.is_over() || !self.tried.insert(candidate.to_string()) {
            return false;
        }
        let document = serde_json::from_value::<Document>(candidate.clone());
        let Some(plan) = document
            .ok()
            .and_then(|document| Plan::resolve(document, "a smaller plan").ok())
        else {
            return false;
        };
        self.runs += 1;
        let Some(report) = shows(&plan, self.seed, self.symptom) else {
            return false;
        };
        (self.tell)(plan.document());
        self.tree = candidate;
        self.best = (plan, report);
        true
    }

    /// The plan ends a moment after its failure, and what lies behind is gone.
    fn cut_after_failure(&mut self) -> bool {
        let outcome = &self.best.1.outcome;
        let Some(at_ms) = outcome.first_violation().map(|violation| violation.at_ms) else {
            return false;
        };
        let end_s = at_ms.div_ceil(1_000) + 1;
        if at_ms >= self.best.0.duration.get() {
            return false;
        }
        let mut candidate = self.tree.clone();
        set_duration(&mut candidate, end_s);
        self.try_tree(candidate)
    }

    /// Takes nodes away, each with everything that names it.
    fn drop_names(&mut self) -> bool {
        let mut smaller = false;
        for name in names_of(&self.tree) {
            let mut candidate = self.tree.clone();
            forget(&mut candidate, &name);
            smaller |= self.try_tree(candidate);
        }
        smaller
    }

    /// Zeller's ddmin, complements only: takes away halves, then quarters, down to single entries.
    fn minimize_list(&mut self, path: &Path) -> bool {
        let named = |name: &&str| path.last().is_some_and(|step| step == *name);
        if WHOLE.iter().any(named) {
            return false;
        }
        let (mut smaller, mut part) = (false, usize::MAX);
        loop {
            let Some(len) = at(&self.tree, path).and_then(Value::as_array).map(Vec::len) else {
                return smaller;
            };
            part = part.min(len.div_ceil(2));
            if len == 0 || part == 0 {
                return smaller;
            }
            let mut from = 0;
            while let Some(list) = at(&self.tree, path).and_then(Value::as_array) {
                if from >= list.len() {
                    break;
                }
                let mut rest = list.clone();
                drop(rest.drain(from..(from + part).min(list.len())));
                let mut candidate = self.tree.clone();
                if let Some(slot) = parent_mut(&mut candidate, path) {
                    *slot = Value::Array(rest);
                }
                match self.try_tree(candidate) {
                    true => smaller = true,
                    false => from += part,
                }
            }
            if part == 1 {
                return smaller;
            }
            part = part.div_ceil(2);
        }
    }

    fn drop_field(&mut self, path: &Path) -> bool {
        let mut candidate = self.tree.clone();
        let Some((name, above)) = path.split_last() else {
            return false;
        };
        let fields = parent_mut(&mut candidate, above).and_then(Value::as_object_mut);
        let gone = fields.and_then(|fields| fields.remove(name));
        gone.is_some() && self.try_tree(candidate)
    }

    /// Numbers called `name`: to one, to half, and then by steps that halve.
    fn shrink_numbers(&mut self, name: &str) -> bool {
        let mut smaller = false;
        for path in numbers(&self.tree, name) {
            let Some(now) = at(&self.tree, &path).and_then(Value::as_f64) else {
                continue;
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "plans bound their numbers far below 2^53"
            )]
            let mut high = now.ceil() as u64;
            let mut low = 0;
            while low + 1 < high && !self.is_over() {
                let middle = if low == 0 && high > 2 && name != "duration_s" {
                    1
                } else {
                    low + (high - low) / 2
                };
                let mut candidate = self.tree.clone();
                if name == "duration_s" {
                    set_duration(&mut candidate, middle);
                } else if let Some(slot) = parent_mut(&mut candidate, &path) {
                    *slot = middle.into();
                }
                match self.try_tree(candidate) {
                    true => (high, smaller) = (middle, true),
                    false => low = middle,
                }
                // A duration to the second is no smaller for anybody who reads it.
                if name == "duration_s" && high - low <= 1 + high / 16 {
                    break;
                }
            }
        }
        smaller
    }
}

/// The plan ends after so many seconds: later events go with the time in which they happened.
fn set_duration(tree: &mut Value, seconds: u64) {
    tree["duration_s"] = seconds.into();
    #[expect(clippy::cast_precision_loss, reason = "plans last at most a century")]
    let within = |event: &Value| event["at_s"].as_f64().is_none_or(|at| at <= seconds as f64);
    if let Some(events) = tree["events"].as_array_mut() {
        events.retain(within);
    }
    // What was to be reached in more time.
    if let Some(expect) = tree["expect"].as_object_mut() {
        expect.remove("min_height");
    }
}
