//! Finding a plan: the scenarios built into the program by name or alias, files by path; and the
//! few numbers of it that a command line may replace.

use std::path::Path;

use archivas_core::primitives::Millis;

use super::document::{Document, NodeDoc};
use super::parse::{Format, PlanError};
use super::{Plan, Scenario};
use crate::swarm;

/// A scenario that is part of the program, so that its name works anywhere.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// The file's name, as messages call it.
    pub file: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! built_in {
    ($($file:literal),* $(,)?) => {
        &[$(BuiltIn {
            file: concat!("scenarios/", $file),
            text: include_str!(concat!("../../", $file)),
        }),*]
    };
}

/// All of them, in the order in which they are listed.
pub const BUILT_IN: &[BuiltIn] = built_in![
    "three-nodes-agree.toml",
    "partition-heals.toml",
    "restart-keeps-tip.toml",
    "mempool-broadcast.toml",
    "pool-follows-fork.toml",
    "line-topology.toml",
    "quiet-chain.toml",
    "initial-block-download.toml",
    "ibd-moving-tip.toml",
    "ibd-restart-at-half.toml",
    "deep-reorg.toml",
    "long-forks.toml",
    "equal-work-race.toml",
    "easy-work-wins.toml",
    "seed-goes-away.toml",
    "flapping-links.toml",
    "one-way-cut.toml",
    "asymmetric-partition.toml",
    "skewed-clocks.toml",
    "one-seed-thirty-joiners.toml",
    "submit-says-yes.toml",
];

impl BuiltIn {
    /// The scenario. A test parses every one.
    ///
    /// # Panics
    /// Never in a program whose tests pass.
    pub fn scenario(&self) -> Scenario {
        Scenario::parse(self.text, Format::Toml, self.file, Overrides::default())
            .expect("a test parses every scenario")
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No such scenario: a mistake of usage (exit code 2).
    #[error("there is no scenario `{asked}`; there are {known} (or give the path of a plan)")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// The names there are.
        known: String,
    },
    /// The file cannot be read (exit code 2).
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// Its path.
        path: String,
        /// The system's words.
        why: String,
    },
    /// The file is no valid plan (exit code 3).
    #[error(transparent)]
    Bad(#[from] PlanError),
}

/// What a command line may replace in a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// So many nodes: the last one is repeated, or the last ones are left out.
    pub nodes: Option<usize>,
    /// Another duration.
    pub duration: Option<Millis>,
}

/// The scenario called `asked`: a built-in scenario's name or alias, or the path of a `.toml` or
/// `.json` file.
///
/// # Errors
/// See [`LoadError`]; each is one sentence.
pub fn find(asked: &str, overrides: Overrides) -> Result<Scenario, LoadError> {
    if let Some(format) = path_format(asked) {
        let read = std::fs::read_to_string(asked);
        let unreadable = |e: std::io::Error| LoadError::Unreadable {
            path: asked.to_owned(),
            why: e.to_string(),
        };
        let text = read.map_err(unreadable)?;
        return Ok(Scenario::parse(&text, format, asked, overrides)?);
    }
    let mut known = Vec::new();
    for built_in in BUILT_IN {
        let scenario = built_in.scenario();
        if scenario.name == asked || scenario.aliases.iter().any(|alias| alias == asked) {
            let (text, file) = (built_in.text, built_in.file);
            return Ok(Scenario::parse(text, Format::Toml, file, overrides)?);
        }
        known.push(scenario.name);
    }
    if asked == swarm::NAME {
        return Ok(Scenario::swarm(overrides));
    }
    known.push(swarm::NAME.to_owned());
    Err(LoadError::Unknown {
        asked: asked.to_owned(),
        known: known.join(", "),
    })
}

/// The plan of seed 0 of the scenario called `asked`, for those that have one plan only.
///
/// # Errors
/// As [`find`].
pub fn load(asked: &str, overrides: Overrides) -> Result<Plan, LoadError> {
    Ok(find(asked, overrides)?.plan(0)?)
}

/// Whether `asked` is meant as a path, and how its file is written.
fn path_format(asked: &str) -> Option<Format> {
    match Path::new(asked).extension()?.to_str()? {
        "toml" => Some(Format::Toml),
        "json" => Some(Format::Json),
        _ => None,
    }
}

impl Overrides {
    /// The document with these numbers in the place of its own.
    #[must_use]
    pub fn apply(self, mut document: Document) -> Document {
        if let Some(duration) = self.duration {
            let before = document.duration_s.millis();
            document.expect.min_height = document
                .expect
                .min_height
                .map(|height| shorter(height, before, duration));
            document.duration_s = duration.into();
        }
        if let Some(nodes) = self.nodes {
            document.nodes.truncate(nodes);
            while document.nodes.len() < nodes {
                let Some(last) = document.nodes.last() else {
                    break;
                };
                let node = NodeDoc {
                    name: free_name(&document.nodes),
                    ..last.clone()
                };
                document.nodes.push(node);
            }
        }
        document
    }
}

/// The least height that a plan of length `before` demands, for one of length `after`: a shorter one
/// demands less in proportion, a longer one no more.
fn shorter(height: u64, before: Millis, after: Millis) -> u64 {
    let share = u128::from(height) * u128::from(after.get()) / u128::from(before.get().max(1));
    u64::try_from(share).map_or(height, |share| share.min(height))
}

/// The first of `a` to `z`, then `n26` and so on, that no node is called.
fn free_name(nodes: &[NodeDoc]) -> String {
    let letters = ('a'..='z').map(String::from);
    let mut names = letters.chain((26..).map(|n: u32| format!("n{n}")));
    names
        .find(|name| nodes.iter().all(|node| node.name != *name))
        .expect("names do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_parses_and_is_called_as_its_file() {
        for built_in in BUILT_IN {
            let parsed = Scenario::parse(
                built_in.text,
                Format::Toml,
                built_in.file,
                Overrides::default(),
            );
            let scenario = parsed.unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(built_in.file, format!("scenarios/{}.toml", scenario.name));
        }
    }

    #[test]
    fn every_story_in_the_folder_is_built_in() {
        let folder = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("our folder");
        let names = folder.map(|entry| entry.expect("readable").file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        let mut files: Vec<String> = names
            .filter(|name| name.ends_with(".toml") && name != "Cargo.toml")
            .map(|name| format!("scenarios/{name}"))
            .collect();
        let mut built_in: Vec<&str> = BUILT_IN.iter().map(|built_in| built_in.file).collect();
        files.sort();
        built_in.sort_unstable();
        assert_eq!(built_in, files);
    }

    #[test]
    fn the_plan_that_the_readme_shows_is_a_plan() {
        let readme = include_str!("../../README.md");
        let text = readme
            .split("```")
            .find_map(|part| part.strip_prefix("toml\n"))
            .unwrap();
        Plan::parse(text, Format::Toml, "README.md").unwrap_or_else(|e| panic!("{e}"));
    }

    #[test]
    fn names_and_aliases_are_unique() {
        let names = BUILT_IN.iter().flat_map(|built_in| {
            let scenario = built_in.scenario();
            scenario.aliases.into_iter().chain([scenario.name])
        });
        let mut names: Vec<String> = names.collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_scenario_is_found_by_name_and_by_alias() {
        let by_name = load("partition-heals", Overrides::default()).unwrap();
        let by_alias = load("fork-never-heals", Overrides::default()).unwrap();
        assert_eq!(by_name.name, "partition-heals");
        assert_eq!(by_alias.name, "partition-heals");
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_the_names_there_are() {
        let error = load("partition-heels", Overrides::default()).unwrap_err();
        let sentence = error.to_string();
        let begins = "there is no scenario `partition-heels`; there are three-nodes-agree, ";
        assert!(sentence.starts_with(begins), "{sentence}");
        let ends = ", submit-says-yes, swarm (or give the path of a plan)";
        assert!(sentence.ends_with(ends), "{sentence}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load("/nowhere/x.toml", Overrides::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read /nowhere/x.toml: "),
            "{error}"
        );
    }

    #[test]
    fn overrides_add_nodes_and_change_the_duration() {
        let overrides = Overrides {
            nodes: Some(5),
            duration: Some(Millis::from_secs(400)),
        };
        let plan = load("three-nodes-agree", overrides).unwrap();
        let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        assert_eq!(plan.links.len(), 10);
        assert_eq!(plan.duration, Millis::from_secs(400));
    }

    #[test]
    fn a_shorter_plan_demands_a_lower_chain_and_a_longer_one_no_higher() {
        let demanded = |seconds| {
            let overrides = Overrides {
                nodes: None,
                duration: Some(Millis::from_secs(seconds)),
            };
            let plan = load("three-nodes-agree", overrides).unwrap();
            plan.expect.min_height
        };
        assert_eq!(
            [60, 300, 900, 9_000].map(demanded),
            [1, 5, 15, 15].map(Some)
        );
    }

    #[test]
    fn overrides_that_break_the_plan_are_refused() {
        let overrides = Overrides {
            nodes: Some(1),
            duration: None,
        };
        let error = load("partition-heals", overrides).unwrap_err().to_string();
        assert!(
            error.contains("there is no node `c`; the nodes are a"),
            "{error}"
        );
    }
}
