//! Lists of events as `run --trace` writes them: reading them back, comparing two, counting, and
//! turning one into the JSON that Perfetto and chrome://tracing read.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

use crate::trace::NO_NODE;

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the run, from 0.
    pub number: u64,
    /// Virtual nanoseconds since the run began.
    pub at_ns: u64,
    /// The node, or [`NO_NODE`].
    pub node: u16,
    /// See [`crate::trace::Kind::name`].
    pub kind: String,
    /// What it is about: a stream, an offset, a height.
    pub subject: u64,
    /// Bytes of its payload.
    pub len: u64,
    /// XXH3-64 of the payload, 16 hex digits.
    pub sum: String,
    /// What is told beside it, as `key=value` words; no part of the digest.
    pub note: String,
}

/// Why a file is no trace.
#[derive(Debug, thiserror::Error)]
pub enum BadTrace {
    /// It cannot be read.
    #[error("cannot read the trace: {0}")]
    Io(#[from] io::Error),
    /// A line is no event.
    #[error("line {line} is no event of a trace: `{text}`")]
    Malformed {
        /// The line, from 1.
        line: u64,
        /// Its beginning.
        text: String,
    },
}

impl Event {
    /// Reads a line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(8, ' ');
        let mut word = || words.next();
        Some(Self {
            number: word()?.parse().ok()?,
            at_ns: word()?.parse().ok()?,
            node: word()?.parse().ok()?,
            kind: word()?.into(),
            subject: word()?.parse().ok()?,
            len: word()?.parse().ok()?,
            sum: word().filter(|sum| sum.len() == 16)?.into(),
            note: word().unwrap_or_default().into(),
        })
    }

    /// The value of a word of the note.
    #[must_use]
    pub fn noted(&self, key: &str) -> Option<&str> {
        let mut words = self.note.split(' ').filter_map(|word| word.split_once('='));
        words.find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, ns) = (self.at_ns / 1_000_000, self.at_ns % 1_000_000);
        let node = match self.node {
            NO_NODE => "-".into(),
            node => node.to_string(),
        };
        write!(
            f,
            "{:>9} {:>10}.{ns:06} ms  node {node:<3} {:<11} {} ({} bytes, {}) {}",
            self.number, ms, self.kind, self.subject, self.len, self.sum, self.note
        )
    }
}

/// Reads events one by one.
pub fn read(reader: impl BufRead) -> impl Iterator<Item = Result<Event, BadTrace>> {
    (1..).zip(reader.lines()).map(|(line, text)| {
        let text = text?;
        Event::parse(&text).ok_or_else(|| BadTrace::Malformed {
            line,
            text: text.chars().take(80).collect(),
        })
    })
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The last events that both have.
    pub before: Vec<Event>,
    /// The first that differs and what follows it, of the first trace and of the second.
    pub after: [Vec<Event>; 2],
}

/// The first difference of two traces, with so many events of context; `None` when they are the same.
///
/// # Errors
/// When one of them cannot be read.
pub fn difference(
    mut a: impl Iterator<Item = Result<Event, BadTrace>>,
    mut b: impl Iterator<Item = Result<Event, BadTrace>>,
    context: usize,
) -> Result<Option<Difference>, BadTrace> {
    let mut before = VecDeque::new();
    loop {
        let (one, other) = (a.next().transpose()?, b.next().transpose()?);
        if one == other {
            let Some(event) = one else { return Ok(None) };
            if before.len() == context {
                before.pop_front();
            }
            before.push_back(event);
            continue;
        }
        let rest = |first: Option<Event>, more: &mut dyn Iterator<Item = _>| {
            let first = first.into_iter().map(Ok);
            first
                .chain(more)
                .take(context + 1)
                .collect::<Result<_, BadTrace>>()
        };
        return Ok(Some(Difference {
            before: before.into(),
            after: [rest(one, &mut a)?, rest(other, &mut b)?],
        }));
    }
}

/// How many events of a kind a node had, and how many bytes they carried.
pub type Counts = BTreeMap<(String, u16), (u64, u64)>;

/// Counts a trace; memory grows with kinds and nodes only.
///
/// # Errors
/// When it cannot be read.
pub fn count(events: impl Iterator<Item = Result<Event, BadTrace>>) -> Result<Counts, BadTrace> {
    let mut counts = Counts::new();
    for event in events {
        let event = event?;
        let (times, bytes) = counts.entry((event.kind, event.node)).or_default();
        *times += 1;
        *bytes += event.len;
    }
    Ok(counts)
}

/// Writes a trace in the JSON format of trace events, one line each: a process a node, its messages
/// with their time on the way, all else as moments.
///
/// # Errors
/// When it cannot be read or written.
pub fn to_perfetto(
    events: impl Iterator<Item = Result<Event, BadTrace>>,
    names: &[String],
    out: &mut dyn Write,
) -> Result<(), BadTrace> {
    out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
    let mut seen = BTreeMap::new();
    for event in events {
        let event = event?;
        if matches!(event.kind.as_str(), "draw" | "timer") {
            continue;
        }
        if seen.insert(event.node, ()).is_none() {
            writeln!(out, "{},", process_name(event.node, names))?;
        }
        writeln!(out, "{},", perfetto_event(&event))?;
    }
    // A last entry without a comma, which says when the file was whole.
    let end = json!({ "name": "end", "ph": "M", "pid": 0, "args": {} });
    writeln!(out, "{end}\n]}}")?;
    Ok(out.flush()?)
}

fn process_name(node: u16, names: &[String]) -> Value {
    let name = names.get(usize::from(node)).cloned();
    let name = name.unwrap_or_else(|| match node {
        NO_NODE => "the world".into(),
        node => format!("node {node}"),
    });
    json!({ "name": "process_name", "ph": "M", "pid": node, "args": { "name": name } })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a run's nanoseconds are below 2^53"
)]
fn perfetto_event(event: &Event) -> Value {
    let micros = |ns: u64| ns as f64 / 1_000.0;
    let args = json!({
        "number": event.number, "subject": event.subject, "bytes": event.len, "sum": event.sum,
        "note": event.note,
    });
    let mut value = json!({
        "name": event.noted("msg").unwrap_or(&event.kind), "cat": event.kind, "pid": event.node,
        "tid": event.kind, "ts": micros(event.at_ns), "args": args,
    });
    let arrival = event.noted("arrives").and_then(|at| at.parse::<u64>().ok());
    match arrival {
        Some(at) => {
            value["ph"] = "X".into();
            value["dur"] = micros(at.saturating_sub(event.at_ns)).into();
            value["tid"] = format!("to {}", event.noted("to").unwrap_or("?")).into();
        }
        None => {
            value["ph"] = "i".into();
            value["s"] = "t".into();
        }
    }
    // Threads are numbers in this format.
    value["tid"] = thread_number(value["tid"].as_str().unwrap_or_default()).into();
    value
}

/// A small number that is the same for the same name.
fn thread_number(name: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name.as_bytes()) % 100_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "0 5 1 tip 7 32 00000000000000ab\n\
        1 9 0 sent 2 40 00000000000000cd to=1 arrives=2000009 msg=inv\n\
        2 9 0 draw 2 0 00000000000000ef\n";

    fn events(text: &str) -> Vec<Result<Event, BadTrace>> {
        read(text.as_bytes()).collect()
    }

    #[test]
    fn a_line_is_read_with_its_note_and_anything_else_is_refused() {
        let sent = events(LINES).remove(1).unwrap();
        assert_eq!((sent.at_ns, sent.noted("msg")), (9, Some("inv")));
        for bad in ["", "x", "0 5 1 tip 7 32", "0 5 1 tip 7 32 short"] {
            assert_eq!(Event::parse(bad), None, "{bad}");
        }
        let failed = count(read(
            "0 5 1 tip 7 32 00000000000000ab\nrubbish\n".as_bytes(),
        ));
        assert!(failed.unwrap_err().to_string().starts_with("line 2 "));
    }

    #[test]
    fn the_first_difference_is_found_with_what_stands_around_it() {
        let other = LINES.replace("9 0 sent 2 40", "9 0 sent 3 40");
        let found = difference(events(LINES).into_iter(), events(&other).into_iter(), 5);
        let found = found.unwrap().unwrap();
        assert_eq!(found.before.len(), 1);
        assert_eq!(
            (found.after[0][0].subject, found.after[1][0].subject),
            (2, 3)
        );
        let same = difference(events(LINES).into_iter(), events(LINES).into_iter(), 5);
        assert_eq!(same.unwrap(), None);
        let shorter = LINES.rsplit_once("2 9").unwrap().0;
        let found = difference(events(LINES).into_iter(), events(shorter).into_iter(), 1);
        let found = found.unwrap().unwrap();
        assert_eq!((found.after[0].len(), found.after[1].len()), (1, 0));
    }

    /// What the format of trace events demands of each entry.
    fn check_schema(entry: &Value) {
        let phase = entry["ph"].as_str().expect("a phase");
        assert!(
            entry["name"].is_string() && entry["pid"].is_u64(),
            "{entry}"
        );
        match phase {
            "M" => assert!(entry["args"].is_object(), "{entry}"),
            "X" => assert!(
                entry["dur"].as_f64().is_some_and(|dur| dur >= 0.0),
                "{entry}"
            ),
            "i" => assert_eq!(entry["s"], "t", "{entry}"),
            other => panic!("no phase of ours: {other}"),
        }
        if phase != "M" {
            assert!(entry["ts"].as_f64().is_some_and(|ts| ts >= 0.0), "{entry}");
            assert!(entry["tid"].is_u64(), "{entry}");
        }
    }

    #[test]
    fn perfetto_gets_what_its_format_demands() {
        let mut out = Vec::new();
        let names = ["a".to_owned(), "b".to_owned()];
        to_perfetto(events(LINES).into_iter(), &names, &mut out).unwrap();
        let whole: Value = serde_json::from_slice(&out).unwrap();
        let entries = whole["traceEvents"].as_array().unwrap();
        entries.iter().for_each(check_schema);
        let sent = entries.iter().find(|entry| entry["ph"] == "X").unwrap();
        assert_eq!(
            (sent["name"].as_str(), sent["dur"].as_f64()),
            (Some("inv"), Some(2_000.0))
        );
        let named = entries
            .iter()
            .filter(|entry| entry["name"] == "process_name");
        let named: Vec<_> = named.map(|entry| entry["args"]["name"].clone()).collect();
        assert_eq!(named, ["b", "a"]);
    }
}
