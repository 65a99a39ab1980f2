//! Retargeting: the six published runs of aserti3-2d, exactly, and a closed loop of miners and
//! schedule, honest and lying.

use archivas_core::params::{Genesis, networks};
use archivas_core::primitives::{CompactTarget, Height, Millis, Target, Timestamp, Work};
use archivas_core::rules::retarget::{Elapsed, Schedule, asert};
use archivas_core::rules::{median_time_past, next_bits};

const RUNS: [(&str, usize); 6] = [
    (include_str!("vectors/asert/run01.txt"), 10),
    (include_str!("vectors/asert/run02.txt"), 10),
    (include_str!("vectors/asert/run03.txt"), 10),
    (include_str!("vectors/asert/run04.txt"), 225),
    (include_str!("vectors/asert/run05.txt"), 225),
    (include_str!("vectors/asert/run06.txt"), 1_000),
];

fn bits(text: &str) -> CompactTarget {
    text.parse().expect("compact bits")
}

fn target(text: &str) -> Target {
    bits(text).expand().expect("a target")
}

/// The value after a name in the heading lines.
fn heading<'a>(run: &'a str, name: &str) -> &'a str {
    run.lines()
        .find_map(|line| line.split_once(name))
        .expect(name)
        .1
        .trim()
}

#[test]
fn the_published_runs_are_reproduced_exactly() {
    let schedule = Schedule {
        block_time: 600,
        half_life: 2 * 24 * 3_600,
        limit: target("0x1d00ffff"),
    };
    for (run, rows) in RUNS {
        let anchor_height: i128 = heading(run, "anchor height:").parse().expect("a height");
        let anchor_time: i128 = heading(run, "anchor ancestor time:")
            .parse()
            .expect("a time");
        let anchor = target(heading(run, "anchor nBits:"));
        let lines: Vec<_> = run
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
            .collect();
        assert_eq!(lines.len(), rows);
        for line in lines {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [_, height, time, expected] = fields[..] else {
                panic!("four fields: {line}")
            };
            let elapsed = Elapsed {
                time: time.parse::<i128>().expect("a time") - anchor_time,
                blocks: height.parse::<i128>().expect("a height") - anchor_height,
            };
            assert_eq!(
                asert(&schedule, anchor, elapsed).compact(),
                bits(expected),
                "{line}"
            );
        }
    }
}

/// Miners of a given hash rate who find each block after exactly its expected time.
struct Loop {
    genesis: Genesis,
    height: Height,
    /// When the last block really was found, in milliseconds.
    clock: f64,
    stamps: Vec<Timestamp>,
}

impl Loop {
    fn new() -> Self {
        let genesis = networks::archivas();
        let time = u32::try_from(genesis.time.get() >> 22).expect("a date of our days");
        let exact = f64::from(time) * f64::from(1 << 22);
        let rest = u32::try_from(genesis.time.get() & ((1 << 22) - 1)).expect("22 bits");
        let clock = exact + f64::from(rest);
        Self {
            stamps: vec![genesis.time],
            genesis,
            height: Height::GENESIS,
            clock,
        }
    }

    fn next_work(&self) -> f64 {
        let parent = *self.stamps.last().expect("genesis at least");
        let bits = next_bits(&self.genesis, self.height, parent);
        let work = Work::of_target(bits.expand().expect("a target")).to_be_bytes();
        work.iter()
            .fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
    }

    /// Mines `blocks` with `rate` hashes a millisecond; each claims to be `lie` ms later than it is,
    /// as far as the rules let it. The mean time between blocks, in seconds.
    fn mine(&mut self, blocks: u32, rate: f64, lie: impl Fn(u64) -> i64) -> f64 {
        let start = self.clock;
        for _ in 0..blocks {
            self.clock += self.next_work() / rate;
            self.height = self.height.next();
            let claimed = self
                .now()
                .checked_add_signed(lie(self.height.get()))
                .expect("a time");
            let near = self.stamps.len().saturating_sub(11);
            let earliest = median_time_past(&mut self.stamps[near..].to_vec()).plus(Millis::new(1));
            self.stamps.push(Timestamp::new(claimed).max(earliest));
        }
        (self.clock - start) / f64::from(blocks) / 1_000.0
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a date of our days"
    )]
    fn now(&self) -> u64 {
        self.clock as u64
    }

    fn first_rate(&self) -> f64 {
        self.next_work() / 20_000.0
    }
}

const HALF_LIFE: u32 = 288;

#[track_caller]
fn near_twenty_seconds(mean: f64) {
    assert!((19.0..=21.0).contains(&mean), "{mean} s between blocks");
}

#[test]
fn block_time_returns_after_the_hash_rate_changes() {
    for factor in [1.0, 2.0, 0.5, 100.0, 0.01] {
        let mut chain = Loop::new();
        let rate = chain.first_rate();
        near_twenty_seconds(chain.mine(HALF_LIFE, rate, |_| 0));
        let at_once = chain.mine(1, rate * factor, |_| 0);
        assert!(
            (at_once * factor / 20.0 - 1.0).abs() < 0.1,
            "{factor}: {at_once}"
        );
        // The schedule is off by log2(factor) half-lives when the target has followed.
        chain.mine(HALF_LIFE * 12, rate * factor, |_| 0);
        near_twenty_seconds(chain.mine(HALF_LIFE, rate * factor, |_| 0));
    }
}

#[test]
fn twice_the_hash_rate_gives_half_the_target_and_not_twice() {
    let mut chain = Loop::new();
    let (rate, work) = (chain.first_rate(), chain.next_work());
    chain.mine(HALF_LIFE * 12, rate * 2.0, |_| 0);
    let grown = chain.next_work() / work;
    assert!((1.9..2.1).contains(&grown), "{grown}");
}

#[test]
fn lying_timestamps_gain_nothing() {
    let late = |_| 40_000;
    let early = |_| -3_600_000;
    let swinging = |height| if height % 2 == 0 { 40_000 } else { -3_600_000 };
    let seldom = |height| if height % 11 == 0 { 40_000 } else { -3_600_000 };
    let lies: [&dyn Fn(u64) -> i64; 4] = [&late, &early, &swinging, &seldom];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut chain = Loop::new();
        let rate = chain.first_rate();
        chain.mine(HALF_LIFE * 6, rate, lie);
        let mean = chain.mine(HALF_LIFE * 4, rate, lie);
        assert!(
            (18.0..=22.0).contains(&mean),
            "lie {number}: {mean} s between blocks"
        );
    }
}
