//! A node's best chain against the naive reference, which shares no rule code with the node: the model
//! takes every block from genesis on, and must call each valid and end with the same accounts
//! (O3, O10; its own state root after each block is among what it judges).

use archivas_core::params::Genesis;
use archivas_core::primitives::{Account, Address, BlockId, Height, encode};
use archivas_core::schema;
use archivas_core::storage::{Reader, StorageError};
use archivas_model::{Model, Outcome};

use super::{Finding, money, unreadable};

/// The model's clock: later than any block, because a chain that was followed is not from the future.
const LATER_MS: u64 = u64::MAX / 2;

/// The model accepts the best chain of these rows and has its accounts.
pub fn agrees(rows: &impl Reader, genesis: &Genesis) -> Finding {
    let read = || Ok((schema::tip(rows)?.id, money::accounts(rows)?));
    let (tip, accounts) = read().map_err(|error: StorageError| unreadable(&error))?;
    let model = replay(rows, genesis)?;
    if model.tip() != *tip.as_bytes() {
        return Err(format!("the model does not end at the node's tip {tip}"));
    }
    let known = model.accounts_at(&model.tip());
    let known = known.ok_or_else(|| "the model has no accounts at its own tip".to_owned())?;
    same(&accounts, known)
}

/// A model that was given every block of the best chain.
fn replay(rows: &impl Reader, genesis: &Genesis) -> Result<Model, String> {
    let mut model = Model::new(genesis.to_json().as_bytes())
        .map_err(|why| format!("the model does not read the genesis: {why}"))?;
    let tip = schema::tip(rows)
        .map_err(|error| unreadable(&error))?
        .height;
    let mut height = Height::GENESIS.next();
    while height <= tip {
        let (id, bytes) = block_at(rows, height)?;
        let verdict = model.submit_block(&bytes, LATER_MS);
        if verdict.outcome != Outcome::Stored || !verdict.culprits.is_empty() {
            let (outcome, culprits) = (verdict.outcome, verdict.culprits);
            return Err(format!(
                "the model finds block {id} at height {height} {outcome:?}, culprits {culprits:?}"
            ));
        }
        height = height.next();
    }
    Ok(model)
}

fn block_at(rows: &impl Reader, height: Height) -> Result<(BlockId, Vec<u8>), String> {
    let read = || {
        let Some(id) = schema::best_id(rows, height)? else {
            return Ok(None);
        };
        Ok(schema::block(rows, &id)?.map(|block| (id, encode(&block))))
    };
    let block = read().map_err(|error: StorageError| unreadable(&error))?;
    block.ok_or_else(|| format!("the block at height {height} of the best chain is not here"))
}

fn same(rows: &[(Address, Account)], model: &archivas_model::Accounts) -> Finding {
    for (address, account) in rows {
        let known = model.get(address.as_bytes());
        let here = (account.balance.get(), account.nonce.get());
        if here != (known.balance, known.nonce) {
            let there = (known.balance, known.nonce);
            return Err(format!(
                "{address} has balance and nonce {here:?}, the model {there:?}"
            ));
        }
    }
    let (here, there) = (rows.len(), model.iter().count());
    let differ = || format!("there are {here} accounts, the model has {there}");
    (here == there).then_some(()).ok_or_else(differ)
}
