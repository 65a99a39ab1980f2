//! Writing rows into the batch of a transaction. Only the ledger and the chain do.

use alloc::vec::Vec;

use serde::Serialize;

use super::keys::{account_tx_key, block_tip_key, header_tip_key, height_key, level_key};
use super::rows::{AccountTx, HeaderRecord, TxLocation, Walk, meta};
use crate::ledger::Undo;
use crate::primitives::block::encode_body;
use crate::primitives::{Account, Address, BlockId, Height, LtHash, SignedTransfer, TxId, codec};
use crate::storage::{Overlay, Reader, Table};

fn put<R: Reader>(rows: &mut Overlay<'_, R>, table: Table, key: Vec<u8>, value: &impl Serialize) {
    rows.put(table, key, codec::encode(value));
}

pub(crate) fn put_meta<R: Reader>(rows: &mut Overlay<'_, R>, name: &[u8], value: &impl Serialize) {
    put(rows, Table::Meta, name.to_vec(), value);
}

/// Says where a long reorganization walks, or that none is going on.
pub(crate) fn set_walk<R: Reader>(rows: &mut Overlay<'_, R>, walk: Option<&Walk>) {
    match walk {
        Some(walk) => put_meta(rows, meta::WALK, walk),
        None => rows.delete(Table::Meta, meta::WALK.to_vec()),
    }
}

/// Names the block whose branch the operator has accepted, or says that there is none.
pub(crate) fn set_accepted<R: Reader>(rows: &mut Overlay<'_, R>, id: Option<&BlockId>) {
    match id {
        Some(id) => put_meta(rows, meta::ACCEPTED, id),
        None => rows.delete(Table::Meta, meta::ACCEPTED.to_vec()),
    }
}

/// Says whether the store keeps an index of transfers.
pub(crate) fn set_tx_index<R: Reader>(rows: &mut Overlay<'_, R>, kept: bool) {
    set_key(rows, Table::Meta, meta::NO_TX_INDEX.to_vec(), !kept);
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

pub(crate) fn delete_body<R: Reader>(rows: &mut Overlay<'_, R>, id: &BlockId) {
    rows.delete(Table::Bodies, id.as_bytes().to_vec());
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
        rows.delete(Table::HeldTips, key.clone());
        set_key(rows, Table::BlockTips, key, is_tip);
    }
}

/// Moves the end of a branch to those that wait for the operator's word.
pub(crate) fn hold_block_tip<R: Reader>(
    rows: &mut Overlay<'_, R>,
    id: &BlockId,
    record: &HeaderRecord,
) {
    set_block_tip(rows, id, record, false);
    if let Some(arrival) = record.arrival {
        let key = block_tip_key(&record.chainwork, arrival, id);
        rows.put(Table::HeldTips, key, Vec::new());
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
