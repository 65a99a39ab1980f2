//! The player's checks by name, and the tally of how often each looked and what it found. Worlds
//! have checks of their own beside these (stores, panics, limits), which they count themselves.

use std::collections::BTreeMap;

use archivas_core::primitives::Millis;

use crate::world::{CheckCount, NodeIndex, Violation, ViolationKind};

/// One check: its name, the promise that it guards, and what it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// The name in reports; failing seeds are grouped by it.
    pub name: &'static str,
    /// The kind of promise.
    pub kind: ViolationKind,
    /// What must hold, in a sentence.
    pub about: &'static str,
}

/// A table of checks: a constant for each, and `ALL` of them.
#[macro_export]
macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident, $about:literal;)*) => {
        $($(#[$doc])* pub const $name: $crate::checks::Check = $crate::checks::Check {
            name: $text,
            kind: $crate::world::ViolationKind::$kind,
            about: $about,
        };)*

        /// All of these checks.
        pub const ALL: &[$crate::checks::Check] = &[$($name),*];
    };
}

checks! {
    /// O6 of the known bugs.
    TIP_IS_BEST = "tip_is_best", Safety,
        "within a life, a node's tip moves only to strictly more chainwork";
    /// O5.
    CONVERGENCE = "convergence", Liveness,
        "connected nodes share one tip in time, and again after quiet time and one block";
    /// O9 in its simplest form.
    PROGRESS = "progress", Liveness,
        "the chain grows: the least height is reached and a last block can be mined";
    /// O11.
    DURABLE_TIP = "durable_tip", Safety,
        "a node that comes back has the tip that it had shown, or one with more chainwork";
    /// O14.
    OWN_TEMPLATE = "own_template", Safety,
        "a sealed block made from a node's own template is accepted by that node";
    /// The bug `submit-says-yes`, its first half.
    SUBMIT_ACCEPTED = "submit_accepted", Safety,
        "a valid transfer is accepted by POST /submit, under the hash that its sender computed";
    /// The bug `mempool-forgets`.
    TRANSFER_RELAYED = "transfer_relayed", Liveness,
        "an accepted transfer is known to every node in time";
    /// The bug `submit-says-yes`, its second half.
    TRANSFER_CONFIRMED = "transfer_confirmed", Liveness,
        "an accepted transfer is confirmed on every node in time, everywhere in the same block";
    /// O12, and agreement of the API with the core.
    API_AGREES = "api_agrees", Safety,
        "/chainTip, /blocks/recent, /block and /genesisHash tell of the node's own tip";
    /// The bug `spliced-chain`.
    CHAIN_LINKS = "chain_links", Safety,
        "each block names the one below it as its parent";
    /// O1.
    SUPPLY = "supply", Safety,
        "the sum of all balances is allocations plus height times reward, on every node";
    /// O2.
    NONCES = "nonces", Safety,
        "an account's nonce is the number of its confirmed transfers, on every node";
    /// O10 in its simplest form.
    ACCOUNTS_AGREE = "accounts_agree", Safety,
        "nodes with one tip answer alike about every account and block";
}

/// How often each check ran and failed, and the violations found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<&'static str, CheckCount>,
    violations: Vec<Violation>,
}

impl Tally {
    /// Counts one look of `check`; when it does not hold, `sentence` is made and kept.
    pub fn check(
        &mut self,
        check: Check,
        holds: bool,
        place: (Millis, Option<NodeIndex>),
        sentence: impl FnOnce() -> String,
    ) {
        let count = self.counts.entry(check.name).or_default();
        count.ran += 1;
        if holds {
            return;
        }
        count.failed += 1;
        self.violations.push(Violation {
            check: check.name.to_owned(),
            kind: check.kind,
            at_ms: place.0.get(),
            node: place.1,
            sentence: sentence(),
        });
    }

    /// Adds violations that the world found; their counts come with its report.
    pub fn add(&mut self, violations: Vec<Violation>) {
        self.violations.extend(violations);
    }

    /// The violations so far, in the order in which they were found.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How often `check` looked.
    pub fn ran(&self, check: Check) -> u64 {
        self.counts.get(check.name).map_or(0, |count| count.ran)
    }

    /// The counts by name, and the violations.
    pub fn into_parts(self) -> (BTreeMap<String, CheckCount>, Vec<Violation>) {
        let counts = self
            .counts
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count));
        (counts.collect(), self.violations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let mut names: Vec<&str> = ALL.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn a_look_is_counted_and_only_a_failing_one_is_kept() {
        let mut tally = Tally::default();
        let place = (Millis::new(5), Some(NodeIndex(1)));
        tally.check(SUPPLY, true, place, || unreachable!("it holds"));
        assert_eq!((tally.ran(SUPPLY), tally.violations().len()), (1, 0));
        tally.check(SUPPLY, false, place, || "1 too many".to_owned());
        let (counts, violations) = tally.into_parts();
        assert_eq!(counts["supply"], CheckCount { ran: 2, failed: 1 });
        assert_eq!(violations[0].sentence, "1 too many");
        assert_eq!(violations[0].kind, ViolationKind::Safety);
    }
}
