//! The rows of the database: what each table's bytes mean, for the chain and for every reader.
//!
//! Keys hold heights big-endian, so that scans run in the order of heights. Values are decoded
//! strictly; bytes that this node could not have written are damage, reported with table and key,
//! and never anybody else's fault. Only this module knows the layouts.

use alloc::vec::Vec;
use core::ops::Bound;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ledger::Undo;
use crate::primitives::block::{decode_body, encode_body};
use crate::primitives::{
    Account, Address, Block, BlockId, Header, Height, LtHash, SignedTransfer, TxId, Work, codec,
};
use crate::storage::{Overlay, Reader, Scan, StorageError, Table};

/// The layout of this module. Another one in a database is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// Names of the rows of `meta`.
pub mod meta {
    /// The layout of the database: `u32`.
    pub const SCHEMA: &[u8] = b"schema";
    /// The genesis id of the network that the database belongs to.
    pub const GENESIS: &[u8] = b"genesis";
    /// The rules version that judged the blocks marked as invalid: `u32`.
    pub const RULES: &[u8] = b"rules";
    /// The block id of the tip of the best chain.
    pub const TIP: &[u8] = b"tip";
    /// The block id of the header with the most chainwork.
    pub const BEST_HEADER: &[u8] = b"best_header";
    /// The lanes of the LtHash of all accounts.
    pub const LTHASH: &[u8] = b"lthash";
    /// The arrival number that the next connectable block gets.
    pub const NEXT_ARRIVAL: &[u8] = b"next_arrival";
}

/// When a block first became connectable, as a place in one order that restarts do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arrival(u64);

impl Arrival {
    /// The first number, given to genesis.
    pub const FIRST: Arrival = Arrival(0);

    /// The number as it stands in keys.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .expect("fewer than 2^64 blocks ever arrive"),
        )
    }
}

/// What is known about the block of a stored header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The header is valid; the body is not here.
    HeaderOnly,
    /// The body is here and passed every check that needs no state.
    Stored,
    /// The block, or an ancestor of it, broke a rule.
    Invalid {
        /// The version of the rules that found it.
        rules_version: u32,
    },
}

impl Status {
    /// True unless the block or an ancestor was found invalid.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        !matches!(self, Status::Invalid { .. })
    }
}

/// A stored header with its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRecord {
    /// The header.
    pub header: Header,
    /// The work of the chain from genesis to this block, both included.
    pub chainwork: Work,
    /// What is known about the block.
    pub status: Status,
    /// When the block became connectable (its body and all ancestors' stored); `None` before.
    pub arrival: Option<Arrival>,
}

impl HeaderRecord {
    /// True when the block could be the tip: connectable, and neither it nor an ancestor invalid.
    #[must_use]
    pub const fn is_candidate(&self) -> bool {
        self.status.is_valid() && self.arrival.is_some()
    }
}

/// The last block of the best chain: the state is the state after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The block's id.
    pub id: BlockId,
    /// The block's height.
    pub height: Height,
    /// The work of the chain from genesis to it.
    pub chainwork: Work,
    /// The block's header.
    pub header: Header,
}

/// Where a transfer stands on the best chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxLocation {
    /// The block that holds it.
    pub block: BlockId,
    /// That block's height.
    pub height: Height,
    /// The place in the block, from 0.
    pub index: u32,
}

/// One row of an account's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountTx {
    /// The height of the block.
    pub height: Height,
    /// The place in the block, from 0.
    pub index: u32,
    /// The transfer.
    pub id: TxId,
}

// Keys.

fn height_key(height: Height) -> Vec<u8> {
    height.get().to_be_bytes().to_vec()
}

fn level_key(height: Height, id: &BlockId) -> Vec<u8> {
    [&height.get().to_be_bytes()[..], id.as_bytes()].concat()
}

fn header_tip_key(chainwork: &Work, id: &BlockId) -> Vec<u8> {
    [&chainwork.to_be_bytes()[..], id.as_bytes()].concat()
}

/// The arrival stands inverted: among equal work the first comer has the highest key.
fn block_tip_key(chainwork: &Work, arrival: Arrival, id: &BlockId) -> Vec<u8> {
    [
        &chainwork.to_be_bytes()[..],
        &(!arrival.get()).to_be_bytes(),
        id.as_bytes(),
    ]
    .concat()
}

fn account_tx_key(address: &Address, height: Height, index: u32) -> Vec<u8> {
    [
        &address.as_bytes()[..],
        &height.get().to_be_bytes(),
        &index.to_be_bytes(),
    ]
    .concat()
}

/// The block id that ends a key of `levels`, `header_tips` or `block_tips`.
fn id_at_end(table: Table, key: &[u8]) -> Result<BlockId, StorageError> {
    match key.last_chunk::<32>() {
        Some(id) => Ok(BlockId::from_bytes(*id)),
        None => Err(StorageError::damaged(
            table,
            key,
            &"the key is too short for a block id",
        )),
    }
}

// Values.

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

fn put<R: Reader>(rows: &mut Overlay<'_, R>, table: Table, key: Vec<u8>, value: &impl Serialize) {
    rows.put(table, key, codec::encode(value));
}

// Reading.

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

/// The ids of all valid headers without a valid child: the ends of all known branches.
pub fn header_tips(rows: &impl Reader) -> Result<Vec<BlockId>, StorageError> {
    let found = rows.scan(Table::HeaderTips, &Scan::all().descending())?;
    found
        .iter()
        .map(|(key, _)| id_at_end(Table::HeaderTips, key))
        .collect()
}

/// The block of that height on the best chain.
pub fn best_id(rows: &impl Reader, height: Height) -> Result<Option<BlockId>, StorageError> {
    get(rows, Table::Best, &height_key(height))
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

// Writing. Only the ledger and the chain do.

pub(crate) fn put_meta<R: Reader>(rows: &mut Overlay<'_, R>, name: &[u8], value: &impl Serialize) {
    put(rows, Table::Meta, name.to_vec(), value);
}

pub(crate) fn put_lthash<R: Reader>(rows: &mut Overlay<'_, R>, lthash: &LtHash) {
    rows.put(Table::Meta, meta::LTHASH.to_vec(), lthash.to_bytes());
}

/// Writes a header record and its row among the headers of its height.
pub(crate) fn put_header<R: Reader>(
    rows: &mut Overlay<'_, R>,
    id: &BlockId,
    record: &HeaderRecord,
) {
    put(rows, Table::Headers, id.as_bytes().to_vec(), record);
}

/// Adds a new header to those of its height.
pub(crate) fn put_level<R: Reader>(rows: &mut Overlay<'_, R>, height: Height, id: &BlockId) {
    rows.put(Table::Levels, level_key(height, id), Vec::new());
}

pub(crate) fn put_body<R: Reader>(
    rows: &mut Overlay<'_, R>,
    id: &BlockId,
    transfers: &[SignedTransfer],
) {
    rows.put(
        Table::Bodies,
        id.as_bytes().to_vec(),
        encode_body(transfers),
    );
}

/// Whether the header is the end of a valid branch of headers.
pub(crate) fn set_header_tip<R: Reader>(
    rows: &mut Overlay<'_, R>,
    id: &BlockId,
    record: &HeaderRecord,
    is_tip: bool,
) {
    let key = header_tip_key(&record.chainwork, id);
    set_key(rows, Table::HeaderTips, key, is_tip);
}

/// Whether the block is the end of a valid branch of connectable blocks. A block that never became
/// connectable has no such row.
pub(crate) fn set_block_tip<R: Reader>(
    rows: &mut Overlay<'_, R>,
    id: &BlockId,
    record: &HeaderRecord,
    is_tip: bool,
) {
    if let Some(arrival) = record.arrival {
        let key = block_tip_key(&record.chainwork, arrival, id);
        set_key(rows, Table::BlockTips, key, is_tip);
    }
}

fn set_key<R: Reader>(rows: &mut Overlay<'_, R>, table: Table, key: Vec<u8>, present: bool) {
    match present {
        true => rows.put(table, key, Vec::new()),
        false => rows.delete(table, key),
    }
}

/// Names the block of a height on the best chain, or says that the chain ends below it.
pub(crate) fn set_best<R: Reader>(rows: &mut Overlay<'_, R>, height: Height, id: Option<&BlockId>) {
    set_id(rows, Table::Best, height, id);
}

/// The same for the chain of the best header.
pub(crate) fn set_best_header<R: Reader>(
    rows: &mut Overlay<'_, R>,
    height: Height,
    id: Option<&BlockId>,
) {
    set_id(rows, Table::BestHeaders, height, id);
}

fn set_id<R: Reader>(
    rows: &mut Overlay<'_, R>,
    table: Table,
    height: Height,
    id: Option<&BlockId>,
) {
    match id {
        Some(id) => put(rows, table, height_key(height), id),
        None => rows.delete(table, height_key(height)),
    }
}

/// Writes an account; the empty one has no row.
pub(crate) fn put_account<R: Reader>(
    rows: &mut Overlay<'_, R>,
    address: &Address,
    account: &Account,
) {
    let key = address.as_bytes().to_vec();
    match account.is_empty() {
        true => rows.delete(Table::Accounts, key),
        false => put(rows, Table::Accounts, key, account),
    }
}

pub(crate) fn set_undo<R: Reader>(rows: &mut Overlay<'_, R>, id: &BlockId, undo: Option<&Undo>) {
    let key = id.as_bytes().to_vec();
    match undo {
        Some(undo) => put(rows, Table::Undo, key, undo),
        None => rows.delete(Table::Undo, key),
    }
}

pub(crate) fn set_tx<R: Reader>(
    rows: &mut Overlay<'_, R>,
    id: &TxId,
    location: Option<&TxLocation>,
) {
    let key = id.as_bytes().to_vec();
    match location {
        Some(location) => put(rows, Table::Txs, key, location),
        None => rows.delete(Table::Txs, key),
    }
}

pub(crate) fn set_account_tx<R: Reader>(
    rows: &mut Overlay<'_, R>,
    address: &Address,
    entry: &AccountTx,
    present: bool,
) {
    let key = account_tx_key(address, entry.height, entry.index);
    match present {
        true => put(rows, Table::AccountTxs, key, &entry.id),
        false => rows.delete(Table::AccountTxs, key),
    }
}
