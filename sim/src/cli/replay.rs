//! `replay`: a failure again, exactly.

use std::path::PathBuf;

use archivas_scenarios::outcome::Verdict;
use clap::Args;

use super::output::{Output, Style};
use super::report::{self, Cost};
use super::rows::Watcher;
use super::{Trouble, code_of, exit};
use crate::failure::{BadFailure, Build, Failure, what_failed};
use crate::runner::{self, RunReport, two_digests};
use crate::trace::Digest;

/// `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The failure.json of a run that did not pass
    failure: PathBuf,
    /// The digest that the run must have
    #[arg(long, value_name = "DIGEST", value_parser = parse_digest)]
    expect: Option<Digest>,
}

/// Replays it. The exit code is that of the failure, or 16 when it is another run.
pub fn replay(args: &ReplayArgs, output: &Output) -> Result<u8, Trouble> {
    let (failure, plan) = Failure::read(&args.failure).map_err(trouble_of)?;
    for difference in Build::ours().differences(&failure.build) {
        output.complain(&format!("warning: {difference}"));
    }
    if output.shows_progress() {
        let title = format!("{}, seed {}: {}", plan.name, failure.seed, failure.check);
        output.line(&output.styled(&title, Style::Bold));
    }
    let mut watcher = Watcher::new(&plan, output);
    watcher.print_head();
    let RunReport {
        mut outcome,
        digest,
        events,
        real_s,
        ..
    } = runner::run_with(
        &plan,
        failure.seed.0,
        &mut watcher,
        runner::Options::default(),
    );
    if failure.check == runner::SAME_DIGEST.name {
        let again = runner::run(&plan, failure.seed.0);
        if again.digest != digest {
            outcome.violations.push(two_digests(digest, again.digest));
        }
    }
    let cost = Cost { real_s, events };
    report::print(output, &plan, &outcome, cost, &watcher.tree);
    report::print_verdict(output, &outcome, None);
    let known = Some((&failure, args.failure.as_path()));
    let why = difference(args, &failure, &outcome, digest);
    let mut json = report::to_json(&outcome, cost, known);
    json["not_reproduced"] = why.clone().into();
    output.json(&json);
    if let Some(why) = why {
        let text = format!("NOT REPRODUCED: {why}");
        output.line(&output.styled(&text, Style::Red));
        return Ok(exit::NOT_REPRODUCED);
    }
    let same_run = digest.to_string() == failure.digest;
    if same_run || failure.check == runner::SAME_DIGEST.name {
        output.line("reproduced");
    } else {
        let was = &failure.digest;
        output.line(&format!(
            "reproduced by another run: the digest is {digest}, was {was}"
        ));
    }
    Ok(code_of(outcome.verdict()))
}

/// Why this was not the same failure.
fn difference(
    args: &ReplayArgs,
    failure: &Failure,
    outcome: &archivas_scenarios::outcome::Outcome,
    digest: Digest,
) -> Option<String> {
    let (check, _) = what_failed(outcome);
    if outcome.verdict() == Verdict::Pass || check != failure.check {
        return Some(format!(
            "expected `{}` to fail, found `{check}`",
            failure.check
        ));
    }
    let expected = args.expect.filter(|expected| *expected != digest)?;
    Some(format!("the digest is {digest}, not {expected}"))
}

pub fn trouble_of(error: BadFailure) -> Trouble {
    let exit = match error {
        BadFailure::Unreadable { .. } => exit::USAGE,
        BadFailure::Malformed { .. } | BadFailure::Version { .. } | BadFailure::Plan(_) => {
            exit::BAD_PLAN
        }
    };
    Trouble::new(exit, error.to_string())
}

fn parse_digest(text: &str) -> Result<Digest, String> {
    text.parse::<Digest>().map_err(|error| error.to_string())
}
