//! Blocks: their bytes, the Merkle root, and what can be judged without parent and accounts
//! (protocol §§1, 3).

use crate::bytes::{Reader, Unreadable, put_varint};
use crate::genesis::Genesis;
use crate::hash::{Hash, sha3};
use crate::header::{HEADER_BYTES, Header};
use crate::rule::Rule;
use crate::target;
use crate::transfer::Transfer;

/// No network's blocks are larger.
pub const BLOCK_BYTES_MAX: usize = 1_048_576;

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its header.
    pub header: Header,
    /// Its transfers, in order.
    pub transfers: Vec<Transfer>,
}

impl Block {
    /// Reads exactly one.
    ///
    /// # Errors
    /// When the bytes are not what writing it would give, or more than any block has.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err("more bytes than any block has");
        }
        let mut reader = Reader::new(bytes);
        let header = Header::parse(reader.take(HEADER_BYTES)?)?;
        let mut transfers = Vec::new();
        for _ in 0..reader.varint()? {
            transfers.push(Transfer::read(&mut reader)?);
        }
        reader.end()?;
        Ok(Block { header, transfers })
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.header.bytes();
        put_varint(&mut out, self.transfers.len() as u64);
        for transfer in &self.transfers {
            out.extend(transfer.bytes());
        }
        out
    }

    /// Judges what needs neither parent nor accounts.
    ///
    /// # Errors
    /// The first rule broken, in the order of the page.
    pub fn judge(&self, genesis: &Genesis) -> Result<(), Rule> {
        judge_form(&self.header)?;
        judge_seal(&self.header)?;
        if tx_root(&self.transfers) != self.header.tx_root {
            return Err(Rule::MutatedBody);
        }
        if self.bytes().len() as u64 > genesis.block_bytes_max {
            return Err(Rule::BlockTooLarge);
        }
        self.transfers
            .iter()
            .try_for_each(|transfer| transfer.judge(&genesis.domain, genesis.fee_min))
    }
}

/// Judges version and reserved bytes.
///
/// # Errors
/// The rule broken.
pub fn judge_form(header: &Header) -> Result<(), Rule> {
    if header.version != 1 {
        return Err(Rule::UnknownVersion);
    }
    match header.reserved == [0; 12] {
        true => Ok(()),
        false => Err(Rule::ReservedNotZero),
    }
}

/// Judges whether the id meets the target that the header itself names.
///
/// # Errors
/// The rule broken.
pub fn judge_seal(header: &Header) -> Result<(), Rule> {
    match target::expand(header.bits) {
        Some(target) if target::meets(&header.id(), &target) => Ok(()),
        _ => Err(Rule::NotSealed),
    }
}

/// The root of the tree of transfers; zeros when there are none.
pub fn tx_root(transfers: &[Transfer]) -> Hash {
    let leaves: Vec<Hash> = transfers
        .iter()
        .map(|transfer| sha3(&[&[0], &transfer.bytes()]))
        .collect();
    match leaves.is_empty() {
        true => [0; 32],
        false => tree_root(&leaves),
    }
}

/// The largest power of two below the count goes left. That is the same tree as pairing level by
/// level with an odd node carried up.
fn tree_root(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let mut left = 1;
    while left * 2 < leaves.len() {
        left *= 2;
    }
    let (left, right) = leaves.split_at(left);
    sha3(&[&[1], &tree_root(left), &tree_root(right)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_node_is_carried_up_unpaired() {
        let leaf = |n: u8| [n; 32];
        let pair = |a: &Hash, b: &Hash| sha3(&[&[1], a, b]);
        let five: Vec<Hash> = (0..5).map(leaf).collect();
        let ab = pair(&leaf(0), &leaf(1));
        let cd = pair(&leaf(2), &leaf(3));
        assert_eq!(tree_root(&five[..1]), leaf(0));
        assert_eq!(tree_root(&five[..3]), pair(&ab, &leaf(2)));
        assert_eq!(tree_root(&five), pair(&pair(&ab, &cd), &leaf(4)));
        assert_eq!(tx_root(&[]), [0; 32]);
    }

    #[test]
    fn a_count_that_the_bytes_do_not_hold_is_refused() {
        let mut bytes = vec![0; 160];
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(Block::parse(&bytes).is_err());
        assert!(Block::parse(&[&bytes[..160], &[0][..]].concat()).is_ok());
        assert!(
            Block::parse(&bytes[..160]).is_err(),
            "the list itself is missing"
        );
    }
}
