//! When blocks come: each node has a budget drawn from Exp(1), in blocks, that its hash power uses
//! up at the rate of hash power ÷ work of its next block. So a node that learns of a new tip, or
//! whose target changes, goes on with what is left of its budget: mining has no memory.
//! Only `+ - * /` of doubles are used here, which every machine rounds alike.

use archivas_core::primitives::{Millis, Work};
use archivas_core::rules::next_bits;

use super::stage::Stage;
use crate::draws::Draws;
use crate::plan::Plan;
use crate::world::{NodeIndex, World};

/// The budgets of all nodes.
pub(super) struct Miners<'a> {
    plan: &'a Plan,
    draws: &'a Draws,
    miners: Vec<Miner>,
    /// Up to when budgets were used.
    since: Millis,
}

struct Miner {
    /// Budgets drawn so far.
    drawn: u64,
    /// What is left of the present one, in blocks.
    left: f64,
    /// Blocks per millisecond at present; 0 while it does not mine.
    rate: f64,
}

impl<'a> Miners<'a> {
    pub(super) fn new(plan: &'a Plan, draws: &'a Draws) -> Self {
        let miner = |_| Miner {
            drawn: 0,
            left: 0.0,
            rate: 0.0,
        };
        let miners = plan.node_indices().map(miner).collect();
        let mut miners = Self {
            plan,
            draws,
            miners,
            since: Millis::ZERO,
        };
        plan.node_indices().for_each(|node| miners.spent(node));
        miners
    }

    /// Draws the node's next budget.
    pub(super) fn spent(&mut self, node: NodeIndex) {
        let miner = &mut self.miners[node.0];
        let name = self.plan.name_of(node).as_bytes();
        miner.left = self
            .draws
            .draw("player.block", name, miner.drawn)
            .exponential();
        miner.drawn += 1;
    }

    /// Uses budgets up to `now`, at the rates last aimed at.
    #[expect(
        clippy::cast_precision_loss,
        reason = "spans of a run are far below 2^53 ms"
    )]
    pub(super) fn advance(&mut self, now: Millis) {
        let span = now.get().saturating_sub(self.since.get()) as f64;
        self.since = self.since.max(now);
        for miner in &mut self.miners {
            miner.left -= miner.rate * span;
        }
    }

    /// Takes the rates from the nodes' present tips.
    pub(super) fn aim<W: World>(&mut self, stage: &Stage<'_, W>) {
        for (miner, node) in self.miners.iter_mut().zip(self.plan.node_indices()) {
            let view = &stage.nodes[node.0];
            miner.rate = match view.tip.filter(|_| view.up) {
                Some(tip) => {
                    let bits = next_bits(stage.world.genesis(), tip.height, tip.timestamp);
                    let target = bits.expand().expect("the retarget gives a target");
                    let hashes = hashes(Work::of_target(target));
                    self.plan.nodes[node.0].hash_power / hashes / 1_000.0
                }
                None => 0.0,
            };
        }
    }

    /// A node whose budget is used up: the first in the order of the plan.
    pub(super) fn due(&self) -> Option<NodeIndex> {
        let used_up = |miner: &Miner| miner.left <= 0.0 && miner.rate > 0.0;
        self.miners.iter().position(used_up).map(NodeIndex)
    }

    /// When the next budget will be used up, should no tip move until then.
    pub(super) fn next(&self) -> Option<Millis> {
        let mining = self.miners.iter().filter(|miner| miner.rate > 0.0);
        mining
            .map(|miner| self.since.plus(span(miner.left / miner.rate)))
            .min()
    }
}

/// The hashes that a block of this work takes on the average.
#[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
fn hashes(work: Work) -> f64 {
    work.saturating_u53() as f64
}

/// A span in whole milliseconds, rounded up, at most a year.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped above 0"
)]
fn span(millis: f64) -> Millis {
    const YEAR: f64 = 366.0 * 86_400_000.0;
    Millis::new(libm::ceil(millis.clamp(0.0, YEAR)) as u64)
}
