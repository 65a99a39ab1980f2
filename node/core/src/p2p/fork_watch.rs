//! Whether we and others may be on two chains for good: an alarm for the operator, and never a part
//! of any verdict.
//!
//! Two signs. Peers who go on with another chain that parted from ours well below both tips, for
//! longer than the network takes to agree; and peers of several groups, all of them chosen by us,
//! who served what our rules refuse: then it may be our rules that are wrong.

use crate::p2p::place::Group;
use crate::params::peers::{
    BAN_TIME, FORK_DEPTH, FORK_PEERS_MIN, FORK_REFUSALS_MAX, FORK_REFUSALS_MIN, FORK_TIME,
};
use crate::primitives::{Height, Instant};
use alloc::collections::BTreeMap;

/// What is remembered for the alarm.
#[derive(Clone, Debug, Default)]
pub struct ForkWatch {
    /// Since when as many peers as follow us, or more, have been on another chain.
    apart_since: Option<Instant>,
    /// Groups of chosen peers that served what we refuse, and when. At most `FORK_REFUSALS_MAX`.
    refusals: BTreeMap<Group, Instant>,
    suspected: bool,
}

/// How many ready peers follow our chain, and how many another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Peers on our chain, and those of whom nothing else is known.
    pub together: usize,
    /// Peers on a chain that parted from ours.
    pub apart: usize,
}

impl ForkWatch {
    /// Whether the alarm is on.
    pub const fn is_suspected(&self) -> bool {
        self.suspected
    }

    /// Groups of whom it is remembered that they served what we refuse.
    pub fn refusals(&self) -> usize {
        self.refusals.len()
    }

    /// A peer that we had chosen served a header or block that breaks a rule.
    pub fn note_refusal(&mut self, now: Instant, group: Group) {
        self.forget_old(now);
        if self.refusals.len() < FORK_REFUSALS_MAX || self.refusals.contains_key(&group) {
            self.refusals.insert(group, now);
        }
    }

    /// Judges anew; whether the alarm has gone on or off by it.
    pub fn judge(&mut self, now: Instant, census: Census) -> bool {
        self.forget_old(now);
        let divided = census.apart >= FORK_PEERS_MIN && census.apart >= census.together;
        self.apart_since = divided.then(|| self.apart_since.unwrap_or(now));
        let long = |since: Instant| now.since(since) >= FORK_TIME;
        let suspected =
            self.apart_since.is_some_and(long) || self.refusals.len() >= FORK_REFUSALS_MIN;
        core::mem::replace(&mut self.suspected, suspected) != suspected
    }

    fn forget_old(&mut self, now: Instant) {
        self.refusals
            .retain(|_, since| now.since(*since) < BAN_TIME);
    }
}

/// Whether two chains that share the block at height `fork` and end at these heights have parted
/// for good as far as anybody can tell: at the heights that both have, they differ by so many blocks.
pub fn is_apart(fork: Height, ours: Height, theirs: Height) -> bool {
    let common = ours.min(theirs);
    common.get().saturating_sub(fork.get()) >= FORK_DEPTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::Millis;
    use core::net::IpAddr;

    const DIVIDED: Census = Census {
        together: 2,
        apart: 2,
    };

    fn group(number: u8) -> Group {
        Group::outbound(IpAddr::from([number, 1, 1, 1]))
    }

    #[test]
    fn chains_are_compared_at_the_heights_that_both_have() {
        let [fork, low, high] = [100, 105, 106].map(Height::new);
        assert!(!is_apart(fork, low, high), "five blocks part by chance");
        assert!(!is_apart(fork, high, low));
        assert!(is_apart(fork, high, high));
        let far = Height::new(1 << 31);
        assert!(!is_apart(far, high, far), "who is behind is not apart");
    }

    #[test]
    fn as_many_peers_apart_as_follow_us_are_an_alarm_after_ten_minutes_and_not_before() {
        let mut watch = ForkWatch::default();
        let begin = Instant::new(1_000);
        let almost = begin.plus(Millis::new(FORK_TIME.get() - 1));
        assert!(!watch.judge(begin, DIVIDED) && !watch.judge(almost, DIVIDED));
        assert!(!watch.is_suspected());
        assert!(watch.judge(begin.plus(FORK_TIME), DIVIDED) && watch.is_suspected());
        let healed = Census {
            together: 3,
            apart: 1,
        };
        assert!(watch.judge(begin.plus(FORK_TIME), healed) && !watch.is_suspected());
        // The time is counted anew.
        assert!(!watch.judge(begin.plus(FORK_TIME), DIVIDED));
    }

    #[test]
    fn one_peer_alone_raises_no_alarm() {
        let mut watch = ForkWatch::default();
        let alone = Census {
            together: 0,
            apart: 1,
        };
        assert!(!watch.judge(Instant::new(0), alone));
        assert!(!watch.judge(Instant::new(0).plus(FORK_TIME), alone));
    }

    #[test]
    fn three_groups_that_serve_what_we_refuse_are_an_alarm_for_a_day() {
        let mut watch = ForkWatch::default();
        let now = Instant::new(5);
        for one in [1, 2, 2] {
            watch.note_refusal(now, group(one));
            assert!(!watch.judge(now, Census::default()));
        }
        watch.note_refusal(now, group(3));
        assert!(watch.judge(now, Census::default()) && watch.is_suspected());
        assert!(watch.judge(now.plus(BAN_TIME), Census::default()) && !watch.is_suspected());
    }

    #[test]
    fn the_memory_of_refusals_is_bounded() {
        let mut watch = ForkWatch::default();
        for one in 0..=255 {
            watch.note_refusal(Instant::new(0), group(one));
        }
        assert_eq!(watch.refusals(), FORK_REFUSALS_MAX);
    }
}
