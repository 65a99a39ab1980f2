//! Transfers whose signatures were verified here: a block that brings one costs no second look
//! (protocol §6). It saves time and changes no verdict, whatever it holds or has forgotten.

use crate::p2p::known::RecentSet;
use crate::params::pool::VERIFIED_TRANSFERS_MAX;
use crate::primitives::{Block, SignedHash};
use crate::rules::CheckedTransfer;
use alloc::collections::BTreeSet;

/// The last transfers that proved valid by themselves, by the hash of all they hold: that of key
/// and signature too, so that nothing can pass for another.
#[derive(Debug)]
pub(super) struct Verified(RecentSet<SignedHash>);

impl Default for Verified {
    fn default() -> Self {
        Self(RecentSet::new(VERIFIED_TRANSFERS_MAX))
    }
}

impl Verified {
    /// Remembers transfers that the checker found valid.
    pub fn learn<'a>(&mut self, transfers: impl IntoIterator<Item = &'a CheckedTransfer>) {
        for transfer in transfers {
            self.0.insert(transfer.hash());
        }
    }

    /// Those of a block's transfers that are remembered.
    pub fn of(&self, block: &Block) -> BTreeSet<SignedHash> {
        if self.0.is_empty() {
            return BTreeSet::new();
        }
        let hashes = block.transfers.iter().map(|transfer| transfer.hash());
        hashes.filter(|hash| self.0.contains(hash)).collect()
    }
}
