//! The hash functions, the signature check and the homomorphic hash over accounts (protocol §§1, 2).
//!
//! `ChaCha20` is written out here, from RFC 8439, so that it is not the node's.

use blake2::{Blake2b, Digest, digest::consts::U20, digest::consts::U32};
use sha3::Sha3_256;

/// A digest of 32 bytes.
pub type Hash = [u8; 32];

/// SHA3-256 of the parts, one after the other.
pub fn sha3(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha3_256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// BLAKE2b with a digest of 32 bytes.
pub fn blake2b_32(parts: &[&[u8]]) -> Hash {
    let mut hasher = Blake2b::<U32>::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The address of a public key: BLAKE2b with a digest of 20 bytes.
pub fn address_of(public_key: &[u8; 32]) -> [u8; 20] {
    let mut hasher = Blake2b::<U20>::new();
    hasher.update(public_key);
    hasher.finalize().into()
}

/// Whether the signature over `message` holds, by the strict rule.
pub fn signature_holds(public_key: &[u8; 32], message: &Hash, signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    ed25519_dalek::VerifyingKey::from_bytes(public_key)
        .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// The sum over elements of 1,024 lanes of u16, each lane wrapping.
pub struct LaneSum([u16; 1024]);

impl LaneSum {
    /// Of no elements.
    pub fn new() -> Self {
        Self([0; 1024])
    }

    /// Adds the keystream under a key.
    pub fn add(&mut self, key: &Hash) {
        for block in 0..32_u32 {
            let stream = chacha20_block(key, block);
            for (pair, bytes) in stream.chunks(2).enumerate() {
                let lane = &mut self.0[block as usize * 32 + pair];
                *lane = lane.wrapping_add(u16::from_le_bytes([bytes[0], bytes[1]]));
            }
        }
    }

    /// SHA3-256 of the lanes.
    pub fn root(&self) -> Hash {
        let bytes: Vec<u8> = self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        sha3(&[&bytes])
    }
}

/// One block of the keystream, with a nonce of zero.
fn chacha20_block(key: &Hash, counter: u32) -> [u8; 64] {
    let mut start = [0_u32; 16];
    start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    for (word, bytes) in start[4..12].iter_mut().zip(key.chunks(4)) {
        *word = u32::from_le_bytes(bytes.try_into().expect("chunks of four"));
    }
    start[12] = counter;
    let mut words = start;
    for _ in 0..10 {
        quarter_round(&mut words, [0, 4, 8, 12]);
        quarter_round(&mut words, [1, 5, 9, 13]);
        quarter_round(&mut words, [2, 6, 10, 14]);
        quarter_round(&mut words, [3, 7, 11, 15]);
        quarter_round(&mut words, [0, 5, 10, 15]);
        quarter_round(&mut words, [1, 6, 11, 12]);
        quarter_round(&mut words, [2, 7, 8, 13]);
        quarter_round(&mut words, [3, 4, 9, 14]);
    }
    let mut out = [0; 64];
    for (place, word) in words.iter().enumerate() {
        let sum = word.wrapping_add(start[place]).to_le_bytes();
        out[place * 4..place * 4 + 4].copy_from_slice(&sum);
    }
    out
}

fn quarter_round(words: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (add, turn, bits) in [(b, d, 16), (d, b, 12), (b, d, 8), (d, b, 7)] {
        let sum = if turn == d { a } else { c };
        words[sum] = words[sum].wrapping_add(words[add]);
        words[turn] = (words[turn] ^ words[sum]).rotate_left(bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;

    #[test]
    fn the_keystream_is_that_of_rfc_8439_appendix_a() {
        let first = hex(&chacha20_block(&[0; 32], 0));
        assert_eq!(&first[..32], "76b8e0ada0f13d90405d6ae55386bd28");
        let second = hex(&chacha20_block(&[0; 32], 1));
        assert_eq!(&second[..32], "9f07e7be5551387a98ba977c732d080d");
        let mut key = [0; 32];
        key[31] = 1;
        let third = hex(&chacha20_block(&key, 1));
        assert_eq!(&third[..32], "3aeb5224ecf849929b9d828db1ced4dd");
    }

    #[test]
    fn the_hashes_are_those_of_their_standards() {
        assert_eq!(
            hex(&sha3(&[b"ab", b"c"])),
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"
        );
        assert_eq!(
            hex(&blake2b_32(&[b"abc"])),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
        );
    }
}
