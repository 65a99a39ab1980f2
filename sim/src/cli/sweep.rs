//! `sweep`: a crash at every storage operation with every outcome, and what came of each.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use archivas_core::primitives::Millis;
use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::Plan;
use archivas_scenarios::world::{NodeIndex, ViolationKind, WorldKind};
use clap::Args;
use serde_json::{Value, json};

use super::output::{Output, Style, table};
use super::spans::{grouped, parse_span, seconds};
use super::{Trouble, code_of, default_folder, exit, files, parse_seed};
use crate::failure::Build;
use crate::seed::Seed;
use crate::stopwatch::Stopwatch;
use crate::sweep::plans::{PLANS, find_plan};
use crate::sweep::{
    Found, NotRecorded, Outcome, Recording, StateId, Sweep, Tally, awaits, record, work,
};

/// `sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Plans of the sweep or other scenarios by name, or plans by path; all of the sweep's if left out
    scenarios: Vec<String>,
    /// Sweep each recovery as well
    #[arg(long)]
    nested: bool,
    /// The seed of the run and of every outcome that is drawn
    #[arg(long, default_value = "0", value_parser = parse_seed)]
    seed: Seed,
    /// The node that dies; otherwise the plan's first
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Begin nothing new after this time, shared by all plans
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    budget: Option<Millis>,
    /// Only each N-th operation, from operation I on
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    shard: Option<(usize, usize)>,
    /// So many workers; otherwise one a core
    #[arg(long, value_name = "J")]
    jobs: Option<NonZeroUsize>,
    /// Only this operation, with --outcome or --then
    #[arg(long, value_name = "K", requires = "one")]
    at: Option<usize>,
    /// What happens there
    #[arg(long, value_name = "O", requires = "at", group = "one", value_parser = parse_outcome)]
    outcome: Option<Outcome>,
    /// A drawn outcome there, and another at this operation of the recovery
    #[arg(long, value_name = "J", requires = "at", group = "one")]
    then: Option<usize>,
    /// Kill the node wherever one of its tasks waits, in the place of all that
    #[arg(long, conflicts_with_all = ["nested", "at"])]
    awaits: bool,
    /// Only when its tasks have been polled so often
    #[arg(long, value_name = "N", conflicts_with_all = ["nested", "at", "awaits"])]
    await_at: Option<u64>,
    /// Where failures are written
    #[arg(long, value_name = "DIR", default_value_os_t = default_folder())]
    out: PathBuf,
}

/// A plan as it is asked for.
struct Asked {
    name: String,
    plan: Plan,
    node: NodeIndex,
    last: Option<usize>,
}

/// What came of one plan.
struct Row {
    asked: String,
    operations: usize,
    tally: Tally,
    whole: bool,
    real_s: f64,
}

/// Sweeps.
pub fn sweep(args: &SweepArgs, output: &Output) -> Result<u8, Trouble> {
    let names: Vec<String> = match args.scenarios.is_empty() {
        true => PLANS.iter().map(|plan| plan.name().to_owned()).collect(),
        false => args.scenarios.clone(),
    };
    let asked = names.iter().map(|name| find_asked(name, args));
    let asked = asked.collect::<Result<Vec<_>, _>>()?;
    if args.at.is_some() || args.await_at.is_some() {
        return try_one(args, &asked, output);
    }
    let watch = Stopwatch::start();
    let mut rows = Vec::new();
    for (place, one) in asked.iter().enumerate() {
        let share = args.budget.map(|budget| {
            let left = (seconds(budget) - watch.seconds()).max(0.0);
            left / f64::from(u32::try_from(asked.len() - place).unwrap_or(u32::MAX))
        });
        let row = sweep_plan(args, one, share)?;
        if output.shows_progress() {
            output.line(&progress(&row));
        }
        rows.push(row);
    }
    finish(args, &rows, (watch.seconds(), output))
}

fn find_asked(name: &str, args: &SweepArgs) -> Result<Asked, Trouble> {
    let (scenario, last) = find_plan(name)?;
    let bad = |why: String| Trouble::new(exit::BAD_PLAN, why);
    let plan = scenario
        .plan(args.seed.0)
        .map_err(|why| bad(why.to_string()))?;
    if !plan.worlds.contains(&WorldKind::Sim) {
        let sentence = format!("`{}` cannot be played in the simulator", plan.name);
        return Err(Trouble::new(exit::USAGE, sentence));
    }
    let wanted = args.node.as_deref().unwrap_or(&plan.nodes[0].name);
    let node = plan.nodes.iter().position(|node| node.name == wanted);
    let node = node.ok_or_else(|| {
        let sentence = format!("`{}` has no node `{wanted}`", plan.name);
        Trouble::new(exit::USAGE, sentence)
    })?;
    Ok(Asked {
        name: name.into(),
        node: NodeIndex(node),
        plan,
        last,
    })
}

fn recorded(asked: &Asked, args: &SweepArgs) -> Result<Recording, Trouble> {
    record(&asked.plan, args.seed.0, asked.node, asked.last).map_err(|why| match &why {
        NotRecorded::Fails { exit, .. } => Trouble::new(*exit, format!("{}: {why}", asked.name)),
        NotRecorded::Unusable(_) => Trouble::new(exit::HARNESS, why.to_string()),
    })
}

fn sweep_plan(args: &SweepArgs, asked: &Asked, budget_s: Option<f64>) -> Result<Row, Trouble> {
    let watch = Stopwatch::start();
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let sweep = Sweep {
        jobs: args.jobs.map_or_else(cores, NonZeroUsize::get),
        nested: args.nested,
        shard: args.shard.unwrap_or((0, 1)),
        budget_s,
    };
    let (swept, operations) = if args.awaits {
        let swept = awaits::run(&sweep, &asked.plan, args.seed.0, asked.node);
        (swept, 0)
    } else {
        let recording = recorded(asked, args)?;
        (sweep.run(&recording), recording.operations().len())
    };
    Ok(Row {
        asked: asked.name.clone(),
        operations,
        tally: swept.tally,
        whole: swept.whole,
        real_s: watch.seconds(),
    })
}

fn progress(row: &Row) -> String {
    let (name, tried) = (&row.asked, grouped(row.tally.tried()));
    let (found, real_s) = (row.tally.found.len(), row.real_s);
    let end = if row.whole { "" } else { ", not to its end" };
    format!("{name}: {tried} states in {real_s:.0} s, {found} found{end}")
}

/// Tries one state of the first plan alone.
fn try_one(args: &SweepArgs, asked: &[Asked], output: &Output) -> Result<u8, Trouble> {
    let [asked] = asked else {
        let sentence = "--at and --await-at want exactly one scenario";
        return Err(Trouble::new(exit::USAGE, sentence));
    };
    let operation = args.at.unwrap_or(0);
    let state = match (args.await_at, args.outcome, args.then) {
        (Some(poll), ..) => StateId::Await(poll),
        (None, Some(outcome), _) => StateId::At { operation, outcome },
        (None, None, then) => StateId::Nested {
            operation,
            then: then.unwrap_or(0),
        },
    };
    let found = match state {
        StateId::Await(poll) => awaits::try_one(&asked.plan, args.seed.0, asked.node, poll),
        _ => {
            let found = work::try_one(&recorded(asked, args)?, state);
            found.map_err(|why| Trouble::new(exit::USAGE, why))?
        }
    };
    let mut tally = Tally::default();
    tally
        .found
        .extend(found.into_iter().map(|found| (state, found)));
    let row = Row {
        asked: asked.name.clone(),
        operations: 1,
        tally,
        whole: true,
        real_s: 0.0,
    };
    tell_found(args, &[row], output)
}

/// Prints the table and what was found.
fn finish(args: &SweepArgs, rows: &[Row], (real_s, output): (f64, &Output)) -> Result<u8, Trouble> {
    for line in table(&table_of(rows)) {
        output.line(&line);
    }
    let tried: u64 = rows.iter().map(|row| row.tally.tried()).sum();
    if tried == 0 {
        let sentence = "there is nothing to sweep: no operation, or no time";
        return Err(Trouble::new(exit::NOTHING, sentence));
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tried as f64 / real_s.max(0.001);
    let tried = grouped(tried);
    output.line(&format!(
        "{tried} states in {real_s:.0} s, {rate:.0} a second"
    ));
    tell_found(args, rows, output)
}

/// A row a plan: tried/total of each outcome, of recoveries, of nested states.
fn table_of(rows: &[Row]) -> Vec<Vec<String>> {
    let mut head = vec!["plan".to_owned(), "operations".into()];
    head.extend(Outcome::ALL.map(|outcome| outcome.name().to_owned()));
    head.extend(["recoveries", "nested", "awaits", "distinct", "found"].map(String::from));
    let of = |tried, total| format!("{}/{}", grouped(tried), grouped(total));
    let row = |row: &Row| {
        let tally = &row.tally;
        let mut cells = vec![row.asked.clone(), grouped(row.operations as u64)];
        cells.extend(Outcome::ALL.map(|outcome| {
            let count = tally.outcomes.get(&outcome).copied().unwrap_or_default();
            of(count.tried, count.total)
        }));
        let recoveries = tally.recoveries;
        cells.push(of(recoveries.tried, recoveries.total));
        cells.push(grouped(tally.nested));
        cells.push(of(tally.awaits.tried, tally.awaits.total));
        cells.push(grouped(tally.distinct as u64));
        cells.push(grouped(tally.found.len() as u64));
        cells
    };
    std::iter::once(head).chain(rows.iter().map(row)).collect()
}

/// Tells what was found, a REPRO line each, and writes the failures.
fn tell_found(args: &SweepArgs, rows: &[Row], output: &Output) -> Result<u8, Trouble> {
    let mut verdict = Verdict::Pass;
    let mut failures = Vec::new();
    let mut written = Ok(());
    for row in rows {
        for (state, found) in &row.tally.found {
            verdict = verdict.max(verdict_of(found.check.kind));
            let repro = repro(args, &row.asked, state);
            let check = found.check.name;
            let text = format!("FAILED: {}: {check}: {}", row.asked, found.sentence);
            output.line(&output.styled(&text, Style::Red));
            output.line(&format!("  REPRO {repro}"));
            let failure = failure(args, &row.asked, found, &repro);
            let name = state.arguments().replace("--", "").replace(' ', "-");
            let stem = row.asked.replace(['/', '.'], "-");
            let path = args.out.join("sweep").join(format!("{stem}-{name}.json"));
            let text = format!("{failure:#}\n");
            written = written.and(files::write(&path, &text));
            failures.push(failure);
        }
    }
    let text = if verdict == Verdict::Pass {
        "PASS"
    } else {
        "FAIL"
    };
    output.line(text);
    output.json(&json!({
        "seed": args.seed,
        "nested": args.nested,
        "verdict": verdict.name(),
        "exit": verdict.exit_code(),
        "plans": rows.iter().map(to_json).collect::<Vec<_>>(),
        "failures": failures,
    }));
    written.map(|()| code_of(verdict))
}

fn to_json(row: &Row) -> Value {
    let tally = &row.tally;
    let outcomes = tally.outcomes.iter();
    let outcomes: serde_json::Map<String, Value> = outcomes
        .map(|(outcome, count)| (outcome.name().to_owned(), json!(count)))
        .collect();
    json!({
        "plan": row.asked,
        "operations": row.operations,
        "whole": row.whole,
        "outcomes": outcomes,
        "recoveries": tally.recoveries,
        "nested": tally.nested,
        "awaits": tally.awaits,
        "distinct": tally.distinct,
        "found": tally.found.len(),
        "real_s": row.real_s,
    })
}

fn failure(args: &SweepArgs, asked: &str, found: &Found, repro: &str) -> Value {
    json!({
        "version": 1,
        "plan": asked,
        "seed": args.seed,
        "check": found.check.name,
        "sentence": found.sentence,
        "repro": repro,
        "build": Build::ours(),
    })
}

fn repro(args: &SweepArgs, asked: &str, state: &StateId) -> String {
    let node = args.node.as_ref().map(|node| format!(" --node {node}"));
    let (node, seed) = (node.unwrap_or_default(), args.seed);
    format!(
        "cargo sim sweep {asked}{node} --seed {seed} {}",
        state.arguments()
    )
}

fn verdict_of(kind: ViolationKind) -> Verdict {
    match kind {
        ViolationKind::Safety => Verdict::Safety,
        ViolationKind::Liveness => Verdict::Liveness,
        ViolationKind::Panic => Verdict::Panic,
        ViolationKind::NotDeterministic => Verdict::NotDeterministic,
        ViolationKind::Resource => Verdict::Resource,
    }
}

fn parse_outcome(text: &str) -> Result<Outcome, String> {
    text.parse()
}

/// `I/N` with I below N.
fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let bad = || format!("`{text}` is no share: I/N, with I from 0 to N-1");
    let (i, n) = text.split_once('/').ok_or_else(bad)?;
    let (i, n) = (i.parse().map_err(|_| bad())?, n.parse().map_err(|_| bad())?);
    if i < n { Ok((i, n)) } else { Err(bad()) }
}
