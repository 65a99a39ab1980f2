//! `explore`: many seeds on all cores, failing seeds grouped, each with the command that shows it.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use archivas_core::primitives::Millis;
use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::{BUILT_IN, Overrides, Scenario};
use archivas_scenarios::world::WorldKind;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;

use super::output::{Output, Style, table};
use super::record::{Failures, Record};
use super::spans::{grouped, human, parse_span, rate, seconds};
use super::{Trouble, code_of, default_folder, exit, files, find, parse_seed, probes};
use crate::explore::canary;
use crate::explore::{BadShard, Campaign, Group, Harvest, SeedResult, Seeds, Shard};
use crate::failure::what_failed;
use crate::seed::Seed;
use crate::stopwatch::Stopwatch;

/// `explore`.
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// Scenarios by name, or plans by path
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    scenarios: Vec<String>,
    /// Every scenario of the simulator
    #[arg(long)]
    all: bool,
    /// The seeds from A up to but not including B, of each scenario
    #[arg(long, value_name = "A..B", value_parser = parse_range, conflicts_with_all = ["count", "budget", "base_seed"])]
    seeds: Option<(Seed, u64)>,
    /// So many seeds of each scenario (100 if nothing else is said)
    #[arg(long, value_name = "N", conflicts_with = "budget")]
    count: Option<u64>,
    /// As many seeds as fit into this time, round robin, at least 10 of each scenario
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    budget: Option<Millis>,
    /// The first seed
    #[arg(long, value_name = "S", default_value = "0", value_parser = parse_seed)]
    base_seed: Seed,
    /// So many runs at once; otherwise one a core
    #[arg(long, value_name = "J")]
    jobs: Option<NonZeroUsize>,
    /// Begin no more runs after the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Where results and failures are written
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the campaign that lies in the folder of --out
    #[arg(long, requires = "out")]
    resume: bool,
    /// Only the seeds whose index is I modulo N; auto reads what the batch system has set
    #[arg(long, value_name = "I/N|auto", value_parser = parse_shard)]
    shard: Option<Shard>,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// This share of the runs is made twice, to compare digests
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = parse_share)]
    check_determinism: u64,
    /// Fail unless some seed hits each of the probes listed in this file
    #[arg(long, value_name = "FILE")]
    min_probes: Option<PathBuf>,
}

/// Seeds of each scenario when the command line names none.
const COUNT_USUAL: u64 = 100;
/// Without a terminal, progress is told this often, in seconds.
const PROGRESS_S: f64 = 30.0;

/// Runs the campaign.
pub fn explore(args: &ExploreArgs, output: &Output) -> Result<u8, Trouble> {
    let mut campaign = campaign(args)?;
    let wanted = args.min_probes.as_deref().map(probes::read).transpose()?;
    if campaign.scenarios.is_empty() || campaign.seeds == Seeds::Count(0) {
        return Err(Trouble::new(
            exit::NOTHING,
            "there is nothing to run: no scenario or no seed",
        ));
    }
    if args.shard.is_some() && output.shows_progress() {
        output.line(&format!("shard {}", campaign.shard));
    }
    let folder = args.out.clone().unwrap_or_else(default_folder);
    let record = Record::begin(&folder, args.out.is_some(), args.resume, &campaign)?;
    let before = record.earlier(&campaign)?;
    campaign.done = before.iter().map(|result| result.number).collect();
    let stop = catch_interrupts()?;
    let canary = canary::sing();
    let progress = Progress::new(&campaign, output);
    let mut harvest = campaign.run(&stop, &|result| {
        record.add(&campaign, result);
        progress.tell(result);
    });
    progress.end();
    before.into_iter().for_each(|result| harvest.absorb(result));
    harvest.results.sort_by_key(|result| result.number);
    let (failures, written) = record.end(&campaign, &harvest);
    // What the campaign showed is told even if it cannot be kept.
    print(output, &campaign, &harvest, &failures);
    let mut summary = files::summary(&campaign, &harvest, &failures);
    summary["canary"] = canary.as_ref().ok().cloned().into();
    output.json(&summary);
    written?;
    if let Some(path) = &args.junit {
        files::write(path, &files::junit(&campaign, &harvest, &failures))?;
    }
    let wanted = wanted.unwrap_or_default();
    let missed = probes::missed(&wanted, &harvest);
    if !missed.is_empty() {
        let text = format!("VACUOUS: no seed hit {}", missed.join(", "));
        output.line(&output.styled(&text, Style::Red));
    }
    match &canary {
        Ok(check) if output.shows_progress() => {
            output.line(&format!("the canary's planted bug was noticed by {check}"));
        }
        Ok(_) => {}
        Err(why) => output.line(&output.styled(&format!("VACUOUS: {why}"), Style::Red)),
    }
    let blind = match missed.is_empty() && canary.is_ok() {
        true => Verdict::Pass,
        false => Verdict::Vacuous,
    };
    if harvest.verdict().max(blind) == Verdict::Pass && !harvest.interrupted {
        output.line(&output.styled("passed", Style::Green));
    }
    Ok(exit_of(output, &harvest, blind))
}

/// A failure's code comes before that of an interruption.
fn exit_of(output: &Output, harvest: &Harvest, blind: Verdict) -> u8 {
    if !harvest.interrupted {
        return code_of(harvest.verdict().max(blind));
    }
    output.complain("interrupted; the same command with --out DIR --resume goes on");
    match harvest.verdict() {
        Verdict::Pass => exit::INTERRUPTED,
        verdict => code_of(verdict),
    }
}

/// From the first Ctrl-C or SIGTERM on, no more runs begin; those under way end in their own time.
fn catch_interrupts() -> Result<Arc<AtomicBool>, Trouble> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A second one ends the program at once.
        let twice = register_conditional_shutdown(signal, exit::INTERRUPTED.into(), stop.clone());
        let once = twice.and_then(|_| signal_hook::flag::register(signal, stop.clone()));
        once.map_err(|error| {
            Trouble::new(exit::HARNESS, format!("cannot catch signals: {error}"))
        })?;
    }
    Ok(stop)
}

fn campaign(args: &ExploreArgs) -> Result<Campaign, Trouble> {
    let scenarios = if args.all {
        all_scenarios()
    } else {
        named_scenarios(&args.scenarios)?
    };
    let (base, seeds) = match (args.seeds, args.budget) {
        (Some((first, count)), _) => (first, Seeds::Count(count)),
        (None, Some(budget)) => (args.base_seed, Seeds::Budget(seconds(budget))),
        (None, None) => (
            args.base_seed,
            Seeds::Count(args.count.unwrap_or(COUNT_USUAL)),
        ),
    };
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = args.jobs.map_or_else(cores, NonZeroUsize::get);
    let jobs = match seeds {
        Seeds::Count(count) => jobs.min(
            usize::try_from(count.max(1))
                .unwrap_or(jobs)
                .saturating_mul(scenarios.len()),
        ),
        Seeds::Budget(_) => jobs,
    };
    let (fail_fast, twice_of_1000) = (args.fail_fast, args.check_determinism);
    Ok(Campaign {
        scenarios,
        base,
        seeds,
        shard: args.shard.unwrap_or(Shard::WHOLE),
        done: BTreeSet::new(),
        jobs,
        fail_fast,
        twice_of_1000,
    })
}

fn all_scenarios() -> Vec<Scenario> {
    let scenarios = BUILT_IN
        .iter()
        .map(archivas_scenarios::plan::BuiltIn::scenario);
    scenarios
        .filter(|scenario| scenario.worlds.contains(&WorldKind::Sim))
        .collect()
}

fn named_scenarios(names: &[String]) -> Result<Vec<Scenario>, Trouble> {
    names
        .iter()
        .map(|name| find(name, Overrides::default(), WorldKind::Sim))
        .collect()
}

fn print(output: &Output, campaign: &Campaign, harvest: &Harvest, failures: &Failures) {
    if output.shows_progress() {
        print_scenarios(output, campaign, harvest);
        print_faults(output, harvest);
    }
    let count = harvest.results.len() as u64;
    let simulated: u64 = harvest
        .results
        .iter()
        .map(|result| result.simulated_ms)
        .sum();
    let simulated = seconds(Millis::new(simulated));
    let jobs = campaign.jobs;
    output.line(&format!(
        "{} seeds in {} on {jobs} threads: {:.1} seeds/s, {} times real time",
        grouped(count),
        human(harvest.real_s),
        seeds_a_second(count, harvest.real_s),
        rate(simulated / harvest.real_s),
    ));
    let twice = harvest.results.iter().filter(|result| result.twice).count() as u64;
    if twice > 0 {
        output.line(&format!(
            "{} of them were run twice, to compare digests",
            grouped(twice)
        ));
    }
    for group in harvest.groups() {
        print_group(output, campaign, &group, failures);
    }
}

fn print_scenarios(output: &Output, campaign: &Campaign, harvest: &Harvest) {
    let head = ["scenario", "seeds", "failed", "simulated"].map(String::from);
    let mut rows = vec![head.to_vec()];
    for (place, plan) in campaign.scenarios.iter().enumerate() {
        let own: Vec<&SeedResult> = harvest
            .results
            .iter()
            .filter(|result| result.plan == place)
            .collect();
        let failed = own.iter().filter(|result| result.failed.is_some()).count() as u64;
        let simulated: u64 = own.iter().map(|result| result.simulated_ms).sum();
        let simulated = human(seconds(Millis::new(simulated)));
        rows.push(vec![
            plan.name.clone(),
            grouped(own.len() as u64),
            grouped(failed),
            simulated,
        ]);
    }
    for line in table(&rows) {
        output.line(&line);
    }
}

/// How often everything that goes wrong on purpose did.
fn print_faults(output: &Output, harvest: &Harvest) {
    let mut rows = vec![["fault", "fired", "in seeds"].map(String::from).to_vec()];
    for (name, (times, seeds)) in harvest.faults() {
        rows.push(vec![name, grouped(times), grouped(seeds)]);
    }
    output.line("");
    for line in table(&rows) {
        output.line(&line);
    }
    output.line("");
}

fn print_group(output: &Output, campaign: &Campaign, group: &Group<'_>, failures: &Failures) {
    /// So many seeds of a group are printed; all are written.
    const SHOWN: usize = 5;
    let plan = &campaign.scenarios[group.plan];
    let first = group.results[0];
    let sentence = first
        .failed
        .as_deref()
        .map(|outcome| what_failed(outcome).1)
        .unwrap_or_default();
    let verdict = first.verdict.name();
    let count = group.results.len();
    let plural = if count == 1 { "seed" } else { "seeds" };
    let text = format!(
        "FAILED {}: {verdict}: {} ({count} {plural}): {sentence}",
        plan.name, group.check
    );
    output.line(&output.styled(&text, Style::Red));
    for result in group.results.iter().take(SHOWN) {
        if let Some((replay, path)) = failures.get(&result.number) {
            output.line(&format!("REPRO  {replay}"));
            output.line(&format!("FILES  {}", path.display()));
        }
    }
}

/// A line on standard error that grows as seeds end.
struct Progress<'a> {
    output: &'a Output,
    wanted: Option<u64>,
    budget_s: Option<f64>,
    watch: Stopwatch,
    terminal: bool,
    done: AtomicU64,
    failed: AtomicU64,
    last_s: Mutex<f64>,
}

impl<'a> Progress<'a> {
    fn new(campaign: &Campaign, output: &'a Output) -> Self {
        let (wanted, budget_s) = match campaign.seeds {
            Seeds::Count(count) => (
                Some(
                    (campaign.shard.share_of(count))
                        .saturating_mul(campaign.scenarios.len() as u64)
                        .saturating_sub(campaign.done.len() as u64),
                ),
                None,
            ),
            Seeds::Budget(seconds) => (None, Some(seconds)),
        };
        Self {
            output,
            wanted,
            budget_s,
            watch: Stopwatch::start(),
            terminal: std::io::stderr().is_terminal(),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_s: Mutex::new(0.0),
        }
    }

    fn tell(&self, result: &SeedResult) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let failure = u64::from(result.failed.is_some());
        let failed = self.failed.fetch_add(failure, Ordering::Relaxed) + failure;
        if !self.output.shows_progress() || !self.is_due() {
            return;
        }
        let now = self.watch.seconds();
        let of = match (self.wanted, self.budget_s) {
            (Some(wanted), _) => format!(" of {}", grouped(wanted)),
            (None, Some(budget)) => format!(", {} of {}", human(now), human(budget)),
            (None, None) => String::new(),
        };
        let per_second = seeds_a_second(done, now);
        let text = format!(
            "{}{of} seeds, {per_second:.1} a second, {failed} failed",
            grouped(done)
        );
        let mut err = std::io::stderr().lock();
        // Nobody reads: there is nothing more to be done.
        let _ = match self.terminal {
            true => write!(err, "\r\x1b[K{text}").and_then(|()| err.flush()),
            false => writeln!(err, "{text}"),
        };
    }

    /// Whether the line may change again: ten times a second on a terminal, seldom elsewhere.
    fn is_due(&self) -> bool {
        let pause = if self.terminal { 0.1 } else { PROGRESS_S };
        let now = self.watch.seconds();
        let mut last = self.last_s.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now - *last >= pause;
        if due {
            *last = now;
        }
        due
    }

    /// Wipes the line.
    fn end(&self) {
        if self.terminal && self.output.shows_progress() {
            let mut err = std::io::stderr().lock();
            // Nobody reads: there is nothing more to be done.
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn seeds_a_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// `I/N`, or `auto` for what a batch system has set in the environment.
fn parse_shard(text: &str) -> Result<Shard, String> {
    let shard: Result<Shard, BadShard> = match text {
        "auto" => Shard::from_environment(&|name| std::env::var(name).ok()),
        text => text.parse(),
    };
    shard.map_err(|error| error.to_string())
}

fn parse_range(text: &str) -> Result<(Seed, u64), String> {
    let (first, end) = text
        .split_once("..")
        .ok_or("a range of seeds is written A..B")?;
    let (first, end) = (parse_seed(first)?, parse_seed(end)?);
    match end.0.checked_sub(first.0) {
        Some(count) => Ok((first, count)),
        None => Err(format!("{first} lies above {end}")),
    }
}

/// `5%` or `0.5%`, as so many of a thousand.
fn parse_share(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no share: a number from 0 to 100, then %");
    let number = text.strip_suffix('%').ok_or_else(bad)?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(tenth) || tenth.len() != 1 {
        return Err(bad());
    }
    let (whole, tenth): (u64, u64) = (
        whole.parse().map_err(|_| bad())?,
        tenth.parse().map_err(|_| bad())?,
    );
    let share = whole
        .checked_mul(10)
        .and_then(|tens| tens.checked_add(tenth));
    share.filter(|share| *share <= 1_000).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_ranges_are_read_strictly() {
        assert_eq!(parse_share("5%"), Ok(50));
        assert_eq!(parse_share("0.5%"), Ok(5));
        assert_eq!(parse_share("100%"), Ok(1_000));
        for text in ["5", "%", "101%", "-1%", "1.25%", "99999999999999999999%"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
        assert_eq!(parse_range("3..0x10"), Ok((Seed(3), 13)));
        for text in ["3", "5..3", "..", "a..b"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }
}
