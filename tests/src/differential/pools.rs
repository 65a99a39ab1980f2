//! What must be equal of the mempools.

use archivas_core::mempool::Mempool;
use archivas_core::primitives::Instant;
use archivas_model::{Admission, Left, Pool, Refusal, hex};

use super::{Counts, World};

/// The name of a reason for which a transfer left.
pub fn left_name(left: Left) -> &'static str {
    match left {
        Left::Confirmed => "confirmed",
        Left::Conflict => "conflict",
        Left::Expired => "expired",
        Left::MadeWay => "made_way",
        Left::NotReturned => "not_returned",
        Left::DeepReorg => "deep_reorg",
    }
}

/// The name of a reason for not taking a transfer.
pub fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Invalid(rule) => rule.name(),
        Refusal::Unreadable => "unreadable",
        Refusal::AlreadyKnown => "already_known",
        Refusal::NonceTooLow => "nonce_too_low",
        Refusal::NonceTooHigh => "nonce_too_high",
        Refusal::InsufficientBalance => "insufficient_balance",
        Refusal::ReplacementUnderpriced => "replacement_underpriced",
        Refusal::SenderFull => "sender_full",
    }
}

impl World {
    /// Compares the answers to a transfer and the mempools. Of several reasons against it the node
    /// may name any.
    pub fn compare_admission(
        &mut self,
        node: &'static str,
        left: &[([u8; 32], &'static str)],
        model: &Admission,
    ) {
        if self.chain.is_walking() {
            return self.forget_pools();
        }
        match model {
            Admission::Taken(replaced) => {
                assert_eq!(node, "taken", "the mempool's answer");
                let expected: Vec<_> = replaced.iter().map(|id| (*id, "replaced")).collect();
                assert_eq!(left, expected, "what the transfer drove out");
            }
            Admission::Refused(reasons) => {
                let named = |reason: &Refusal| refusal_name(*reason) == node;
                assert!(
                    reasons.iter().any(named),
                    "refused: {node}, not for {reasons:?}"
                );
            }
        }
        self.compare_pools();
    }

    /// Lets both mempools forget what has waited too long.
    pub fn expire(&mut self) {
        let now = Instant::new(self.even_ms);
        let node = self.mempool.expire(now);
        let node = node
            .into_iter()
            .map(|gone| (*gone.id.as_bytes(), gone.reason.code()));
        let model = self.pool.expire(&self.model, self.even_ms);
        let model = model
            .into_iter()
            .map(|(id, reason)| (id, left_name(reason)));
        self.compare_left(node.collect(), model.collect());
    }

    /// Compares what left the mempools, in any order, and what stayed.
    pub fn compare_left(
        &mut self,
        mut node: Vec<([u8; 32], &'static str)>,
        mut model: Vec<([u8; 32], &'static str)>,
    ) {
        for (_, reason) in &node {
            Counts::note(&mut self.counts.pool_left, reason);
        }
        node.sort_unstable();
        model.sort_unstable();
        let short = |left: Vec<([u8; 32], &'static str)>| -> Vec<String> {
            let one = |(id, reason): ([u8; 32], _)| format!("{} {reason}", hex(&id[..4]));
            left.into_iter().map(one).collect()
        };
        assert_eq!(short(node), short(model), "what left the mempool");
        self.compare_pools();
    }

    /// The same transfers in the same order of arrival, the same of them pending; sizes recounted.
    fn compare_pools(&self) {
        let node = self.mempool.entries().map(|(entry, pending)| {
            let signed = entry.transfer.signed();
            (
                *signed.public_key.as_bytes(),
                signed.nonce.get(),
                *signed.signature.as_bytes(),
                pending,
            )
        });
        let contents = self.pool.contents(&self.model);
        let model = contents.iter().map(|(transfer, pending)| {
            (
                transfer.public_key,
                transfer.nonce,
                transfer.signature,
                *pending,
            )
        });
        assert!(node.eq(model), "the mempools hold other transfers");
        let bytes: usize = contents
            .iter()
            .map(|(transfer, _)| transfer.bytes().len())
            .sum();
        assert_eq!(
            (self.mempool.len(), self.mempool.bytes()),
            (contents.len(), bytes)
        );
        self.mempool.check_invariants();
    }

    /// A reorganization in several commits moves the node's mempool several times; both begin anew.
    pub fn forget_pools(&mut self) {
        self.mempool = Mempool::default();
        self.pool = Pool::default();
        self.walked = self.chain.is_walking();
    }
}
