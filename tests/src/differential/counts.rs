//! What a run has done, so that a test can show that it did enough.

use std::collections::BTreeMap;
use std::fmt;

/// Things by name, with how often each happened.
pub type Tally = BTreeMap<&'static str, u64>;

/// What happened in one or more worlds.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Blocks, lists of headers, transfers, restarts that both sides were given.
    pub steps: u64,
    /// Blocks with transfers that both sides judged valid.
    pub blocks_with_transfers: u64,
    /// Moves of the tip that left blocks.
    pub reorgs: u64,
    /// Those that left more than ten.
    pub deep_reorgs: u64,
    /// The most blocks that one left.
    pub deepest: usize,
    /// Reorganizations that took more than one commit.
    pub walks: u64,
    /// Blocks of the tip's work that came later and did not move it.
    pub ties: u64,
    /// Outcomes of blocks and headers; refusals by rule.
    pub outcomes: Tally,
    /// Blocks found invalid only when their branch was judged, by rule.
    pub culprits: Tally,
    /// What the operator wanted; branches held for the operator.
    pub wishes: Tally,
    /// Answers of the mempool.
    pub pool: Tally,
    /// Reasons for which transfers left the mempool.
    pub pool_left: Tally,
    /// Blocks made from the node's own template.
    pub templates: u64,
    /// Times the chain was opened again.
    pub restarts: u64,
}

impl Counts {
    /// Counts one more of a name.
    pub fn note(tally: &mut Tally, name: &'static str) {
        *tally.entry(name).or_default() += 1;
    }

    /// Adds another world's.
    pub fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.blocks_with_transfers += other.blocks_with_transfers;
        self.reorgs += other.reorgs;
        self.deep_reorgs += other.deep_reorgs;
        self.deepest = self.deepest.max(other.deepest);
        self.walks += other.walks;
        self.ties += other.ties;
        self.templates += other.templates;
        self.restarts += other.restarts;
        let tallies = [
            (&mut self.outcomes, &other.outcomes),
            (&mut self.culprits, &other.culprits),
            (&mut self.wishes, &other.wishes),
            (&mut self.pool, &other.pool),
            (&mut self.pool_left, &other.pool_left),
        ];
        for (into, from) in tallies {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        }
    }

    /// How often a rule refused something, in the chain or in the mempool.
    pub fn refusals(&self, rule: &str) -> u64 {
        let of = |tally: &Tally| tally.get(rule).copied().unwrap_or_default();
        of(&self.outcomes) + of(&self.culprits) + of(&self.pool)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} steps, {} blocks with transfers accepted, {} reorganizations, of them {} deeper \
             than 10 (deepest {}), {} in several commits, {} ties, {} own templates, {} restarts",
            self.steps,
            self.blocks_with_transfers,
            self.reorgs,
            self.deep_reorgs,
            self.deepest,
            self.walks,
            self.ties,
            self.templates,
            self.restarts,
        )?;
        writeln!(f, "blocks and headers: {:?}", self.outcomes)?;
        writeln!(f, "found when judged: {:?}", self.culprits)?;
        writeln!(f, "operator: {:?}", self.wishes)?;
        writeln!(f, "mempool: {:?}", self.pool)?;
        write!(f, "left the mempool: {:?}", self.pool_left)
    }
}
