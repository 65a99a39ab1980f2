//! The header: 160 bytes, the same in hashes, messages and on disk (protocol §§1, 3).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::Address;
use super::codec::{deserialize_raw, serialize_raw};
use super::crypto::sha3_256;
use super::hash::{BlockId, StateRoot, TxRoot};
use super::limits::HEADER_BYTES;
use super::units::{Height, Timestamp};
use super::work::CompactTarget;

/// Where the seal nonce stands in the encoding: for miners, who change nothing else.
pub const NONCE_OFFSET: usize = 24;

/// What a block promises about itself. Every 160 bytes are some header; whether it is valid is for
/// the rules to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Version of the header's meaning; 1 today.
    pub version: u32,
    /// The target, in compact form.
    pub bits: CompactTarget,
    /// Distance from genesis.
    pub height: Height,
    /// When the producer says that the block was made, in milliseconds.
    pub timestamp: Timestamp,
    /// What the miner varies until the id meets the target.
    pub nonce: u64,
    /// The block before this one.
    pub parent: BlockId,
    /// Commitment to the signed transfers.
    pub tx_root: TxRoot,
    /// Commitment to all accounts after this block.
    pub state_root: StateRoot,
    /// Who gets reward and fees.
    pub producer: Address,
    /// Zero today.
    pub reserved: [u8; 12],
}

impl Header {
    /// The 160 bytes: the fields in their order, integers little-endian, no lengths.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = &mut bytes[..];
        let mut put = |field: &[u8]| {
            let (place, after) = core::mem::take(&mut rest).split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = after;
        };
        put(&self.version.to_le_bytes());
        put(&self.bits.get().to_le_bytes());
        put(&self.height.get().to_le_bytes());
        put(&self.timestamp.get().to_le_bytes());
        put(&self.nonce.to_le_bytes());
        put(self.parent.as_bytes());
        put(self.tx_root.as_bytes());
        put(self.state_root.as_bytes());
        put(self.producer.as_bytes());
        put(&self.reserved);
        bytes
    }

    /// Reads what [`Header::encode`] wrote; total, because every 160 bytes are some header.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let mut rest = &bytes[..];
        Self {
            version: u32::from_le_bytes(take(&mut rest)),
            bits: CompactTarget::new(u32::from_le_bytes(take(&mut rest))),
            height: Height::new(u64::from_le_bytes(take(&mut rest))),
            timestamp: Timestamp::new(u64::from_le_bytes(take(&mut rest))),
            nonce: u64::from_le_bytes(take(&mut rest)),
            parent: BlockId::from_bytes(take(&mut rest)),
            tx_root: TxRoot::from_bytes(take(&mut rest)),
            state_root: StateRoot::from_bytes(take(&mut rest)),
            producer: Address::from_bytes(take(&mut rest)),
            reserved: take(&mut rest),
        }
    }

    /// SHA3-256 of the 160 bytes.
    pub fn id(&self) -> BlockId {
        BlockId::from_bytes(sha3_256(&[&self.encode()]))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (field, after) = rest
        .split_first_chunk()
        .expect("the fields add up to 160 bytes");
    *rest = after;
    *field
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_raw(&self.encode(), serializer)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_raw(deserializer).map(|bytes| Self::decode(&bytes))
    }
}
