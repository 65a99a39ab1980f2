//! All waiting of a run in one place: wakers by virtual time, with real cancellation. madsim keeps
//! every timer that was ever polled until it fires; here a sleeper that goes away leaves nothing but
//! its alarm, so an idle network stays cheap. Order among equal deadlines is the order of asking.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use madsim::time::TimeHandle;

/// The wakers of one run. Cheap to clone; made inside the run's runtime.
#[derive(Clone)]
pub struct Agenda(Arc<Inner>);

struct Inner {
    time: TimeHandle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By deadline in virtual nanoseconds, then by the order of asking.
    entries: BTreeMap<(u64, u64), Waker>,
    next: u64,
    /// Deadlines that a timer of madsim stands for.
    armed: BTreeSet<u64>,
}

/// One entry of the agenda; by it, the entry is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    deadline: u64,
    number: u64,
}

/// What madsim wakes: fires everything due by one deadline. Weak, because the agenda holds madsim's
/// clock, which holds the alarms: strong ones would keep each other, and the run, for ever.
struct Alarm {
    agenda: Weak<Inner>,
    deadline: u64,
}

impl Agenda {
    /// An empty agenda over the time of the current madsim runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn new() -> Self {
        let (time, state) = (TimeHandle::current(), Mutex::new(State::default()));
        Self(Arc::new(Inner { time, state }))
    }

    /// Virtual nanoseconds since the run began.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.time.elapsed().as_nanos()).expect("no run lasts 584 virtual years")
    }

    /// Wakes `waker` at `deadline` (virtual nanoseconds), or as soon as the caller has returned to
    /// the executor when that is past.
    pub fn wake_at(&self, deadline: u64, waker: &Waker) -> Ticket {
        let mut state = self.state();
        let ticket = Ticket {
            deadline,
            number: state.next,
        };
        state.next += 1;
        state
            .entries
            .insert((deadline, ticket.number), waker.clone());
        let fresh = state.armed.insert(deadline);
        drop(state);
        if fresh {
            self.arm(deadline);
        }
        ticket
    }

    /// Takes an entry back; no effect when it has fired.
    pub fn cancel(&self, ticket: Ticket) {
        let entry = self
            .state()
            .entries
            .remove(&(ticket.deadline, ticket.number));
        drop(entry);
    }

    /// Completes at `deadline` (virtual nanoseconds).
    pub fn sleep_until(&self, deadline: u64) -> Sleep {
        Sleep {
            agenda: self.clone(),
            deadline,
            waiting: None,
        }
    }

    /// Completes after `nanos` virtual nanoseconds.
    pub fn sleep(&self, nanos: u64) -> Sleep {
        self.sleep_until(self.now().saturating_add(nanos))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks madsim to wake an alarm at the deadline: one poll of a sleep registers it, and resetting
    /// it first avoids madsim's minimum of a millisecond.
    fn arm(&self, deadline: u64) {
        let ahead = Duration::from_nanos(deadline.saturating_sub(self.now()));
        let waker = Waker::from(Arc::new(Alarm {
            agenda: Arc::downgrade(&self.0),
            deadline,
        }));
        let at = self.0.time.now_instant() + ahead;
        let mut sleep = pin!(self.0.time.sleep_until(at));
        sleep.as_mut().reset(at);
        if sleep.poll(&mut Context::from_waker(&waker)).is_ready() {
            self.fire(deadline);
        }
    }

    /// Wakes everything due by `deadline`. madsim calls this before its clock shows the new time, and
    /// with its timers locked: nothing here may sleep or look at the time.
    fn fire(&self, deadline: u64) {
        self.state().armed.remove(&deadline);
        while let Some(waker) = self.pop_due(deadline) {
            waker.wake();
        }
    }

    /// Takes the first entry out, if it is due. Its waker is called without the lock: it may drop a
    /// task, and with it sleeps that cancel themselves.
    fn pop_due(&self, deadline: u64) -> Option<Waker> {
        let mut state = self.state();
        let first = state.entries.first_entry()?;
        (first.key().0 <= deadline).then(|| first.remove())
    }
}

impl Default for Agenda {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Agenda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agenda").finish_non_exhaustive()
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if let Some(agenda) = self.agenda.upgrade() {
            Agenda(agenda).fire(self.deadline);
        }
    }
}

/// Completes at a virtual time; dropping it leaves nothing behind.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    agenda: Agenda,
    deadline: u64,
    waiting: Option<(Ticket, Waker)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.agenda.now() >= self.deadline {
            return Poll::Ready(());
        }
        match &self.waiting {
            Some((_, waker)) if waker.will_wake(cx.waker()) => return Poll::Pending,
            Some((ticket, _)) => self.agenda.cancel(*ticket),
            None => {}
        }
        let ticket = self.agenda.wake_at(self.deadline, cx.waker());
        self.waiting = Some((ticket, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((ticket, _)) = self.waiting.take() {
            self.agenda.cancel(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::simulate;

    #[test]
    fn a_sleep_ends_at_its_deadline_and_not_before() {
        simulate(1, async || {
            let agenda = Agenda::new();
            for nanos in [1u64, 999, 1_000_000, 3_600_000_000_000] {
                let before = agenda.now();
                agenda.sleep(nanos).await;
                let passed = agenda.now() - before;
                assert!(
                    (nanos..nanos + 2_000).contains(&passed),
                    "{nanos}: {passed}"
                );
            }
            agenda.sleep_until(0).await;
        });
    }

    #[test]
    fn equal_deadlines_wake_in_the_order_of_asking_and_a_cancelled_one_never() {
        struct Note(u8, Arc<Mutex<Vec<u8>>>);
        impl Wake for Note {
            fn wake(self: Arc<Self>) {
                self.1.lock().unwrap().push(self.0);
            }
        }
        simulate(1, async || {
            let (agenda, woken) = (Agenda::new(), Arc::new(Mutex::new(Vec::new())));
            let ask = |name, deadline| {
                agenda.wake_at(deadline, &Waker::from(Arc::new(Note(name, woken.clone()))))
            };
            ask(1, 5_000_000);
            let gone = ask(2, 5_000_000);
            ask(3, 4_000_000);
            ask(4, 5_000_000);
            agenda.cancel(gone);
            agenda.sleep_until(6_000_000).await;
            assert_eq!(*woken.lock().unwrap(), [3, 1, 4]);
            assert!(agenda.state().entries.is_empty());
        });
    }

    #[test]
    fn nothing_of_a_run_outlives_it_though_alarms_are_pending() {
        let left = simulate(1, async || {
            let agenda = Agenda::new();
            let mut sleep = Box::pin(agenda.sleep(1_000_000_000));
            tokio::select! {
                biased;
                () = &mut sleep => panic!("it sleeps for long"),
                () = agenda.sleep(1_000) => {}
            }
            Arc::downgrade(&agenda.0)
        });
        assert!(left.upgrade().is_none());
    }
}
