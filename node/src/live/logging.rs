//! Log lines on standard error: for people, or one JSON object a line. Which lines are written can be
//! changed while the node runs.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// The filter of this process's log, and its text.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    text: Mutex<String>,
}

/// Starts logging for the whole process. A standard error that nobody reads any more is no reason to
/// stop or to panic.
pub fn start(level: &str, json: bool) {
    let filter = EnvFilter::new(level);
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_target(false)
        .log_internal_errors(false)
        .with_ansi(!json && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = if json {
        registry.with(lines.json()).try_init()
    } else {
        registry.with(lines).try_init()
    };
    // A second start in one process (tests) keeps the first.
    if started.is_ok() {
        let text = Mutex::new(level.to_owned());
        let _ = LOG.set(Log {
            filter: handle,
            text,
        });
    }
}

/// What is written now: a level, or directives.
pub fn current() -> String {
    let text = |log: &Log| {
        log.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    };
    LOG.get().map_or_else(|| "off".to_owned(), text)
}

/// Changes what is written.
///
/// # Errors
/// A sentence when `text` is neither a level nor directives such as `info,archivas::http=debug`.
pub fn change(text: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(text).map_err(|error| {
        format!(
            "{error}: give a level (error, warn, info, debug, trace) or `info,archivas::http=debug`"
        )
    })?;
    let log = LOG.get().ok_or("this process writes no log")?;
    log.filter
        .reload(filter)
        .map_err(|error| format!("the log cannot be changed: {error}"))?;
    text.clone_into(&mut log.text.lock().unwrap_or_else(PoisonError::into_inner));
    tracing::info!("the log now shows {text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_can_be_changed_and_nonsense_is_refused() {
        start("warn", false);
        change("error,archivas::http=off").expect("directives");
        assert_eq!(current(), "error,archivas::http=off");
        change("archivas=loud").expect_err("no level");
        assert_eq!(current(), "error,archivas::http=off");
    }
}
