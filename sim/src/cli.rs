//! The `archivas-sim` command (`cargo sim …`): runs stories in the simulator, looks for seeds that
//! fail, and shows failures again. Exit codes are those of interfaces.md §4.

mod bench;
mod explore;
mod files;
mod golden;
mod list;
mod output;
mod page;
mod picture;
mod probes;
mod record;
mod replay;
mod report;
mod rows;
mod run;
mod show;
mod shrink;
mod spans;
mod sweep;
mod trace;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::{self, LoadError, Overrides, Plan, Scenario};
use archivas_scenarios::world::WorldKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::seed::Seed;
use output::Output;
pub(crate) use spans::clock;

/// Whole networks of real nodes in virtual time, from a seed
#[derive(Debug, Parser)]
#[command(
    name = "archivas-sim",
    bin_name = "cargo sim",
    version,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Copy, Debug, Args)]
struct Global {
    /// Print one JSON document, for programs
    #[arg(long, global = true)]
    json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Print results only, no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print every block and every check
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal
    Auto,
    /// Even in a file
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play one story with one seed, and watch it
    Run(run::RunArgs),
    /// Show a failure again, exactly
    Replay(replay::ReplayArgs),
    /// Play stories with many seeds on all cores
    Explore(explore::ExploreArgs),
    /// End a node at every operation of its disk, with every outcome
    Sweep(sweep::SweepArgs),
    /// The smallest plan that fails in the same way
    Shrink(shrink::ShrinkArgs),
    /// When the cause of a failure lay: its probability when all is drawn anew after t
    Why(why::WhyArgs),
    /// The first difference of two traces
    Diff(trace::DiffArgs),
    /// Write a page for each failure of a campaign
    Report(page::ReportArgs),
    /// Put the parts of a sharded campaign together
    Merge(record::MergeArgs),
    /// Look at a trace
    #[command(subcommand)]
    Trace(trace::TraceCommand),
    /// What there is: scenarios, checks, faults, probes
    List(list::ListArgs),
    /// The plan that a scenario has for a seed, every range drawn
    Show(show::ShowArgs),
    /// The digests of a list of scenarios and seeds, in one process
    Golden(golden::GoldenArgs),
    /// How fast the simulator is on this machine, and where the time goes
    Bench(bench::BenchArgs),
}

/// Which world plays a story, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum World {
    /// The simulator
    Sim,
    /// Real processes on loopback
    Processes,
}

impl From<World> for WorldKind {
    fn from(world: World) -> Self {
        match world {
            World::Sim => Self::Sim,
            World::Processes => Self::Processes,
        }
    }
}

/// Why a command could not do what it was asked: an exit code and one sentence.
#[derive(Debug)]
struct Trouble {
    exit: u8,
    sentence: String,
}

/// Exit codes that are no verdicts.
mod exit {
    /// The simulator itself failed.
    pub const HARNESS: u8 = 1;
    /// A mistake on the command line.
    pub const USAGE: u8 = 2;
    /// A plan that does not parse.
    pub const BAD_PLAN: u8 = 3;
    /// Nothing to run.
    pub const NOTHING: u8 = 4;
    /// Two runs that should be the same are not.
    pub const NOT_DETERMINISTIC: u8 = 13;
    /// Interrupted, and resumable.
    pub const INTERRUPTED: u8 = 75;
    /// A replay that showed something else.
    pub const NOT_REPRODUCED: u8 = 16;
}

impl Trouble {
    fn new(exit: u8, sentence: impl Into<String>) -> Self {
        Self {
            exit,
            sentence: sentence.into(),
        }
    }
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Self {
        let exit = match error {
            LoadError::Bad(_) => exit::BAD_PLAN,
            LoadError::Unknown { .. } | LoadError::Unreadable { .. } => exit::USAGE,
        };
        Self::new(exit, error.to_string())
    }
}

/// Runs the program: its arguments, its output, its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global);
    let result = match cli.command {
        Command::Run(args) => run::run(&args, &output),
        Command::Replay(args) => replay::replay(&args, &output),
        Command::Explore(args) => explore::explore(&args, &output),
        Command::Sweep(args) => sweep::sweep(&args, &output),
        Command::Shrink(args) => shrink::shrink(&args, &output),
        Command::Why(args) => why::why(&args, &output),
        Command::Diff(args) => trace::diff(&args, &output),
        Command::Trace(command) => trace::trace(&command, &output),
        Command::Merge(args) => record::merge(&args, &output),
        Command::Report(args) => page::report(&args, &output),
        Command::List(args) => list::list(args, &output),
        Command::Golden(args) => golden::golden(&args, &output),
        Command::Show(args) => show::show(&args, &output),
        Command::Bench(args) => bench::bench(args, &output),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => {
            output.complain(&trouble.sentence);
            ExitCode::from(trouble.exit)
        }
    }
}

/// The scenario that is asked for, playable in `world`.
fn find(asked: &str, overrides: Overrides, world: WorldKind) -> Result<Scenario, Trouble> {
    let scenario = plan::find(asked, overrides)?;
    if !scenario.worlds.contains(&world) {
        let name = &scenario.name;
        let sentence = format!("`{name}` cannot be played in the world `{world}`");
        return Err(Trouble::new(exit::USAGE, sentence));
    }
    Ok(scenario)
}

/// The plan of one seed of the scenario that is asked for, playable in `world`.
fn find_plan(
    asked: &str,
    (overrides, seed): (Overrides, Seed),
    world: WorldKind,
) -> Result<Plan, Trouble> {
    let plan = find(asked, overrides, world)?.plan(seed.0);
    plan.map_err(|error| Trouble::from(LoadError::from(error)))
}

/// Where failures are written when nothing else is said.
fn default_folder() -> PathBuf {
    PathBuf::from("target/sim")
}

/// A verdict's exit code.
fn code_of(verdict: Verdict) -> u8 {
    verdict.exit_code()
}

/// A seed, or a sentence for clap.
fn parse_seed(text: &str) -> Result<Seed, String> {
    text.parse::<Seed>().map_err(|error| error.to_string())
}
