//! Invariants of the state: supply, nonces, undo and indexes against a walk over the best chain.

use alloc::collections::BTreeMap;
use alloc::format;

use super::{count, ensure};
use crate::chain::Chain;
use crate::primitives::{Address, Height, LtHash};
use crate::rules::issued;
use crate::schema::{self, TxLocation};
use crate::storage::{Storage, StorageError, Table};

/// What a walk over the best chain counts.
#[derive(Default)]
struct Walked {
    sent: BTreeMap<Address, u64>,
    txs: usize,
    account_txs: usize,
}

impl<S: Storage> Chain<S> {
    pub(super) fn check_state(&self) -> Result<(), StorageError> {
        let walked = self.walk_best()?;
        self.check_accounts(&walked)?;
        let rows = &self.storage;
        let indexed = schema::has_tx_index(rows)?;
        ensure(
            count(rows, Table::Txs)? == if indexed { walked.txs } else { 0 },
            || "txs is not the list of the best chain's transfers",
        )?;
        ensure(
            count(rows, Table::AccountTxs)? == if indexed { walked.account_txs } else { 0 },
            || "account_txs is not the list of the best chain's senders and receivers",
        )?;
        let heights = u64::try_from(count(rows, Table::Undo)?).expect("usize has at most 64 bits");
        ensure(
            heights == self.view.tip.height.get() - self.view.horizon.get(),
            || "undo does not hold exactly the best chain's blocks above the horizon",
        )
    }

    fn walk_best(&self) -> Result<Walked, StorageError> {
        let rows = &self.storage;
        let mut walked = Walked::default();
        let indexed = schema::has_tx_index(rows)?;
        for block in schema::best_ids(rows, self.view.base.next(), usize::MAX)? {
            let stored = schema::block(rows, &block)?;
            ensure(stored.is_some(), || {
                format!("{block} is on the best chain without a body")
            })?;
            let stored = stored.expect("just ensured");
            let height = stored.header.height;
            if height > self.view.horizon {
                schema::undo(rows, &block)?;
            }
            for (index, transfer) in (0u32..).zip(&stored.transfers) {
                let id = transfer.id(&self.genesis.domain);
                let place = schema::tx_location(rows, &id)?;
                let at = TxLocation {
                    block,
                    height,
                    index,
                };
                ensure(place == indexed.then_some(at), || {
                    format!("the place of transfer {id} is not the stored one")
                })?;
                let from = transfer.from();
                *walked.sent.entry(from).or_default() += 1;
                walked.txs += 1;
                walked.account_txs += if from == transfer.to { 1 } else { 2 };
            }
        }
        Ok(walked)
    }

    fn check_accounts(&self, walked: &Walked) -> Result<(), StorageError> {
        let mut lthash = LtHash::EMPTY;
        let (mut supply, mut senders) = (0u128, 0);
        for (address, account) in schema::accounts(&self.storage, None, usize::MAX)? {
            ensure(!account.is_empty(), || {
                format!("{address} has a row and nothing in it")
            })?;
            let sent = walked.sent.get(&address).copied().unwrap_or_default();
            let pruned = self.view.base > Height::GENESIS;
            let nonce = account.nonce.get();
            ensure(nonce == sent || pruned && nonce > sent, || {
                format!("{address} has another nonce")
            })?;
            senders += usize::from(sent > 0);
            supply += u128::from(account.balance.get());
            lthash.add(&address, &account);
        }
        ensure(
            senders == walked.sent.len(),
            || "an account that sent has no row",
        )?;
        ensure(
            lthash == self.view.lthash,
            || "the LtHash is not that of the account rows",
        )?;
        let issued = issued(&self.genesis, self.view.tip.height);
        ensure(supply == u128::from(issued.get()), || {
            format!("the balances sum up to {supply}, and {issued} were issued")
        })
    }
}
