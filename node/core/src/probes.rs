//! Probes: counters of rare states, to see that tests and simulations reach them. Each node owns one
//! fixed array, shared with nobody but who reads it; a probe is a place in it, found by its name when
//! the program is compiled, so that a hit is one addition.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::mempool::{DropReason, PoolRefusal};
use crate::p2p::peer::Disconnect;

/// Counts a hit of the probe called `$name`; a name that is not in the table does not compile.
macro_rules! probe {
    ($probes:expr, $name:literal) => {{
        const AT: usize = $crate::probes::place_of($name);
        $probes.hit(AT);
    }};
}
pub(crate) use probe;

/// Every probe by name, in the order of its place.
pub const NAMES: &[&str] = &[
    "reorg.any",
    "reorg.deeper_than_1",
    "reorg.deeper_than_3",
    "reorg.deeper_than_10",
    "reorg.came_back_to_the_same_tip",
    "walk.goes_on_later",
    "walk.interrupted_by_an_end",
    "branch.held",
    "block.late",
    "block.taken_though_late",
    "block.unasked",
    "block.not_found",
    "block.duplicate",
    "block.orphan",
    "block.not_yet",
    "block.failed_check",
    "block.invalid_in_its_place",
    "block.own_accepted",
    "block.own_refused",
    "block.own_refused_as_busy",
    "block.checked_after_its_peer_left",
    "bodies.checker_is_full",
    "bodies.nobody_can_serve",
    "bodies.other_branches_asked",
    "headers.late",
    "headers.asked_while_asking",
    "headers.full_message",
    "headers.asked_again",
    "headers.invalid",
    "headers.below_invalid",
    "headers.orphan",
    "headers.from_the_future",
    "headers.came_of_age",
    "headers.set_aside",
    "fork.peer_asked_for_its_chain",
    "fork.peer_is_apart",
    "fork.suspected",
    "inv.unknown_block",
    "inv.known_block",
    "peer.ping_unanswered",
    "peer.dialled_back_already",
    "peer.duplicate_kept_new",
    "peer.duplicate_kept_old",
    "peer.left_owing_blocks",
    "peer.left_owing_transfers",
    "peer.congested",
    "lost.foreign_genesis",
    "lost.other_version",
    "lost.ourselves",
    "lost.duplicate",
    "lost.full",
    "lost.no_handshake",
    "lost.silent",
    "lost.undecodable",
    "lost.protocol",
    "lost.invalid",
    "lost.misbehaved",
    "lost.banned",
    "lost.crowded",
    "lost.evicted",
    "lost.congested",
    "lost.operator",
    "lost.feeler",
    "address.taken",
    "address.not_taken",
    "address.over_the_day",
    "address.told",
    "address.asked_too_often",
    "outbound.chosen",
    "outbound.nobody_to_choose",
    "outbound.anchor",
    "transfer.late",
    "transfer.next_announcer_asked",
    "transfer.nobody_left_to_ask",
    "transfer.refused_before",
    "transfer.pool_would_not_take",
    "transfer.checker_is_full",
    "transfer.invalid",
    "submit.busy",
    "submit.known_already",
    "submit.stored_first",
    "submit.nonce_too_low",
    "submit.nonce_too_high",
    "submit.insufficient_balance",
    "submit.replacement_underpriced",
    "submit.sender_full",
    "submit.pool_full",
    "pool.confirmed",
    "pool.conflict",
    "pool.replaced",
    "pool.evicted",
    "pool.made_way",
    "pool.expired",
    "pool.not_returned",
    "pool.deep_reorg",
    "pool.returned_by_a_reorg",
    "pool.waits_behind_a_gap",
    "own.reloaded",
    "own.not_reloaded",
    "own.tidied",
    "saved.judged_again",
    "saved.not_taken_again",
    "serve.block_gone",
];

/// The place of a probe.
///
/// # Panics
/// When there is none of that name; at compile time, where `probe!` asks.
#[must_use]
pub const fn place_of(name: &str) -> usize {
    let mut at = 0;
    while at < NAMES.len() {
        if is_same(NAMES[at].as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("there is no probe of this name")
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The counters of one life of one node. Clones share them: one counts, others read.
#[derive(Clone)]
pub struct Probes(Arc<[AtomicU64; NAMES.len()]>);

impl Default for Probes {
    fn default() -> Self {
        Self(Arc::new([const { AtomicU64::new(0) }; NAMES.len()]))
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.hits()).finish()
    }
}

impl Probes {
    /// Counts one hit.
    pub(crate) fn hit(&self, place: usize) {
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Every probe and how often it was hit, in the order of [`NAMES`].
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES.iter().copied().zip(counts)
    }

    /// Those that were hit.
    pub fn hits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts().filter(|(_, count)| *count > 0)
    }

    /// A connection ends by our wish.
    pub(crate) fn lost(&self, reason: Disconnect) {
        match reason {
            Disconnect::ForeignGenesis => probe!(self, "lost.foreign_genesis"),
            Disconnect::OtherVersion => probe!(self, "lost.other_version"),
            Disconnect::Ourselves => probe!(self, "lost.ourselves"),
            Disconnect::Duplicate => probe!(self, "lost.duplicate"),
            Disconnect::Full => probe!(self, "lost.full"),
            Disconnect::NoHandshake => probe!(self, "lost.no_handshake"),
            Disconnect::Silent => probe!(self, "lost.silent"),
            Disconnect::Undecodable => probe!(self, "lost.undecodable"),
            Disconnect::Protocol => probe!(self, "lost.protocol"),
            Disconnect::Invalid => probe!(self, "lost.invalid"),
            Disconnect::Misbehaved => probe!(self, "lost.misbehaved"),
            Disconnect::Banned => probe!(self, "lost.banned"),
            Disconnect::Crowded => probe!(self, "lost.crowded"),
            Disconnect::Evicted => probe!(self, "lost.evicted"),
            Disconnect::Congested => probe!(self, "lost.congested"),
            Disconnect::Operator => probe!(self, "lost.operator"),
            Disconnect::Feeler => probe!(self, "lost.feeler"),
        }
    }

    /// The pool would not take a client's transfer.
    pub(crate) fn refused(&self, why: PoolRefusal) {
        match why {
            PoolRefusal::AlreadyKnown => probe!(self, "submit.known_already"),
            PoolRefusal::NonceTooLow => probe!(self, "submit.nonce_too_low"),
            PoolRefusal::NonceTooHigh => probe!(self, "submit.nonce_too_high"),
            PoolRefusal::InsufficientBalance => probe!(self, "submit.insufficient_balance"),
            PoolRefusal::ReplacementUnderpriced => probe!(self, "submit.replacement_underpriced"),
            PoolRefusal::SenderFull => probe!(self, "submit.sender_full"),
            PoolRefusal::PoolFull => probe!(self, "submit.pool_full"),
        }
    }

    /// A transfer has left the pool.
    pub(crate) fn dropped(&self, reason: DropReason) {
        match reason {
            DropReason::Confirmed => probe!(self, "pool.confirmed"),
            DropReason::Conflict => probe!(self, "pool.conflict"),
            DropReason::Replaced => probe!(self, "pool.replaced"),
            DropReason::Evicted => probe!(self, "pool.evicted"),
            DropReason::MadeWay => probe!(self, "pool.made_way"),
            DropReason::Expired => probe!(self, "pool.expired"),
            DropReason::NotReturned => probe!(self, "pool.not_returned"),
            DropReason::DeepReorg => probe!(self, "pool.deep_reorg"),
        }
    }

    /// The chain has left so many blocks for others.
    pub(crate) fn reorganized(&self, left_blocks: u64) {
        if left_blocks > 0 {
            probe!(self, "reorg.any");
        }
        if left_blocks > 1 {
            probe!(self, "reorg.deeper_than_1");
        }
        if left_blocks > 3 {
            probe!(self, "reorg.deeper_than_3");
        }
        if left_blocks > 10 {
            probe!(self, "reorg.deeper_than_10");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    #[test]
    fn every_probe_has_a_name_of_its_own_and_counts_for_itself() {
        let names: BTreeSet<&str> = NAMES.iter().copied().collect();
        assert_eq!(names.len(), NAMES.len());
        let probes = Probes::default();
        probe!(probes, "block.late");
        probe!(probes.clone(), "block.late");
        probes.reorganized(4);
        let hits: Vec<_> = probes.hits().collect();
        assert_eq!(
            hits,
            [
                ("reorg.any", 1),
                ("reorg.deeper_than_1", 1),
                ("reorg.deeper_than_3", 1),
                ("block.late", 2)
            ]
        );
        assert_eq!(Probes::default().hits().count(), 0);
    }
}
