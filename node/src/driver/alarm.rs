//! The loop's one alarm clock.

use std::pin::Pin;

use archivas_core::primitives::Instant;

use crate::ports::Clock;

/// One sleep, kept while the deadline stays the same.
#[derive(Default)]
pub(super) struct Alarm {
    due: Option<Instant>,
    sleep: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Alarm {
    /// Completes at `due`, or never.
    pub(super) async fn at(&mut self, due: Option<Instant>, clock: &impl Clock) {
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
