//! One direction between two machines: whether it is cut, and how long what is sent takes. Every
//! latency is drawn by the direction, the hash of the segment and its how-manieth, so that taking an
//! event out of a plan leaves the latency of every other segment as it was.

use std::collections::{BTreeMap, VecDeque};

use archivas_scenarios::disturb::Weather;
use archivas_scenarios::draws::{Draw, Draws};
use xxhash_rust::xxh3::xxh3_64;

use crate::faults::{
    SEGMENT_CHOPPED, SEGMENT_CORRUPT, SEGMENT_LOST, SEGMENT_QUEUED, SEGMENT_RESET, SEGMENT_SLOW,
    SPLIT_SEGMENT,
};

/// How many different recent segments a direction remembers, to number equal ones. One that comes
/// again later is numbered from 0 anew.
const RECENT_MAX: usize = 1024;

/// The most bytes that travel together.
pub const SEGMENT_BYTES_MAX: usize = 16 * 1024;

/// One in so many segments is cut at a drawn place.
const SPLIT_ONE_IN: u64 = 16;

/// How long segments take, in virtual nanoseconds: uniformly between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The least.
    pub min_ns: u64,
    /// The greatest.
    pub max_ns: u64,
}

/// Between nodes that the plan links in no way.
pub const LATENCY_USUAL: Latency = Latency {
    min_ns: 10_000_000,
    max_ns: 60_000_000,
};

/// Between the harness and a node: a client beside its node.
pub const LATENCY_CLIENT: Latency = Latency {
    min_ns: 200_000,
    max_ns: 800_000,
};

/// The most times that one segment is lost.
const LOSSES_MAX: u32 = 5;
/// After so long without an answer a segment is sent again; twice as long each further time.
const RESEND_NS: u64 = 200_000_000;

/// How one segment fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// How many of the offered bytes travel.
    pub len: usize,
    /// How long they take, in virtual nanoseconds.
    pub time: u64,
    /// A byte of them that arrives with these bits flipped.
    pub flipped: Option<(usize, u8)>,
    /// The connection is reset when so many of them have arrived.
    pub reset_at: Option<usize>,
    /// What happened to it, by the names of faults.
    pub faults: Vec<&'static str>,
}

/// One direction between two machines.
#[derive(Debug)]
pub struct Direction {
    draws: Draws,
    /// Hashes of the names of sender and receiver: the address of every draw.
    address: [u8; 16],
    latency: Latency,
    weather: Weather,
    /// Until when a narrow line is busy with what was sent before, in virtual nanoseconds.
    busy_until: u64,
    cut_since: Option<u64>,
    heals: u64,
    handshakes: u64,
    counts: BTreeMap<u64, u64>,
    recent: VecDeque<u64>,
}

impl Direction {
    /// The direction from the machine called `from` to the one called `to`.
    #[must_use]
    pub fn new(draws: Draws, from: &str, to: &str, latency: Latency) -> Self {
        let mut address = [0; 16];
        address[..8].copy_from_slice(&xxh3_64(from.as_bytes()).to_le_bytes());
        address[8..].copy_from_slice(&xxh3_64(to.as_bytes()).to_le_bytes());
        Self {
            draws,
            address,
            latency,
            weather: Weather::default(),
            busy_until: 0,
            cut_since: None,
            heals: 0,
            handshakes: 0,
            counts: BTreeMap::new(),
            recent: VecDeque::new(),
        }
    }

    /// Makes segments sent from now on take so long.
    pub fn set_latency(&mut self, latency: Latency) {
        self.latency = latency;
    }

    /// Makes segments sent from now on fare like this.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        self.busy_until = 0;
    }

    /// True while nothing passes.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut_since.is_some()
    }

    /// Cuts the direction; false when it is cut already.
    pub fn cut(&mut self, now: u64) -> bool {
        let fresh = self.cut_since.is_none();
        self.cut_since.get_or_insert(now);
        fresh
    }

    /// Lets bytes pass again, and draws when senders try again what they hold: their timers have
    /// doubled for as long as the cut lasted. `None` when it was not cut.
    pub fn heal(&mut self, now: u64) -> Option<u64> {
        let outage = now - self.cut_since.take()?;
        self.heals += 1;
        let mut draw = self.draws.draw("network.heal", &self.address, self.heals);
        let wait = draw.range(0..outage.clamp(1, RETRY_NS_MAX));
        Some(now + wait + self.sample(&mut draw))
    }

    /// How the next segment of the offered bytes (1 to `SEGMENT_BYTES_MAX`) fares when it is sent at
    /// `now`. Now and then fewer bytes travel than were offered: readers must not take what was
    /// written at once for one message.
    pub fn segment(&mut self, offered: &[u8], now: u64) -> Passage {
        let hash = xxh3_64(offered);
        let n = self.number(hash);
        let mut subject = [0; 24];
        subject[..16].copy_from_slice(&self.address);
        subject[16..].copy_from_slice(&hash.to_le_bytes());
        let mut draw = self.draws.draw("network.segment", &subject, n);
        let time = self.sample(&mut draw);
        let split = offered.len() > 1 && draw.range(0..SPLIT_ONE_IN) == 0;
        let len = if split {
            1 + draw.index(offered.len() - 1)
        } else {
            offered.len()
        };
        let mut passage = Passage {
            len,
            time,
            flipped: None,
            reset_at: None,
            faults: Vec::new(),
        };
        if split {
            passage.faults.push(SPLIT_SEGMENT);
        }
        if self.weather != Weather::default() {
            let mut draw = self.draws.draw("network.weather", &subject, n);
            self.suffer(&mut passage, &mut draw, now);
        }
        passage
    }

    /// What the weather does to a segment.
    fn suffer(&mut self, passage: &mut Passage, draw: &mut Draw, now: u64) {
        let weather = self.weather;
        let mut hits = |ppm: u32| draw.range(0..1_000_000) < u64::from(ppm);
        let (chopped, corrupt, reset) = (
            hits(weather.chop_ppm),
            hits(weather.corrupt_ppm),
            hits(weather.reset_ppm),
        );
        // Each loss is found out later than the one before, and the last try always arrives.
        let losses = (0..LOSSES_MAX)
            .take_while(|_| hits(weather.loss_ppm))
            .count();
        if chopped && passage.len > 1 {
            passage.len = 1;
            passage.faults.push(SEGMENT_CHOPPED);
        }
        if weather.latency.is_some() {
            passage.faults.push(SEGMENT_SLOW);
        }
        for loss in 0..losses {
            passage.time += RESEND_NS << loss;
            passage.faults.push(SEGMENT_LOST);
        }
        if corrupt {
            passage.flipped = Some((draw.index(passage.len), 1 << draw.range(0..8)));
            passage.faults.push(SEGMENT_CORRUPT);
        }
        if reset {
            passage.reset_at = Some(draw.index(passage.len));
            passage.faults.push(SEGMENT_RESET);
        }
        if let Some(rate) = weather.bytes_per_s {
            let begins = self.busy_until.max(now);
            self.busy_until = begins + passage.len as u64 * 1_000_000_000 / rate;
            passage.time += self.busy_until - now;
            passage.faults.push(SEGMENT_QUEUED);
        }
    }

    /// How long a segment without bytes takes: of a handshake, an end or a reset.
    pub fn control_ns(&mut self) -> u64 {
        let n = self.handshakes;
        self.handshakes += 1;
        let mut draw = self.draws.draw("network.control", &self.address, n);
        self.sample(&mut draw)
    }

    fn sample(&self, draw: &mut Draw) -> u64 {
        let Latency { min_ns, max_ns } = match self.weather.latency {
            Some((least, most)) => Latency {
                min_ns: least.get() * 1_000_000,
                max_ns: most.get() * 1_000_000,
            },
            None => self.latency,
        };
        draw.range(min_ns..max_ns.max(min_ns) + 1)
    }

    /// How many segments with this hash were sent recently.
    fn number(&mut self, hash: u64) -> u64 {
        let count = self.counts.entry(hash).or_insert(0);
        let n = *count;
        *count += 1;
        if n == 0 {
            self.recent.push_back(hash);
        }
        if self.recent.len() > RECENT_MAX {
            let oldest = self.recent.pop_front().expect("it was just too long");
            self.counts.remove(&oldest);
        }
        n
    }
}

/// The longest that a sender waits before it tries again what was not acknowledged.
const RETRY_NS_MAX: u64 = 5_000_000_000;

#[cfg(test)]
mod tests {
    use archivas_core::primitives::Millis;

    use super::*;

    fn direction(seed: u64) -> Direction {
        Direction::new(Draws::new(seed), "a", "b", LATENCY_USUAL)
    }

    #[test]
    fn a_segment_keeps_its_latency_when_another_is_taken_out() {
        let all: Vec<u64> = {
            let mut line = direction(1);
            ["x", "y", "x", "z"]
                .iter()
                .map(|s| line.segment(s.as_bytes(), 0).time)
                .collect()
        };
        let mut line = direction(1);
        let fewer: Vec<u64> = ["x", "x", "z"]
            .iter()
            .map(|s| line.segment(s.as_bytes(), 0).time)
            .collect();
        assert_eq!(fewer, [all[0], all[2], all[3]]);
        assert_ne!(all[0], all[2]);
        assert!(all.iter().all(|ns| *ns >= LATENCY_USUAL.min_ns));
    }

    #[test]
    fn some_segments_are_split_and_none_is_empty() {
        let mut line = direction(1);
        let lens: Vec<usize> = (0..400u32)
            .map(|n| line.segment(&n.to_le_bytes().repeat(10), 0).len)
            .collect();
        let split = lens.iter().filter(|len| **len < 40).count();
        assert!((10..50).contains(&split), "{split}");
        assert!(lens.iter().all(|len| (1..=40).contains(len)));
    }

    #[test]
    fn weather_does_what_it_says_and_nothing_else() {
        let storm = Weather {
            loss_ppm: 500_000,
            chop_ppm: 500_000,
            corrupt_ppm: 500_000,
            reset_ppm: 500_000,
            bytes_per_s: Some(1_000),
            latency: Some((Millis::new(500), Millis::new(600))),
        };
        let mut line = direction(1);
        line.set_weather(storm);
        let passages: Vec<Passage> = (0..200u32)
            .map(|n| line.segment(&n.to_le_bytes().repeat(10), 0))
            .collect();
        let count = |is: fn(&Passage) -> bool| passages.iter().filter(|p| is(p)).count();
        assert!((60..140).contains(&count(|p| p.len == 1)));
        assert!((60..140).contains(&count(|p| p.flipped.is_some())));
        assert!((60..140).contains(&count(|p| p.reset_at.is_some())));
        assert!(passages.iter().all(|p| p.time >= 500_000_000));
        let last = passages.last().unwrap().time;
        assert!(last > 1_000_000_000, "a narrow line makes a queue: {last}");
        line.set_weather(Weather::default());
        let calm = line.segment(b"x", 0);
        assert!(calm.time <= LATENCY_USUAL.max_ns && calm.flipped.is_none());
    }

    #[test]
    fn the_two_directions_and_other_seeds_draw_apart() {
        let mut back = Direction::new(Draws::new(1), "b", "a", LATENCY_USUAL);
        let forth = direction(1).segment(b"x", 0);
        assert_ne!(forth, back.segment(b"x", 0));
        assert_ne!(forth, direction(2).segment(b"x", 0));
    }

    #[test]
    fn a_cut_counts_once_and_a_heal_only_after_a_cut() {
        let mut line = direction(1);
        assert_eq!(line.heal(5), None);
        assert!(line.cut(10));
        assert!(!line.cut(20));
        assert!(line.is_cut());
        let arrival = line.heal(1_000).unwrap();
        assert!(arrival >= 1_000 + LATENCY_USUAL.min_ns);
        assert!(!line.is_cut());
    }

    #[test]
    fn what_is_remembered_of_segments_is_bounded() {
        let mut line = direction(1);
        for n in 0..5_000u64 {
            line.segment(&n.to_le_bytes(), 0);
        }
        assert_eq!(
            (line.recent.len(), line.counts.len()),
            (RECENT_MAX, RECENT_MAX)
        );
    }
}
