//! What commands print. Whoever has stopped reading (`| head`) ends the printing, never the program
//! with a panic.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::{Color, Global};

/// The look of a piece of text on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Worth seeing first.
    Bold,
    /// Less important.
    Dim,
    /// Good.
    Green,
    /// Changed.
    Yellow,
    /// Bad.
    Red,
}

/// Standard output and standard error of a command.
#[derive(Debug)]
pub struct Output {
    global: Global,
    colors: bool,
    gone: AtomicBool,
}

impl Output {
    /// Output as the command line wants it.
    pub fn new(global: Global) -> Self {
        let colors = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Self {
            global,
            colors,
            gone: AtomicBool::new(false),
        }
    }

    /// Whether one JSON document is wanted in the place of text.
    pub fn is_json(&self) -> bool {
        self.global.json
    }

    /// Whether every block and every check is wanted.
    pub fn is_verbose(&self) -> bool {
        self.global.verbose
    }

    /// Whether progress is wanted: rows while a run goes on, pictures, tables.
    pub fn shows_progress(&self) -> bool {
        !self.global.quiet && !self.global.json
    }

    /// Prints a line for people.
    pub fn line(&self, text: &str) {
        if !self.is_json() {
            self.write(text);
        }
    }

    /// Prints the JSON document for programs.
    pub fn json(&self, value: &impl Serialize) {
        if self.is_json() {
            let text = serde_json::to_string(value);
            self.write(&text.expect("reports have string keys and finite numbers only"));
        }
    }

    /// Whether nobody reads any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn write(&self, text: &str) {
        if self.gone.load(Ordering::Relaxed) {
            return;
        }
        let mut out = io::stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    /// Says on standard error why the command did not do what it was asked.
    pub fn complain(&self, sentence: &str) {
        // Nobody reads: there is nothing more to be done.
        let _ = writeln!(io::stderr(), "archivas-sim: {sentence}");
    }

    /// The text, as it looks on a terminal that takes colours.
    pub fn styled(&self, text: &str, style: Style) -> String {
        if !self.colors {
            return text.into();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Green => "32",
            Style::Yellow => "33",
            Style::Red => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Columns of equal width, the first to the left and the others to the right, two spaces apart.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |(column, text): (usize, &String)| match column {
            0 => format!("{text:<width$}", width = widths[column]),
            _ => format!("{text:>width$}", width = widths[column]),
        };
        row.iter()
            .enumerate()
            .map(cell)
            .collect::<Vec<_>>()
            .join("  ")
            .trim_end()
            .to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_its_columns() {
        let rows: Vec<Vec<String>> = [["check", "ran"], ["a", "1,000"]]
            .iter()
            .map(|row| row.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(table(&rows), ["check    ran", "a      1,000"]);
    }
}
