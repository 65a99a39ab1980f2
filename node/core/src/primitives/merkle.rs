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

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    /// The same tree by its other description: split at the largest power of two below the length.
    /// Subtrees are remembered, or this would take minutes.
    fn naive(
        leaves: &[[u8; 32]],
        (start, end): (usize, usize),
        known: &mut BTreeMap<(usize, usize), [u8; 32]>,
    ) -> [u8; 32] {
        match end - start {
            0 => return [0; 32],
            1 => return leaves[start],
            _ => {}
        }
        if let Some(hash) = known.get(&(start, end)) {
            return *hash;
        }
        let middle = start + (end - start).next_power_of_two() / 2;
        let left = naive(leaves, (start, middle), known);
        let right = naive(leaves, (middle, end), known);
        let hash = sha3_256(&[&[1], &left, &right]);
        known.insert((start, end), hash);
        hash
    }

    fn leaves(count: usize) -> Vec<[u8; 32]> {
        (0..count)
            .map(|number| leaf(&number.to_le_bytes()))
            .collect()
    }

    #[test]
    fn roots_of_0_to_2050_leaves_are_those_of_the_naive_tree() {
        let leaves = leaves(2_050);
        let mut known = BTreeMap::new();
        for count in 0..=2_050 {
            let naive = naive(&leaves, (0, count), &mut known);
            assert_eq!(root(leaves[..count].to_vec()), naive, "{count} leaves");
        }
    }

    #[test]
    fn no_transfers_have_the_zero_root() {
        assert_eq!(tx_root(&[]), TxRoot::ZERO);
    }

    #[test]
    fn repeating_the_last_leaves_changes_the_root() {
        // CVE-2012-2459: with an odd node duplicated, each of these pairs had one root.
        for count in 1..=33 {
            let all = leaves(count);
            for repeated in 1..=count {
                let mut longer = all.clone();
                longer.extend_from_slice(&all[count - repeated..]);
                assert_ne!(
                    root(all.clone()),
                    root(longer),
                    "{count} and {repeated} again"
                );
            }
        }
    }

    #[test]
    fn a_node_cannot_be_passed_off_as_a_leaf() {
        let all = leaves(4);
        let inner = [node(&all[0], &all[1]), node(&all[2], &all[3])];
        let forged: Vec<_> = inner.iter().map(|hash| leaf(hash)).collect();
        assert_ne!(root(all), root(forged));
        let pair = [leaves(2)[0], leaves(2)[1]].concat();
        assert_ne!(root(leaves(2)), leaf(&pair));
    }

    #[test]
    fn order_matters() {
        let mut swapped = leaves(5);
        swapped.swap(1, 3);
        assert_ne!(root(leaves(5)), root(swapped));
    }
}
