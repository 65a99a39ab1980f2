//! `show`: the plan that a scenario has for a seed. What is printed is itself a plan, in which every
//! range has become a value.

use archivas_core::primitives::Millis;
use archivas_scenarios::plan::Overrides;
use archivas_scenarios::world::WorldKind;
use clap::Args;

use super::output::Output;
use super::spans::parse_span;
use super::{Trouble, find_plan, parse_seed};
use crate::seed::Seed;

/// `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
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
}

/// Prints it, as JSON that `run` plays.
pub fn show(args: &ShowArgs, output: &Output) -> Result<u8, Trouble> {
    let overrides = Overrides {
        nodes: args.nodes,
        duration: args.duration,
    };
    let plan = find_plan(&args.scenario, (overrides, args.seed), WorldKind::Sim)?;
    output.json(plan.document());
    output.line(plan.to_json().trim_end());
    Ok(0)
}
