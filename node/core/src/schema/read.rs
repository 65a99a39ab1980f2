//! Reading rows, from a store, a snapshot or an overlay alike.
//!
//! `Err` is always the machine's fault. A row that may be absent gives `None`; one that another row
//! promises gives damage when it is absent.

use alloc::vec::Vec;
use core::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::{account_tx_key, height_key, id_at_end};
use super::rows::{AccountTx, HeaderRecord, Tip, TxLocation, meta};
use crate::ledger::Undo;
use crate::primitives::block::decode_body;
use crate::primitives::{
    Account, Address, Block, BlockId, Height, LtHash, SignedTransfer, TxId, codec,
};
use crate::storage::{Reader, Scan, StorageError, Table};

fn decode<T>(table: Table, key: &[u8], value: &[u8]) -> Result<T, StorageError>
where
    T: Serialize + DeserializeOwned,
{
    codec::decode(value).map_err(|error| StorageError::damaged(table, key, &error))
}

fn get<T>(rows: &impl Reader, table: Table, key: &[u8]) -> Result<Option<T>, StorageError>
where
    T: Serialize + DeserializeOwned,
{
    rows.get(table, key)?
        .map(|value| decode(table, key, &value))
        .transpose()
}

/// A row whose absence is damage too.
fn require<T>(rows: &impl Reader, table: Table, key: &[u8]) -> Result<T, StorageError>
where
    T: Serialize + DeserializeOwned,
{
    get(rows, table, key)?.ok_or_else(|| missing(table, key))
}

fn missing(table: Table, key: &[u8]) -> StorageError {
    StorageError::damaged(table, key, &"the row is missing")
}

/// A small value of `meta` by its name.
pub fn meta_row<T>(rows: &impl Reader, name: &[u8]) -> Result<Option<T>, StorageError>
where
    T: Serialize + DeserializeOwned,
{
    get(rows, Table::Meta, name)
}

/// A small value of `meta` that every opened database has.
pub fn required_meta_row<T>(rows: &impl Reader, name: &[u8]) -> Result<T, StorageError>
where
    T: Serialize + DeserializeOwned,
{
    require(rows, Table::Meta, name)
}

/// The stored header with that id.
pub fn header(rows: &impl Reader, id: &BlockId) -> Result<Option<HeaderRecord>, StorageError> {
    get(rows, Table::Headers, id.as_bytes())
}

/// A header that another row refers to: its absence is damage.
pub fn required_header(rows: &impl Reader, id: &BlockId) -> Result<HeaderRecord, StorageError> {
    require(rows, Table::Headers, id.as_bytes())
}

/// All stored headers of one height, by id.
pub fn ids_at(rows: &impl Reader, height: Height) -> Result<Vec<BlockId>, StorageError> {
    let found = rows.scan(Table::Levels, &Scan::prefix(&height_key(height)))?;
    found
        .iter()
        .map(|(key, _)| id_at_end(Table::Levels, key))
        .collect()
}

/// The highest height that a stored header has.
pub fn highest_level(rows: &impl Reader) -> Result<Height, StorageError> {
    let last = rows.scan(Table::Levels, &Scan::all().descending().limit(1))?;
    let height = |key: &[u8]| key.first_chunk().map(|height| u64::from_be_bytes(*height));
    Ok(last
        .first()
        .and_then(|(key, _)| height(key))
        .map_or(Height::GENESIS, Height::new))
}

/// The valid header with the most chainwork (among equals the one with the highest id).
pub fn heaviest_header(rows: &impl Reader) -> Result<Option<BlockId>, StorageError> {
    last_id(rows, Table::HeaderTips)
}

/// The connectable valid block with the most chainwork, among equals the first comer.
pub fn best_candidate(rows: &impl Reader) -> Result<Option<BlockId>, StorageError> {
    last_id(rows, Table::BlockTips)
}

fn last_id(rows: &impl Reader, table: Table) -> Result<Option<BlockId>, StorageError> {
    let last = rows.scan(table, &Scan::all().descending().limit(1))?;
    last.first()
        .map(|(key, _)| id_at_end(table, key))
        .transpose()
}

/// The ids of all valid headers without a valid child: the ends of all known branches, the one with
/// the most work first.
pub fn header_tips(rows: &impl Reader) -> Result<Vec<BlockId>, StorageError> {
    heaviest_headers(rows, usize::MAX)
}

/// The ids of the first of them, at most `limit`.
pub fn heaviest_headers(rows: &impl Reader, limit: usize) -> Result<Vec<BlockId>, StorageError> {
    ids_by_work(rows, Table::HeaderTips, limit)
}

/// The ids of the ends of branches that wait for the operator's word, the best first.
pub fn held_tips(rows: &impl Reader) -> Result<Vec<BlockId>, StorageError> {
    ids_by_work(rows, Table::HeldTips, usize::MAX)
}

/// The ids of all connectable valid blocks without such a child, the best first; without those that
/// wait for the operator's word.
pub fn block_tips(rows: &impl Reader) -> Result<Vec<BlockId>, StorageError> {
    ids_by_work(rows, Table::BlockTips, usize::MAX)
}

fn ids_by_work(
    rows: &impl Reader,
    table: Table,
    limit: usize,
) -> Result<Vec<BlockId>, StorageError> {
    let found = rows.scan(table, &Scan::all().descending().limit(limit))?;
    found.iter().map(|(key, _)| id_at_end(table, key)).collect()
}

/// The block of that height on the best chain.
pub fn best_id(rows: &impl Reader, height: Height) -> Result<Option<BlockId>, StorageError> {
    get(rows, Table::Best, &height_key(height))
}

/// The block of a height up to the tip's on the best chain: its absence is damage.
pub fn required_best(rows: &impl Reader, height: Height) -> Result<BlockId, StorageError> {
    require(rows, Table::Best, &height_key(height))
}

/// The block of a height up to the best header's on its chain: its absence is damage.
pub fn required_best_header(rows: &impl Reader, height: Height) -> Result<BlockId, StorageError> {
    require(rows, Table::BestHeaders, &height_key(height))
}

/// The block of that height on the chain of the best header.
pub fn best_header_id(rows: &impl Reader, height: Height) -> Result<Option<BlockId>, StorageError> {
    get(rows, Table::BestHeaders, &height_key(height))
}

/// The ids of the best chain from `from` on, lowest first, at most `limit`.
pub fn best_ids(
    rows: &impl Reader,
    from: Height,
    limit: usize,
) -> Result<Vec<BlockId>, StorageError> {
    ids_from(rows, Table::Best, from, limit)
}

/// The ids of the best header's chain from `from` on, lowest first, at most `limit`.
pub fn best_header_ids(
    rows: &impl Reader,
    from: Height,
    limit: usize,
) -> Result<Vec<BlockId>, StorageError> {
    ids_from(rows, Table::BestHeaders, from, limit)
}

fn ids_from(
    rows: &impl Reader,
    table: Table,
    from: Height,
    limit: usize,
) -> Result<Vec<BlockId>, StorageError> {
    let from = Bound::Included(height_key(from));
    let found = rows.scan(
        table,
        &Scan {
            from,
            ..Scan::all()
        }
        .limit(limit),
    )?;
    found
        .iter()
        .map(|(key, value)| decode(table, key, value))
        .collect()
}

/// The tip of the best chain. A database without one is damaged.
pub fn tip(rows: &impl Reader) -> Result<Tip, StorageError> {
    let id: BlockId = required_meta_row(rows, meta::TIP)?;
    let HeaderRecord {
        header, chainwork, ..
    } = required_header(rows, &id)?;
    Ok(Tip {
        id,
        height: header.height,
        chainwork,
        header,
    })
}

/// The height up to which no block of the best chain can be reverted: its undo is gone.
pub fn horizon(rows: &impl Reader) -> Result<Height, StorageError> {
    Ok(meta_row(rows, meta::HORIZON)?.unwrap_or(Height::GENESIS))
}

/// Whether `txs` and `account_txs` are kept: they are complete, or absent.
pub fn has_tx_index(rows: &impl Reader) -> Result<bool, StorageError> {
    Ok(rows.get(Table::Meta, meta::NO_TX_INDEX)?.is_none())
}

/// The base height: bodies, and what indexes say of them, begin above it. Genesis when all are here.
pub fn base(rows: &impl Reader) -> Result<Height, StorageError> {
    Ok(meta_row(rows, meta::BASE)?.unwrap_or(Height::GENESIS))
}

/// The LtHash of all accounts after the tip.
pub fn lthash(rows: &impl Reader) -> Result<LtHash, StorageError> {
    let bytes = rows.get(Table::Meta, meta::LTHASH)?;
    let bytes = bytes.ok_or_else(|| missing(Table::Meta, meta::LTHASH))?;
    LtHash::from_bytes(&bytes)
        .ok_or_else(|| StorageError::damaged(Table::Meta, meta::LTHASH, &"the length is wrong"))
}

/// The transfers of a stored block.
pub fn body(rows: &impl Reader, id: &BlockId) -> Result<Option<Vec<SignedTransfer>>, StorageError> {
    let key = id.as_bytes();
    let body = rows
        .get(Table::Bodies, key)?
        .map(|value| decode_body(&value))
        .transpose();
    body.map_err(|error| StorageError::damaged(Table::Bodies, key, &error))
}

/// Whether the transfers of a block are stored.
pub fn has_body(rows: &impl Reader, id: &BlockId) -> Result<bool, StorageError> {
    Ok(rows.get(Table::Bodies, id.as_bytes())?.is_some())
}

/// A stored block, header and transfers.
pub fn block(rows: &impl Reader, id: &BlockId) -> Result<Option<Block>, StorageError> {
    let Some(transfers) = body(rows, id)? else {
        return Ok(None);
    };
    let HeaderRecord { header, .. } = required_header(rows, id)?;
    Ok(Some(Block { header, transfers }))
}

/// What block `id` changed. It is there for every block of the best chain that can be reverted.
pub fn undo(rows: &impl Reader, id: &BlockId) -> Result<Undo, StorageError> {
    require(rows, Table::Undo, id.as_bytes())
}

/// The account of an address; one without a row is empty.
pub fn account(rows: &impl Reader, address: &Address) -> Result<Account, StorageError> {
    Ok(get(rows, Table::Accounts, address.as_bytes())?.unwrap_or_default())
}

/// Accounts in the order of their addresses, after `after`, at most `limit`.
pub fn accounts(
    rows: &impl Reader,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<(Address, Account)>, StorageError> {
    let from = after.map_or(Bound::Unbounded, |a| Bound::Excluded(a.as_bytes().to_vec()));
    let found = rows.scan(
        Table::Accounts,
        &Scan {
            from,
            ..Scan::all()
        }
        .limit(limit),
    )?;
    found
        .iter()
        .map(|(key, value)| account_row(key, value))
        .collect()
}

fn account_row(key: &[u8], value: &[u8]) -> Result<(Address, Account), StorageError> {
    let address = <[u8; 20]>::try_from(key)
        .map_err(|error| StorageError::damaged(Table::Accounts, key, &error))?;
    Ok((
        Address::from_bytes(address),
        decode(Table::Accounts, key, value)?,
    ))
}

/// Where a transfer stands on the best chain; `None` when it is not confirmed.
pub fn tx_location(rows: &impl Reader, id: &TxId) -> Result<Option<TxLocation>, StorageError> {
    get(rows, Table::Txs, id.as_bytes())
}

/// The transfers that an address sent or received, newest first, below `before` (height and index)
/// where it is given, at most `limit`.
pub fn account_txs(
    rows: &impl Reader,
    address: &Address,
    before: Option<(Height, u32)>,
    limit: usize,
) -> Result<Vec<AccountTx>, StorageError> {
    let mut scan = Scan::prefix(address.as_bytes()).descending().limit(limit);
    if let Some((height, index)) = before {
        scan.to = Bound::Excluded(account_tx_key(address, height, index));
    }
    let found = rows.scan(Table::AccountTxs, &scan)?;
    found
        .iter()
        .map(|(key, value)| account_tx_row(key, value))
        .collect()
}

fn account_tx_row(key: &[u8], value: &[u8]) -> Result<AccountTx, StorageError> {
    let table = Table::AccountTxs;
    let short = || StorageError::damaged(table, key, &"the key has the wrong length");
    let (_, rest) = key.split_first_chunk::<20>().ok_or_else(short)?;
    let (height, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let index: [u8; 4] = rest.try_into().map_err(|_| short())?;
    let (height, index) = (
        Height::new(u64::from_be_bytes(*height)),
        u32::from_be_bytes(index),
    );
    Ok(AccountTx {
        height,
        index,
        id: decode(table, key, value)?,
    })
}
