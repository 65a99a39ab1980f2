//! What inputs reach: rules that refuse, errors of reading, rare states of a node. Counted by name
//! while somebody listens, so that a corpus can be looked at; a fuzzer does not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use archivas_core::p2p::frame::FrameError;
use archivas_core::primitives::DecodeError;
use archivas_core::probes::{NAMES, Probes};
use archivas_model::Rule;

use crate::{Proof, TARGETS};

/// How often each name was come upon.
pub type Reached = BTreeMap<String, u64>;

static REACHED: Mutex<Option<Reached>> = Mutex::new(None);

/// What a proof comes upon in these inputs. One caller at a time.
pub fn reached(proof: Proof, inputs: impl Iterator<Item = Vec<u8>>) -> Reached {
    let take = |listening| {
        let mut place = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, listening)
    };
    take(Some(Reached::new()));
    inputs.for_each(|bytes| proof(&bytes));
    take(None).unwrap_or_default()
}

/// A table in Markdown of what the inputs of all targets reach, and what none does. `inputs` gives
/// those of a target.
pub fn table(inputs: impl Fn(&str) -> Vec<Vec<u8>>) -> String {
    let mut by_name: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for target in TARGETS {
        for name in reached(target.proof, inputs(target.name).into_iter()).into_keys() {
            by_name.entry(name).or_default().push(target.name);
        }
    }
    let rules = Rule::ALL.map(Rule::name);
    let groups = [
        ("rule", &rules[..]),
        ("reading", &READING[..]),
        ("probe", NAMES),
    ];
    let mut text = String::from("| reached | by |\n| --- | --- |\n");
    for (group, names) in groups {
        let by = |name: &&str| by_name.get(&format!("{group}:{name}"));
        let (found, missing): (Vec<_>, Vec<_>) = names.iter().partition(|name| by(name).is_some());
        let _ = writeln!(
            text,
            "| **{group}**: {} of {} | not: {} |",
            found.len(),
            names.len(),
            if missing.is_empty() {
                "-".into()
            } else {
                missing.join(" ")
            }
        );
        for name in found {
            let targets = by(&name).map(|targets| targets.join(" "));
            let _ = writeln!(text, "| `{name}` | {} |", targets.unwrap_or_default());
        }
    }
    text
}

/// Why bytes are not what they should be.
const READING: [&str; 7] = [
    "malformed",
    "trailing_bytes",
    "not_canonical",
    "too_long",
    "frame_magic",
    "frame_length",
    "frame_checksum",
];

/// Counts a name, if somebody listens.
fn note(group: &str, name: &str, count: u64) {
    let mut place = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reached) = &mut *place {
        *reached.entry(format!("{group}:{name}")).or_default() += count;
    }
}

/// A verdict on a block, a header or a transfer: the rule that refused it, or what became of it.
pub(crate) fn verdict(code: &str) {
    note("rule", code, 1);
}

/// Bytes could not be read.
pub(crate) fn unread(error: DecodeError) {
    let name = match error {
        DecodeError::Malformed => "malformed",
        DecodeError::TrailingBytes => "trailing_bytes",
        DecodeError::NotCanonical => "not_canonical",
        DecodeError::TooLong => "too_long",
    };
    note("reading", name, 1);
}

/// A frame is not for us.
pub(crate) fn frame(error: FrameError) {
    let name = match error {
        FrameError::Magic => "frame_magic",
        FrameError::Length => "frame_length",
        FrameError::Checksum => "frame_checksum",
    };
    note("reading", name, 1);
}

/// A node has lived: what its probes counted.
pub(crate) fn node(probes: &Probes) {
    probes
        .hits()
        .for_each(|(name, count)| note("probe", name, count));
}
