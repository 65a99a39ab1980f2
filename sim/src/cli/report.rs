//! What is said about a run when it is over: the picture of the fork, the tables, the verdict, and
//! for a run that did not pass the lines REPRO, FILES and NEXT.

use std::path::Path;

use archivas_scenarios::outcome::{NodeSummary, Outcome, Verdict};
use archivas_scenarios::plan::Plan;
use archivas_scenarios::world::CheckCount;
use serde_json::{Value, json};

use super::output::{Output, Style, table};
use super::picture::Tree;
use super::spans::{grouped, human, rate, seconds};
use crate::failure::{Failure, what_failed};
use crate::seed::Seed;

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Real time, in seconds.
    pub real_s: f64,
    /// Events of the digest; 0 where runs are not repeatable.
    pub events: u64,
}

/// Prints everything about a run that is over.
pub fn print(output: &Output, plan: &Plan, outcome: &Outcome, cost: Cost, tree: &Tree) {
    if output.shows_progress() {
        print_picture(output, plan, outcome, tree);
        print_nodes(output, &outcome.nodes);
        print_counts(output, outcome);
    }
    let simulated = seconds(outcome.simulated);
    let speed = rate(simulated / cost.real_s);
    output.line(&format!(
        "{} of the network's time in {} ({speed} times as fast), {} events",
        human(simulated),
        human(cost.real_s),
        grouped(cost.events),
    ));
    if let Some(digest) = outcome.digest {
        output.line(&format!("digest {}", const_hex::encode(digest)));
    }
}

/// The best chain with its branches.
fn print_picture(output: &Output, plan: &Plan, outcome: &Outcome, tree: &Tree) {
    let tips = outcome.nodes.iter().filter_map(|node| node.tip);
    let Some(best) = tips.max_by_key(|tip| tip.chainwork) else {
        return;
    };
    let lines = tree.draw(plan, best.id);
    if lines.is_empty() {
        return;
    }
    output.line("");
    for line in lines {
        output.line(&line);
    }
}

fn print_nodes(output: &Output, nodes: &[NodeSummary]) {
    let head = [
        "node", "state", "height", "tip", "lives", "mined", "reorgs", "deepest",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for node in nodes {
        let height = node
            .tip
            .map_or_else(|| "-".into(), |tip| tip.height.to_string());
        let tip = node.tip.map_or_else(
            || "-".into(),
            |tip| archivas_scenarios::observer::short(&tip.id),
        );
        let state = if node.up { "up" } else { "down" };
        let counts = [node.lives, node.mined, node.reorgs, node.deepest_reorg].map(grouped);
        let cells = [node.name.clone(), state.into(), height, tip];
        rows.push(cells.into_iter().chain(counts).collect());
    }
    print_table(output, &rows);
}

fn print_counts(output: &Output, outcome: &Outcome) {
    if !outcome.faults.is_empty() {
        let mut rows = vec![vec!["fault".to_owned(), "fired".to_owned()]];
        rows.extend(
            outcome
                .faults
                .iter()
                .map(|(name, count)| vec![name.clone(), grouped(*count)]),
        );
        print_table(output, &rows);
    }
    let ran: u64 = outcome.checks.values().map(|count| count.ran).sum();
    let failed: u64 = outcome.checks.values().map(|count| count.failed).sum();
    output.line("");
    let head = format!("{} checks made, {failed} failed", grouped(ran));
    output.line(&output.styled(&head, Style::Bold));
    let word = |(name, count): (&String, &CheckCount)| match count.failed {
        0 => format!("{name} {}", grouped(count.ran)),
        failed => format!("{name} {} FAILED {failed}", grouped(count.ran)),
    };
    for line in wrapped(outcome.checks.iter().map(word)) {
        output.line(&line);
    }
    output.line("");
}

/// Words in lines of at most 96 columns, two spaces between them.
fn wrapped(words: impl Iterator<Item = String>) -> Vec<String> {
    const COLUMNS: usize = 96;
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + word.chars().count() <= COLUMNS => {
                line.push_str("  ");
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

fn print_table(output: &Output, rows: &[Vec<String>]) {
    output.line("");
    for (place, line) in table(rows).iter().enumerate() {
        match place {
            0 => output.line(&output.styled(line, Style::Bold)),
            _ => output.line(line),
        }
    }
}

/// Prints the verdict; of a run that did not pass, what failed and what can be done with it.
pub fn print_verdict(output: &Output, outcome: &Outcome, failure: Option<(&Failure, &Path)>) {
    let verdict = outcome.verdict();
    if verdict == Verdict::Pass {
        output.line(&output.styled("passed", Style::Green));
        return;
    }
    let (check, sentence) = what_failed(outcome);
    let text = format!("FAILED: {}: {check}: {sentence}", verdict.name());
    output.line(&output.styled(&text, Style::Red));
    if let Some((failure, path)) = failure {
        output.line(&format!("REPRO  {}", failure.replay));
        output.line(&format!("FILES  {}", path.display()));
        output.line(&format!("NEXT   {} -v", failure.replay));
    }
}

/// A run as one JSON document.
pub fn to_json(outcome: &Outcome, cost: Cost, failure: Option<(&Failure, &Path)>) -> Value {
    let verdict = outcome.verdict();
    let (check, sentence) = what_failed(outcome);
    let node = |node: &NodeSummary| {
        json!({
            "name": node.name,
            "up": node.up,
            "height": node.tip.map(|tip| tip.height.get()),
            "tip": node.tip.map(|tip| tip.id.to_string()),
            "lives": node.lives,
            "mined": node.mined,
            "reorgs": node.reorgs,
            "deepest_reorg": node.deepest_reorg,
        })
    };
    json!({
        "scenario": outcome.scenario,
        "world": outcome.world.to_string(),
        "seed": Seed(outcome.seed).to_string(),
        "verdict": verdict.name(),
        "exit": verdict.exit_code(),
        "check": (verdict != Verdict::Pass).then_some(check),
        "sentence": (verdict != Verdict::Pass).then_some(sentence),
        "violations": outcome.violations,
        "vacuous": outcome.vacuous,
        "checks": outcome.checks,
        "faults": outcome.faults,
        "probes": outcome.probes,
        "nodes": outcome.nodes.iter().map(node).collect::<Vec<_>>(),
        "digest": outcome.digest.map(const_hex::encode),
        "events": cost.events,
        "simulated_ms": outcome.simulated.get(),
        "real_s": cost.real_s,
        "failure": failure.map(|(_, path)| path.display().to_string()),
        "repro": failure.map(|(failure, _)| failure.replay.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_none_is_cut() {
        let words = (0..30).map(|n| format!("check_number_{n} 1,000"));
        let lines = wrapped(words);
        assert!(lines.len() > 5 && lines.iter().all(|line| line.len() <= 96));
        assert_eq!(lines.join("  ").matches("check_number").count(), 30);
        assert_eq!(wrapped(std::iter::once("x".repeat(200))).len(), 1);
    }
}
