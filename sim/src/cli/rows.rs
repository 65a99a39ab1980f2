//! A run as it goes on: a row for each thing worth knowing, with the height of every node beside it.
//! Ordinary blocks are no news: they show in the columns, or one by one with `-v`.

use archivas_core::primitives::Millis;
use archivas_scenarios::observer::{Happening, NodeView, Observer, Row};
use archivas_scenarios::plan::Plan;

use super::output::{Output, Style};
use super::picture::Tree;
use super::spans::clock;

/// While nothing else happens, a row comes at least so many times in a plan's duration.
const ROWS_MIN: u64 = 12;

/// Watches a run: prints rows, and remembers the blocks for the picture at the end.
#[derive(Debug)]
pub struct Watcher<'a> {
    plan: &'a Plan,
    output: &'a Output,
    /// The blocks of the run.
    pub tree: Tree,
    prints: bool,
    last: Option<Millis>,
    blocks: u64,
}

impl<'a> Watcher<'a> {
    /// Watches a run of `plan`.
    pub fn new(plan: &'a Plan, output: &'a Output) -> Self {
        let tree = Tree::new(plan.nodes.len());
        Self {
            plan,
            output,
            tree,
            prints: output.shows_progress(),
            last: None,
            blocks: 0,
        }
    }

    /// Prints the heads of the columns.
    pub fn print_head(&self) {
        if !self.prints {
            return;
        }
        let names = self
            .plan
            .nodes
            .iter()
            .map(|node| format!("{:>WIDTH$}", node.name));
        let head = format!("{:>14}{}  ", "time", names.collect::<String>());
        let legend = "(31) is down, 31* reorganizes";
        let legend = self.output.styled(legend, Style::Dim);
        self.output.line(&format!(
            "{}{legend}",
            self.output.styled(&head, Style::Bold)
        ));
    }

    fn print(&mut self, at: Millis, (text, style): (&str, Option<Style>), cells: &[String]) {
        self.last = Some(at);
        let text = style.map_or_else(|| text.into(), |style| self.output.styled(text, style));
        let cells: String = cells.iter().map(|cell| format!("{cell:>WIDTH$}")).collect();
        self.output
            .line(&format!("{:>14}{cells}  {text}", clock(at)));
    }

    /// Whether so much time has passed without a row that one is due.
    fn is_quiet_for_long(&self, at: Millis) -> bool {
        let pause = self.plan.duration.get() / ROWS_MIN;
        self.last
            .is_none_or(|last| at.get().saturating_sub(last.get()) >= pause)
    }
}

/// The width of a node's column.
const WIDTH: usize = 8;

impl Observer for Watcher<'_> {
    fn row(&mut self, row: &Row, nodes: &[NodeView]) {
        self.tree.note(row);
        let block = matches!(row.what, Happening::Mined { .. });
        self.blocks += u64::from(block);
        if !self.prints {
            return;
        }
        let cells = cells(row, nodes);
        let ordinary = block
            || matches!(
                row.what,
                Happening::TipMoved(_) | Happening::NotMined { .. }
            );
        if !ordinary || self.output.is_verbose() {
            let text = row.describe(self.plan);
            self.print(row.at, (&text, style_of(&row.what)), &cells);
        } else if self.is_quiet_for_long(row.at) {
            let text = format!("{} blocks so far", self.blocks);
            self.print(row.at, (&text, Some(Style::Dim)), &cells);
        }
    }
}

fn cells(row: &Row, nodes: &[NodeView]) -> Vec<String> {
    let reorganizes = match &row.what {
        Happening::Reorganized(moved) => Some(moved.node.0),
        _ => None,
    };
    let cell = |(place, view): (usize, &NodeView)| {
        let height = view
            .tip
            .map_or_else(|| "-".into(), |tip| tip.height.to_string());
        match (view.up, reorganizes == Some(place)) {
            (false, _) if view.lives > 0 => format!("({height})"),
            (_, true) => format!("{height}*"),
            _ => height,
        }
    };
    nodes.iter().enumerate().map(cell).collect()
}

fn style_of(what: &Happening) -> Option<Style> {
    match what {
        Happening::Violated(_) => Some(Style::Red),
        Happening::Reorganized(_)
        | Happening::Stopped(_)
        | Happening::Killed(_)
        | Happening::PowerLost(_)
        | Happening::Cut(_) => Some(Style::Yellow),
        Happening::Agreed(_) | Happening::Confirmed(_) => Some(Style::Green),
        Happening::Nothing(_) | Happening::NotMined { .. } | Happening::TipMoved(_) => {
            Some(Style::Dim)
        }
        _ => None,
    }
}
