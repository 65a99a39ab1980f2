//! The checker of one life of one node: it judges at once and tells later, after a drawn virtual
//! time, so that findings arrive in any order between jobs and now and then long after anybody
//! wanted them. In production a pool of workers does the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archivas::ports::{self, Spawner};
use archivas_core::node::{Finding, Job, JobId, check};
use archivas_core::primitives::Millis;
use archivas_core::rules::Law;
use archivas_scenarios::draws::{Draw, Draws};
use tokio::sync::mpsc;

use crate::agenda::Agenda;
use crate::faults::{LATE_FINDING, SLOW_CHECKER};
use crate::meter::{Meter, Part};
use crate::spawner::NodeSpawner;
use crate::trace::{Kind, Trace};

/// Most findings take less than this, in virtual nanoseconds.
const USUAL_NS_MAX: u64 = 8_000_000;
/// One finding in so many is late.
const LATE_ONE_IN: u64 = 64;
/// Late findings take up to this.
const LATE_NS_MAX: u64 = 2_000_000_000;

/// The checker of one life of one node.
#[derive(Clone, Debug)]
pub struct NodeChecker {
    agenda: Agenda,
    draws: Draws,
    trace: Trace,
    spawner: NodeSpawner,
    node: u16,
    name: Arc<str>,
    life: u64,
    slower: Slower,
}

/// How much longer findings of a node take at most, in virtual nanoseconds; shared by its lives.
#[derive(Clone, Debug, Default)]
pub struct Slower(Arc<AtomicU64>);

impl Slower {
    /// Sets it; 0 is as usual.
    pub fn set(&self, by: Millis) {
        self.0.store(by.get() * 1_000_000, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl NodeChecker {
    /// The checker of life number `life` of the node called `name`.
    #[must_use]
    pub fn new(
        (agenda, draws, trace): (Agenda, Draws, Trace),
        spawner: NodeSpawner,
        node: u16,
        (name, life): (&str, u64),
        slower: Slower,
    ) -> Self {
        Self {
            agenda,
            draws,
            trace,
            spawner,
            node,
            name: name.into(),
            life,
            slower,
        }
    }

    /// How long this job takes: drawn by what it is about and the life, not by its number, so that
    /// other jobs do not change it.
    fn time_ns(&self, job: &Job) -> u64 {
        let mut subject = Vec::with_capacity(self.name.len() + 33);
        match job {
            Job::Block { block, .. } => subject.extend_from_slice(block.id().as_bytes()),
            Job::Transfer(transfer) => subject.extend_from_slice(transfer.hash().as_bytes()),
        }
        subject.extend_from_slice(self.name.as_bytes());
        let mut draw = self.draws.draw("checker.time", &subject, self.life);
        let time = sample_ns(&mut draw);
        if time > USUAL_NS_MAX {
            self.trace.count(LATE_FINDING);
        }
        match self.slower.get() {
            0 => time,
            slower => {
                self.trace.count(SLOW_CHECKER);
                time + draw.range(0..slower + 1)
            }
        }
    }
}

fn sample_ns(draw: &mut Draw) -> u64 {
    let late = draw.range(0..LATE_ONE_IN) == 0;
    draw.range(1..if late { LATE_NS_MAX } else { USUAL_NS_MAX })
}

impl ports::Checker for NodeChecker {
    fn check(&self, id: JobId, job: Job, law: Arc<Law>, done: mpsc::Sender<(JobId, Finding)>) {
        let deadline = self.agenda.now() + self.time_ns(&job);
        self.trace
            .record(self.node, Kind::Checked, deadline, &id.0.to_le_bytes());
        let (agenda, meter) = (self.agenda.clone(), self.trace.meter().clone());
        self.spawner.spawn(async move {
            let finding = judge(job, &law, &meter);
            agenda.sleep_until(deadline).await;
            // A closed queue: the life ended meanwhile, and nobody cares.
            let _ = done.send((id, finding)).await;
        });
    }
}

/// The pure function that a pool of workers runs in production.
fn judge(job: Job, law: &Law, meter: &Meter) -> Finding {
    let _checking = meter.time(Part::Checking);
    check(job, law)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_findings_are_quick_and_some_are_late() {
        let draws = Draws::new(1);
        let times: Vec<u64> = (0..2_000)
            .map(|n| sample_ns(&mut draws.draw("test", b"", n)))
            .collect();
        let late = times.iter().filter(|ns| **ns > USUAL_NS_MAX).count();
        assert!((10..60).contains(&late), "{late}");
        assert!(times.iter().all(|ns| (1..LATE_NS_MAX).contains(ns)));
    }
}
