//! Checks of a node's accounts: what all balances sum up to, what the rows hash to, and whether the
//! nonces are the transfers'.

use std::collections::BTreeMap;

use archivas_core::chain::AccountsAt;
use archivas_core::params::Genesis;
use archivas_core::primitives::{Account, Address, Height, LtHash};
use archivas_core::schema;
use archivas_core::storage::{Reader, StorageError};
use xxhash_rust::xxh3::Xxh3Default;

use super::{Finding, unreadable};

/// How many account rows are read at once.
const ROWS_AT_ONCE: usize = 1_000;

/// All accounts of a database, in the order of their addresses.
pub fn accounts(rows: &impl Reader) -> Result<Vec<(Address, Account)>, StorageError> {
    let mut all: Vec<(Address, Account)> = Vec::new();
    loop {
        let after = all.last().map(|(address, _)| *address);
        let more = schema::accounts(rows, after.as_ref(), ROWS_AT_ONCE)?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

/// Balances sum up to what genesis allocated plus the reward of every block since.
pub fn supply(all: &[(Address, Account)], genesis: &Genesis, height: Height) -> Finding {
    let sum: u128 = all
        .iter()
        .map(|(_, account)| u128::from(account.balance.get()))
        .sum();
    let issued = u128::from(height.get()) * u128::from(genesis.rules.reward.get());
    let right = u128::from(genesis.allocated().get()) + issued;
    let wrong = || format!("balances at height {height} sum up to {sum}, not to {right}");
    (sum == right).then_some(()).ok_or_else(wrong)
}

/// The rows hash to the state root that the tip's header promises.
pub fn state_root(all: &[(Address, Account)], tip: &schema::Tip) -> Finding {
    let mut hash = LtHash::EMPTY;
    for (address, account) in all {
        hash.add(address, account);
    }
    let (root, promised) = (hash.root(), tip.header.state_root);
    let wrong = || {
        format!(
            "the accounts at height {} hash to {root}, not {promised}",
            tip.height
        )
    };
    (root == promised).then_some(()).ok_or_else(wrong)
}

/// Each account's nonce is the number of its transfers on the best chain, from genesis or, where bodies
/// are not kept, from what undo leads back to.
pub fn nonces(rows: &impl Reader) -> Finding {
    let read = || Ok((count_sent(rows)?, accounts(rows)?));
    let (sent, all) = read().map_err(|error: StorageError| unreadable(&error))?;
    let sent = sent?;
    for (address, account) in &all {
        let (nonce, sent) = (account.nonce.get(), sent.get(address).copied().unwrap_or(0));
        if nonce != sent {
            return Err(format!(
                "{address} has nonce {nonce} after {sent} transfers"
            ));
        }
    }
    let ghost = sent
        .keys()
        .find(|address| !all.iter().any(|(known, _)| known == *address));
    match ghost {
        Some(address) => Err(format!("{address} has sent transfers and has no row")),
        None => Ok(()),
    }
}

type Sent = BTreeMap<Address, u64>;

fn count_sent(rows: &impl Reader) -> Result<Result<Sent, String>, StorageError> {
    let tip = schema::tip(rows)?.height;
    let base = schema::base(rows)?;
    let mut sent = Sent::new();
    if base > Height::GENESIS {
        let mut pages = AccountsAt::new(rows, base);
        while let Some(page) = pages.next_page()? {
            let nonces = page.into_iter().filter(|(_, then)| then.nonce.get() > 0);
            sent.extend(nonces.map(|(address, then)| (address, then.nonce.get())));
        }
    }
    let mut height = base.next();
    while height <= tip {
        let id = schema::best_id(rows, height)?;
        let body = id.map(|id| schema::body(rows, &id)).transpose()?.flatten();
        let Some(body) = body else {
            return Ok(Err(format!(
                "the block at height {height} of the best chain is not here"
            )));
        };
        for transfer in body {
            *sent.entry(transfer.from()).or_insert(0) += 1;
        }
        height = height.next();
    }
    Ok(Ok(sent))
}

/// A short name of a whole state, to compare nodes by.
#[must_use]
pub fn fingerprint(all: &[(Address, Account)]) -> u128 {
    let mut hash = Xxh3Default::new();
    for (address, account) in all {
        hash.update(address.as_bytes());
        hash.update(&account.balance.get().to_le_bytes());
        hash.update(&account.nonce.get().to_le_bytes());
    }
    hash.digest128()
}
