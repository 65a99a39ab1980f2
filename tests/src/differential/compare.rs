//! What must be equal on both sides, and what is counted of it.

use archivas_core::chain::Thoroughness;
use archivas_core::schema;
use archivas_model::{BlockVerdict, Outcome, hex};

use super::pools::left_name;
use super::world::NodeAnswer;
use super::{Counts, World};

/// Every so many steps what takes long is compared as well.
const THOROUGH_STEPS: u64 = 499;

/// The name of an outcome, or of the rule that was broken.
pub fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Unreadable(_) => "unreadable",
        Outcome::Duplicate => "duplicate",
        Outcome::Stored => "stored",
        Outcome::Refused(rule) => rule.name(),
        Outcome::KnownInvalid => "known_invalid",
        Outcome::SetAside => "set_aside",
        Outcome::Orphan => "orphan",
        Outcome::NotYet => "not_yet",
    }
}

impl World {
    /// Compares the answers to a block.
    pub fn compare_verdicts(&mut self, node: &NodeAnswer, model: &BlockVerdict) {
        let outcome = outcome_name(&model.outcome);
        assert!(
            self.loose || node.outcome == outcome,
            "{} is not {outcome}",
            node.outcome
        );
        self.compare_walks(node, model);
    }

    /// Compares what a block, or the operator's word, set in motion: blocks found invalid, the
    /// movement of the mempools, and what the sides hold then.
    pub fn compare_walks(&mut self, node: &NodeAnswer, model: &BlockVerdict) {
        let named = model.culprits.iter();
        let culprits: Vec<_> = named.map(|(id, rule)| (*id, rule.name())).collect();
        if !self.loose {
            assert_eq!(node.culprits, culprits, "the blocks found invalid");
        }
        if !self.chain.is_walking() {
            let tip = hex(self.chain.tip().id.as_bytes());
            assert_eq!(tip, hex(&self.model.tip()), "the tip: {}", self.tips());
        }
        let mut gone = Vec::new();
        if let Some(moved) = &model.moved {
            gone = self.pool.follow(&self.model, moved, self.even_ms);
            let left = moved.left.len();
            self.counts.reorgs += u64::from(left > 0);
            self.counts.deep_reorgs += u64::from(left > 10);
            self.counts.deepest = self.counts.deepest.max(left);
        }
        for (_, rule) in &node.culprits {
            Counts::note(&mut self.counts.culprits, rule);
        }
        if self.walked {
            self.forget_pools();
        } else {
            let named = gone.into_iter().map(|(id, reason)| (id, left_name(reason)));
            self.compare_left(node.left.clone(), named.collect());
        }
        self.compare_rest();
    }

    /// Where the two tips stand, for people.
    fn tips(&self) -> String {
        let (node, model) = (*self.chain.tip().id.as_bytes(), self.model.tip());
        let fork = self.model.branch(&node);
        let fork = fork
            .iter()
            .find(|id| self.model.branch(&model).contains(id));
        let height = |id: &[u8; 32]| self.model.header(id).map(|header| header.height);
        format!(
            "the node's at height {:?}, the model's at {:?}, which fork at {:?}",
            height(&node),
            height(&model),
            fork.and_then(height),
        )
    }

    /// Compares the answers to a list of headers: how many were taken, and what stopped the rest.
    pub fn compare_headers<T: PartialEq + std::fmt::Debug>(&mut self, node: T, model: T) {
        if !self.loose {
            assert_eq!(node, model, "the answer to the headers");
        }
        self.compare_rest();
    }

    /// Compares what both sides hold, unless the node is on its way.
    pub fn compare_rest(&mut self) {
        if self.chain.is_walking() {
            return;
        }
        let (node, model) = (self.chain.tip().clone(), self.model.tip());
        assert_eq!(hex(node.id.as_bytes()), hex(&model), "the tip");
        assert_eq!(node.height.get(), self.model.tip_height());
        let work = self.model.chainwork(&model).expect("the tip is known");
        assert_eq!(node.chainwork.to_be_bytes(), work, "the work of the tip");
        let lthash = schema::lthash(self.chain.reader()).expect("memory");
        let root = self
            .model
            .header(&model)
            .expect("the tip is known")
            .state_root;
        assert_eq!(lthash.root().as_bytes(), &root, "the state root");
        self.compare_accounts();
        if !self.loose {
            let best = self.chain.best_header();
            assert_eq!(best.chainwork.to_be_bytes(), self.model.header_work_max());
        }
        self.chain
            .check_invariants(Thoroughness::Quick)
            .expect("the rows agree");
        if self.counts.steps.is_multiple_of(THOROUGH_STEPS) {
            self.compare_all();
        }
    }

    fn compare_accounts(&self) {
        let rows = schema::accounts(self.chain.reader(), None, usize::MAX).expect("memory");
        let node = rows.iter().map(|(address, account)| {
            (
                address.as_bytes(),
                account.balance.get(),
                account.nonce.get(),
            )
        });
        let accounts = self.model.accounts_at(&self.model.tip());
        let accounts = accounts.expect("the tip was judged");
        let model = accounts
            .iter()
            .map(|(address, account)| (address, account.balance, account.nonce));
        assert!(node.eq(model), "the accounts");
    }

    /// What takes long: every row of the node's, and a replay of the whole chain by the model.
    pub fn compare_all(&mut self) {
        let rows = self.chain.check_invariants(Thoroughness::Full);
        rows.expect("all rows agree");
        let tip = self.model.tip();
        let replayed = self.model.replay(&tip).expect("the best chain is valid");
        assert_eq!(Some(&replayed), self.model.accounts_at(&tip), "a replay");
        assert_eq!(
            replayed.supply(),
            self.model.supply_at(self.model.tip_height())
        );
        let best = self.chain.best_header().id;
        let missing = self.chain.missing_bodies(usize::MAX).expect("memory");
        let missing: Vec<String> = missing.iter().map(|id| hex(id.as_bytes())).collect();
        let expected = self.model.missing_bodies(best.as_bytes());
        let expected: Vec<String> = expected.iter().map(|id| hex(id)).collect();
        assert_eq!(missing, expected, "the bodies that are missing");
    }

    /// Counts what both sides said to a block.
    pub fn note_verdict(&mut self, bytes: &[u8], node: &NodeAnswer, model: &BlockVerdict) {
        let counts = &mut self.counts;
        Counts::note(&mut counts.outcomes, node.outcome);
        let Ok(block) = archivas_model::Block::parse(bytes) else {
            return;
        };
        let (id, tip) = (block.header.id(), self.model.tip());
        if node.outcome != "stored" || model.outcome != Outcome::Stored {
            return;
        }
        let judged = self.model.accounts_at(&id).is_some();
        counts.blocks_with_transfers += u64::from(judged && !block.transfers.is_empty());
        let tie = id != tip && self.model.chainwork(&id) == self.model.chainwork(&tip);
        counts.ties += u64::from(tie);
    }
}
