//! Seeds as people write them (interfaces.md §4): digits are decimal, `0x…` is hex, exactly 40 hex
//! digits are a git commit, of which the first 16 count. Printed as `0x` and 16 hex digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The seed of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed(pub u64);

/// What is no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no seed: decimal digits, 0x and up to 16 hex digits, or a git commit of 40")]
pub struct BadSeed(String);

impl Seed {
    /// The seed that comes `index` places after this one, around the end of 64 bits.
    #[must_use]
    pub fn plus(self, index: u64) -> Self {
        Self(self.0.wrapping_add(index))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

impl FromStr for Seed {
    type Err = BadSeed;

    fn from_str(text: &str) -> Result<Self, BadSeed> {
        let bad = || BadSeed(text.into());
        let is_hex =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let hex = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| bad());
        let value = match text.strip_prefix("0x") {
            Some(digits) if is_hex(digits) => hex(digits)?,
            Some(_) => return Err(bad()),
            None if text.len() == 40 && is_hex(text) => hex(&text[..16])?,
            None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| bad())?,
            None => return Err(bad()),
        };
        Ok(Self(value))
    }
}

impl TryFrom<String> for Seed {
    type Error = BadSeed;

    fn try_from(text: String) -> Result<Self, BadSeed> {
        text.parse()
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_decimal_hex_or_commit() {
        assert_eq!("7".parse(), Ok(Seed(7)));
        assert_eq!("18446744073709551615".parse(), Ok(Seed(u64::MAX)));
        assert_eq!("0xff".parse(), Ok(Seed(255)));
        let commit = "7dbf69b000000001000000000000000000000000";
        assert_eq!(commit.parse(), Ok(Seed(0x7dbf_69b0_0000_0001)));
    }

    #[test]
    fn forty_decimal_digits_are_a_commit_too() {
        let commit = "1234567812345678123456781234567812345678";
        assert_eq!(commit.parse(), Ok(Seed(0x1234_5678_1234_5678)));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "0x",
            "-1",
            "+1",
            "0xg",
            "7a",
            "18446744073709551616",
            "0x+1",
            " 7",
        ] {
            assert_eq!(text.parse::<Seed>(), Err(BadSeed(text.into())), "{text}");
        }
        assert!("0x11112222333344445".parse::<Seed>().is_err());
    }

    #[test]
    fn a_printed_seed_is_read_back() {
        assert_eq!(Seed(7).to_string(), "0x0000000000000007");
        assert_eq!(Seed(7).to_string().parse(), Ok(Seed(7)));
    }
}
