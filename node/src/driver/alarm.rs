//! The loop's one alarm clock.

use std::pin::Pin;

use archivas_core::primitives::Instant;

use crate::ports::Clock;

/// Whether the deadline has come.
pub(super) fn is_over(due: Option<Instant>, clock: &impl Clock) -> bool {
    due.is_some_and(|due| due <= clock.now().monotonic)
}

/// One sleep, kept while the deadline stays the same.
#[derive(Default)]
pub(super) struct Alarm {
    due: Option<Instant>,
    sleep: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Alarm {
    /// Completes at `due`, or never.
    pub(super) async fn at(&mut self, due: Option<Instant>, clock: &impl Clock) {
        if is_over(due, clock) {
            return;
        }
        if self.due != due || self.sleep.is_none() {
            self.due = due;
            self.sleep = due.map(|due| {
                let clock = clock.clone();
                Box::pin(async move {
                    let now = clock.now().monotonic;
                    clock.sleep(due.since(now)).await;
                }) as Pin<Box<dyn Future<Output = ()> + Send>>
            });
        }
        match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().await;
                self.sleep = None;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Host;
    use crate::tests::world::TestHost;
    use archivas_core::primitives::Millis;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_deadline_even_if_nobody_listened_meanwhile_or_it_was_moved() {
        let host = TestHost::new();
        let clock = host.clock();
        let mut alarm = Alarm::default();
        let at = |millis| Some(clock.now().monotonic.plus(Millis::new(millis)));
        let late = at(100);
        for _ in 0..3 {
            tokio::select! {
                biased;
                () = alarm.at(late, clock) => panic!("too early"),
                () = clock.sleep(Millis::new(20)) => {}
            }
        }
        let begun = clock.now().monotonic;
        alarm.at(late, clock).await;
        assert_eq!(clock.now().monotonic.since(begun), Millis::new(40));
        alarm.at(late, clock).await;
        let moved = at(5);
        alarm.at(moved, clock).await;
        assert!(is_over(moved, clock));
    }
}
