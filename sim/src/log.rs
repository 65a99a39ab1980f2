//! The log of chosen nodes during a run, each line with virtual time and the node's name. What is
//! logged is what a node logs anywhere; nothing of it changes what happens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use archivas_core::primitives::Millis;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::trace::{NO_NODE, Trace};

/// Which nodes log, by their numbers and names, and how much.
pub type Wanted = Vec<(u16, String, LevelFilter)>;

/// Whose code is running, for whoever wants to know.
#[derive(Clone, Debug)]
pub struct Current(Arc<AtomicU16>);

impl Default for Current {
    fn default() -> Self {
        Self(Arc::new(AtomicU16::new(NO_NODE)))
    }
}

impl Current {
    /// Runs `work` as code of this node.
    pub fn during<T>(&self, node: u16, work: impl FnOnce() -> T) -> T {
        let before = self.0.swap(node, Ordering::Relaxed);
        let result = work();
        self.0.store(before, Ordering::Relaxed);
        result
    }

    fn get(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Virtual time and the node's name, in front of each line.
struct Stamp {
    trace: Trace,
    current: Current,
    names: Vec<(u16, String)>,
}

impl FormatTime for Stamp {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let at = Millis::new(self.trace.now() / 1_000_000);
        let node = self.current.get();
        let name = self.names.iter().find(|(number, _)| *number == node);
        let name = name.map_or("-", |(_, name)| name.as_str());
        write!(w, "{} {name}", crate::cli::clock(at))
    }
}

/// From now on the wanted nodes log on standard error, until the guard is dropped.
#[must_use]
pub fn begin(wanted: &Wanted, trace: &Trace, current: &Current) -> DefaultGuard {
    let names = wanted.iter();
    let stamp = Stamp {
        trace: trace.clone(),
        current: current.clone(),
        names: names
            .map(|(number, name, _)| (*number, name.clone()))
            .collect(),
    };
    let (levels, current) = (wanted.clone(), current.clone());
    let most = levels.iter().map(|(.., level)| *level).max();
    let filter = dynamic_filter_fn(move |meta, _| {
        let node = current.get();
        let own = levels.iter().find(|(number, ..)| *number == node);
        own.is_some_and(|(.., level)| meta.level() <= level)
    });
    let filter = filter.with_max_level_hint(most.unwrap_or(LevelFilter::OFF));
    let lines = tracing_subscriber::fmt::layer()
        .with_timer(stamp)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_filter(filter);
    tracing::subscriber::set_default(tracing_subscriber::registry().with(lines))
}
