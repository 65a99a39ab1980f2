//! `diff` and `trace`: looking at lists of events.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use archivas_core::primitives::Millis;
use clap::{Args, Subcommand};

use super::output::{Output, Style, table};
use super::spans::{grouped, parse_span};
use super::{Trouble, exit};
use crate::events::{self, BadTrace, Event};

/// Events of context on both sides of a difference.
const CONTEXT: usize = 5;

/// `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A trace, written by `run --trace`
    a: PathBuf,
    /// Another of the same run
    b: PathBuf,
}

/// `trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Print events
    Show(ShowArgs),
    /// Print the events in which a text stands
    Grep {
        /// The text
        text: String,
        #[command(flatten)]
        show: ShowArgs,
    },
    /// Count events and bytes by kind and node
    Stats {
        /// A trace, written by `run --trace`
        trace: PathBuf,
    },
    /// Turn a trace into another format
    Convert {
        /// A trace, written by `run --trace`
        trace: PathBuf,
        /// JSON for ui.perfetto.dev and chrome://tracing
        #[arg(long, value_name = "FILE")]
        perfetto: PathBuf,
    },
}

/// Which events.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A trace, written by `run --trace`
    trace: PathBuf,
    /// Only from this time on
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    from: Option<Millis>,
    /// Only up to this time
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    to: Option<Millis>,
    /// Only of this node, by its number
    #[arg(long, value_name = "N")]
    node: Option<u16>,
    /// Only of this kind: sent, received, disk.write, tip, …
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

/// Compares two traces: 0 when they are the same, 13 when they are not.
pub fn diff(args: &DiffArgs, output: &Output) -> Result<u8, Trouble> {
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    let found = events::difference(events::read(a), events::read(b), CONTEXT).map_err(bad)?;
    let Some(found) = found else {
        output.line("the traces are the same");
        output.json(&serde_json::json!({ "same": true }));
        return Ok(0);
    };
    for event in &found.before {
        output.line(&output.styled(&format!("  {event}"), Style::Dim));
    }
    for (sign, events, style) in [
        ("-", &found.after[0], Style::Red),
        ("+", &found.after[1], Style::Green),
    ] {
        if events.is_empty() {
            output.line(&output.styled(&format!("{sign} (the trace ends here)"), style));
        }
        for event in events {
            output.line(&output.styled(&format!("{sign} {event}"), style));
        }
    }
    let first = |events: &[Event]| events.first().map(ToString::to_string);
    output.json(&serde_json::json!({
        "same": false,
        "a": first(&found.after[0]),
        "b": first(&found.after[1]),
    }));
    Ok(exit::NOT_DETERMINISTIC)
}

/// Runs `trace`.
pub fn trace(command: &TraceCommand, output: &Output) -> Result<u8, Trouble> {
    match command {
        TraceCommand::Show(args) => show(args, "", output),
        TraceCommand::Grep { text, show: args } => show(args, text, output),
        TraceCommand::Stats { trace } => stats(trace, output),
        TraceCommand::Convert { trace, perfetto } => convert(trace, perfetto),
    }
}

fn show(args: &ShowArgs, text: &str, output: &Output) -> Result<u8, Trouble> {
    let mut shown = 0_u64;
    for event in events::read(open(&args.trace)?) {
        let event = event.map_err(bad)?;
        let at_ms = event.at_ns / 1_000_000;
        let line = event.to_string();
        let wanted = args.from.is_none_or(|from| at_ms >= from.get())
            && args.to.is_none_or(|to| at_ms <= to.get())
            && args.node.is_none_or(|node| event.node == node)
            && args.kind.as_ref().is_none_or(|kind| event.kind == *kind)
            && line.contains(text);
        if wanted {
            shown += 1;
            output.line(&line);
        }
        if output.is_gone() {
            break;
        }
    }
    output.json(&serde_json::json!({ "events": shown }));
    Ok(if shown == 0 { exit::NOTHING } else { 0 })
}

fn stats(trace: &Path, output: &Output) -> Result<u8, Trouble> {
    let counts = events::count(events::read(open(trace)?)).map_err(bad)?;
    let mut rows = vec![
        ["kind", "node", "events", "bytes"]
            .map(String::from)
            .to_vec(),
    ];
    for ((kind, node), (times, bytes)) in &counts {
        let node = match *node {
            crate::trace::NO_NODE => "-".into(),
            node => node.to_string(),
        };
        rows.push(vec![kind.clone(), node, grouped(*times), grouped(*bytes)]);
    }
    for line in table(&rows) {
        output.line(&line);
    }
    let rows = counts.iter().map(|((kind, node), (times, bytes))| {
        serde_json::json!({ "kind": kind, "node": node, "events": times, "bytes": bytes })
    });
    output.json(&rows.collect::<Vec<_>>());
    Ok(0)
}

fn convert(trace: &Path, perfetto: &Path) -> Result<u8, Trouble> {
    let file = File::create(perfetto).map_err(|error| {
        let sentence = format!("cannot write {}: {error}", perfetto.display());
        Trouble::new(exit::USAGE, sentence)
    })?;
    let mut out = BufWriter::new(file);
    events::to_perfetto(events::read(open(trace)?), &[], &mut out).map_err(bad)?;
    Ok(0)
}

fn open(path: &Path) -> Result<BufReader<File>, Trouble> {
    let file = File::open(path).map_err(|error| {
        Trouble::new(
            exit::USAGE,
            format!("cannot read {}: {error}", path.display()),
        )
    })?;
    Ok(BufReader::new(file))
}

fn bad(error: BadTrace) -> Trouble {
    Trouble::new(exit::USAGE, error.to_string())
}
