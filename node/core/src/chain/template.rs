//! Our own next block, complete but for its seal. It goes through the same rules as everybody's.

use alloc::vec::Vec;

use super::Chain;
use super::headers::parent_context;
use super::verdict::{NoTemplate, Template};
use crate::ledger::{self, Fault};
use crate::params::HEADER_VERSION;
use crate::primitives::block::size_of_block;
use crate::primitives::merkle::tx_root;
use crate::primitives::{Address, Header, Millis, SignedTransfer, StateRoot, Timestamp};
use crate::rules::{self, CheckedTransfer, Invalid, ParentContext};
use crate::storage::{Storage, StorageError};

impl<S: Storage> Chain<S> {
    /// A block on the committed tip with these transfers, in this order, for this producer.
    ///
    /// # Errors
    /// The machine's outside; inside, why there is no such block.
    pub fn template(
        &self,
        now: Timestamp,
        producer: Address,
        transfers: Vec<CheckedTransfer>,
    ) -> Result<Result<Template, NoTemplate>, StorageError> {
        if self.is_walking() {
            return Ok(Err(NoTemplate::Walking));
        }
        let tip = &self.view.tip;
        let parent = parent_context(&self.storage, &self.genesis, &tip.id, &tip.header)?;
        let body: Vec<SignedTransfer> = transfers.iter().map(|tx| tx.signed().clone()).collect();
        let state_root = match self.state_root_after(&producer, &transfers, &body) {
            Ok(root) => root,
            Err(Fault::Invalid(why)) => return Ok(Err(NoTemplate::Invalid(why))),
            Err(Fault::Storage(error)) => return Err(error),
        };
        let header = Header {
            version: HEADER_VERSION,
            bits: parent.next_bits,
            height: parent.height.next(),
            timestamp: earliest(now, &parent),
            nonce: 0,
            parent: parent.id,
            tx_root: tx_root(&body),
            state_root,
            producer,
            reserved: [0; 12],
        };
        if rules::is_from_future(&header, now, &self.genesis.rules) {
            return Ok(Err(NoTemplate::ClockBehind));
        }
        Ok(Ok(Template { header, transfers }))
    }

    fn state_root_after(
        &self,
        producer: &Address,
        transfers: &[CheckedTransfer],
        body: &[SignedTransfer],
    ) -> Result<StateRoot, Fault> {
        let rules = &self.genesis.rules;
        let (size, size_max) = (size_of_block(body), rules.block_bytes_max as usize);
        if size > size_max {
            return Err(Invalid::BlockTooLarge { size, size_max }.into());
        }
        let lthash = &self.view.lthash;
        ledger::state_root_after(&self.storage, lthash, rules, producer, transfers)
    }
}

/// Now, unless the rules ask for a later time.
fn earliest(now: Timestamp, parent: &ParentContext) -> Timestamp {
    now.max(parent.median_time_past.plus(Millis::new(1)))
}
