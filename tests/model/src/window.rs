//! Which branches are followed without the operator, and what the operator may say (protocol §3).

use std::collections::BTreeSet;

use num_bigint::BigUint;

use crate::chain::Model;
use crate::hash::Hash;
use crate::tree::Mark;
use crate::verdict::BlockVerdict;

const REORG_DEPTH_MAX: u64 = 8_640;
const OLD_TIP_MS: u64 = 24 * 60 * 60 * 1000;

/// The release constants of a network, and the operator's word.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    reorg_depth_max: u64,
    minimum_chainwork: BigUint,
    accepted: Option<Hash>,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            reorg_depth_max: REORG_DEPTH_MAX,
            minimum_chainwork: BigUint::ZERO,
            accepted: None,
        }
    }
}

impl Model {
    /// Sets how many blocks may be left without the operator, and below which work (32 bytes,
    /// big-endian) the chain is still being downloaded.
    pub fn set_window(&mut self, reorg_depth_max: u64, minimum_chainwork: &Hash) {
        self.window.reorg_depth_max = reorg_depth_max;
        self.window.minimum_chainwork = BigUint::from_bytes_be(minimum_chainwork);
    }

    /// The operator accepts the branch that holds or will hold this block; it is followed once it
    /// has the most work. The last word counts.
    pub fn accept_branch(&mut self, id: &Hash, now_ms: u64) -> BlockVerdict {
        self.window.accepted = Some(*id);
        self.find_best(now_ms)
    }

    /// The operator sets a known block and its descendants aside.
    pub fn set_aside(&mut self, id: &Hash, now_ms: u64) -> BlockVerdict {
        self.tree.mark(id, Mark::SetAside);
        self.find_best(now_ms)
    }

    /// The operator takes back all marks on the branch of a known block, whoever set them.
    pub fn reconsider(&mut self, id: &Hash, now_ms: u64) -> BlockVerdict {
        self.tree.unmark(id);
        self.find_best(now_ms)
    }

    /// The best block that may be followed: the tip itself is one, unless it has a mark.
    pub(crate) fn best_to_follow(&self, now_ms: u64) -> Hash {
        let mut held = BTreeSet::new();
        loop {
            let best = self.tree.best_but(&held);
            let best = best.expect("genesis never has a mark and is on every branch");
            if self.may_follow(&best, now_ms) {
                return best;
            }
            held.insert(best);
        }
    }

    /// The operator's word counts until the best chain holds the block that it names.
    pub(crate) fn keep_word(&mut self) {
        let kept = |id: &Hash| self.tree.descends(&self.tip, id);
        if self.window.accepted.as_ref().is_some_and(kept) {
            self.window.accepted = None;
        }
    }

    /// Whether a block is on no branch that forks too deep below home: the tip or, where the
    /// operator has set that aside, the last block below it that has no mark.
    fn may_follow(&self, id: &Hash, now_ms: u64) -> bool {
        let home = self.tree.branch(&self.tip);
        let home = home.into_iter().find(|id| self.tree.at(id).mark.is_none());
        let home = home.expect("genesis never has a mark");
        let fork = self.tree.at(&self.tree.fork(&home, id));
        let (home, block) = (self.tree.at(&home), self.tree.at(id));
        let downloading = home.chainwork < self.window.minimum_chainwork
            || now_ms.saturating_sub(home.header.timestamp_ms) > OLD_TIP_MS;
        let accepted = self.window.accepted;
        downloading
            || accepted.is_some_and(|accepted| self.tree.descends(id, &accepted))
            || home.header.height - fork.header.height <= self.window.reorg_depth_max
            || &block.chainwork - &fork.chainwork >= (&home.chainwork - &fork.chainwork) * 2_u8
    }
}
