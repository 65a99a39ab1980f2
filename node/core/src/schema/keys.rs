//! The keys of rows.

use alloc::vec::Vec;

use super::rows::Arrival;
use crate::primitives::{Address, BlockId, Height, Work};
use crate::storage::{StorageError, Table};

pub(super) fn height_key(height: Height) -> Vec<u8> {
    height.get().to_be_bytes().to_vec()
}

pub(super) fn level_key(height: Height, id: &BlockId) -> Vec<u8> {
    [&height.get().to_be_bytes()[..], id.as_bytes()].concat()
}

pub(super) fn header_tip_key(chainwork: &Work, id: &BlockId) -> Vec<u8> {
    [&chainwork.to_be_bytes()[..], id.as_bytes()].concat()
}

/// The arrival stands inverted: among equal work the first comer has the highest key.
pub(super) fn block_tip_key(chainwork: &Work, arrival: Arrival, id: &BlockId) -> Vec<u8> {
    [
        &chainwork.to_be_bytes()[..],
        &(!arrival.get()).to_be_bytes(),
        id.as_bytes(),
    ]
    .concat()
}

pub(super) fn account_tx_key(address: &Address, height: Height, index: u32) -> Vec<u8> {
    [
        &address.as_bytes()[..],
        &height.get().to_be_bytes(),
        &index.to_be_bytes(),
    ]
    .concat()
}

/// The block id that ends a key of `levels`, `header_tips` or `block_tips`.
pub(super) fn id_at_end(table: Table, key: &[u8]) -> Result<BlockId, StorageError> {
    match key.last_chunk::<32>() {
        Some(id) => Ok(BlockId::from_bytes(*id)),
        None => Err(StorageError::damaged(
            table,
            key,
            &"the key is too short for a block id",
        )),
    }
}
