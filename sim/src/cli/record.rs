//! A campaign's folder: `campaign.json` says which campaign it is, `results.jsonl` has a line for each
//! seed that is done and nothing that differs between machines, `timings.jsonl` what else is known of
//! it, `failures/` a file for each that failed. Lines are written as seeds end, so a campaign that was
//! interrupted anywhere goes on from there; parts of one campaign can be put together.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use archivas_core::primitives::Millis;
use archivas_scenarios::outcome::{Outcome, Verdict};
use archivas_scenarios::world::{HarnessError, Violation, ViolationKind, WorldKind};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::output::Output;
use super::run::write_failure;
use super::{Trouble, code_of, exit, files};
use crate::explore::{Campaign, Harvest, SeedResult, Seeds};
use crate::failure::{Build, Failure};
use crate::seed::Seed;

/// The command and the file of each failing seed, by its number.
pub type Failures = BTreeMap<u64, (String, PathBuf)>;

/// What makes two parts the same campaign. The shard is no part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    version: u64,
    scenarios: Vec<String>,
    base_seed: Seed,
    seeds: String,
    twice_of_1000: u64,
    build: Build,
}

/// One line of `results.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultLine {
    scenario: String,
    seed: Seed,
    digest: String,
    exit: u8,
}

/// One line of `timings.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimingLine {
    scenario: String,
    seed: Seed,
    real_s: f64,
    simulated_ms: u64,
    events: u64,
    twice: bool,
    faults: BTreeMap<String, u64>,
    probes: BTreeMap<String, u64>,
}

/// The folder while a campaign runs.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    resumes: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `results.jsonl` and `timings.jsonl`, where a folder was asked for.
    files: Option<[File; 2]>,
    failures: Failures,
    trouble: Option<Trouble>,
}

impl Record {
    /// Opens the folder: a new campaign in it, or the one that lies there.
    pub fn begin(
        folder: &Path,
        kept: bool,
        resumes: bool,
        campaign: &Campaign,
    ) -> Result<Self, Trouble> {
        let mut state = State::default();
        if kept {
            files::make_folder(folder)?;
            let identity = identity_of(campaign);
            let path = folder.join("campaign.json");
            if resumes {
                refuse_other(&read_identity(&path)?, &identity, folder)?;
            } else {
                let text = serde_json::to_string_pretty(&identity);
                let text = text.expect("an identity is made of plain values");
                files::write(&path, &(text + "\n"))?;
            }
            state.files = Some([
                open_lines(&folder.join("results.jsonl"), resumes)?,
                open_lines(&folder.join("timings.jsonl"), resumes)?,
            ]);
        }
        let (folder, state) = (folder.to_owned(), Mutex::new(state));
        Ok(Self {
            folder,
            resumes,
            state,
        })
    }

    /// What earlier parts of the campaign have done.
    pub fn earlier(&self, campaign: &Campaign) -> Result<Vec<SeedResult>, Trouble> {
        match self.resumes {
            true => read_results(&self.folder, campaign, &mut self.state().failures),
            false => Ok(Vec::new()),
        }
    }

    /// Writes what came of a seed. The first trouble is kept, and told in the end.
    pub fn add(&self, campaign: &Campaign, result: &SeedResult) {
        let mut state = self.state();
        if let Err(trouble) = self.write(campaign, result, &mut state) {
            state.trouble.get_or_insert(trouble);
        }
    }

    fn write(
        &self,
        campaign: &Campaign,
        result: &SeedResult,
        state: &mut State,
    ) -> Result<(), Trouble> {
        // A seed without a plan leaves nothing to replay.
        if let (Some(outcome), Ok(plan)) = (&result.failed, campaign.plan(result.plan, result.seed))
        {
            let run = (result.digest.as_str(), result.events);
            let written = write_failure(&self.folder.join("failures"), &plan, outcome, run)?;
            if let Some((failure, path)) = written {
                state.failures.insert(result.number, (failure.replay, path));
            }
        }
        if let Some([results, timings]) = &mut state.files {
            let [result, timing] = lines_of(campaign, result);
            let written = timings
                .write_all(timing.as_bytes())
                .and_then(|()| results.write_all(result.as_bytes()));
            written.map_err(|error| unwritable(&self.folder, &error))?;
        }
        Ok(())
    }

    /// Ends a campaign: all lines in order, and the summaries.
    pub fn end(self, campaign: &Campaign, harvest: &Harvest) -> (Failures, Result<(), Trouble>) {
        let state = self.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let failures = state.failures;
        let written = match (state.trouble, state.files) {
            (Some(trouble), _) => Err(trouble),
            (None, None) => Ok(()),
            (None, Some(_)) => summaries(&self.folder, campaign, harvest, &failures),
        };
        (failures, written)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The folder of the whole campaign, which is made
    out: PathBuf,
    /// The folders of its parts
    #[arg(required = true)]
    parts: Vec<PathBuf>,
}

/// Puts parts together. Refuses parts of different campaigns; the same seed with two digests is a
/// program that does not repeat.
pub fn merge(args: &MergeArgs, output: &Output) -> Result<u8, Trouble> {
    let first = read_identity(&args.parts[0].join("campaign.json"))?;
    let mut found: BTreeMap<(usize, u64), (ResultLine, TimingLine)> = BTreeMap::new();
    let mut differing = Vec::new();
    for part in &args.parts {
        refuse_other(&read_identity(&part.join("campaign.json"))?, &first, part)?;
        for (line, timing) in read_lines(part)? {
            let place = first
                .scenarios
                .iter()
                .position(|name| *name == line.scenario);
            let place = place.ok_or_else(|| foreign(part, &line))?;
            let seed = line.seed;
            if let Some((known, _)) = found.insert((place, seed.0), (line.clone(), timing))
                && known.digest != line.digest
            {
                differing.push(format!(
                    "{} seed {seed}: {} and {}",
                    line.scenario, known.digest, line.digest
                ));
            }
        }
        copy_failures(&part.join("failures"), &args.out.join("failures"))?;
    }
    let (mut results, mut timings) = (String::new(), String::new());
    let mut worst = Verdict::Pass;
    for (line, timing) in found.values() {
        worst = worst.max(verdict_of(line.exit));
        results.push_str(&json_line(line));
        timings.push_str(&json_line(timing));
    }
    files::write(&args.out.join("results.jsonl"), &results)?;
    files::write(&args.out.join("timings.jsonl"), &timings)?;
    files::write(&args.out.join("campaign.json"), &(json_line(&first)))?;
    let failed = found.values().filter(|(line, _)| line.exit != 0).count();
    output.line(&format!(
        "{} seeds of {} parts, {failed} failed",
        found.len(),
        args.parts.len()
    ));
    for line in &differing {
        output.line(&format!("NOT DETERMINISTIC {line}"));
    }
    output.json(&serde_json::json!({
        "seeds": found.len(), "failed": failed, "parts": args.parts.len(), "differing": differing,
    }));
    Ok(match differing.is_empty() {
        true => code_of(worst),
        false => exit::NOT_DETERMINISTIC,
    })
}

fn copy_failures(from: &Path, to: &Path) -> Result<(), Trouble> {
    // A part without failures has no such folder.
    let Ok(entries) = std::fs::read_dir(from) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let file = entry.path().join("failure.json");
        if let Ok(text) = std::fs::read_to_string(&file) {
            files::write(&to.join(entry.file_name()).join("failure.json"), &text)?;
        }
    }
    Ok(())
}

fn foreign(part: &Path, line: &ResultLine) -> Trouble {
    let sentence = format!(
        "{} has a result of `{}`, which is none of its campaign's scenarios",
        part.display(),
        line.scenario
    );
    Trouble::new(exit::USAGE, sentence)
}

fn identity_of(campaign: &Campaign) -> Identity {
    let names = campaign.scenarios.iter();
    Identity {
        version: 1,
        scenarios: names.map(|scenario| scenario.name.clone()).collect(),
        base_seed: campaign.base,
        seeds: match campaign.seeds {
            Seeds::Count(count) => format!("count {count}"),
            // How long was looked is no part of what was looked for.
            Seeds::Budget(_) => "budget".into(),
        },
        twice_of_1000: campaign.twice_of_1000,
        build: Build::ours(),
    }
}

fn read_identity(path: &Path) -> Result<Identity, Trouble> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let sentence = format!("cannot read {}: {error}", path.display());
        Trouble::new(exit::USAGE, sentence)
    })?;
    serde_json::from_str(&text).map_err(|error| {
        let sentence = format!("{} is no campaign: {error}", path.display());
        Trouble::new(exit::USAGE, sentence)
    })
}

fn refuse_other(found: &Identity, wanted: &Identity, folder: &Path) -> Result<(), Trouble> {
    if found == wanted {
        return Ok(());
    }
    let sentence = format!(
        "{} holds another campaign (scenarios, seeds or build differ)",
        folder.display()
    );
    Err(Trouble::new(exit::USAGE, sentence))
}

/// Opens a file of lines for more of them; what a cut-off program left of a last line is taken away.
fn open_lines(path: &Path, resumes: bool) -> Result<File, Trouble> {
    let options = || {
        let mut options = OpenOptions::new();
        options.create(true).write(true);
        options
    };
    let opened = match resumes {
        false => options().truncate(true).open(path),
        true => options().append(true).open(path).and_then(|file| {
            let text = std::fs::read(path)?;
            let whole = text
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            file.set_len(whole as u64)?;
            Ok(file)
        }),
    };
    opened.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::new(
        exit::HARNESS,
        format!("cannot write {}: {error}", path.display()),
    )
}

fn lines_of(campaign: &Campaign, result: &SeedResult) -> [String; 2] {
    let scenario = campaign.scenarios[result.plan].name.clone();
    let line = ResultLine {
        scenario: scenario.clone(),
        seed: result.seed,
        digest: result.digest.clone(),
        exit: result.verdict.exit_code(),
    };
    let timing = TimingLine {
        scenario,
        seed: result.seed,
        real_s: result.real_s,
        simulated_ms: result.simulated_ms,
        events: result.events,
        twice: result.twice,
        faults: result.faults.clone(),
        probes: result.probes.clone(),
    };
    [json_line(&line), json_line(&timing)]
}

fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("lines are made of plain values") + "\n"
}

/// The lines of a folder, each with its timing. Of a seed that has two lines the last counts.
fn read_lines(folder: &Path) -> Result<Vec<(ResultLine, TimingLine)>, Trouble> {
    let timings: Vec<TimingLine> = parse_lines(&folder.join("timings.jsonl"))?;
    let mut by_seed: BTreeMap<(String, u64), TimingLine> = BTreeMap::new();
    for timing in timings {
        by_seed.insert((timing.scenario.clone(), timing.seed.0), timing);
    }
    let results: Vec<ResultLine> = parse_lines(&folder.join("results.jsonl"))?;
    let with_timing = |line: ResultLine| {
        let timing = by_seed.remove(&(line.scenario.clone(), line.seed.0));
        (line, timing.unwrap_or_default())
    };
    Ok(results.into_iter().map(with_timing).collect())
}

fn parse_lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>, Trouble> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let sentence = format!("cannot read {}: {error}", path.display());
        Trouble::new(exit::USAGE, sentence)
    })?;
    // A last line without its end was being written when the program ended.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            let sentence = format!("{}, line {}: {error}", path.display(), number + 1);
            Trouble::new(exit::USAGE, sentence)
        })
    };
    whole.lines().enumerate().map(parse).collect()
}

fn read_results(
    folder: &Path,
    campaign: &Campaign,
    failures: &mut Failures,
) -> Result<Vec<SeedResult>, Trouble> {
    let scenarios = campaign.scenarios.len() as u64;
    let mut results = BTreeMap::new();
    for (line, timing) in read_lines(folder)? {
        let mut names = campaign.scenarios.iter().map(|scenario| &scenario.name);
        let plan = names.position(|name| *name == line.scenario);
        let plan = plan.ok_or_else(|| foreign(folder, &line))?;
        let number = line.seed.0.wrapping_sub(campaign.base.0) * scenarios + plan as u64;
        let verdict = verdict_of(line.exit);
        let path = Failure::path_in(&folder.join("failures"), &line.scenario, line.seed.0);
        let failure = Failure::read(&path).ok().map(|(failure, _)| failure);
        if let Some(failure) = &failure {
            failures.insert(number, (failure.replay.clone(), path));
        }
        let failed = (verdict != Verdict::Pass)
            .then(|| Box::new(remembered(&line, verdict, failure.as_ref())));
        let result = SeedResult {
            number,
            plan,
            seed: line.seed,
            digest: line.digest,
            events: timing.events,
            twice: timing.twice,
            verdict,
            failed,
            faults: timing.faults,
            probes: timing.probes,
            simulated_ms: timing.simulated_ms,
            real_s: timing.real_s,
        };
        results.insert(number, result);
    }
    Ok(results.into_values().collect())
}

/// What is known of a failure of an earlier part.
fn remembered(line: &ResultLine, verdict: Verdict, failure: Option<&Failure>) -> Outcome {
    let sentence = failure.map_or_else(String::new, |failure| failure.sentence.clone());
    let check = failure.map_or_else(|| "unknown".into(), |failure| failure.check.clone());
    let violation = kind_of(verdict).map(|kind| Violation {
        check,
        kind,
        at_ms: failure.map_or(0, |failure| failure.at_ms),
        node: None,
        sentence: sentence.clone(),
    });
    Outcome {
        scenario: line.scenario.clone(),
        world: WorldKind::Sim,
        seed: line.seed.0,
        violations: violation.into_iter().collect(),
        vacuous: (verdict == Verdict::Vacuous)
            .then(|| sentence.clone())
            .into_iter()
            .collect(),
        harness: (verdict == Verdict::Harness).then_some(HarnessError(sentence)),
        checks: BTreeMap::new(),
        faults: BTreeMap::new(),
        probes: BTreeMap::new(),
        digest: None,
        nodes: Vec::new(),
        simulated: Millis::ZERO,
    }
}

const VERDICTS: [Verdict; 8] = [
    Verdict::Pass,
    Verdict::Harness,
    Verdict::Vacuous,
    Verdict::Resource,
    Verdict::Liveness,
    Verdict::Safety,
    Verdict::Panic,
    Verdict::NotDeterministic,
];

/// The verdict with this exit code; one that none has is the simulator's own failure.
fn verdict_of(exit: u8) -> Verdict {
    let mut all = VERDICTS.into_iter();
    all.find(|verdict| verdict.exit_code() == exit)
        .unwrap_or(Verdict::Harness)
}

fn kind_of(verdict: Verdict) -> Option<ViolationKind> {
    Some(match verdict {
        Verdict::Pass | Verdict::Harness | Verdict::Vacuous => return None,
        Verdict::Resource => ViolationKind::Resource,
        Verdict::Liveness => ViolationKind::Liveness,
        Verdict::Safety => ViolationKind::Safety,
        Verdict::Panic => ViolationKind::Panic,
        Verdict::NotDeterministic => ViolationKind::NotDeterministic,
    })
}

fn summaries(
    folder: &Path,
    campaign: &Campaign,
    harvest: &Harvest,
    failures: &Failures,
) -> Result<(), Trouble> {
    // While interrupted the lines stay as they came: they are what goes on.
    if !harvest.interrupted {
        let mut results = String::new();
        for result in &harvest.results {
            results.push_str(&lines_of(campaign, result)[0]);
        }
        files::write(&folder.join("results.jsonl"), &results)?;
    }
    let summary = files::summary(campaign, harvest, failures);
    files::write(&folder.join("summary.json"), &json_line(&summary))?;
    files::write(
        &folder.join("summary.md"),
        &files::markdown(campaign, harvest, failures),
    )
}
