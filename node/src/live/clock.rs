//! The machine's two clocks behind the `Clock` port.

use archivas_core::primitives::{Instant, Millis, Now, Timestamp};

use crate::ports::Clock;

/// Monotonic time since this value was made, and the machine's wall clock.
#[derive(Clone, Debug)]
pub struct LiveClock {
    #[expect(
        clippy::disallowed_types,
        reason = "this is the Clock port's real clock"
    )]
    origin: std::time::Instant,
}

impl LiveClock {
    /// Starts the monotonic clock at zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock port's real clock"
    )]
    #[expect(
        clippy::disallowed_types,
        reason = "this is the Clock port's real clock"
    )]
    pub fn start() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }
}

/// The machine's wall clock; a machine set before 1970 reads as 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the Clock port's real clock"
)]
#[expect(
    clippy::disallowed_types,
    reason = "this is the Clock port's real clock"
)]
pub fn wall() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::new(since_1970.map_or(0, |duration| millis(duration).get()))
}

/// Whole milliseconds; half a billion years saturate.
fn millis(duration: std::time::Duration) -> Millis {
    Millis::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

impl Clock for LiveClock {
    fn now(&self) -> Now {
        Now {
            monotonic: Instant::new(millis(self.origin.elapsed()).get()),
            wall: wall(),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock port's real sleep"
    )]
    async fn sleep(&self, duration: Millis) {
        tokio::time::sleep(std::time::Duration::from_millis(duration.get())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_takes_at_least_its_time() {
        let clock = LiveClock::start();
        let before = clock.now();
        clock.sleep(Millis::new(20)).await;
        assert!(clock.now().monotonic.since(before.monotonic) >= Millis::new(20));
    }

    #[test]
    fn the_wall_clock_has_passed_2020() {
        assert!(wall() > Timestamp::new(1_577_836_800_000));
    }
}
