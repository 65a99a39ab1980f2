//! `shrink`: the smallest plan that fails in the same way.

use std::path::PathBuf;

use archivas_core::primitives::Millis;
use archivas_scenarios::plan::Document;
use clap::Args;

use super::output::{Output, Style};
use super::replay::trouble_of;
use super::run::write_failure;
use super::spans::{grouped, human, parse_span, seconds};
use super::{Trouble, exit, files};
use crate::failure::{Failure, quoted};
use crate::shrink::{self, Shrunk, Size, Symptom};

/// `shrink`.
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// The failure.json of a run that did not pass
    failure: PathBuf,
    /// Stop looking after this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_span)]
    budget: Millis,
    /// Where the plan is written; otherwise shrunk.json beside the failure
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Shrinks it. Exits with 16 when the failure cannot be seen again at all.
pub fn shrink(args: &ShrinkArgs, output: &Output) -> Result<u8, Trouble> {
    let (failure, plan) = Failure::read(&args.failure).map_err(trouble_of)?;
    let symptom = Symptom::new(&failure.check, &failure.sentence);
    if output.shows_progress() {
        let title = format!("{}, seed {}: {}", plan.name, failure.seed, failure.check);
        output.line(&output.styled(&title, Style::Bold));
    }
    let tell = |document: &Document| {
        if output.shows_progress() {
            output.line(&format!("  {}", describe(document)));
        }
    };
    let budget_s = seconds(args.budget);
    let found = shrink::shrink(&plan, failure.seed, &symptom, budget_s, &tell);
    let Some(shrunk) = found else {
        let sentence = format!(
            "`{}` does not fail in this program: shrink with the build that failed ({})",
            failure.check, failure.build.commit
        );
        return Err(Trouble::new(exit::NOT_REPRODUCED, sentence));
    };
    let folder = args.failure.parent().unwrap_or(std::path::Path::new("."));
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| folder.join("shrunk.json"));
    files::write(&out, &(shrunk.plan.to_json() + "\n"))?;
    let run = (shrunk.report.digest.to_string(), shrunk.report.events);
    let small = write_failure(
        &folder.join("shrunk"),
        &shrunk.plan,
        &shrunk.report.outcome,
        (&run.0, run.1),
    )?;
    let run = format!("cargo sim run {} --seed {}", quoted(&out), failure.seed);
    print(output, plan.document(), &shrunk);
    output.line(&format!("RUN    {run}"));
    if let Some((small, path)) = &small {
        output.line(&format!("REPRO  {}", small.replay));
        output.line(&format!("FILES  {} {}", out.display(), path.display()));
    }
    output.json(&serde_json::json!({
        "check": failure.check,
        "from": size_json(plan.document()),
        "to": size_json(shrunk.plan.document()),
        "runs": shrunk.runs,
        "minimal": shrunk.minimal,
        "real_s": shrunk.real_s,
        "plan": out.display().to_string(),
        "run": run,
    }));
    Ok(0)
}

fn print(output: &Output, before: &Document, shrunk: &Shrunk) {
    output.line(&format!("from   {}", describe(before)));
    let to = format!("to     {}", describe(shrunk.plan.document()));
    output.line(&output.styled(&to, Style::Green));
    let end = match shrunk.minimal {
        true => "nothing more can be taken away",
        false => "the time was over",
    };
    output.line(&format!(
        "{} runs in {}: {end}",
        grouped(shrunk.runs),
        human(shrunk.real_s)
    ));
}

fn describe(document: &Document) -> String {
    let size = Size::of(document);
    format!(
        "{} events, {} nodes, {} blocks and transfers asked for, {}",
        size.events,
        size.nodes,
        grouped(size.count),
        human(seconds(Millis::new(size.duration_ms))),
    )
}

fn size_json(document: &Document) -> serde_json::Value {
    let size = Size::of(document);
    serde_json::json!({
        "events": size.events,
        "nodes": size.nodes,
        "count": size.count,
        "duration_ms": size.duration_ms,
    })
}
