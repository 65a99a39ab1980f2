//! hyper's timer over the Clock port. hyper counts in `std::time::Instant`; this one shows it the
//! node's monotonic clock as such instants, counted from one that is read once and cancels out.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use archivas_core::primitives::Millis;
use hyper::rt::{Sleep, Timer};

use crate::ports::Clock;

#[expect(
    clippy::disallowed_types,
    reason = "hyper's timer interface speaks in it"
)]
type StdInstant = std::time::Instant;

/// A timer for hyper that runs on the node's clock.
#[derive(Clone, Debug)]
pub(super) struct PortTimer<C> {
    clock: C,
    /// Stands for the beginning of the node's monotonic clock. Only differences from it are used.
    origin: StdInstant,
}

impl<C: Clock> PortTimer<C> {
    pub(super) fn new(clock: C) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an instant cannot be made otherwise"
        )]
        let origin = StdInstant::now();
        Self { clock, origin }
    }
}

impl<C: Clock> Timer for PortTimer<C> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        // Rounded up: a sleep is never shorter than what was asked for.
        let millis = duration.as_nanos().div_ceil(1_000_000);
        let millis = Millis::new(u64::try_from(millis).unwrap_or(u64::MAX));
        let clock = self.clock.clone();
        let future = Mutex::new(Box::pin(async move { clock.sleep(millis).await }));
        Box::pin(PortSleep { future })
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> StdInstant {
        self.origin + Duration::from_millis(self.clock.now().monotonic.get())
    }
}

/// A sleep that may be shared between threads, as hyper demands; nobody waits for the lock, because
/// whoever polls holds the only reference.
struct PortSleep<F> {
    future: Mutex<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Future for PortSleep<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let future = self
            .future
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        future.as_mut().poll(context)
    }
}

impl<F: Future<Output = ()> + Send> Sleep for PortSleep<F> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestClock;

    #[tokio::test(start_paused = true)]
    async fn the_timer_runs_on_the_nodes_clock() {
        let clock = TestClock::start();
        let timer = PortTimer::new(clock);
        let (began, deadline) = (clock.now().monotonic, timer.now() + Duration::from_secs(10));
        timer.sleep_until(deadline).await;
        assert_eq!(clock.now().monotonic.since(began), Millis::from_secs(10));
        assert_eq!(timer.now(), deadline);
        timer.sleep_until(deadline).await;
        timer.sleep(Duration::from_nanos(1)).await;
        assert_eq!(clock.now().monotonic.since(began), Millis::new(10_001));
    }
}
