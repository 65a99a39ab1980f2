//! Plan time on a real clock: one real second is `speedup` seconds of the plan.
#![expect(
    clippy::disallowed_methods,
    reason = "real processes live in real time"
)]
#![expect(clippy::disallowed_types, reason = "real processes live in real time")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use archivas_core::primitives::{Millis, Timestamp};
use tokio::time::{Instant, sleep_until};

/// A running plan's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlanClock {
    began: Instant,
    speedup: u32,
}

impl PlanClock {
    /// A clock that shows 0 now.
    pub(super) fn start(speedup: u32) -> Self {
        Self {
            began: Instant::now(),
            speedup,
        }
    }

    /// Plan time since the start.
    pub(super) fn now(&self) -> Millis {
        self.span(self.began.elapsed())
    }

    /// The plan time that passes in a real span.
    pub(super) fn span(&self, real: Duration) -> Millis {
        let real = u64::try_from(real.as_millis()).expect("a run takes less than a million years");
        Millis::new(real).times(u64::from(self.speedup))
    }

    /// Sleeps until plan time `at`, but for a real span of `most` at most.
    pub(super) async fn sleep_until(&self, at: Millis, most: Duration) {
        let at = self.began + Duration::from_millis(at.get().div_ceil(u64::from(self.speedup)));
        sleep_until(at.min(Instant::now() + most)).await;
    }
}

/// The machine's calendar.
pub(super) fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::new(u64::try_from(since.as_millis()).expect("the year is below 500 million"))
}
