//! Tasks of one life of one node: they run on a madsim node of their own, so that all of them can be
//! killed at once, and a panic of one is known to be this node's.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use archivas::ports;
use madsim::runtime::NodeHandle;

use crate::log::Current;
use crate::meter::Part;
use crate::trace::Trace;

/// Whose code was running when a panic ended the run; the run's digest ends with it.
#[derive(Clone, Debug)]
pub struct Blame {
    node: Arc<Mutex<Option<u16>>>,
    trace: Trace,
    /// Whose code is running.
    pub current: Current,
}

impl Blame {
    /// Nobody's, so far.
    #[must_use]
    pub fn new(trace: Trace) -> Self {
        Self {
            node: Arc::default(),
            trace,
            current: Current::default(),
        }
    }

    /// The node whose task panicked; `None` when it was nobody's or nobody did.
    #[must_use]
    pub fn node(&self) -> Option<u16> {
        *self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, node: u16) {
        self.trace.freeze();
        self.node
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(node);
    }
}

/// Counts how often the tasks of a node were polled, over all its lives, and ends its life after a
/// chosen one: every place where a task waits is one where the process can be killed.
#[derive(Clone, Default)]
pub struct Polls(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    polls: u64,
    end_after: Option<u64>,
    ended: bool,
}

impl Polls {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.state().polls
    }

    /// The life ends when so many polls have returned.
    pub fn end_after(&self, polls: u64) {
        self.state().end_after = Some(polls);
    }

    /// True once after the life has ended so.
    #[must_use]
    pub fn take_ended(&self) -> bool {
        std::mem::take(&mut self.state().ended)
    }

    /// Counts one; true when it is the last of its life.
    fn note(&self) -> bool {
        let mut state = self.state();
        state.polls += 1;
        let last = state.end_after == Some(state.polls);
        state.ended |= last;
        last
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Polls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Polls").field(&self.count()).finish()
    }
}

/// Ends a life at this instant, from within it.
type End = Arc<dyn Fn() + Send + Sync>;

/// Notes the node when it is dropped by a panic.
struct Witness<'a> {
    blame: &'a Blame,
    node: u16,
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.blame.note(self.node);
        }
    }
}

/// Starts tasks of one life.
#[derive(Clone)]
pub struct NodeSpawner {
    handle: NodeHandle,
    node: u16,
    blame: Blame,
    polls: Polls,
    end: End,
}

impl NodeSpawner {
    /// A spawner of node number `node` onto the madsim node of its present life.
    #[must_use]
    pub fn new(handle: NodeHandle, node: u16, blame: Blame) -> Self {
        Self {
            handle,
            node,
            blame,
            polls: Polls::default(),
            end: Arc::new(|| {}),
        }
    }
}

impl NodeSpawner {
    /// The same, with each poll counted; `end` is called from within a task, when the last is done.
    #[must_use]
    pub fn counted(mut self, polls: Polls, end: impl Fn() + Send + Sync + 'static) -> Self {
        (self.polls, self.end) = (polls, Arc::new(end));
        self
    }
}

impl ports::Spawner for NodeSpawner {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Self {
            node,
            blame,
            polls,
            end,
            ..
        } = self.clone();
        let witnessed = async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                let _nodes = blame.trace.meter().time(Part::Nodes);
                let _witness = Witness {
                    blame: &blame,
                    node,
                };
                let polled = blame.current.during(node, || task.as_mut().poll(cx));
                if polls.note() {
                    end();
                }
                polled
            })
            .await;
        };
        drop(self.handle.spawn(witnessed));
    }
}

impl std::fmt::Debug for NodeSpawner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeSpawner")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use archivas::ports::Spawner as _;
    use madsim::runtime::Handle;

    use super::*;
    use crate::agenda::Agenda;
    use crate::thread::run_measured;
    use crate::trace::{Kind, NO_NODE};

    #[test]
    fn a_panic_ends_the_run_and_the_digest_and_is_known_to_be_the_nodes() {
        let trace = Trace::new(|| 0);
        let blame = Blame::new(trace.clone());
        let (theirs, noted) = (blame.clone(), trace.clone());
        let measured = run_measured(1, async move || {
            let agenda = Agenda::new();
            let home = Handle::current().create_node().build();
            let spawner = NodeSpawner::new(home, 3, theirs);
            spawner.spawn(async move {
                noted.record(3, Kind::Tip, 0, &[]);
                panic!("a bug");
            });
            agenda.sleep(1_000_000).await;
        });
        assert!(measured.result.is_err());
        assert_eq!(blame.node(), Some(3));
        trace.record(NO_NODE, Kind::Tip, 0, &[]);
        assert_eq!(trace.events(), 1);
    }
}
