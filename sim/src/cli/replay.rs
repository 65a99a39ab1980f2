//! `replay`: a failure again, exactly; or the life of a real node from its recording.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use archivas::live::data_dir::DATABASE;
use archivas::record::{MAGIC, Mark, PlayError, Played};
use archivas_scenarios::outcome::Verdict;
use clap::Args;

use super::output::{Output, Style};
use super::report::{self, Cost};
use super::rows::Watcher;
use super::{Trouble, code_of, exit};
use crate::failure::{BadFailure, Build, Failure, what_failed};
use crate::recording;
use crate::runner::{self, RunReport, two_digests};
use crate::trace::Digest;

/// `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The failure.json of a run that did not pass, or what `archivas node --record` wrote
    file: PathBuf,
    /// Of a recording: a copy of the node's data directory from before its start; left as it is
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The digest that the run must have
    #[arg(long, value_name = "DIGEST", value_parser = parse_digest)]
    expect: Option<Digest>,
}

/// Replays it. The exit code is that of the failure, or 16 when it is another run.
pub fn replay(args: &ReplayArgs, output: &Output) -> Result<u8, Trouble> {
    if let Some(recording) = read_recording(&args.file) {
        if args.expect.is_some() {
            return Err(misplaced("--expect", "a failure, and this is a recording"));
        }
        return replay_recording(args, &recording, output);
    }
    if args.data_dir.is_some() {
        return Err(misplaced("--data-dir", "a recording, and this is none"));
    }
    let (failure, plan) = Failure::read(&args.file).map_err(trouble_of)?;
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
    let known = Some((&failure, args.file.as_path()));
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

/// An option that would have no effect.
fn misplaced(option: &str, belongs_to: &str) -> Trouble {
    Trouble::new(exit::USAGE, format!("{option} belongs to {belongs_to}"))
}

/// The file, if it is a recording.
fn read_recording(path: &Path) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; MAGIC.len()];
    file.read_exact(&mut head).ok()?;
    let mut bytes = head.to_vec();
    file.read_to_end(&mut bytes).ok()?;
    (head == MAGIC).then_some(bytes)
}

/// Plays a recorded life. The exit code is 0, or 16 when the node differs from the recorded one.
fn replay_recording(args: &ReplayArgs, recording: &[u8], output: &Output) -> Result<u8, Trouble> {
    let database = args.data_dir.as_ref().map(|dir| dir.join(DATABASE));
    let database = database.map(|path| {
        std::fs::read(&path).map_err(|error| {
            let path = path.display();
            Trouble::new(exit::USAGE, format!("cannot read {path}: {error}"))
        })
    });
    let mut told = |mark: &Mark| {
        if output.shows_progress() {
            output.line(&mark.to_string());
        }
    };
    match recording::replay(recording, database.transpose()?, &mut told) {
        Ok(played) => {
            let Played {
                calls, tips, end, ..
            } = played;
            let how = match played.stopped {
                true => "the node was stopped there",
                false => "the recording is cut off there",
            };
            output.line(&format!(
                "reproduced: {calls} calls, {} actions, {tips} tips with their roots; {end}; {how}",
                played.actions
            ));
            output.json(&serde_json::json!({
                "calls": calls, "actions": played.actions, "tips": tips, "stopped": played.stopped,
                "height": end.height, "tip": end.tip, "root": end.root, "not_reproduced": null,
            }));
            Ok(0)
        }
        Err(why @ PlayError::Differs { .. }) => {
            let text = format!("NOT REPRODUCED: {why}");
            output.line(&output.styled(&text, Style::Red));
            output.json(&serde_json::json!({ "not_reproduced": why.to_string() }));
            Ok(exit::NOT_REPRODUCED)
        }
        Err(why) => Err(Trouble::new(exit::USAGE, why.to_string())),
    }
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
