//! The clocks of one node: the run's virtual time, seen through an offset and a drift. Monotonic time
//! counts from the beginning of the node's life; both clocks drift alike, as on one crystal.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use archivas::ports;
use archivas_core::primitives::{Instant, Millis, Now, Timestamp};
use archivas_scenarios::draws::Draws;

use crate::agenda::Agenda;
use crate::trace::{Kind, Trace};

/// How a node's clocks differ from the world's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    /// Added to the wall clock, in milliseconds.
    pub offset_ms: i64,
    /// How much faster both clocks run, in parts per million.
    pub drift_ppm: i32,
}

/// The greatest offset that is drawn, in milliseconds either way: a clock set over a network.
const OFFSET_MS_MAX: u64 = 1_000;
/// The greatest drift that is drawn, in parts per million either way: a cheap crystal.
const DRIFT_PPM_MAX: u64 = 100;

impl Skew {
    /// The skew of the node called `name`.
    #[must_use]
    pub fn draw(draws: &Draws, name: &str) -> Self {
        let mut draw = draws.draw("clock.skew", name.as_bytes(), 0);
        let mut either_way = |max: u64| {
            let value = draw.range(0..2 * max + 1);
            i32::try_from(value).expect("bounds are small") - i32::try_from(max).expect("so is max")
        };
        Self {
            offset_ms: either_way(OFFSET_MS_MAX).into(),
            drift_ppm: either_way(DRIFT_PPM_MAX),
        }
    }
}

/// The skew of one node, which a plan may change while it runs: its drift never, its offset at once.
#[derive(Clone, Debug)]
pub struct SharedSkew {
    offset_ms: Arc<AtomicI64>,
    drift_ppm: i32,
}

impl From<Skew> for SharedSkew {
    fn from(skew: Skew) -> Self {
        Self {
            offset_ms: Arc::new(AtomicI64::new(skew.offset_ms)),
            drift_ppm: skew.drift_ppm,
        }
    }
}

impl SharedSkew {
    /// The present offset of the wall clock, in milliseconds.
    #[must_use]
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Sets the wall clock; monotonic time goes on. False when that changes nothing.
    #[must_use]
    pub fn set_offset_ms(&self, offset_ms: i64) -> bool {
        self.offset_ms.swap(offset_ms, Ordering::Relaxed) != offset_ms
    }
}

/// The clocks of one life of one node.
#[derive(Clone, Debug)]
pub struct NodeClock {
    agenda: Agenda,
    trace: Trace,
    node: u16,
    skew: SharedSkew,
    /// The world's wall clock when the run began.
    epoch: Timestamp,
    /// Virtual nanoseconds at which this life began.
    born_ns: u64,
}

const NANOS_A_MILLI: i128 = 1_000_000;
const MILLION: i128 = 1_000_000;

impl NodeClock {
    /// Clocks of a life of `node` that begins now, in a world whose wall clock showed `epoch` when
    /// the run began.
    #[must_use]
    pub fn new(
        agenda: Agenda,
        trace: Trace,
        node: u16,
        skew: impl Into<SharedSkew>,
        epoch: Timestamp,
    ) -> Self {
        let born_ns = agenda.now();
        Self {
            agenda,
            trace,
            node,
            skew: skew.into(),
            epoch,
            born_ns,
        }
    }

    /// What this node's crystal counts in `nanos` of virtual time.
    fn drifted(&self, nanos: u64) -> i128 {
        i128::from(nanos) * (MILLION + i128::from(self.skew.drift_ppm)) / MILLION
    }

    /// The virtual nanoseconds in which this node's crystal counts at least `nanos`.
    fn undrifted(&self, nanos: i128) -> u64 {
        let rate = MILLION + i128::from(self.skew.drift_ppm);
        let exact = (nanos * MILLION + rate - 1).div_euclid(rate);
        u64::try_from(exact).unwrap_or(u64::MAX)
    }

    fn wall(&self, now_ns: u64) -> Timestamp {
        let since_epoch = self.drifted(now_ns) / NANOS_A_MILLI + i128::from(self.skew.offset_ms());
        let wall = i128::from(self.epoch.get()) + since_epoch;
        Timestamp::new(u64::try_from(wall.max(0)).unwrap_or(u64::MAX))
    }
}

impl ports::Clock for NodeClock {
    fn now(&self) -> Now {
        let now_ns = self.agenda.now();
        let alive = self.drifted(now_ns - self.born_ns) / NANOS_A_MILLI;
        let alive = u64::try_from(alive).expect("a drift is far from -100 %");
        Now {
            monotonic: Instant::new(alive),
            wall: self.wall(now_ns),
        }
    }

    async fn sleep(&self, duration: Millis) {
        let nanos = self.undrifted(i128::from(duration.get()) * NANOS_A_MILLI);
        let deadline = self.agenda.now().saturating_add(nanos);
        self.trace.record(self.node, Kind::Timer, deadline, &[]);
        self.agenda.sleep_until(deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use archivas::ports::Clock;

    use super::*;
    use crate::thread::simulate;

    fn with_clock(skew: Skew, test: impl AsyncFnOnce(NodeClock) + Send) {
        simulate(1, async || {
            let agenda = Agenda::new();
            agenda.sleep(1_000_000_000).await;
            let trace = Trace::new(|| 0);
            test(NodeClock::new(
                agenda,
                trace,
                0,
                skew,
                Timestamp::new(1_000_000),
            ))
            .await;
        });
    }

    #[test]
    fn monotonic_time_begins_with_the_life_and_wall_time_with_the_run() {
        with_clock(Skew::default(), async |clock| {
            assert_eq!(clock.now().monotonic, Instant::new(0));
            assert_eq!(clock.now().wall, Timestamp::new(1_001_000));
            clock.sleep(Millis::new(250)).await;
            assert_eq!(clock.now().monotonic, Instant::new(250));
            assert_eq!(clock.now().wall, Timestamp::new(1_001_250));
        });
    }

    #[test]
    fn a_fast_clock_shows_more_time_and_its_sleeps_are_shorter() {
        with_clock(
            Skew {
                offset_ms: -5_000,
                drift_ppm: 500,
            },
            async |clock| {
                let before = clock.agenda.now();
                clock.sleep(Millis::new(1_000_000)).await;
                let passed = clock.agenda.now() - before;
                assert!(passed < 999_600_000_000, "{passed}");
                assert_eq!(clock.now().monotonic, Instant::new(1_000_000));
                assert_eq!(
                    clock.now().wall,
                    Timestamp::new(1_000_000 + 1_001_000 - 5_000)
                );
            },
        );
    }

    #[test]
    fn no_sleep_is_shorter_than_asked_by_its_own_clock() {
        for drift_ppm in [-500, -1, 0, 1, 500] {
            with_clock(
                Skew {
                    offset_ms: 0,
                    drift_ppm,
                },
                async |clock| {
                    for millis in [1, 7, 999, 86_400_000] {
                        let before = clock.now().monotonic;
                        clock.sleep(Millis::new(millis)).await;
                        assert!(clock.now().monotonic.since(before) >= Millis::new(millis));
                    }
                },
            );
        }
    }

    #[test]
    fn drawn_clocks_differ_between_nodes_and_stay_within_their_bounds() {
        let draws = Draws::new(1);
        let skews: Vec<Skew> = (0..200)
            .map(|n| Skew::draw(&draws, &n.to_string()))
            .collect();
        assert!(skews.iter().any(|skew| skew.offset_ms > 900));
        assert!(skews.iter().any(|skew| skew.offset_ms < -900));
        for Skew {
            offset_ms,
            drift_ppm,
        } in &skews
        {
            assert!(offset_ms.abs() <= 1_000 && drift_ppm.abs() <= 100);
        }
        assert_eq!(Skew::draw(&draws, "7"), skews[7]);
    }
}
