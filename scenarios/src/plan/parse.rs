//! Reading a plan's text strictly: what is wrong is said in one sentence with line and column.
//! A flaw that only resolving finds (an unknown node, an event after the end) carries the path of
//! its keys, and the text is read once more to find where that path points.

use std::fmt;

use serde::Deserialize;

use super::document::{Document, VERSION};
use super::tree::Node;

/// The two spellings of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Written by hand.
    Toml,
    /// Written by programs.
    Json,
}

/// A plan that cannot be used (exit code 3), in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// How the plan is called: a path, a scenario's name.
    pub origin: String,
    /// Line and column from 1, in characters, where the text is known.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub sentence: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => {
                write!(
                    f,
                    "{}, line {line}, column {column}: {}",
                    self.origin, self.sentence
                )
            }
            None => write!(f, "{}: {}", self.origin, self.sentence),
        }
    }
}

/// Something wrong at a path of keys, found while resolving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The keys and places that lead to it, from the root.
    pub path: Vec<Step>,
    /// What is wrong.
    pub sentence: String,
}

/// One step of a path into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table.
    Key(&'static str),
    /// A key of a table that only the text knows.
    Named(String),
    /// A place in a list.
    At(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".{key}"),
            Self::Named(key) => write!(f, ".{key}"),
            Self::At(at) => write!(f, "[{at}]"),
        }
    }
}

/// Reads a document; names are not resolved yet.
///
/// # Errors
/// Syntax, an unknown or missing key, a wrong type, or another version of the format.
pub fn parse_document(text: &str, format: Format, origin: &str) -> Result<Document, PlanError> {
    let error = |place, sentence: &str| {
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        PlanError {
            origin: origin.to_owned(),
            place: Some(place),
            sentence,
        }
    };
    match format {
        Format::Toml => {
            let error = |e: toml::de::Error| {
                error(
                    position(text, e.span().map_or(0, |span| span.start)),
                    e.message(),
                )
            };
            check_version(toml::from_str(text).map_err(error)?, text, format, origin)?;
            toml::from_str(text).map_err(error)
        }
        Format::Json => {
            let error = |e: serde_json::Error| {
                let place = (e.line().max(1), e.column().max(1));
                error(place, strip_place(&e.to_string()))
            };
            check_version(
                serde_json::from_str(text).map_err(error)?,
                text,
                format,
                origin,
            )?;
            serde_json::from_str(text).map_err(error)
        }
    }
}

/// What every version of the format has: so that another version is named before its other keys.
#[derive(Deserialize)]
struct AnyVersion {
    version: Option<u64>,
}

fn check_version(
    found: AnyVersion,
    text: &str,
    format: Format,
    origin: &str,
) -> Result<(), PlanError> {
    let (path, sentence) = match found.version {
        Some(VERSION) => return Ok(()),
        Some(other) => (
            vec![Step::Key("version")],
            format!("this program reads version {VERSION} of the plan format, not version {other}"),
        ),
        None => (
            Vec::new(),
            format!("the plan has no `version`; this is version {VERSION}"),
        ),
    };
    Err(locate(Flaw { path, sentence }, text, format, origin))
}

/// serde_json ends its messages with the place, which we say in front.
fn strip_place(message: &str) -> &str {
    message
        .rfind(" at line ")
        .map_or(message, |end| &message[..end])
}

/// Gives a flaw its line and column: those of its path's last step that the text has.
pub(super) fn locate(flaw: Flaw, text: &str, format: Format, origin: &str) -> PlanError {
    let start = Node::read(text, format).map_or(0, |root| root.start_of(&flaw.path));
    PlanError {
        origin: origin.to_owned(),
        place: Some(position(text, start)),
        sentence: flaw.sentence,
    }
}

/// Names a flaw by its path, where there is no text.
pub(super) fn unlocated(flaw: &Flaw, origin: &str) -> PlanError {
    let path: String = flaw.path.iter().map(Step::to_string).collect();
    let path = path.trim_start_matches('.');
    let sentence = match path {
        "" => flaw.sentence.clone(),
        path => format!("at {path}: {}", flaw.sentence),
    };
    PlanError {
        origin: origin.to_owned(),
        place: None,
        sentence,
    }
}

/// Line and column from 1 of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    const GOOD: &str = r#"version = 1
name = "tiny"
about = "Two nodes."
duration_s = 100

nodes = [{ name = "a", hash_power = 6 }, { name = "b", hash_power = 6.5 }]

[[events]]
at_s = 10.5
act = "kill"
node = "b"

[[events]]
at_s = 20
act = "start"
node = "b"

[expect]
agree_within_s = 60
"#;

    /// The message for the good plan with one piece of it replaced.
    fn refusal(old: &str, new: &str) -> String {
        assert!(GOOD.contains(old));
        let text = GOOD.replacen(old, new, 1);
        Plan::parse(&text, Format::Toml, "x.toml")
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn a_node_prunes_or_begins_from_a_snapshot_only_as_the_plan_says_exactly() {
        let good = |old, new| Plan::parse(&GOOD.replacen(old, new, 1), Format::Toml, "x.toml");
        let sim = "worlds = [\"sim\"]\nact";
        let prune = format!("{sim} = \"prune\"\nkeeps_blocks = 6");
        let plan = good("act = \"kill\"", &prune).unwrap();
        let nodes: Vec<bool> = plan
            .node_indices()
            .map(|node| plan.keeps_all(node))
            .collect();
        assert_eq!(nodes, [true, false]);
        let import = format!("{sim} = \"import\"\nsource = \"a\"\nheight = 3");
        assert!(
            !good("act = \"kill\"", &import)
                .unwrap()
                .keeps_all(crate::world::NodeIndex(1))
        );
        for (new, says) in [
            (prune.replace("= 6", "= 0"), "1 to 8784 blocks are kept"),
            (prune.replace("= 6", "= 8785"), "1 to 8784 blocks are kept"),
            (
                prune.replace("\nkeeps_blocks = 6", ""),
                "`prune` needs `keeps_blocks`",
            ),
            (
                prune.replace(sim, "act"),
                "only the simulator can play `prune`",
            ),
            (
                import.replace("\"a\"", "\"b\""),
                "from the snapshot of another",
            ),
            (import.replace("\"a\"", "\"c\""), "there is no node `c`"),
            (import.replace("= 3", "= 0"), "height 1 or more"),
            (
                import.replace("\nheight = 3", ""),
                "`import` needs `height`",
            ),
            (
                format!("{prune}\nheight = 3"),
                "`prune` does not take `height`",
            ),
        ] {
            let error = refusal("act = \"kill\"", &new);
            assert!(error.contains(says), "{error}");
        }
        let alone = GOOD.replace(", { name = \"b\", hash_power = 6.5 }", "");
        let alone = alone.replace("node = \"b\"", "node = \"a\"");
        let alone = alone.replacen("act = \"kill\"", &prune, 1);
        let error = Plan::parse(&alone, Format::Toml, "x.toml").unwrap_err();
        assert!(
            error.to_string().contains("one node at least keeps all"),
            "{error}"
        );
    }

    #[test]
    fn a_good_plan_parses_and_survives_the_way_through_json() {
        let plan = Plan::parse(GOOD, Format::Toml, "x.toml").unwrap();
        assert_eq!(plan.events[0].at.get(), 10_500);
        let again = Plan::parse(&plan.to_json(), Format::Json, "x.json").unwrap();
        assert_eq!(again.document(), plan.document());
        assert_eq!(again.to_json(), plan.to_json());
        assert_eq!(again.events, plan.events);
    }

    #[test]
    fn a_missing_version_is_said_before_anything_else() {
        assert_eq!(
            refusal("version = 1\n", "colour = 3\n"),
            "x.toml, line 1, column 1: the plan has no `version`; this is version 1"
        );
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(
            refusal("version = 1", "version = 2"),
            "x.toml, line 1, column 11: \
             this program reads version 1 of the plan format, not version 2"
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let message = refusal("duration_s = 100", "duration_s = 100\nduration_m = 3");
        assert!(
            message.starts_with("x.toml, line 5, column 1: unknown field `duration_m`, expected"),
            "{message}"
        );
        let message = refusal("act = \"kill\"", "act = \"kill\"\ncuase = 1");
        assert!(
            message.starts_with("x.toml, line 11, column 1: unknown field"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_place() {
        assert_eq!(
            refusal("at_s = 20", "at_s = \"20\""),
            "x.toml, line 14, column 8: invalid type: string \"20\", \
             expected a number of seconds from 0 to a hundred years"
        );
        let message = refusal("at_s = 20", "at_s = -1");
        assert!(
            message.starts_with("x.toml, line 14, column 8: invalid value"),
            "{message}"
        );
    }

    #[test]
    fn an_unknown_node_is_refused_with_its_place_and_the_names_there_are() {
        let old = "at_s = 20\nact = \"start\"\nnode = \"b\"";
        assert_eq!(
            refusal(old, &old.replace("\"b\"", "\"d\"")),
            "x.toml, line 16, column 8: there is no node `d`; the nodes are a, b"
        );
    }

    #[test]
    fn an_event_after_the_end_is_refused() {
        assert_eq!(
            refusal("at_s = 20", "at_s = 100.001"),
            "x.toml, line 14, column 8: the event lies after the end of the plan"
        );
    }

    #[test]
    fn a_key_that_an_act_does_not_take_is_refused() {
        assert_eq!(
            refusal("act = \"kill\"", "act = \"kill\"\ncount = 2"),
            "x.toml, line 11, column 9: `kill` does not take `count`"
        );
    }

    #[test]
    fn power_loss_needs_the_simulator() {
        let message = refusal("act = \"kill\"", "act = \"power_loss\"");
        assert!(
            message.contains("real processes have no disk whose power fails"),
            "{message}"
        );
    }

    #[test]
    fn json_is_as_strict_and_as_exact() {
        let json = Plan::parse(GOOD, Format::Toml, "x.toml").unwrap().to_json();
        let refusal = |old: &str, new: &str| {
            let text = json.replacen(old, new, 1);
            Plan::parse(&text, Format::Json, "x.json")
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            refusal("\"version\": 1,", ""),
            "x.json, line 1, column 1: the plan has no `version`; this is version 1"
        );
        assert!(refusal("\"name\"", "\"nmae\"").contains("unknown field `nmae`"));
        let line = 1 + json
            .lines()
            .position(|line| line.contains("\"node\": \"b\""))
            .unwrap();
        assert_eq!(
            refusal("\"node\": \"b\"", "\"node\": \"d\""),
            format!("x.json, line {line}, column 15: there is no node `d`; the nodes are a, b")
        );
    }

    #[test]
    fn text_that_is_no_toml_is_one_sentence() {
        let message = refusal("[expect]", "[expect");
        assert!(message.starts_with("x.toml, line 18, column "), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn every_event_has_an_id_that_no_other_event_changes() {
        let ids = |text: &str| -> Vec<String> {
            let plan = Plan::parse(text, Format::Toml, "x.toml").unwrap();
            plan.events.into_iter().map(|event| event.id).collect()
        };
        assert_eq!(ids(GOOD), ["kill b", "start b"]);
        let without = GOOD.replace(
            "[[events]]\nat_s = 10.5\nact = \"kill\"\nnode = \"b\"\n",
            "",
        );
        assert_eq!(ids(&without), ["start b"]);
        let twice = format!("{GOOD}\n[[events]]\nat_s = 5\nact = \"kill\"\nnode = \"b\"\n");
        assert_eq!(ids(&twice), ["kill b #2", "kill b", "start b"]);
    }
}
