//! Worker threads behind the `Checker` port: signatures, seals and tx roots off the node's loop.

use std::sync::mpsc as threads;
use std::sync::{Arc, Mutex};

use archivas_core::node::{Finding, Job, JobId, check};
use archivas_core::params::peers::CHECKS_MAX;
use archivas_core::rules::Law;
use tokio::sync::mpsc;

use crate::ports::Checker;

/// One job on its way to a thread.
struct Work {
    id: JobId,
    job: Job,
    law: Arc<Law>,
    done: mpsc::Sender<(JobId, Finding)>,
}

/// A fixed pool of threads over one bounded queue. The threads end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct LiveChecker {
    queue: threads::SyncSender<Work>,
}

impl LiveChecker {
    /// Starts `threads` workers (at least one).
    pub fn start(threads: usize) -> Self {
        // The node has at most CHECKS_MAX jobs under way, so sending never waits.
        let (queue, jobs) = threads::sync_channel(CHECKS_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads.max(1) {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new()
                .name(format!("check-{number}"))
                .spawn(move || work(&jobs))
                .expect("a process that just started can have another thread");
        }
        Self { queue }
    }
}

/// Takes jobs until the queue is closed.
fn work(jobs: &Mutex<threads::Receiver<Work>>) {
    loop {
        let next = jobs
            .lock()
            .expect("no worker panics while it holds the lock")
            .recv();
        let Ok(Work { id, job, law, done }) = next else {
            return;
        };
        let finding = check(job, &law);
        // A closed channel: the node stopped while we worked.
        let _ = done.blocking_send((id, finding));
    }
}

impl Checker for LiveChecker {
    fn check(&self, id: JobId, job: Job, law: Arc<Law>, done: mpsc::Sender<(JobId, Finding)>) {
        self.queue
            .send(Work { id, job, law, done })
            .expect("the workers live as long as a sender does");
    }
}
