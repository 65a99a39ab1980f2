//! `run`: one story, one seed, watched.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use archivas_core::primitives::Millis;
use archivas_scenarios::outcome::{Outcome, Verdict};
use archivas_scenarios::plan::{Overrides, Plan};
use archivas_scenarios::process::{self, Options};
use archivas_scenarios::world::WorldKind;
use clap::Args;
use tracing::level_filters::LevelFilter;

use super::output::{Output, Style};
use super::page::Watched;
use super::report::{self, Cost};
use super::rows::Watcher;
use super::spans::parse_span;
use super::{Trouble, World, code_of, default_folder, exit, find_plan, parse_seed};
use crate::failure::{Failure, what_failed};
use crate::log::Wanted;
use crate::pause::Paused;
use crate::runner::{self, RunReport, two_digests};
use crate::seed::Seed;
use crate::stopwatch::Stopwatch;

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A scenario's name, or the path of a plan
    scenario: String,
    /// The seed of every draw: decimal, 0x and hex, or a git commit
    #[arg(long, default_value = "0", value_parser = parse_seed)]
    seed: Seed,
    /// So many nodes in the place of the plan's
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Another duration than the plan's, as 90s, 40m, 2h
    #[arg(long, value_parser = parse_span)]
    duration: Option<Millis>,
    /// Where it is played
    #[arg(long, value_enum, default_value_t = World::Sim)]
    world: World,
    /// The node's binary for real processes
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// Run twice and compare digests
    #[arg(long)]
    twice: bool,
    /// Write one line for each event of the digest
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the report of the run as one HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the events for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    /// Log what a node logs, with virtual time: debug, info, warn or error; also for several
    #[arg(long, value_name = "NODE=LEVEL", value_parser = parse_log)]
    log: Vec<(String, LevelFilter)>,
    /// Stop at this time of the run, and write each node's state and database to the folder of --out
    #[arg(long, value_name = "TIME", value_parser = parse_span, conflicts_with_all = ["twice", "html", "perfetto"])]
    pause_at: Option<Millis>,
    /// Where a failure is written
    #[arg(long, value_name = "DIR", default_value_os_t = default_folder())]
    out: PathBuf,
}

/// Runs it.
pub fn run(args: &RunArgs, output: &Output) -> Result<u8, Trouble> {
    let overrides = Overrides {
        nodes: args.nodes,
        duration: args.duration,
    };
    let (seed, world) = (args.seed, WorldKind::from(args.world));
    let plan = find_plan(&args.scenario, (overrides, seed), world)?;
    if output.shows_progress() {
        let title = format!(
            "{}, seed {seed}, {} nodes, world {world}",
            plan.name,
            plan.nodes.len()
        );
        output.line(&output.styled(&title, Style::Bold));
    }
    match args.world {
        World::Sim => run_simulated(args, &plan, output),
        World::Processes => run_processes(args, &plan, output),
    }
}

fn run_simulated(args: &RunArgs, plan: &Plan, output: &Output) -> Result<u8, Trouble> {
    let mut watcher = Watcher::new(plan, output);
    watcher.print_head();
    if let Some(at) = args.pause_at {
        return pause(args, plan, at, &mut watcher, output);
    }
    let RunReport {
        mut outcome,
        digest,
        events,
        lines_written,
        real_s,
        ..
    } = run_watched(args, plan, &mut watcher, output)?;
    if args.twice {
        let again = runner::run(plan, args.seed.0);
        if again.digest == digest {
            output.line(&format!("the same seed gave digest {digest} twice"));
        } else {
            outcome.violations.push(two_digests(digest, again.digest));
        }
    }
    let failure = write_failure(&args.out, plan, &outcome, (&digest.to_string(), events));
    // What the run showed is told even if it cannot be kept.
    let failure = failure.unwrap_or_else(|trouble| {
        output.complain(&trouble.sentence);
        None
    });
    let code = finish(
        output,
        plan,
        &outcome,
        Cost { real_s, events },
        (&watcher, failure),
    )?;
    match args.trace.as_deref().filter(|_| !lines_written) {
        Some(path) => {
            let path = path.display();
            output.complain(&format!("{path} could not be written to its end"));
            Ok(code.max(exit::HARNESS))
        }
        None => Ok(code),
    }
}

/// Runs it, and writes what is wanted beside the verdict.
fn run_watched(
    args: &RunArgs,
    plan: &Plan,
    watcher: &mut Watcher<'_>,
    output: &Output,
) -> Result<RunReport, Trouble> {
    if args.html.is_none() && args.perfetto.is_none() {
        let lines = args.trace.as_deref().map(open_trace).transpose()?;
        let options = runner::Options {
            lines,
            log: wanted_logs(args, plan)?,
            ..runner::Options::default()
        };
        return Ok(runner::run_with(plan, args.seed.0, watcher, options));
    }
    let watched = Watched::run(plan, args.seed, watcher, args.trace.as_deref())?;
    let report = watched.run.clone();
    // What the run showed is told even if it cannot be kept.
    let told = |written: Result<(), Trouble>| {
        written.unwrap_or_else(|trouble| output.complain(&trouble.sentence));
    };
    if let Some(path) = &args.perfetto {
        told(watched.write_perfetto(path));
    }
    if let Some(path) = &args.html {
        told(watched.write_page(path, &[]));
    }
    Ok(report)
}

/// Runs up to a time, and leaves what there is then.
fn pause(
    args: &RunArgs,
    plan: &Plan,
    at: Millis,
    watcher: &mut Watcher<'_>,
    output: &Output,
) -> Result<u8, Trouble> {
    let options = runner::Options {
        lines: args.trace.as_deref().map(open_trace).transpose()?,
        log: wanted_logs(args, plan)?,
        ..runner::Options::default()
    };
    let folder = args.out.join(format!("{}-{}-paused", plan.name, args.seed));
    let paused = Paused::at(at, &folder);
    let states = paused.states();
    let wrap = |world| paused.around(world);
    let report = runner::run_in(plan, args.seed.0, watcher, options, wrap);
    let states = states.take().ok_or_else(|| {
        let (check, sentence) = what_failed(&report.outcome);
        let sentence = format!("the run ended before that time: {check}: {sentence}");
        Trouble::new(exit::USAGE, sentence)
    })?;
    let states = states.map_err(|why| Trouble::new(exit::HARNESS, why))?;
    output.line(&format!("FILES  {}", folder.display()));
    let text = serde_json::to_string_pretty(&states).expect("states are plain values");
    output.line(&text);
    output.json(&states);
    Ok(0)
}

/// The nodes that are to log, by number.
fn wanted_logs(args: &RunArgs, plan: &Plan) -> Result<Wanted, Trouble> {
    let number = |(name, level): &(String, LevelFilter)| {
        let node = plan.node(name).and_then(|node| u16::try_from(node.0).ok());
        let unknown = || Trouble::new(exit::USAGE, format!("there is no node `{name}` to log"));
        Ok((node.ok_or_else(unknown)?, name.clone(), *level))
    };
    args.log.iter().map(number).collect()
}

/// `a=debug`.
fn parse_log(text: &str) -> Result<(String, LevelFilter), String> {
    let bad = || format!("`{text}` is no NODE=LEVEL");
    let (node, level) = text.split_once('=').ok_or_else(bad)?;
    let level = level.parse::<LevelFilter>().map_err(|_| bad())?;
    Ok((node.into(), level))
}

fn run_processes(args: &RunArgs, plan: &Plan, output: &Output) -> Result<u8, Trouble> {
    let files = [&args.trace, &args.html, &args.perfetto];
    if args.twice || files.iter().any(|file| file.is_some()) {
        let sentence = "--twice, --trace, --html and --perfetto need the simulator";
        return Err(Trouble::new(exit::USAGE, sentence));
    }
    let watch = Stopwatch::start();
    let mut watcher = Watcher::new(plan, output);
    watcher.print_head();
    let build = archivas::cli::version::build_info();
    let build = process::Build {
        version: build.version,
        commit: build.commit,
    };
    let options = Options {
        bin: args.bin.clone(),
        build: Some(build),
    };
    let outcome = process::run(plan, args.seed.0, &options, &mut watcher);
    let cost = Cost {
        real_s: watch.seconds(),
        events: 0,
    };
    finish(output, plan, &outcome, cost, (&watcher, None))
}

/// Prints what came of a run.
pub fn finish(
    output: &Output,
    plan: &Plan,
    outcome: &Outcome,
    cost: Cost,
    (watcher, failure): (&Watcher<'_>, Option<(Failure, PathBuf)>),
) -> Result<u8, Trouble> {
    let failure = failure
        .as_ref()
        .map(|(failure, path)| (failure, path.as_path()));
    report::print(output, plan, outcome, cost, &watcher.tree);
    report::print_verdict(output, outcome, failure);
    output.json(&report::to_json(outcome, cost, failure));
    Ok(code_of(outcome.verdict()))
}

/// Writes the failure file of a run that did not pass.
pub fn write_failure(
    folder: &Path,
    plan: &Plan,
    outcome: &Outcome,
    run: (&str, u64),
) -> Result<Option<(Failure, PathBuf)>, Trouble> {
    if outcome.verdict() == Verdict::Pass {
        return Ok(None);
    }
    let path = Failure::path_in(folder, &plan.name, outcome.seed);
    let failure = Failure::of(plan, outcome, run, &path);
    failure.write(&path).map_err(|error| {
        Trouble::new(
            exit::HARNESS,
            format!("cannot write {}: {error}", path.display()),
        )
    })?;
    Ok(Some((failure, path)))
}

fn open_trace(path: &Path) -> Result<Box<dyn Write + Send>, Trouble> {
    let file = std::fs::File::create(path).map_err(|error| {
        Trouble::new(
            exit::USAGE,
            format!("cannot write {}: {error}", path.display()),
        )
    })?;
    Ok(Box::new(BufWriter::new(file)))
}
