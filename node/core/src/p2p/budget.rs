//! How much a peer may say: one token bucket for each (place, kind group), on messages and bytes.
//!
//! Charged before a payload is decoded. What we asked for is never charged. Who is over his rate is
//! not read for a while; nothing is dropped, so an honest peer in a hurry only waits.

use crate::p2p::frame::kind;
use crate::p2p::place::Who;
use crate::params::peers::{BUDGETS_MAX, FLOOD_TIME, RATES, Rate};
use crate::primitives::{Instant, Millis};
use alloc::collections::BTreeMap;

/// Kinds that share a rate. The order is that of [`RATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KindGroup {
    /// Small talk: `Hello`, pings, addresses, kinds that we do not know.
    Talk,
    /// Announcements, and answers that nobody asked for.
    Tell,
    /// Requests for headers, each of which reads up to 2,000 rows.
    AskHeaders,
    /// Requests for blocks and transfers.
    AskBodies,
}

impl KindGroup {
    /// The group of a kind.
    pub const fn of(kind: u8) -> Self {
        match kind {
            kind::INV | kind::HEADERS | kind::RES => Self::Tell,
            kind::GET_HEADERS => Self::AskHeaders,
            kind::REQ => Self::AskBodies,
            _ => Self::Talk,
        }
    }

    /// Whether nobody honest stays over its rate. Who asks much may be catching up.
    pub const fn blames(self) -> bool {
        matches!(self, Self::Talk | Self::Tell)
    }
}

/// Tokens in thousandths, so that each millisecond adds whole ones.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    bytes: i64,
    messages: i64,
    at: Instant,
    /// Since when it has not been half full.
    scarce_since: Option<Instant>,
}

impl Bucket {
    const fn full(rate: &Rate, now: Instant) -> Self {
        Self {
            bytes: rate.burst_bytes as i64 * 1_000,
            messages: rate.burst_messages as i64 * 1_000,
            at: now,
            scarce_since: None,
        }
    }

    fn refill(&mut self, rate: &Rate, now: Instant) {
        let full = Self::full(rate, now);
        // Longer than any bucket takes to fill changes nothing, and cannot overflow.
        let passed = now.since(self.at).get().min(3_600_000);
        let passed = i64::try_from(passed).expect("at most an hour");
        let add = |have: i64, a_second: u32| have.saturating_add(passed * i64::from(a_second));
        self.bytes = add(self.bytes, rate.bytes).min(full.bytes);
        self.messages = add(self.messages, rate.messages).min(full.messages);
        self.at = now;
        if self.bytes * 2 >= full.bytes && self.messages * 2 >= full.messages {
            self.scarce_since = None;
        }
    }

    fn is_full(&self, rate: &Rate) -> bool {
        let full = Self::full(rate, self.at);
        self.bytes >= full.bytes && self.messages >= full.messages
    }

    /// Time until neither is below zero.
    fn debt(&self, rate: &Rate) -> Millis {
        let time = |have: i64, a_second: u32| {
            let owed = u64::try_from(-have.min(0)).expect("not negative");
            owed.div_ceil(u64::from(a_second))
        };
        Millis::new(time(self.bytes, rate.bytes).max(time(self.messages, rate.messages)))
    }
}

/// What a charge came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// How long not to read from the peer; zero within the rate.
    pub rest: Millis,
    /// It has been over the rate for [`FLOOD_TIME`] without pause, in a group where nobody honest is.
    pub flood: bool,
}

/// All buckets that are not full, bounded.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    buckets: BTreeMap<(Who, KindGroup), Bucket>,
}

impl Budgets {
    /// Charges one message of so many bytes.
    pub fn charge(&mut self, who: Who, group: KindGroup, bytes: usize, now: Instant) -> Charge {
        let key = (who, group);
        if !self.buckets.contains_key(&key) && self.buckets.len() >= BUDGETS_MAX {
            self.make_room(now);
        }
        let rate = &RATES[group as usize];
        let fresh = Bucket::full(rate, now);
        let bucket = self.buckets.entry(key).or_insert(fresh);
        bucket.refill(rate, now);
        bucket.messages -= 1_000;
        bucket.bytes -= i64::try_from(bytes).expect("messages are small") * 1_000;
        let rest = bucket.debt(rate);
        if rest > Millis::new(0) {
            bucket.scarce_since.get_or_insert(now);
        }
        let over = bucket
            .scarce_since
            .is_some_and(|since| now.since(since) >= FLOOD_TIME);
        if over {
            bucket.scarce_since = Some(now);
        }
        Charge {
            rest,
            flood: over && group.blames(),
        }
    }

    /// The connection is gone for ever: no other one inherits its budget.
    pub fn forget(&mut self, who: &Who) {
        self.buckets.retain(|(owner, _), _| owner != who);
    }

    /// Forgets buckets that are full again; if none is, the one that was longest without use.
    fn make_room(&mut self, now: Instant) {
        self.buckets.retain(|(_, group), bucket| {
            let rate = &RATES[*group as usize];
            bucket.refill(rate, now);
            !bucket.is_full(rate)
        });
        if self.buckets.len() >= BUDGETS_MAX
            && let Some((key, _)) = self
                .buckets
                .iter()
                .max_by_key(|(_, bucket)| bucket.messages)
        {
            let key = *key;
            self.buckets.remove(&key);
        }
    }

    /// How many buckets are kept.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::peer::PeerId;
    use crate::p2p::place::Place;
    use crate::params::peers::{ANNOUNCE_DELAY_MAX, ANNOUNCE_QUEUE_MAX, INV_MAX};

    const WHO: Who = Who::Link(PeerId(1));
    const NONE: Millis = Millis::new(0);

    #[test]
    fn within_the_burst_nobody_waits_and_beyond_it_as_long_as_the_rate_says() {
        let mut budgets = Budgets::default();
        let rate = &RATES[KindGroup::AskHeaders as usize];
        let now = Instant::new(5);
        for _ in 0..rate.burst_messages {
            let charge = budgets.charge(WHO, KindGroup::AskHeaders, 10, now);
            assert_eq!(charge.rest, NONE);
        }
        let charge = budgets.charge(WHO, KindGroup::AskHeaders, 10, now);
        assert_eq!(charge.rest, Millis::new(1_000 / u64::from(rate.messages)));
        let later = now.plus(charge.rest);
        assert_eq!(budgets.charge(WHO, KindGroup::Talk, 10, later).rest, NONE);
    }

    #[test]
    fn bytes_are_counted_beside_messages() {
        let mut budgets = Budgets::default();
        let rate = &RATES[KindGroup::Tell as usize];
        let all = rate.burst_bytes as usize;
        let now = Instant::new(0);
        assert_eq!(budgets.charge(WHO, KindGroup::Tell, all, now).rest, NONE);
        let charge = budgets.charge(WHO, KindGroup::Tell, rate.bytes as usize, now);
        assert_eq!(charge.rest, Millis::new(1_000));
    }

    #[test]
    fn who_stays_over_the_rate_for_a_minute_floods_and_a_burst_does_not() {
        let mut budgets = Budgets::default();
        let mut now = Instant::new(0);
        let mut floods = 0;
        while now < Instant::new(3 * FLOOD_TIME.get() + 10_000) {
            let charge = budgets.charge(WHO, KindGroup::Tell, 30_000, now);
            floods += u32::from(charge.flood);
            now = now.plus(charge.rest);
        }
        assert_eq!(floods, 3);
        let asked = KindGroup::AskBodies;
        now = Instant::new(0);
        while now < Instant::new(3 * FLOOD_TIME.get()) {
            let charge = budgets.charge(WHO, asked, 600, now);
            assert!(!charge.flood, "who asks much may be catching up");
            now = now.plus(charge.rest);
        }
    }

    #[test]
    fn an_honest_node_that_announces_all_it_can_is_never_over_the_rate() {
        // Four nodes behind one address, each with its announcement queue full at every flush of
        // the mean pause, and as many blocks.
        let mut budgets = Budgets::default();
        for flush in 0..400 {
            let now = Instant::new(flush * ANNOUNCE_DELAY_MAX.get() / 2);
            let invs = if flush == 0 {
                ANNOUNCE_QUEUE_MAX / INV_MAX + 1
            } else {
                1
            };
            for _ in 0..4 * invs {
                let charge = budgets.charge(WHO, KindGroup::Tell, INV_MAX * 33 + 3, now);
                assert_eq!(
                    charge,
                    Charge {
                        rest: NONE,
                        flood: false
                    }
                );
            }
        }
    }

    #[test]
    fn memory_of_budgets_is_bounded() {
        let mut budgets = Budgets::default();
        for number in 0..u32::try_from(BUDGETS_MAX).expect("small") + 50 {
            let who = Who::Place(Place::V4(number.to_be_bytes()));
            budgets.charge(who, KindGroup::Talk, 10, Instant::new(0));
            assert!(budgets.len() <= BUDGETS_MAX);
        }
        let who = Who::Place(Place::V4([255; 4]));
        budgets.charge(who, KindGroup::Talk, 10, Instant::new(3_600_000));
        assert_eq!(budgets.len(), 1);
    }
}
