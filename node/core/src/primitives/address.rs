//! Addresses: 20 bytes of BLAKE2b over a public key; in text Bech32 with the prefix `arcv`, lower
//! case only, exactly 43 characters. So every address has one text, and every text one address.

use core::fmt;
use core::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};

use super::codec::serde_raw_or_text;

/// The human-readable prefix of all addresses.
pub const ADDRESS_PREFIX: &str = "arcv";

/// Characters of an address: prefix 4, separator 1, data 32, checksum 6.
pub const ADDRESS_TEXT_BYTES: usize = 43;

const HRP: Hrp = Hrp::parse_unchecked(ADDRESS_PREFIX);

/// Who holds an account.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 20]);

/// A text that is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is 43 lower-case characters of Bech32 that begin with arcv1")]
pub struct BadAddress;

impl Address {
    /// The producer of genesis; nobody has its key.
    pub const ZERO: Self = Self([0; 20]);

    /// Wraps the raw bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32, _>(f, HRP, &self.0).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.len() != ADDRESS_TEXT_BYTES || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(BadAddress);
        }
        let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| BadAddress)?;
        if checked.hrp() != HRP {
            return Err(BadAddress);
        }
        let mut bytes = [0; 20];
        let mut data = checked.byte_iter();
        for byte in &mut bytes {
            *byte = data.next().ok_or(BadAddress)?;
        }
        if data.next().is_some() {
            Err(BadAddress)
        } else {
            Ok(Self(bytes))
        }
    }
}

serde_raw_or_text!(Address);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const TEXT: &str = "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p";

    #[test]
    fn an_address_is_written_as_it_was_read() {
        let address: Address = TEXT.parse().expect("a literal");
        assert_eq!(
            const_hex::encode(address.as_bytes()),
            "5ff4a2b0339fcdaaff6e94b6a55348aa0e3ae83f"
        );
        assert_eq!(address.to_string(), TEXT);
    }

    #[test]
    fn upper_case_mixed_case_and_white_space_are_refused() {
        assert_eq!(TEXT.to_uppercase().parse::<Address>(), Err(BadAddress));
        assert_eq!(
            TEXT.replacen('t', "T", 1).parse::<Address>(),
            Err(BadAddress)
        );
        assert_eq!(
            alloc::format!(" {TEXT}").parse::<Address>(),
            Err(BadAddress)
        );
        assert_eq!(
            alloc::format!("{TEXT}\n").parse::<Address>(),
            Err(BadAddress)
        );
    }

    #[test]
    fn every_changed_character_is_noticed() {
        for position in 0..TEXT.len() {
            for other in ["q", "p", "l", "0", "é", "1"] {
                let mut text = TEXT.to_string();
                text.replace_range(position..=position, other);
                if text != TEXT {
                    assert_eq!(text.parse::<Address>(), Err(BadAddress), "{text}");
                }
            }
        }
    }

    #[test]
    fn bech32m_another_prefix_and_another_length_are_refused() {
        let m = bech32::encode::<bech32::Bech32m>(HRP, &[7; 20]).expect("short");
        let prefix = bech32::encode::<Bech32>(Hrp::parse("arcw").expect("valid"), &[7; 20]);
        assert_eq!(m.parse::<Address>(), Err(BadAddress));
        assert_eq!(prefix.expect("short").parse::<Address>(), Err(BadAddress));
        for length in [0, 1, 19, 21, 32] {
            let text = bech32::encode::<Bech32>(HRP, &alloc::vec![7; length]).expect("short");
            assert_eq!(text.parse::<Address>(), Err(BadAddress), "{length}");
        }
    }
}
