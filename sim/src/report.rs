//! The report of a run as one HTML file that needs no network: what happened, when, to whom, and what
//! can have led to it. `page.html` is the page; here is what it shows.

use std::collections::BTreeMap;

use archivas_core::primitives::BlockId;
use archivas_scenarios::observer::{Happening, NodeView, Observer, Row, short};
use archivas_scenarios::outcome::Outcome;
use archivas_scenarios::plan::Plan;
use serde::Serialize;
use serde_json::{Value, json};

use crate::events::Event;
use crate::failure::what_failed;
use crate::seed::Seed;
use crate::trace::NO_NODE;

const PAGE: &str = include_str!("report/page.html");
/// Where the page has its data.
const PLACE: &str = "/*DATA*/";
/// Of more messages the last so many are shown.
pub const MESSAGES_MAX: usize = 200_000;

/// Watches a run for its report.
#[derive(Debug)]
pub struct Reporter {
    names: Vec<String>,
    rows: Vec<Line>,
    blocks: Vec<Block>,
    known: BTreeMap<BlockId, usize>,
    /// Of each node: when its tip became which block, of which height.
    tips: Vec<Vec<(u64, usize, u64)>>,
    /// Of each node: when it went down, if it is.
    down_since: Vec<Option<u64>>,
    down: Vec<(usize, u64, u64)>,
    pool: Vec<(u64, u64)>,
    plan: Plan,
}

#[derive(Debug, Serialize)]
struct Line {
    t: u64,
    n: i64,
    c: &'static str,
    x: String,
}

#[derive(Debug, Serialize)]
struct Block {
    id: String,
    h: u64,
    t: u64,
    /// The block before it, by its place; -1 where that was never seen.
    p: i64,
    /// Who mined it; -1 for genesis.
    m: i64,
    /// The row that tells of it; -1 for genesis.
    r: i64,
}

impl Reporter {
    /// Watches a run of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let count = plan.nodes.len();
        Self {
            names: plan.nodes.iter().map(|node| node.name.clone()).collect(),
            rows: Vec::new(),
            blocks: Vec::new(),
            known: BTreeMap::new(),
            tips: vec![Vec::new(); count],
            down_since: vec![Some(0); count],
            down: Vec::new(),
            pool: Vec::new(),
            plan: plan.clone(),
        }
    }

    /// Notes where a node's tip is. A block that nobody had before stands on the tip that this node
    /// had, if that is as high as its parent.
    fn note_tip(&mut self, node: usize, view: &NodeView, at: u64) {
        let Some(tip) = view.tip else { return };
        let (height, last) = (tip.height.get(), self.tips[node].last().copied());
        let below = last.filter(|(_, _, before)| before + 1 == height);
        let place = *self.known.entry(tip.id).or_insert_with(|| {
            self.blocks.push(Block {
                id: short(&tip.id),
                h: height,
                t: at,
                p: below.map_or(-1, |(_, block, _)| signed(block)),
                m: -1,
                r: -1,
            });
            self.blocks.len() - 1
        });
        if last.is_none_or(|(_, block, _)| block != place) {
            self.tips[node].push((at, place, height));
        }
    }

    /// Notes who mined a block, and which row tells of it.
    fn note_miner(&mut self, id: &BlockId, node: usize) {
        let row = signed(self.rows.len());
        if let Some(block) = self.known.get(id).map(|place| &mut self.blocks[*place]) {
            (block.m, block.r) = (signed(node), row);
        }
    }

    fn note_pool(&mut self, at: u64, change: i64) {
        let last = self.pool.last().map_or(0, |(_, count)| *count);
        self.pool.push((at, last.saturating_add_signed(change)));
    }

    /// The page, with everything in it.
    ///
    /// # Panics
    /// Never: reports are made of plain values.
    #[must_use]
    pub fn page(
        mut self,
        outcome: &Outcome,
        digest: &str,
        events: &[Event],
        why: &[(u64, f64)],
    ) -> String {
        let end = outcome.simulated.get();
        for (node, since) in self.down_since.iter().enumerate() {
            self.down.extend(since.map(|since| (node, since, end)));
        }
        let (check, sentence) = what_failed(outcome);
        let mut checks: Vec<_> = outcome.checks.iter().collect();
        checks.sort_by_key(|(name, count)| (count.failed == 0, (*name).clone()));
        let checks = checks
            .iter()
            .map(|(name, count)| json!([name, count.ran, count.failed]));
        let (messages, left_out) = self.messages(events);
        let data = json!({
            "scenario": outcome.scenario,
            "about": self.plan.about.trim(),
            "seed": Seed(outcome.seed),
            "digest": digest,
            "verdict": outcome.verdict().name(),
            "exit": outcome.verdict().exit_code(),
            "check": check,
            "sentence": sentence,
            "end_ms": end,
            "nodes": self.names,
            "rows": self.rows,
            "blocks": self.blocks,
            "tips": self.tips,
            "down": self.down,
            "pool": self.pool,
            "checks": checks.collect::<Vec<_>>(),
            "faults": outcome.faults.iter().collect::<Vec<_>>(),
            "msgs": messages,
            "left_out": left_out,
            "why": why,
        });
        let text = serde_json::to_string(&data).expect("reports are made of plain values");
        // Nothing in the data can end the element in which it stands.
        PAGE.replacen(PLACE, &text.replace('<', "\\u003c"), 1)
    }

    /// Messages between nodes in columns, and how many are left out.
    fn messages(&self, events: &[Event]) -> (Value, usize) {
        let nodes = self.names.len();
        let between = |event: &&Event| {
            let to = event.noted("to").and_then(|to| to.parse::<usize>().ok());
            event.kind == "sent"
                && event.node != NO_NODE
                && usize::from(event.node) < nodes
                && to.is_some_and(|to| to < nodes)
                && event.noted("arrives").is_some()
        };
        let sent: Vec<&Event> = events.iter().filter(between).collect();
        let left_out = sent.len().saturating_sub(MESSAGES_MAX);
        let sent = &sent[left_out..];
        let number = |event: &Event, key| event.noted(key).and_then(|text| text.parse().ok());
        let word = |event: &Event| {
            let kinds = event.noted("msg").unwrap_or("part");
            kinds.split('+').next().unwrap_or(kinds).to_owned()
        };
        let mut kinds: Vec<String> = sent.iter().map(|event| word(event)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let kind = |event: &Event| kinds.iter().position(|kind| *kind == word(event));
        let arrival = |event: &Event| number(event, "arrives").map_or(0.0, millis);
        let columns = json!({
            "kinds": kinds,
            "from": sent.iter().map(|event| event.node).collect::<Vec<_>>(),
            "to": sent.iter().map(|event| number(event, "to")).collect::<Vec<Option<u64>>>(),
            "sent": sent.iter().map(|event| millis(event.at_ns)).collect::<Vec<_>>(),
            "at": sent.iter().map(|event| arrival(event)).collect::<Vec<_>>(),
            "kind": sent.iter().map(|event| kind(event)).collect::<Vec<_>>(),
        });
        (columns, left_out)
    }
}

impl Observer for Reporter {
    fn row(&mut self, row: &Row, nodes: &[NodeView]) {
        let at = row.at.get();
        for (node, view) in nodes.iter().enumerate() {
            self.note_tip(node, view, at);
            match (view.up, self.down_since[node]) {
                (true, Some(since)) => {
                    self.down_since[node] = None;
                    self.down.push((node, since, at));
                }
                (false, None) => self.down_since[node] = Some(at),
                _ => {}
            }
        }
        match &row.what {
            Happening::Mined { node, id, .. } => self.note_miner(id, node.0),
            Happening::Submitted { .. } => self.note_pool(at, 1),
            Happening::Confirmed(_) => self.note_pool(at, -1),
            _ => {}
        }
        self.rows.push(Line {
            t: at,
            n: node_of(&row.what).map_or(-1, signed),
            c: class_of(&row.what),
            x: row.describe(&self.plan),
        });
    }
}

fn signed(place: usize) -> i64 {
    i64::try_from(place).expect("lists in memory are shorter than 2^63")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a run are below 2^53"
)]
fn millis(ns: u64) -> f64 {
    (ns / 1_000) as f64 / 1_000.0
}

/// The lane in which a row stands.
fn node_of(what: &Happening) -> Option<usize> {
    Some(match what {
        Happening::Started { node, .. }
        | Happening::Mined { node, .. }
        | Happening::NotMined { node, .. }
        | Happening::Submitted { node, .. }
        | Happening::NotSubmitted { node, .. }
        | Happening::Stopped(node)
        | Happening::Killed(node)
        | Happening::PowerLost(node) => node.0,
        Happening::TipMoved(moved) | Happening::Reorganized(moved) => moved.node.0,
        Happening::Violated(violation) => violation.node?.0,
        _ => return None,
    })
}

/// How a row looks.
fn class_of(what: &Happening) -> &'static str {
    match what {
        Happening::Violated(_) => "bad",
        Happening::Started { .. }
        | Happening::Stopped(_)
        | Happening::Killed(_)
        | Happening::PowerLost(_)
        | Happening::Cut(_)
        | Happening::Healed(_)
        | Happening::Reorganized(_)
        | Happening::NotSubmitted { .. } => "warn",
        Happening::Mined { .. } | Happening::Agreed(_) | Happening::Confirmed(_) => "ok",
        _ => "dim",
    }
}

/// Two observers of one run.
pub struct Both<'a>(
    /// The first to hear.
    pub &'a mut (dyn Observer + Send),
    /// The other.
    pub &'a mut (dyn Observer + Send),
);

impl Observer for Both<'_> {
    fn row(&mut self, row: &Row, nodes: &[NodeView]) {
        self.0.row(row, nodes);
        self.1.row(row, nodes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_asks_for_nothing() {
        assert!(PAGE.len() < 40_000, "{} bytes", PAGE.len());
        assert!(PAGE.contains("default-src 'none'"));
        for word in ["http://", "https://", "//cdn", "@import", "url("] {
            let times = PAGE.matches(word).count();
            let names = PAGE.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(times, if word == "http://" { names } else { 0 }, "{word}");
        }
        assert_eq!(PAGE.matches(PLACE).count(), 1);
    }
}
