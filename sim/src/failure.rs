//! `failure.json`: everything that is needed to see a failure again, exactly: the plan, the seed, and
//! what the program was built from; and what failed, to tell whether a replay shows the same.

use std::path::{Path, PathBuf};

use archivas_scenarios::outcome::{Outcome, Verdict};
use archivas_scenarios::plan::{Document, Plan, PlanError};
use archivas_scenarios::world::WorldKind;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::runner::SAME_DIGEST;
use crate::seed::Seed;

/// The only version of the format.
const VERSION: u64 = 1;

/// What a program was built from; runs of another build may differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The git commit.
    pub commit: String,
    /// XXH3-128 of `Cargo.lock`, as 32 hex digits.
    pub lock: String,
    /// The compiler.
    pub rustc: String,
}

impl Build {
    /// This program's.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            commit: archivas::cli::version::build_info().commit,
            lock: format!("{:032x}", xxh3_128(include_bytes!("../../Cargo.lock"))),
            rustc: env!("SIM_RUSTC").into(),
        }
    }

    /// What differs from `other`, a sentence each.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let fields = [
            ("commit", &self.commit, &other.commit),
            ("Cargo.lock", &self.lock, &other.lock),
            ("compiler", &self.rustc, &other.rustc),
        ];
        let differs = fields
            .into_iter()
            .filter(|(_, ours, theirs)| ours != theirs);
        differs
            .map(|(what, ours, theirs)| format!("{what} is {ours}, was {theirs}"))
            .collect()
    }
}

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The version of the format: 1.
    pub version: u64,
    /// What failed, in a word.
    pub verdict: String,
    /// The exit code that it means.
    pub exit: u8,
    /// The check that failed, or the first word of what went wrong.
    pub check: String,
    /// What was expected and what was found.
    pub sentence: String,
    /// The name of the node concerned.
    pub node: Option<String>,
    /// When, in milliseconds since the run began.
    pub at_ms: u64,
    /// How many events the run had.
    pub events: u64,
    /// The digest, 32 hex digits.
    pub digest: String,
    /// The seed.
    pub seed: Seed,
    /// The command that shows it again.
    pub replay: String,
    /// What the program was built from.
    pub build: Build,
    /// The plan.
    pub plan: Document,
}

/// Why a file is no failure to replay.
#[derive(Debug, thiserror::Error)]
pub enum BadFailure {
    /// It cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not of this format.
    #[error("{path} is no failure file: {error}")]
    Malformed {
        /// The file.
        path: String,
        /// Line, column, and what is wrong there.
        error: serde_json::Error,
    },
    /// It is of another version of the format.
    #[error("{path} is of version {found}, this program reads version {VERSION}")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u64,
    },
    /// Its plan is not valid.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl Failure {
    /// The failure of a run that did not pass, as it will lie at `path`.
    #[must_use]
    pub fn of(plan: &Plan, outcome: &Outcome, run: (&str, u64), path: &Path) -> Self {
        let (digest, events) = run;
        let (check, sentence) = what_failed(outcome);
        let violation = outcome.first_violation();
        let node = violation.and_then(|violation| violation.node);
        let at_ms = violation.map_or(outcome.simulated.get(), |violation| violation.at_ms);
        Self {
            version: VERSION,
            verdict: outcome.verdict().name().into(),
            exit: outcome.verdict().exit_code(),
            sentence,
            node: node.map(|node| plan.name_of(node).into()),
            at_ms,
            events,
            digest: digest.into(),
            seed: Seed(outcome.seed),
            replay: replay_of(path, &check, digest),
            check,
            build: Build::ours(),
            plan: plan.document().clone(),
        }
    }

    /// Where the failure of this scenario and seed lies under `folder`.
    #[must_use]
    pub fn path_in(folder: &Path, scenario: &str, seed: u64) -> PathBuf {
        folder
            .join(format!("{scenario}-{}", Seed(seed)))
            .join("failure.json")
    }

    /// Writes the file, and the folders that it needs.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut text = serde_json::to_string_pretty(self)
            .expect("a failure has string keys and finite numbers only");
        text.push('\n');
        std::fs::write(path, text)
    }

    /// Reads a file and resolves its plan.
    ///
    /// # Errors
    /// One sentence about what is wrong with it.
    pub fn read(path: &Path) -> Result<(Self, Plan), BadFailure> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| BadFailure::Unreadable {
            path: name.clone(),
            error,
        })?;
        let failure: Self = serde_json::from_str(&text).map_err(|error| BadFailure::Malformed {
            path: name.clone(),
            error,
        })?;
        if failure.version != VERSION {
            return Err(BadFailure::Version {
                path: name,
                found: failure.version,
            });
        }
        let plan = Plan::resolve(failure.plan.clone(), &name)?;
        if !plan.worlds.contains(&WorldKind::Sim) {
            let sentence = "the plan is not for the simulator".to_owned();
            return Err(PlanError {
                origin: name,
                place: None,
                sentence,
            }
            .into());
        }
        Ok((failure, plan))
    }
}

/// The check that a verdict is about, and its sentence; for vacuity and broken worlds, their words.
#[must_use]
pub fn what_failed(outcome: &Outcome) -> (String, String) {
    if let Some(violation) = outcome.first_violation() {
        return (violation.check.clone(), violation.sentence.clone());
    }
    match (&outcome.harness, outcome.verdict()) {
        (Some(error), _) => ("harness".into(), error.to_string()),
        (None, Verdict::Pass) => ("none".into(), "everything held".into()),
        (None, _) => ("vacuous".into(), outcome.vacuous.join("; ")),
    }
}

/// The command that shows a failure again. Runs that differ from each other have no digest to expect.
fn replay_of(path: &Path, check: &str, digest: &str) -> String {
    let replay = format!("cargo sim replay {}", quoted(path));
    if check == SAME_DIGEST.name {
        replay
    } else {
        format!("{replay} --expect {digest}")
    }
}

/// A path as a shell takes it.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_builds_are_named() {
        let ours = Build {
            commit: "a".into(),
            lock: "b".into(),
            rustc: "c".into(),
        };
        let other = Build {
            commit: "x".into(),
            ..ours.clone()
        };
        assert_eq!(ours.differences(&ours), Vec::<String>::new());
        assert_eq!(ours.differences(&other), ["commit is a, was x"]);
    }

    #[test]
    fn a_run_that_does_not_repeat_is_replayed_without_a_digest_to_expect() {
        let path = Path::new("f.json");
        assert_eq!(
            replay_of(path, "convergence", "abc"),
            "cargo sim replay f.json --expect abc"
        );
        assert_eq!(
            replay_of(path, SAME_DIGEST.name, "abc"),
            "cargo sim replay f.json"
        );
    }

    #[test]
    fn a_path_with_spaces_or_quotes_is_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("out/a-1/f.json")), "out/a-1/f.json");
        assert_eq!(quoted(Path::new("my out/it's")), r"'my out/it'\''s'");
    }
}
