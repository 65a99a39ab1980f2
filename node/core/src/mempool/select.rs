//! Choosing what goes into a block: the best fee rate first, in each sender's order of nonces.

use super::{FeeRate, Mempool};
use crate::primitives::{AccountNonce, Address};
use crate::rules::CheckedTransfer;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A sender's first transfer that was not taken yet; the greatest is taken next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    rate: FeeRate,
    oldest_first: u64,
    address: Address,
    nonce: AccountNonce,
}

impl Mempool {
    /// Pending transfers that fit together into `bytes_max`, in an order in which they are valid.
    ///
    /// A sender whose next transfer does not fit is passed over with all that follow.
    pub fn select(&self, bytes_max: usize) -> Vec<CheckedTransfer> {
        let mut heads: BTreeSet<Head> = self
            .senders
            .keys()
            .filter_map(|address| self.head(*address, None))
            .collect();
        let mut left = bytes_max;
        let mut chosen = Vec::new();
        while let Some(head) = heads.pop_last() {
            let entry = &self.senders[&head.address].entries[&head.nonce];
            if entry.transfer.size() > left {
                continue;
            }
            left -= entry.transfer.size();
            chosen.push(entry.transfer.clone());
            heads.extend(self.head(head.address, Some(head.nonce)));
        }
        chosen
    }

    /// The first pending transfer of a sender after the nonce `after`.
    fn head(&self, address: Address, after: Option<AccountNonce>) -> Option<Head> {
        let sender = self.senders.get(&address)?;
        let mut pending = sender.entries.iter().take(sender.pending);
        let (nonce, entry) =
            pending.find(|(nonce, _)| after.is_none_or(|after| **nonce > after))?;
        let oldest_first = u64::MAX - entry.arrival;
        Some(Head {
            rate: entry.rate,
            oldest_first,
            address,
            nonce: *nonce,
        })
    }
}
