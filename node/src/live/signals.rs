//! What asks a process to stop: SIGTERM, SIGINT (Ctrl-C), and, when a supervisor holds our standard
//! input, its end.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// The signals, caught from the moment this is made.
#[derive(Debug)]
pub struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    /// Nobody waits for it: caught, it makes a write beyond the file's limit an error of that write,
    /// and the node says what is wrong instead of dying.
    _file_too_large: tokio::signal::unix::Signal,
}

/// SIGXFSZ, the same number on every Linux that we build for.
const FILE_TOO_LARGE: i32 = 25;

impl StopSignals {
    /// Catches SIGTERM, SIGINT and SIGHUP from now on.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _file_too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    /// The next signal's name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// Completes when standard input ends or fails; what arrives on it is thrown away.
pub async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut scrap = [0; 256];
    while matches!(input.read(&mut scrap).await, Ok(1..)) {}
}
