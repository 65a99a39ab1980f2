//! The header: 160 bytes, the same everywhere (protocol §§1, 3).

use crate::bytes::{Reader, Unreadable};
use crate::hash::{Hash, sha3};

/// A header's length in bytes.
pub const HEADER_BYTES: usize = 160;

/// What the 160 bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version.
    pub version: u32,
    /// The compact target.
    pub bits: u32,
    /// The height.
    pub height: u64,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The number that the miner sought.
    pub nonce: u64,
    /// The parent's id.
    pub parent: Hash,
    /// The root of the tree of transfers.
    pub tx_root: Hash,
    /// The hash of the accounts after the block.
    pub state_root: Hash,
    /// Who gets reward and fees.
    pub producer: [u8; 20],
    /// Zeros.
    pub reserved: [u8; 12],
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// When the bytes are not exactly 160.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new(bytes);
        let header = Header {
            version: reader.u32()?,
            bits: reader.u32()?,
            height: reader.u64()?,
            timestamp_ms: reader.u64()?,
            nonce: reader.u64()?,
            parent: reader.array()?,
            tx_root: reader.array()?,
            state_root: reader.array()?,
            producer: reader.array()?,
            reserved: reader.array()?,
        };
        reader.end()?;
        Ok(header)
    }

    /// The 160 bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.version.to_le_bytes());
        out.extend(self.bits.to_le_bytes());
        out.extend(self.height.to_le_bytes());
        out.extend(self.timestamp_ms.to_le_bytes());
        out.extend(self.nonce.to_le_bytes());
        out.extend(self.parent);
        out.extend(self.tx_root);
        out.extend(self.state_root);
        out.extend(self.producer);
        out.extend(self.reserved);
        out
    }

    /// The block's id: SHA3-256 of the bytes.
    pub fn id(&self) -> Hash {
        sha3(&[&self.bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_place() {
        let bytes: Vec<u8> = (0..160).collect();
        let header = Header::parse(&bytes).expect("160 bytes");
        assert_eq!(header.version, 0x0302_0100);
        assert_eq!(header.timestamp_ms, 0x1716_1514_1312_1110);
        assert_eq!(header.producer[0], 128);
        assert_eq!(header.bytes(), bytes);
        assert!(Header::parse(&bytes[1..]).is_err());
        assert!(Header::parse(&[bytes, vec![0]].concat()).is_err());
    }
}
