//! Log lines on standard error: for people, or one JSON object a line.

use tracing::level_filters::LevelFilter;

/// Starts logging for the whole process. A standard error that nobody reads any more is no reason to
/// stop or to panic.
pub fn start(level: LevelFilter, json: bool) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .log_internal_errors(false)
        .with_ansi(!json && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if json {
        lines.json().try_init()
    } else {
        lines.try_init()
    };
}
