//! Reports in a file: `run --html`, `run --perfetto`, and `report DIR` for the failures of a campaign.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use archivas_scenarios::observer::Observer;
use archivas_scenarios::plan::Plan;
use clap::Args;

use super::output::Output;
use super::replay::trouble_of;
use super::{Trouble, exit, files};
use crate::events::{self, BadTrace, Event};
use crate::failure::Failure;
use crate::report::{Both, Reporter};
use crate::runner::{self, Options, RunReport};
use crate::seed::Seed;
use crate::shrink::Symptom;
use crate::why::curve;

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of a campaign or of one failure, or a failure.json
    folder: PathBuf,
    /// Also draw the curve of `why`, with so many runs a point
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    why: Option<u64>,
}

/// How deep under a folder failures are looked for.
const DEPTH_MAX: u32 = 4;

/// Replays each failure under a folder and writes report.html beside it.
pub fn report(args: &ReportArgs, output: &Output) -> Result<u8, Trouble> {
    let mut found = Vec::new();
    look_for_failures(&args.folder, DEPTH_MAX, &mut found);
    found.sort();
    let mut written = Vec::new();
    for path in &found {
        let (failure, plan) = Failure::read(path).map_err(trouble_of)?;
        let watched = Watched::run(&plan, failure.seed, &mut (), None)?;
        let why = match args.why {
            None => Vec::new(),
            Some(branches) => {
                let symptom = Symptom::new(&failure.check, &failure.sentence);
                let end = watched.run.outcome.simulated;
                let curve = curve(&plan, failure.seed, &symptom, end, branches);
                let points = curve.points.iter();
                points
                    .map(|point| (point.at.get(), point.share()))
                    .collect()
            }
        };
        let page = path.with_file_name("report.html");
        watched.write_page(&page, &why)?;
        output.line(&page.display().to_string());
        written.push(page.display().to_string());
    }
    output.json(&written);
    if written.is_empty() {
        let sentence = format!("there is no failure.json under {}", args.folder.display());
        return Err(Trouble::new(exit::NOTHING, sentence));
    }
    Ok(0)
}

fn look_for_failures(path: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && depth > 0 {
            look_for_failures(&path, depth - 1, found);
        } else if entry.file_name() == "failure.json" {
            found.push(path);
        }
    }
}

/// A run of which everything is known.
pub struct Watched {
    /// What came of it.
    pub run: RunReport,
    reporter: Reporter,
    events: Vec<Event>,
    names: Vec<String>,
}

impl Watched {
    /// Runs a plan; its list of events also goes to `trace`.
    pub fn run(
        plan: &Plan,
        seed: Seed,
        observer: &mut (dyn Observer + Send),
        trace: Option<&Path>,
    ) -> Result<Self, Trouble> {
        let lines = Lines::default();
        let mut reporter = Reporter::new(plan);
        let mut both = Both(observer, &mut reporter);
        let options = Options {
            lines: Some(Box::new(lines.clone())),
            ..Options::default()
        };
        let run = runner::run_with(plan, seed.0, &mut both, options);
        let text = std::mem::take(&mut *lines.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(path) = trace {
            files::write(path, &String::from_utf8_lossy(&text))?;
        }
        let events = events::read(&text[..]).collect::<Result<_, BadTrace>>();
        let events = events.map_err(|error| Trouble::new(exit::HARNESS, error.to_string()))?;
        let names = plan.nodes.iter().map(|node| node.name.clone());
        Ok(Self {
            run,
            reporter,
            events,
            names: names.collect(),
        })
    }

    /// Writes the report.
    pub fn write_page(self, path: &Path, why: &[(u64, f64)]) -> Result<(), Trouble> {
        let digest = self.run.digest.to_string();
        let page = self
            .reporter
            .page(&self.run.outcome, &digest, &self.events, why);
        files::write(path, &page)
    }

    /// Writes the events for ui.perfetto.dev.
    pub fn write_perfetto(&self, path: &Path) -> Result<(), Trouble> {
        let mut out = Vec::new();
        let events = self.events.iter().cloned().map(Ok);
        let written = events::to_perfetto(events, &self.names, &mut out);
        written.map_err(|error| Trouble::new(exit::HARNESS, error.to_string()))?;
        files::write(path, &String::from_utf8_lossy(&out))
    }
}

/// Lines in memory, which outlive the run that writes them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
