//! `why`: the probability of a failure over the time from which on everything is drawn anew.

use std::path::PathBuf;

use clap::Args;

use super::output::{Output, Style};
use super::replay::trouble_of;
use super::spans::clock;
use super::{Trouble, exit};
use crate::failure::Failure;
use crate::shrink::{Symptom, shows};
use crate::why::{Curve, Point, curve};

/// `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The failure.json of a run that did not pass
    failure: PathBuf,
    /// Runs a point of the curve
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    branches: u64,
}

/// Columns of the bars.
const WIDTH: u64 = 40;

/// Draws the curve.
pub fn why(args: &WhyArgs, output: &Output) -> Result<u8, Trouble> {
    let (failure, plan) = Failure::read(&args.failure).map_err(trouble_of)?;
    let symptom = Symptom::new(&failure.check, &failure.sentence);
    let Some(report) = shows(&plan, failure.seed, &symptom) else {
        let sentence = format!("`{}` does not fail in this program", failure.check);
        return Err(Trouble::new(exit::NOT_REPRODUCED, sentence));
    };
    let failed_at = report.outcome.simulated;
    let curve = curve(&plan, failure.seed, &symptom, failed_at, args.branches);
    output.line(&output.styled(
        &format!(
            "{}: probability of `{}` when all is drawn anew after t",
            plan.name, failure.check
        ),
        Style::Bold,
    ));
    for point in &curve.points {
        output.line(&bar(point));
    }
    output.line(&verdict(&curve));
    let points = curve.points.iter().map(|point| {
        serde_json::json!({ "at_ms": point.at.get(), "failed": point.failed, "runs": point.runs })
    });
    output.json(&serde_json::json!({
        "check": failure.check,
        "points": points.collect::<Vec<_>>(),
        "jump_ms": curve.jump().map(|[low, high]| [low.at.get(), high.at.get()]),
    }));
    Ok(0)
}

fn bar(point: &Point) -> String {
    let full = point.failed * WIDTH / point.runs.max(1);
    let cells = |n: u64, cell: &str| (0..n).map(|_| cell).collect::<String>();
    format!(
        "{:>14}  {}{} {:>3} %",
        clock(point.at),
        cells(full, "█"),
        cells(WIDTH - full, "·"),
        point.failed * 100 / point.runs.max(1)
    )
}

fn verdict(curve: &Curve) -> String {
    match curve.jump() {
        Some([low, high]) => format!(
            "the cause lies between {} and {}: there the probability rises from {} % to {} %",
            clock(low.at),
            clock(high.at),
            low.failed * 100 / low.runs.max(1),
            high.failed * 100 / high.runs.max(1)
        ),
        None => {
            "it fails whatever is drawn: the cause lies in the plan or the program, not in chance"
                .into()
        }
    }
}
