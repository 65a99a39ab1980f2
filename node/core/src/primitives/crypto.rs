//! Hash functions and Ed25519, behind the few names that the chain uses.
//!
//! Signatures are verified by `verify_strict` alone, everywhere, and never in batches: other
//! routines disagree with it on crafted keys, and a disagreement splits a chain (protocol §2).

use core::fmt;

use blake2::digest::consts::{U20, U32};
use blake2::{Blake2b, Digest};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::Sha3_256;

use super::address::Address;
use super::codec::{deserialize_raw, serialize_raw};

/// SHA3-256 of the parts, one after the other.
pub fn sha3_256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha3_256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// BLAKE2b with a 32-byte digest of the parts, one after the other.
pub fn blake2b_256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Blake2b::<U32>::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// BLAKE2b with a 20-byte digest (not a longer one cut off) of the parts.
pub fn blake2b_160(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Blake2b::<U20>::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// The 32 bytes of an Ed25519 public key; whether they are a point of the curve shows when a
/// signature is verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// The 64 bytes of an Ed25519 signature, R and then s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

/// An Ed25519 secret key; wiped from memory when dropped, and never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl PublicKey {
    /// Wraps the raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address whose account this key may spend: BLAKE2b-160 of the key.
    pub fn address(&self) -> Address {
        Address::from_bytes(blake2b_160(&[&self.0]))
    }
}

impl Signature {
    /// Wraps the raw bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl SecretKey {
    /// The key of a 32-byte Ed25519 seed (RFC 8032's private key).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The address of the public half.
    pub fn address(&self) -> Address {
        self.public_key().address()
    }

    /// Signs a 32-byte hash, deterministically.
    pub fn sign(&self, hash: &[u8; 32]) -> Signature {
        Signature(self.0.sign(hash).to_bytes())
    }
}

/// Whether the signature over the 32-byte hash holds, by the one rule of protocol §2.
pub fn verify(key: &PublicKey, hash: &[u8; 32], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| key.verify_strict(hash, &signature).is_ok())
}

macro_rules! raw_bytes {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    concat!(stringify!($name), "({})"),
                    const_hex::encode(self.0)
                )
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_raw(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_raw(deserializer).map(Self)
            }
        }
    };
}
raw_bytes!(PublicKey);
raw_bytes!(Signature);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        const_hex::decode_to_array(text).expect("a literal")
    }

    #[test]
    fn the_hash_functions_are_the_published_ones() {
        assert_eq!(
            sha3_256(&[b"a", b"bc"]),
            hex("3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532")
        );
        assert_eq!(
            blake2b_256(&[b"abc"]),
            hex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
        );
        assert_eq!(
            blake2b_160(&[b""]),
            hex("3345524abf6bbe1809449224b5972c41790b6cf2")
        );
    }

    #[test]
    fn a_signature_holds_for_its_key_and_hash_only() {
        let key = SecretKey::from_seed([7; 32]);
        let signature = key.sign(&[1; 32]);
        assert!(verify(&key.public_key(), &[1; 32], &signature));
        assert!(!verify(&key.public_key(), &[2; 32], &signature));
        assert!(!verify(
            &SecretKey::from_seed([8; 32]).public_key(),
            &[1; 32],
            &signature
        ));
    }

    #[test]
    fn a_secret_key_is_never_printed() {
        assert_eq!(
            alloc::format!("{:?}", SecretKey::from_seed([7; 32])),
            "SecretKey(…)"
        );
    }
}
