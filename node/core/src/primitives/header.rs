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

#[cfg(test)]
mod tests {
    use super::super::codec::{decode, encode};
    use super::*;
    use alloc::string::ToString;

    fn example() -> Header {
        Header {
            version: 1,
            bits: CompactTarget::new(0x1d00_ffff),
            height: Height::new(7),
            timestamp: Timestamp::new(1_700_000_000_123),
            nonce: 0x0102_0304_0506_0708,
            parent: BlockId::from_bytes([0x11; 32]),
            tx_root: TxRoot::from_bytes([0x22; 32]),
            state_root: StateRoot::from_bytes([0x33; 32]),
            producer: Address::from_bytes([0x44; 20]),
            reserved: [0; 12],
        }
    }

    #[test]
    fn a_header_is_these_bytes_and_this_id() {
        // Packed and hashed with Python's struct and hashlib.
        let head = "01000000ffff001d07000000000000007b68e5cf8b0100000807060504030201";
        let parts = [
            "11".repeat(32),
            "22".repeat(32),
            "33".repeat(32),
            "44".repeat(20),
        ]
        .concat();
        let hex = [head, &parts, &"00".repeat(12)].concat();
        assert_eq!(const_hex::encode(example().encode()), hex);
        let id = "336678895ea17423d3b2309f6efdc116523071d4759e138f4a2d8857104c0885";
        assert_eq!(example().id().to_string(), id);
    }

    #[test]
    fn the_same_160_bytes_go_everywhere() {
        let header = example();
        assert_eq!(encode(&header), header.encode());
        assert_eq!(Header::decode(&header.encode()), header);
        assert_eq!(decode::<Header>(&header.encode()), Ok(header));
    }

    #[test]
    fn the_nonce_stands_where_miners_look_for_it() {
        let bytes = example().encode();
        assert_eq!(
            bytes[NONCE_OFFSET..NONCE_OFFSET + 8],
            example().nonce.to_le_bytes()
        );
    }

    #[test]
    fn every_flipped_bit_is_another_header_with_another_id() {
        let (bytes, id) = (example().encode(), example().id());
        for position in 0..HEADER_BYTES * 8 {
            let mut other = bytes;
            other[position / 8] ^= 1 << (position % 8);
            assert_eq!(Header::decode(&other).encode(), other);
            assert_ne!(Header::decode(&other).id(), id, "bit {position}");
        }
    }
}
