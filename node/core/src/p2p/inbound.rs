//! Who of those that connected to us makes room for a newcomer.
//!
//! An attacker can open any number of connections, but cannot easily be near, old, useful and from
//! many networks at once: those who are best in one of these are kept, as in Bitcoin Core, and of
//! the others one of the most crowded group goes.

use crate::p2p::peer::PeerId;
use crate::p2p::place::Group;
use crate::params::peers::EVICTION_PROTECTED;
use crate::primitives::{Instant, Millis};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What speaks for keeping a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub peer: PeerId,
    /// The group of its address; `None` if it is in none.
    pub group: Option<Group>,
    /// A number drawn for its group: not to be foreseen from outside.
    pub draw: u64,
    /// When it connected.
    pub since: Instant,
    /// Whether it has said `Hello`.
    pub ready: bool,
    /// Shortest answer to a ping.
    pub latency: Option<Millis>,
    /// When it last brought a block that was wanted.
    pub last_block: Option<Instant>,
    /// When it last brought a transfer that was wanted.
    pub last_transfer: Option<Instant>,
}

/// Whom to disconnect for a newcomer; `None` if everybody is protected.
pub fn choose(mut candidates: Vec<Candidate>) -> Option<PeerId> {
    // Who has not even said hello goes first, the longest silent before all.
    let silent = candidates.iter().filter(|candidate| !candidate.ready);
    if let Some(first) = silent.min_by_key(|candidate| (candidate.since, candidate.peer)) {
        return Some(first.peer);
    }
    protect(&mut candidates, EVICTION_PROTECTED, |it| it.draw);
    protect(&mut candidates, 2 * EVICTION_PROTECTED, |it| {
        it.latency.map_or(u64::MAX, Millis::get)
    });
    protect(&mut candidates, EVICTION_PROTECTED, |it| {
        latest(it.last_transfer)
    });
    protect(&mut candidates, EVICTION_PROTECTED, |it| {
        latest(it.last_block)
    });
    let half = candidates.len() / 2;
    protect(&mut candidates, half, |it| it.since.get());

    let mut crowd: BTreeMap<Option<Group>, usize> = BTreeMap::new();
    for candidate in &candidates {
        *crowd.entry(candidate.group).or_default() += 1;
    }
    let size = |candidate: &Candidate| crowd.get(&candidate.group).copied().unwrap_or(0);
    candidates
        .iter()
        .max_by_key(|candidate| (size(candidate), candidate.since, candidate.peer))
        .map(|candidate| candidate.peer)
}

/// The later, the lower.
fn latest(at: Option<Instant>) -> u64 {
    u64::MAX - at.map_or(0, Instant::get)
}

/// Takes the `count` best by `key` out of danger.
fn protect(candidates: &mut Vec<Candidate>, count: usize, key: impl Fn(&Candidate) -> u64) {
    candidates.sort_by_key(|candidate| (key(candidate), candidate.peer));
    candidates.drain(..count.min(candidates.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::peers::INBOUND_MAX;

    fn crowd(count: usize) -> Vec<Candidate> {
        (1..=count)
            .map(|number| {
                let number = number as u64;
                Candidate {
                    peer: PeerId(number),
                    group: Some(Group::V4([
                        10,
                        0,
                        u8::try_from(number % 200).expect("small"),
                    ])),
                    draw: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    since: Instant::new(10_000 + number),
                    ready: true,
                    latency: Some(Millis::new(100 + number)),
                    last_block: None,
                    last_transfer: None,
                }
            })
            .collect()
    }

    #[test]
    fn who_has_said_nothing_goes_before_everybody_the_longest_silent_first() {
        let mut candidates = crowd(10);
        candidates[7].ready = false;
        candidates[4].ready = false;
        assert_eq!(choose(candidates), Some(PeerId(5)));
    }

    #[test]
    fn useful_near_and_old_peers_outlast_a_flood_of_newcomers() {
        let mut kept = crowd(4);
        kept[0].last_block = Some(Instant::new(9));
        kept[1].last_transfer = Some(Instant::new(9));
        kept[2].latency = Some(Millis::new(1));
        kept[3].since = Instant::new(0);
        let mut candidates = crowd(INBOUND_MAX);
        for (own, place) in kept.iter().zip(&mut candidates) {
            *place = *own;
        }
        for newcomer in 1_000..2_000 {
            let gone = choose(candidates.clone()).expect("not all are protected");
            assert!(gone > PeerId(4), "{gone:?} was worth keeping");
            candidates.retain(|candidate| candidate.peer != gone);
            let mut new = crowd(1).remove(0);
            new.peer = PeerId(newcomer);
            new.since = Instant::new(newcomer * 100);
            new.draw = newcomer.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            candidates.push(new);
        }
    }

    #[test]
    fn of_the_unprotected_the_youngest_of_the_most_crowded_group_goes() {
        let mut candidates = crowd(INBOUND_MAX);
        for candidate in &mut candidates[40..44] {
            candidate.group = Some(Group::V4([9, 9, 9]));
            candidate.draw = u64::MAX;
            candidate.since = Instant::new(90_000 + candidate.peer.0);
        }
        assert_eq!(choose(candidates), Some(PeerId(44)));
    }

    #[test]
    fn a_few_connections_are_all_protected() {
        assert_eq!(choose(crowd(EVICTION_PROTECTED)), None);
        assert_eq!(choose(Vec::new()), None);
    }
}
