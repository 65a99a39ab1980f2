//! A block: a header and its body, the signed transfers. Unchecked; `rules` turns it into a
//! checked one.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

use super::bounded::deserialize_list;
use super::codec::{self, DecodeError};
use super::hash::{BlockId, TxRoot};
use super::header::Header;
use super::limits::{BLOCK_BYTES_MAX, BLOCK_TRANSFERS_MAX, HEADER_BYTES};
use super::merkle;
use super::transfer::SignedTransfer;

/// A header with its body, as peers send it and miners make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The 160 bytes that the id covers.
    pub header: Header,
    /// The body, in the order of execution.
    #[serde(deserialize_with = "body")]
    pub transfers: Vec<SignedTransfer>,
}

impl Block {
    /// The id of the header.
    pub fn id(&self) -> BlockId {
        self.header.id()
    }

    /// The root of the body as it is, which need not be the one that the header promises.
    pub fn tx_root(&self) -> TxRoot {
        merkle::tx_root(&self.transfers)
    }

    /// Bytes of the encoding, without making it.
    pub fn size(&self) -> usize {
        size_of_block(&self.transfers)
    }

    /// The header's 160 bytes and then the encoded list of transfers.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size());
        codec::encode_into(self, &mut bytes);
        bytes
    }

    /// Reads what [`Block::encode`] wrote, strictly.
    ///
    /// # Errors
    /// [`DecodeError`]; more than [`BLOCK_BYTES_MAX`] bytes are not even looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(DecodeError::TooLong);
        }
        codec::decode(bytes)
    }
}

/// The encoding of a body alone, as it is stored beside its header.
pub fn encode_body(transfers: &[SignedTransfer]) -> Vec<u8> {
    codec::encode(transfers)
}

/// Reads what [`encode_body`] wrote, strictly.
///
/// # Errors
/// [`DecodeError`]; for our own store that means damage.
pub fn decode_body(bytes: &[u8]) -> Result<Vec<SignedTransfer>, DecodeError> {
    if bytes.len() > BLOCK_BYTES_MAX - HEADER_BYTES {
        return Err(DecodeError::TooLong);
    }
    codec::decode::<super::BoundedVec<SignedTransfer, BLOCK_TRANSFERS_MAX>>(bytes)
        .map(super::BoundedVec::into_vec)
}

/// Bytes of a block with this body: 160 and the encoded list.
pub fn size_of_block(transfers: &[SignedTransfer]) -> usize {
    let count = u64::try_from(transfers.len()).expect("usize has at most 64 bits");
    let list: usize = transfers.iter().map(SignedTransfer::size).sum();
    HEADER_BYTES + codec::varint_bytes(count) + list
}

fn body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SignedTransfer>, D::Error> {
    deserialize_list::<D, SignedTransfer, BLOCK_TRANSFERS_MAX>(deserializer)
}

#[cfg(test)]
mod tests {
    use super::super::codec::encode;
    use super::super::units::{AccountNonce, Amount};
    use super::super::{Domain, Memo, Payment, SecretKey};
    use super::*;
    use alloc::vec;

    fn block(count: u64) -> Block {
        let key = SecretKey::from_seed([1; 32]);
        let one = SignedTransfer::sign(
            &key,
            &Domain::archivas(),
            Payment {
                to: key.address(),
                amount: Amount::new(1),
                fee: Amount::new(1),
                nonce: AccountNonce::new(1),
                memo: Memo::default(),
            },
        );
        let transfers = (0..count).map(|nonce| SignedTransfer {
            nonce: AccountNonce::new(nonce % 100),
            ..one.clone()
        });
        Block {
            header: Header::default(),
            transfers: transfers.collect(),
        }
    }

    #[test]
    fn a_block_is_its_header_and_then_its_list() {
        let block = block(2);
        let expected = [&block.header.encode()[..], &encode_body(&block.transfers)].concat();
        assert_eq!(block.encode(), expected);
        assert_eq!(Block::decode(&expected), Ok(block.clone()));
        assert_eq!(decode_body(&expected[160..]), Ok(block.transfers));
    }

    #[test]
    fn the_size_is_known_without_encoding() {
        for count in [0, 1, 127, 128, 200] {
            assert_eq!(block(count).size(), block(count).encode().len(), "{count}");
        }
    }

    #[test]
    fn the_fullest_block_decodes_and_one_transfer_more_does_not() {
        let fullest = u64::try_from(BLOCK_TRANSFERS_MAX).expect("small");
        let bytes = block(fullest).encode();
        assert!(bytes.len() <= BLOCK_BYTES_MAX);
        assert!(Block::decode(&bytes).is_ok());
        let longer = block(fullest + 1).encode();
        assert!(longer.len() > BLOCK_BYTES_MAX);
        assert_eq!(Block::decode(&longer), Err(DecodeError::TooLong));
        assert_eq!(decode_body(&longer[160..]), Err(DecodeError::TooLong));
    }

    #[test]
    fn a_count_above_the_bound_is_refused_before_memory_is_reserved() {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend_from_slice(&encode(&u64::MAX));
        assert_eq!(Block::decode(&bytes), Err(DecodeError::Malformed));
    }
}
