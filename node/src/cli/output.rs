//! What commands print. A reader that has gone away (`| head -1`) is told apart from success, and
//! never a panic.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use crate::cli::exit::Failure;

/// Standard output, for people or, with `--json`, for programs.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The line was written.
    There,
    /// Nobody will ever read another line.
    Gone,
}

impl Output {
    /// Prints JSON instead of text when `json`.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `text` for people or `value` for programs, one line (or more, for people).
    ///
    /// # Errors
    /// When the output cannot take it (a full disk); a closed pipe is no error.
    pub fn print(&self, value: &impl Serialize, text: impl Display) -> Result<Reader, Failure> {
        if self.json {
            let line = serde_json::to_string(value);
            return write_line(line.expect("our answers have string keys and plain values"));
        }
        write_line(text)
    }
}

/// Rows under their heads, in columns as wide as they need to be; a line that says so when there are
/// no rows.
pub fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return "none".to_owned();
    }
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let lines = || std::iter::once(&heads).chain(&rows);
    let width = |column: usize| {
        let cells = lines().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        line.join("  ").trim_end().to_owned()
    };
    lines().map(line).collect::<Vec<_>>().join("\n")
}

fn write_line(text: impl Display) -> Result<Reader, Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::disk(format!(
            "cannot write to standard output: {error}"
        ))),
    }
}

/// Says on standard error why the command failed.
pub fn complain(sentence: &str) {
    // Nobody reads: there is nothing more to be done.
    let _ = writeln!(io::stderr(), "archivas: {sentence}");
}
