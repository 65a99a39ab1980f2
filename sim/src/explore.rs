//! A campaign: many seeds of some scenarios on all cores, each run on a fresh thread of its own. What
//! comes of a seed does not depend on how many jobs there are, nor on their order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use archivas_core::primitives::Millis;
use archivas_scenarios::outcome::{Outcome, Verdict};
use archivas_scenarios::plan::{Plan, PlanError, Scenario};
use archivas_scenarios::world::{HarnessError, WorldKind};

use crate::failure::what_failed;
use crate::faults;
use crate::runner::run;
use crate::seed::Seed;
use crate::stopwatch::Stopwatch;

pub mod canary;
mod shard;

pub use shard::{BadShard, Shard};

/// With a budget of time, every scenario gets at least so many seeds, however long that takes.
pub const SEEDS_MIN: u64 = 10;

/// Which seeds are run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seeds {
    /// So many from the base seed on, of each scenario.
    Count(u64),
    /// For so many seconds, round robin, and at least [`SEEDS_MIN`] of each scenario.
    Budget(f64),
}

/// What is to be run, and how.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// The seed of index 0.
    pub base: Seed,
    /// How many seeds.
    pub seeds: Seeds,
    /// Which part of the seeds: those whose index leaves this remainder.
    pub shard: Shard,
    /// Numbers that were run before, by an earlier part of the same campaign.
    pub done: BTreeSet<u64>,
    /// How many runs at once.
    pub jobs: usize,
    /// Begin no more runs after the first failure.
    pub fail_fast: bool,
    /// How many of a thousand runs are made twice, to compare digests.
    pub twice_of_1000: u64,
}

/// What came of one seed of one scenario. Nothing of it differs between machines but the times.
#[derive(Clone, Debug)]
pub struct SeedResult {
    /// Its place in the campaign.
    pub number: u64,
    /// The scenario's place among the campaign's plans.
    pub plan: usize,
    /// The seed.
    pub seed: Seed,
    /// The digest, 32 hex digits.
    pub digest: String,
    /// How many events the run had.
    pub events: u64,
    /// Whether it was made twice.
    pub twice: bool,
    /// What came of it; for a run that did not pass, with everything known about it.
    pub verdict: Verdict,
    /// See `verdict`; `None` when it passed.
    pub failed: Option<Box<Outcome>>,
    /// How often each fault fired; moved into the harvest's sums.
    pub faults: BTreeMap<String, u64>,
    /// How often each probe was hit.
    pub probes: BTreeMap<String, u64>,
    /// Virtual time, in milliseconds.
    pub simulated_ms: u64,
    /// Real time, in seconds.
    pub real_s: f64,
}

/// What came of a campaign, ordered by number.
#[derive(Clone, Debug, Default)]
pub struct Harvest {
    /// One entry a seed, small unless it failed: memory stays flat over many seeds.
    pub results: Vec<SeedResult>,
    /// How often each fault fired in all, and in how many runs.
    pub fired: BTreeMap<String, (u64, u64)>,
    /// In how many runs each probe was hit.
    pub hit: BTreeMap<String, u64>,
    /// Whether it was told to end before it was over.
    pub interrupted: bool,
    /// Real time, in seconds.
    pub real_s: f64,
}

/// Failing seeds with the same cause, as far as one can see: scenario, check and place.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The scenario's place among the campaign's plans.
    pub plan: usize,
    /// The check that failed.
    pub check: String,
    /// The seeds, the one that is quickest to see again first.
    pub results: Vec<&'a SeedResult>,
}

impl Campaign {
    /// Runs it. `tell` hears of each seed as it ends, in any order, on the calling thread's behalf.
    /// Begins no more runs once `stop` is set.
    pub fn run(&self, stop: &AtomicBool, tell: &(dyn Fn(&SeedResult) + Sync)) -> Harvest {
        let watch = Stopwatch::start();
        let progress = Mutex::new(Progress::default());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                let work = || self.work((watch, stop), &progress, tell);
                let worker = Builder::new()
                    .name("explore".into())
                    .spawn_scoped(scope, work);
                drop(worker.expect("the operating system has a thread left"));
            }
        });
        let mut harvest = std::mem::take(&mut lock(&progress).harvest);
        harvest.results.sort_by_key(|result| result.number);
        harvest.interrupted = stop.load(Ordering::Relaxed);
        harvest.real_s = watch.seconds();
        harvest
    }

    fn work(
        &self,
        (watch, stop): (Stopwatch, &AtomicBool),
        progress: &Mutex<Progress>,
        tell: &(dyn Fn(&SeedResult) + Sync),
    ) {
        loop {
            let number = {
                let mut progress = lock(progress);
                if stop.load(Ordering::Relaxed) || self.is_over(&progress, watch) {
                    return;
                }
                progress.next += 1;
                self.number(progress.next - 1)
            };
            if self.done.contains(&number) {
                continue;
            }
            let result = self.run_one(number);
            tell(&result);
            let mut progress = lock(progress);
            progress.failed |= result.verdict != Verdict::Pass;
            progress.harvest.absorb(result);
        }
    }

    fn is_over(&self, progress: &Progress, watch: Stopwatch) -> bool {
        let scenarios = self.scenarios.len() as u64;
        let enough = match self.seeds {
            Seeds::Count(count) => progress.next / scenarios >= self.shard.share_of(count),
            Seeds::Budget(seconds) => {
                progress.next >= SEEDS_MIN * scenarios && watch.seconds() >= seconds
            }
        };
        enough || (self.fail_fast && progress.failed)
    }

    /// The number of the run that this shard makes as its `turn`th, from 0.
    fn number(&self, turn: u64) -> u64 {
        let scenarios = self.scenarios.len() as u64;
        self.shard.index(turn / scenarios) * scenarios + turn % scenarios
    }

    /// Run number `number`: the scenarios take turns, each with the base seed first.
    fn run_one(&self, number: u64) -> SeedResult {
        let scenarios = self.scenarios.len() as u64;
        let plan = usize::try_from(number % scenarios).expect("below a usize");
        let seed = self.base.plus(number / scenarios);
        let drawn = match self.plan(plan, seed) {
            Ok(drawn) => drawn,
            Err(error) => return self.without_plan((number, plan, seed), &error),
        };
        let report = run(&drawn, seed.0);
        let twice = self.is_sampled(number);
        let again = twice.then(|| run(&drawn, seed.0));
        let mut outcome = report.outcome;
        if let Some(again) = again.filter(|again| again.digest != report.digest) {
            outcome
                .violations
                .push(crate::runner::two_digests(report.digest, again.digest));
        }
        let verdict = outcome.verdict();
        SeedResult {
            number,
            plan,
            seed,
            digest: report.digest.to_string(),
            events: report.events,
            twice,
            verdict,
            simulated_ms: outcome.simulated.get(),
            faults: outcome.faults.clone(),
            probes: outcome.probes.clone(),
            failed: (verdict != Verdict::Pass).then(|| Box::new(outcome)),
            real_s: report.real_s,
        }
    }

    /// The plan of a seed of the scenario at this place.
    ///
    /// # Errors
    /// When what is drawn for this seed makes no plan.
    pub fn plan(&self, scenario: usize, seed: Seed) -> Result<Plan, PlanError> {
        self.scenarios[scenario].plan(seed.0)
    }

    /// A seed that has no plan: nobody's fault but the scenario's.
    fn without_plan(
        &self,
        (number, plan, seed): (u64, usize, Seed),
        error: &PlanError,
    ) -> SeedResult {
        let outcome = Outcome {
            scenario: self.scenarios[plan].name.clone(),
            world: WorldKind::Sim,
            seed: seed.0,
            violations: Vec::new(),
            vacuous: Vec::new(),
            harness: Some(HarnessError(error.to_string())),
            checks: BTreeMap::new(),
            faults: BTreeMap::new(),
            probes: BTreeMap::new(),
            digest: None,
            nodes: Vec::new(),
            simulated: Millis::ZERO,
        };
        SeedResult {
            number,
            plan,
            seed,
            digest: String::new(),
            events: 0,
            twice: false,
            verdict: outcome.verdict(),
            failed: Some(Box::new(outcome)),
            faults: BTreeMap::new(),
            probes: BTreeMap::new(),
            simulated_ms: 0,
            real_s: 0.0,
        }
    }

    /// True for so many of each thousand runs as are made twice, spread evenly.
    fn is_sampled(&self, number: u64) -> bool {
        let upto = |number: u64| number * self.twice_of_1000 / 1_000;
        upto(number + 1) > upto(number)
    }
}

impl Harvest {
    /// The gravest verdict of all.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.results
            .iter()
            .map(|result| result.verdict)
            .max()
            .unwrap_or(Verdict::Pass)
    }

    /// Takes in what came of a seed.
    pub fn absorb(&mut self, mut result: SeedResult) {
        for (name, times) in std::mem::take(&mut result.faults) {
            let (sum, runs) = self.fired.entry(name).or_default();
            *sum += times;
            *runs += u64::from(times > 0);
        }
        for name in std::mem::take(&mut result.probes).into_keys() {
            *self.hit.entry(name).or_default() += 1;
        }
        self.results.push(result);
    }

    /// Every fault there is, how often it fired in all, and in how many runs: one that never did shows
    /// as such.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<String, (u64, u64)> {
        let known = faults::ALL.iter().map(|(name, _)| ((*name).into(), (0, 0)));
        let mut sums: BTreeMap<String, (u64, u64)> = known.collect();
        sums.extend(self.fired.clone());
        sums
    }

    /// Every probe that was hit, and in how many runs.
    #[must_use]
    pub fn probes(&self) -> BTreeMap<&str, u64> {
        let runs = self.hit.iter();
        runs.map(|(name, runs)| (name.as_str(), *runs)).collect()
    }

    /// The failing seeds by cause; the group whose quickest seed is quickest comes first.
    #[must_use]
    pub fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<(String, Group<'_>)> = Vec::new();
        for result in &self.results {
            let Some(outcome) = &result.failed else {
                continue;
            };
            let (check, sentence) = what_failed(outcome);
            let key = format!("{} {check} {}", result.plan, place_of(&check, &sentence));
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.results.push(result),
                None => {
                    groups.push((
                        key,
                        Group {
                            plan: result.plan,
                            check,
                            results: vec![result],
                        },
                    ));
                }
            }
        }
        let mut groups: Vec<Group<'_>> = groups.into_iter().map(|(_, group)| group).collect();
        for group in &mut groups {
            group
                .results
                .sort_by_key(|result| (result.events, result.number));
        }
        groups.sort_by_key(|group| group.results[0].events);
        groups
    }
}

/// Where a failure happened, as far as its sentence tells: for a panic, file and line.
#[must_use]
pub fn place_of<'a>(check: &str, sentence: &'a str) -> &'a str {
    if check == crate::runner::NO_PANIC.name {
        return sentence
            .split_once(": ")
            .map_or(sentence, |(place, _)| place);
    }
    ""
}

#[derive(Default)]
struct Progress {
    next: u64,
    failed: bool,
    harvest: Harvest,
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use archivas_scenarios::plan::{Overrides, find};

    use super::*;

    fn campaign(jobs: usize, seeds: Seeds) -> Campaign {
        let short = Overrides {
            nodes: None,
            duration: Some(Millis::from_secs(400)),
        };
        let scenarios = vec![find("three-nodes-agree", short).unwrap()];
        Campaign {
            scenarios,
            base: Seed(u64::MAX),
            seeds,
            shard: Shard::WHOLE,
            done: BTreeSet::new(),
            jobs,
            fail_fast: false,
            twice_of_1000: 500,
        }
    }

    #[test]
    fn the_number_of_jobs_changes_no_result() {
        let digests = |jobs| -> Vec<(Seed, String)> {
            let harvest = campaign(jobs, Seeds::Count(4)).run(&AtomicBool::new(false), &|_| {});
            harvest
                .results
                .into_iter()
                .map(|result| (result.seed, result.digest))
                .collect()
        };
        let one = digests(1);
        assert_eq!(one, digests(3));
        let seeds: Vec<u64> = one.iter().map(|(seed, _)| seed.0).collect();
        assert_eq!(seeds, [u64::MAX, 0, 1, 2]);
    }

    #[test]
    fn shards_share_the_seeds_and_what_was_done_before_is_not_done_again() {
        let numbers = |shard, done: &[u64]| -> Vec<u64> {
            let part = Campaign {
                shard,
                done: done.iter().copied().collect(),
                ..campaign(1, Seeds::Count(5))
            };
            let harvest = part.run(&AtomicBool::new(false), &|_| {});
            harvest.results.iter().map(|result| result.number).collect()
        };
        assert_eq!(numbers("0/2".parse().unwrap(), &[]), [0, 2, 4]);
        assert_eq!(numbers("1/2".parse().unwrap(), &[3]), [1]);
        let stopped = campaign(1, Seeds::Count(5)).run(&AtomicBool::new(true), &|_| {});
        assert!(stopped.interrupted && stopped.results.is_empty());
    }

    #[test]
    fn a_budget_of_nothing_still_gives_every_scenario_ten_seeds() {
        let harvest = campaign(2, Seeds::Budget(0.0)).run(&AtomicBool::new(false), &|_| {});
        assert!(harvest.results.len() as u64 >= SEEDS_MIN);
        assert!(harvest.results.iter().filter(|result| result.twice).count() >= 5);
    }

    #[test]
    fn failing_seeds_are_grouped_by_check_and_place_and_the_quickest_comes_first() {
        let failed = |number: u64, sentence: &str, check: &str, events: u64| {
            let mut violation = crate::runner::two_digests([0; 16].into(), [1; 16].into());
            (violation.check, violation.sentence) = (check.into(), sentence.into());
            let outcome = Outcome {
                scenario: "s".into(),
                world: WorldKind::Sim,
                seed: number,
                violations: vec![violation],
                vacuous: Vec::new(),
                harness: None,
                checks: BTreeMap::new(),
                faults: BTreeMap::new(),
                probes: BTreeMap::new(),
                digest: None,
                nodes: Vec::new(),
                simulated: Millis::ZERO,
            };
            SeedResult {
                number,
                plan: 0,
                seed: Seed(number),
                digest: String::new(),
                events,
                twice: false,
                verdict: outcome.verdict(),
                failed: Some(Box::new(outcome)),
                faults: [("cut".into(), number)].into(),
                probes: BTreeMap::new(),
                simulated_ms: 0,
                real_s: 0.0,
            }
        };
        let results = vec![
            failed(0, "a.rs:1: x is 5", "no_panic", 50),
            failed(1, "the nodes do not agree", "convergence", 10),
            failed(2, "a.rs:1: x is 6", "no_panic", 40),
            failed(3, "b.rs:1: y", "no_panic", 60),
        ];
        let mut harvest = Harvest::default();
        for result in results {
            harvest.absorb(result);
        }
        let groups: Vec<Vec<u64>> = harvest
            .groups()
            .iter()
            .map(|group| group.results.iter().map(|result| result.number).collect())
            .collect();
        assert_eq!(groups, [vec![1], vec![2, 0], vec![3]]);
        let faults = harvest.faults();
        assert_eq!((faults["cut"], faults["kill"]), ((1 + 2 + 3, 3), (0, 0)));
    }
}
