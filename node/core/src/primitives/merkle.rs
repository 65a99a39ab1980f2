//! The tx root: a binary Merkle tree with SHA3-256 over a block's signed transfers (protocol §1).
//!
//! Leaves and nodes are hashed under different first bytes, and an odd node is carried up unpaired,
//! never duplicated (CVE-2012-2459): two different lists have two different roots. Leaves cover
//! signatures, so a block cannot be changed under one id.

use alloc::vec::Vec;

use super::codec::encode_into;
use super::crypto::sha3_256;
use super::hash::TxRoot;
use super::limits::SIGNED_TRANSFER_BYTES_MAX;
use super::transfer::SignedTransfer;

const LEAF: u8 = 0;
const NODE: u8 = 1;

/// The root over the transfers of a block, in their order; 32 zero bytes for none.
pub fn tx_root(transfers: &[SignedTransfer]) -> TxRoot {
    let mut buffer = Vec::with_capacity(SIGNED_TRANSFER_BYTES_MAX);
    let leaves = transfers.iter().map(|transfer| {
        buffer.clear();
        encode_into(transfer, &mut buffer);
        leaf(&buffer)
    });
    TxRoot::from_bytes(root(leaves.collect()))
}

fn leaf(encoded: &[u8]) -> [u8; 32] {
    sha3_256(&[&[LEAF], encoded])
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha3_256(&[&[NODE], left, right])
}

/// Folds one row after the other, in place, until one hash is left.
fn root(mut row: Vec<[u8; 32]>) -> [u8; 32] {
    while row.len() > 1 {
        for pair in 0..row.len() / 2 {
            row[pair] = node(&row[2 * pair], &row[2 * pair + 1]);
        }
        if row.len() % 2 == 1 {
            let middle = row.len() / 2;
            row[middle] = row[row.len() - 1];
        }
        row.truncate(row.len().div_ceil(2));
    }
    row.first().copied().unwrap_or([0; 32])
}
