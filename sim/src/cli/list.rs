//! `list`: what there is to run, what is checked, what goes wrong on purpose.

use archivas_scenarios::checks::{self, Check};
use archivas_scenarios::plan::{BUILT_IN, BuiltIn, Overrides, Scenario};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::output::{Output, table};
use super::{Trouble, probes};
use crate::{faults, judges, runner};

/// `list`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListArgs {
    /// Of what
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The scenarios built into the program
    Scenarios,
    /// Everything that is checked in a run
    Checks,
    /// Everything that goes wrong on purpose
    Faults,
    /// Rare states, counted when they are reached
    Probes,
}

/// Prints the list.
pub fn list(args: ListArgs, output: &Output) -> Result<u8, Trouble> {
    let entries: Vec<(String, String)> = match args.what {
        What::Scenarios => {
            let built_in = BUILT_IN.iter().map(BuiltIn::scenario);
            let all = built_in.chain([Scenario::swarm(Overrides::default())]);
            all.map(scenario).collect()
        }
        What::Checks => all_checks()
            .map(|check| (check.name.into(), check.about.into()))
            .collect(),
        What::Probes => {
            let entry = |(name, about): (&str, &str)| (name.into(), about.into());
            probes::all().map(entry).collect()
        }
        What::Faults => {
            let entry = |(name, about): &(&str, &str)| ((*name).into(), (*about).into());
            faults::ALL.iter().map(entry).collect()
        }
    };
    let json = entries
        .iter()
        .map(|(name, about)| json!({ "name": name, "about": about }));
    output.json(&json.collect::<Vec<_>>());
    // The second column is text: it is aligned by the first alone.
    let names: Vec<Vec<String>> = entries.iter().map(|(name, _)| vec![name.clone()]).collect();
    let width = table(&names)
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0);
    for (name, about) in entries {
        output.line(&format!("{name:<width$}  {about}"));
    }
    Ok(0)
}

fn scenario(scenario: Scenario) -> (String, String) {
    let words: Vec<&str> = scenario.about.split_whitespace().collect();
    (scenario.name, words.join(" "))
}

/// The player's checks, the world's, and the runner's.
fn all_checks() -> impl Iterator<Item = &'static Check> {
    let own = [&runner::NO_PANIC, &runner::SAME_DIGEST];
    checks::ALL.iter().chain(judges::ALL).chain(own)
}
