//! The envelope of every message between peers: 13 bytes, then the payload (protocol §4).
//!
//! Pure functions over bytes. Readers of a stream take the header first, compare its length with
//! [`payload_max`] and only then reserve memory.

use crate::params::peers::{
    HEADERS_MAX, INV_MAX, LOCATOR_MAX, PEERS_MAX, RES_PAYLOAD_MAX, UNKNOWN_PAYLOAD_MAX,
};
use crate::primitives::crypto::sha3_256;
use alloc::vec::Vec;

/// Bytes before the payload: magic 4, kind 1, length 4, checksum 4.
pub const FRAME_HEADER_BYTES: usize = 13;

/// The kinds of message, as their byte on the wire.
pub mod kind {
    /// First message on both sides.
    pub const HELLO: u8 = 1;
    /// Asks for a `PONG` with the same number.
    pub const PING: u8 = 2;
    /// Answers a `PING`.
    pub const PONG: u8 = 3;
    /// Asks for the headers after a locator.
    pub const GET_HEADERS: u8 = 4;
    /// Answers `GET_HEADERS`.
    pub const HEADERS: u8 = 5;
    /// Announces ids of blocks and transfers.
    pub const INV: u8 = 6;
    /// Asks for announced things.
    pub const REQ: u8 = 7;
    /// One thing that was asked for, or that it is not here.
    pub const RES: u8 = 8;
    /// Asks for addresses of nodes.
    pub const GET_PEERS: u8 = 9;
    /// Answers `GET_PEERS`.
    pub const PEERS: u8 = 10;
}

/// The largest payload of a kind, in bytes; unknown kinds have the bound up to which they are
/// skipped.
pub const fn payload_max(kind: u8) -> usize {
    // Lists carry a length of at most three bytes; ids are 32 bytes and a tag of one.
    match kind {
        kind::HELLO => 256,
        kind::PING | kind::PONG => 10,
        kind::GET_HEADERS => 3 + LOCATOR_MAX * 32 + 32,
        kind::HEADERS => 3 + HEADERS_MAX * 160,
        kind::INV | kind::REQ => 3 + INV_MAX * 33,
        kind::RES => RES_PAYLOAD_MAX,
        kind::GET_PEERS => 0,
        // An address is 16 bytes and a port of at most three; the time it was seen at most ten.
        kind::PEERS => 2 + PEERS_MAX * 29,
        _ => UNKNOWN_PAYLOAD_MAX,
    }
}

/// The 13 bytes before a payload. Nothing in it has been judged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// First four bytes of the genesis id of the sender's network.
    pub magic: [u8; 4],
    /// See [`kind`].
    pub kind: u8,
    /// Bytes of payload that follow.
    pub length: u32,
    /// First four bytes of the SHA3-256 of kind and payload.
    pub checksum: [u8; 4],
}

/// Why a frame cannot be read on. The line may have done it: the connection is closed, nobody is
/// blamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another network, or not our protocol at all.
    #[error("the frame begins with the magic of another network")]
    Magic,
    /// Larger than its kind may be.
    #[error("the frame announces more bytes than its kind may have")]
    Length,
    /// The payload is not what was sent.
    #[error("the checksum of the frame does not match its payload")]
    Checksum,
}

impl FrameHeader {
    /// The header that goes before `payload`.
    pub fn of(magic: [u8; 4], kind: u8, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len()).expect("payload bounds are far below 4 GiB");
        Self {
            magic,
            kind,
            length,
            checksum: checksum(kind, payload),
        }
    }

    /// The 13 bytes on the wire; the length is little-endian.
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.magic);
        bytes[4] = self.kind;
        bytes[5..9].copy_from_slice(&self.length.to_le_bytes());
        bytes[9..].copy_from_slice(&self.checksum);
        bytes
    }

    /// Reads the 13 bytes; every value is accepted here and judged by [`FrameHeader::admit`].
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Self {
        let [m0, m1, m2, m3, kind, l0, l1, l2, l3, c0, c1, c2, c3] = *bytes;
        Self {
            magic: [m0, m1, m2, m3],
            kind,
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            checksum: [c0, c1, c2, c3],
        }
    }

    /// The payload's length in bytes, once the magic and the bound of the kind hold: the caller may
    /// reserve that much and no more.
    pub fn admit(&self, magic: [u8; 4]) -> Result<usize, FrameError> {
        if self.magic != magic {
            return Err(FrameError::Magic);
        }
        match usize::try_from(self.length) {
            Ok(length) if length <= payload_max(self.kind) => Ok(length),
            _ => Err(FrameError::Length),
        }
    }

    /// Whether `payload` is what the sender sent.
    pub fn verify(&self, payload: &[u8]) -> Result<(), FrameError> {
        if checksum(self.kind, payload) == self.checksum {
            Ok(())
        } else {
            Err(FrameError::Checksum)
        }
    }
}

/// First four bytes of the SHA3-256 of kind and payload. A payload of another kind may not decode,
/// which is blamed on the sender: a kind that the line has broken must not get that far.
pub fn checksum(kind: u8, payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha3_256(&[&[kind], payload]);
    [a, b, c, d]
}

/// A whole frame, ready for the wire.
pub fn frame(magic: [u8; 4], kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&FrameHeader::of(magic, kind, payload).encode());
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 4] = [1, 2, 3, 4];

    fn header_of(bytes: &[u8]) -> FrameHeader {
        FrameHeader::decode(bytes[..FRAME_HEADER_BYTES].try_into().expect("13 bytes"))
    }

    #[test]
    fn a_frame_reads_back_as_it_was_written() {
        let bytes = frame(MAGIC, kind::PING, &[7]);
        let header = header_of(&bytes);
        assert_eq!(header.admit(MAGIC), Ok(1));
        assert_eq!(header.verify(&bytes[FRAME_HEADER_BYTES..]), Ok(()));
        assert_eq!(header.encode(), bytes[..FRAME_HEADER_BYTES]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = frame(MAGIC, kind::PING, &[7]);
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let header = header_of(&broken);
            let verdict = header.admit(MAGIC).and_then(|length| {
                let payload = &broken[FRAME_HEADER_BYTES..];
                if length == payload.len() {
                    header.verify(payload)
                } else {
                    Err(FrameError::Length)
                }
            });
            assert!(verdict.is_err(), "bit {bit} went unnoticed");
        }
    }

    #[test]
    fn a_length_above_the_bound_of_its_kind_is_refused_before_reading() {
        for kind in 0..=u8::MAX {
            let max = u32::try_from(payload_max(kind)).expect("small");
            let header = FrameHeader {
                magic: MAGIC,
                kind,
                length: max,
                checksum: [0; 4],
            };
            assert!(header.admit(MAGIC).is_ok());
            let header = FrameHeader {
                length: max + 1,
                ..header
            };
            assert_eq!(header.admit(MAGIC), Err(FrameError::Length));
            let header = FrameHeader {
                length: u32::MAX,
                ..header
            };
            assert_eq!(header.admit(MAGIC), Err(FrameError::Length));
        }
    }
}
