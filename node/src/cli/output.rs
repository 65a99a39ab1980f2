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
