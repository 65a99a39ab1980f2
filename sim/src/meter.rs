//! Where a run's CPU time goes, part by part, for `bench`. Off in every other run. A part does not
//! count what happens in the parts inside it. Runs never see what is measured.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stopwatch::CpuWatch;

/// A part of the work of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Tasks of nodes: driver, chain, redb's own code, connections.
    Nodes,
    /// The checker's pure function: seals, tx roots, signatures.
    Checking,
    /// Grinding seals for the miners.
    Sealing,
    /// The simulated disks.
    Disks,
    /// The simulated network.
    Network,
    /// The digest.
    Digest,
    /// The world's judges.
    Judges,
}

/// All parts, and how a report calls them.
pub const PARTS: [(Part, &str); 7] = [
    (Part::Nodes, "node tasks: chain, redb, connections"),
    (Part::Checking, "checking blocks and transfers"),
    (Part::Sealing, "grinding seals"),
    (Part::Disks, "simulated disks"),
    (Part::Network, "simulated network"),
    (Part::Digest, "digest"),
    (Part::Judges, "judges"),
];

/// Measures, or does nothing.
#[derive(Clone, Debug, Default)]
pub struct Meter(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    watch: CpuWatch,
    /// When the innermost part began or went on.
    since_s: f64,
    running: Vec<Part>,
    spent_s: [f64; PARTS.len()],
    headers: u64,
}

/// A part that is running; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "a part ends when this is dropped"]
pub struct Running<'a>(Option<&'a Mutex<State>>);

impl Meter {
    /// A meter that measures.
    #[must_use]
    pub fn on() -> Self {
        let watch = CpuWatch::of_this_thread();
        let state = State {
            watch,
            since_s: 0.0,
            running: Vec::new(),
            spent_s: [0.0; PARTS.len()],
            headers: 0,
        };
        Self(Some(Arc::new(Mutex::new(state))))
    }

    /// The calling code is of this part until the value is dropped.
    pub fn time(&self, part: Part) -> Running<'_> {
        let state = self.0.as_deref();
        if let Some(state) = state {
            let mut state = lock(state);
            state.pass();
            state.running.push(part);
        }
        Running(state)
    }

    /// The header of a database was written.
    pub fn count_header(&self) {
        if let Some(state) = self.0.as_deref() {
            lock(state).headers += 1;
        }
    }

    /// How often headers of databases were written, zero when it does not measure.
    #[must_use]
    pub fn headers(&self) -> u64 {
        self.0.as_deref().map_or(0, |state| lock(state).headers)
    }

    /// Seconds spent in each part, in the order of [`PARTS`]; zero when it does not measure.
    #[must_use]
    pub fn spent_s(&self) -> [f64; PARTS.len()] {
        self.0
            .as_deref()
            .map_or([0.0; PARTS.len()], |state| lock(state).spent_s)
    }
}

impl State {
    /// Gives the time since the last change to the part that was running. All of it is time of the
    /// run's own thread; the watch was made on another, so only differences mean anything.
    fn pass(&mut self) {
        let now_s = self.watch.seconds();
        if let Some(part) = self.running.last() {
            let place = PARTS.iter().position(|(known, _)| known == part);
            self.spent_s[place.expect("every part is listed")] += now_s - self.since_s;
        }
        self.since_s = now_s;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.0 {
            let mut state = lock(state);
            state.pass();
            state.running.pop();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_does_not_count_the_parts_inside_it() {
        let meter = Meter::on();
        let nap = || std::hint::black_box((0..2_000_000u64).map(std::hint::black_box).sum::<u64>());
        let outer = meter.time(Part::Nodes);
        let inner = meter.time(Part::Disks);
        nap();
        drop(inner);
        drop(outer);
        let [nodes, _, _, disks, ..] = meter.spent_s();
        assert!(disks > nodes, "{disks} against {nodes}");
    }

    #[test]
    fn a_meter_that_is_off_measures_nothing() {
        let meter = Meter::default();
        drop(meter.time(Part::Nodes));
        assert!(meter.spent_s().iter().all(|seconds| *seconds == 0.0));
    }
}
