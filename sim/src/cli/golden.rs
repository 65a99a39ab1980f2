//! `golden`: plays a list of scenarios and seeds in one process and prints it with the digests that
//! they have. A list line is `scenario seed digest`, `-` for a digest that nobody has accepted yet.
//! Each run must show a reorganization, a crash, a transfer and an answer of the API: a digest over
//! little proves little.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use archivas_scenarios::outcome::{Outcome, Verdict};
use archivas_scenarios::plan::Overrides;
use archivas_scenarios::world::WorldKind;
use clap::Args;

use super::output::Output;
use super::{Trouble, exit, find_plan};
use crate::runner;
use crate::seed::Seed;

/// `golden`.
#[derive(Debug, Args)]
pub struct GoldenArgs {
    /// The list
    list: PathBuf,
    /// So many runs at once
    #[arg(long, value_name = "J", default_value = "1")]
    jobs: NonZeroUsize,
}

/// What ends a node without asking it.
const CRASHES: &[&str] = &["kill", "power_loss", "disk_power_loss", "disk_kill"];

/// Plays the list.
pub fn golden(args: &GoldenArgs, output: &Output) -> Result<u8, Trouble> {
    let path = args.list.display();
    let text = std::fs::read_to_string(&args.list)
        .map_err(|error| Trouble::new(exit::USAGE, format!("cannot read {path}: {error}")))?;
    let lines: Vec<&str> = text.lines().collect();
    let fresh: Mutex<Vec<Result<String, Trouble>>> =
        Mutex::new(lines.iter().map(|line| Ok((*line).to_owned())).collect());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.get() {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(line) = lines.get(at) else { break };
                    let played = play(line);
                    fresh.lock().unwrap_or_else(PoisonError::into_inner)[at] = played;
                }
            });
        }
    });
    for line in fresh.into_inner().unwrap_or_else(PoisonError::into_inner) {
        output.line(&line?);
    }
    Ok(0)
}

/// The line with the digest that its run has; remarks stay as they are.
fn play(line: &str) -> Result<String, Trouble> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(line.to_owned());
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let [scenario, seed, _] = words[..] else {
        let sentence = format!("`{line}` is no line of a golden list: scenario, seed, digest");
        return Err(Trouble::new(exit::USAGE, sentence));
    };
    let number: Seed = seed
        .parse()
        .map_err(|error| Trouble::new(exit::USAGE, format!("{error}")))?;
    let plan = find_plan(scenario, (Overrides::default(), number), WorldKind::Sim)?;
    let report = runner::run(&plan, number.0);
    if let Some(what) = lacking(&report.outcome) {
        let sentence = format!("{scenario}, seed {seed}: {what}");
        return Err(Trouble::new(exit::HARNESS, sentence));
    }
    Ok(format!("{scenario} {seed} {}", report.digest))
}

/// Why a run is not worth a digest.
fn lacking(outcome: &Outcome) -> Option<&'static str> {
    let crashed = CRASHES
        .iter()
        .any(|fault| outcome.faults.contains_key(*fault));
    let ran = |check: &str| outcome.checks.get(check).is_some_and(|count| count.ran > 0);
    match outcome.verdict() {
        Verdict::Pass => {}
        _ => return Some("it does not pass"),
    }
    let shown = [
        (
            outcome.nodes.iter().any(|node| node.reorgs > 0),
            "no node reorganizes",
        ),
        (crashed, "no node crashes"),
        (ran("submit_accepted"), "no transfer is accepted"),
        (ran("api_agrees"), "the API is not asked"),
    ];
    let missing = shown.into_iter().find(|(is, _)| !is);
    missing.map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_entry_is_refused_and_a_remark_is_kept() {
        assert_eq!(play("# a remark").unwrap(), "# a remark");
        assert_eq!(play("swarm 1").unwrap_err().exit, exit::USAGE);
        assert_eq!(play("swarm x -").unwrap_err().exit, exit::USAGE);
    }

    #[test]
    fn a_run_without_a_crash_is_not_worth_a_digest() {
        let trouble = play("three-nodes-agree 1 -").unwrap_err();
        assert_eq!(trouble.exit, exit::HARNESS);
    }
}
