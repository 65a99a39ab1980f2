//! What counts as misbehaviour, what it costs, and who has lost how much (protocol §4).
//!
//! The table below is complete: what is not in it costs nothing. Never in it, because honest nodes
//! do it too: another network's magic, a broken checksum or length (the line may have done it),
//! unknown versions and kinds, blocks from the future or set aside by our operator, not having what
//! was asked for, answering late or not at all, orphans of a reorganization, and transfers that our
//! pool does not take. Asking fast only slows the asker down: a node that catches up does it.

use crate::p2p::place::Who;
use crate::params::peers::{SCORE_FULL, SCORE_REGAIN, SCORES_MAX};
use crate::primitives::{Instant, Millis};
use alloc::collections::BTreeMap;

/// Something that no honest node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misbehaviour {
    /// A header that breaks a rule, or stands on one that is known to. Honest nodes show the headers
    /// of blocks that they have judged.
    InvalidHeader,
    /// A block that breaks a rule. Honest nodes serve only their best chain.
    InvalidBlock,
    /// A body that is not the one its header commits to.
    MutatedBody,
    /// Bytes that are no message of their kind under a right checksum: not even a broken line does
    /// that.
    Undecodable,
    /// A block, transfer or list of headers beyond everything that was ever asked for. What comes
    /// late was asked for.
    Unrequested,
    /// A transfer whose signature, or other fixed part, breaks a rule. Honest nodes look before
    /// they pass one on.
    InvalidTransfer,
    /// More announcements than any honest network makes, for a minute without pause.
    Flood,
    /// A second `Hello`, or a list longer than its kind may be.
    Protocol,
}

impl Misbehaviour {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::InvalidHeader,
        Self::InvalidBlock,
        Self::MutatedBody,
        Self::Undecodable,
        Self::Unrequested,
        Self::InvalidTransfer,
        Self::Flood,
        Self::Protocol,
    ];

    /// Points that it costs, of [`SCORE_FULL`].
    pub const fn points(self) -> u32 {
        match self {
            Self::InvalidHeader | Self::InvalidBlock | Self::MutatedBody | Self::Undecodable => 100,
            Self::Unrequested | Self::InvalidTransfer | Self::Flood | Self::Protocol => 10,
        }
    }

    /// For programs, logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidHeader => "invalid_header",
            Self::InvalidBlock => "invalid_block",
            Self::MutatedBody => "mutated_body",
            Self::Undecodable => "undecodable",
            Self::Unrequested => "unrequested",
            Self::InvalidTransfer => "invalid_transfer",
            Self::Flood => "flood",
            Self::Protocol => "protocol",
        }
    }
}

/// Points lost, as of a moment.
#[derive(Clone, Copy, Debug)]
struct Loss {
    points: u32,
    at: Instant,
}

impl Loss {
    /// What is still lost at `now`: one point comes back each [`SCORE_REGAIN`].
    fn left(self, now: Instant) -> u32 {
        let regained = now.since(self.at).get() / SCORE_REGAIN.get();
        let regained = u32::try_from(regained).unwrap_or(u32::MAX);
        self.points.saturating_sub(regained)
    }
}

/// Everybody who has lost points and not regained them, bounded.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    losses: BTreeMap<Who, Loss>,
}

impl Scores {
    /// The score of somebody: [`SCORE_FULL`] unless points are lost.
    pub fn of(&self, who: &Who, now: Instant) -> u32 {
        let lost = self.losses.get(who).map_or(0, |loss| loss.left(now));
        SCORE_FULL.saturating_sub(lost)
    }

    /// Takes points away and returns what is left.
    pub fn lose(&mut self, who: Who, points: u32, now: Instant) -> u32 {
        if !self.losses.contains_key(&who) && self.losses.len() >= SCORES_MAX {
            self.make_room(now);
        }
        let loss = self
            .losses
            .entry(who)
            .or_insert(Loss { points: 0, at: now });
        let left = loss.left(now);
        // The part of a minute that has passed counts towards the next point.
        let passed = now.since(loss.at).get() % SCORE_REGAIN.get();
        let passed = if left == 0 { 0 } else { passed };
        *loss = Loss {
            points: left.saturating_add(points),
            at: Instant::new(now.get() - passed),
        };
        self.of(&who, now)
    }

    /// Begins anew for somebody: banned, forgiven, or gone.
    pub fn forget(&mut self, who: &Who) {
        self.losses.remove(who);
    }

    /// Forgets who has regained everything; if nobody has, who has lost least.
    fn make_room(&mut self, now: Instant) {
        self.losses.retain(|_, loss| loss.left(now) > 0);
        if self.losses.len() >= SCORES_MAX
            && let Some((who, _)) = self.losses.iter().min_by_key(|(_, loss)| loss.left(now))
        {
            let who = *who;
            self.losses.remove(&who);
        }
    }

    /// How many have lost points.
    pub fn len(&self) -> usize {
        self.losses.len()
    }

    /// Whether nobody has lost any.
    pub fn is_empty(&self) -> bool {
        self.losses.is_empty()
    }
}

/// How long until all points are back.
pub const fn full_recovery() -> Millis {
    Millis::new(SCORE_REGAIN.get() * SCORE_FULL as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::place::Place;

    fn who(number: u32) -> Who {
        Who::Place(Place::V4(number.to_be_bytes()))
    }

    fn minutes(count: u64) -> Instant {
        Instant::new(count * 60_000)
    }

    #[test]
    fn what_breaks_the_rules_of_the_chain_costs_everything_and_rudeness_a_tenth() {
        for what in Misbehaviour::ALL {
            let everything = matches!(
                what,
                Misbehaviour::InvalidHeader
                    | Misbehaviour::InvalidBlock
                    | Misbehaviour::MutatedBody
                    | Misbehaviour::Undecodable
            );
            assert_eq!(what.points() == SCORE_FULL, everything, "{what:?}");
            assert!(what.points() == SCORE_FULL || what.points() == 10);
        }
    }

    #[test]
    fn a_point_comes_back_each_minute_and_no_more_than_were_lost() {
        let mut scores = Scores::default();
        assert_eq!(scores.of(&who(1), minutes(0)), 100);
        assert_eq!(scores.lose(who(1), 10, minutes(0)), 90);
        assert_eq!(scores.of(&who(1), minutes(3)), 93);
        assert_eq!(scores.lose(who(1), 10, minutes(4)), 84);
        assert_eq!(scores.of(&who(1), minutes(500)), 100);
        assert_eq!(scores.lose(who(1), 100, minutes(600)), 0);
    }

    #[test]
    fn losing_often_does_not_keep_minutes_from_counting() {
        let mut scores = Scores::default();
        scores.lose(who(1), 50, Instant::new(0));
        for seconds in 1..=120 {
            scores.lose(who(1), 0, Instant::new(seconds * 1_000));
        }
        assert_eq!(scores.of(&who(1), minutes(2)), 52);
    }

    #[test]
    fn memory_of_scores_is_bounded_and_the_worst_are_remembered_longest() {
        let mut scores = Scores::default();
        scores.lose(who(0), 90, minutes(0));
        let crowd = u32::try_from(SCORES_MAX).expect("small") + 100;
        for number in 1..crowd {
            scores.lose(who(number), 10, minutes(0));
            assert!(scores.len() <= SCORES_MAX);
        }
        assert_eq!(scores.of(&who(0), minutes(0)), 10);
        scores.lose(who(crowd), 10, minutes(95));
        assert_eq!(scores.len(), 1);
    }
}
