//! The 32-byte names of things, each a type of its own. Text form: 64 lower-case hex digits.

use core::fmt;
use core::str::FromStr;

use super::codec::serde_raw_or_text;

/// A text that is not 64 hex digits, with or without `0x` before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hex digits")]
pub struct BadHash;

macro_rules! hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self([0; 32]);

            /// Wraps the raw bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(const_hex::Buffer::<32>::new().format(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadHash;

            fn from_str(text: &str) -> Result<Self, BadHash> {
                parse(text).map(Self)
            }
        }

        serde_raw_or_text!($name);
    };
}

hash! {
    /// SHA3-256 of a header (protocol §1). As a big-endian number it is what the seal bounds.
    BlockId
}
hash! {
    /// BLAKE2b-256 of domain and canonical JSON: the name of a transfer, and what is signed. It
    /// does not cover the signature.
    TxId
}
hash! {
    /// Root of the Merkle tree over a block's signed transfers.
    TxRoot
}
hash! {
    /// SHA3-256 of the LtHash over all accounts.
    StateRoot
}
hash! {
    /// SHA3-256 of the encoding of a whole signed transfer, signature included: the key of all
    /// "seen" sets, where a [`TxId`] would let a bad copy hide the good one.
    SignedHash
}

fn parse(text: &str) -> Result<[u8; 32], BadHash> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = [0; 32];
    // The library would take a second prefix.
    if digits.len() != 64 || digits.starts_with("0x") {
        return Err(BadHash);
    }
    const_hex::decode_to_slice(digits, &mut bytes).map_err(|_| BadHash)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_hash_is_written_and_read_as_hex() {
        let id = BlockId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string(), "ab".repeat(32));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(("0x".to_string() + &"AB".repeat(32)).parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_no_hashes() {
        for text in [
            "",
            "0x",
            &"ab".repeat(31),
            &"ab".repeat(33),
            &"zz".repeat(32),
        ] {
            assert_eq!(text.parse::<BlockId>(), Err(BadHash), "{text}");
        }
        assert_eq!(
            ("0x0x".to_string() + &"ab".repeat(31)).parse::<TxId>(),
            Err(BadHash)
        );
        assert_eq!(
            ("0x".to_string() + &"ab".repeat(31)).parse::<TxId>(),
            Err(BadHash)
        );
    }
}
