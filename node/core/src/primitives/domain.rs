//! The signing domain: the text before the canonical JSON that keeps a transfer of one network from
//! being a transfer of another (protocol §2).

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::codec::deserialize_text;
use super::limits::DOMAIN_BYTES_MAX;

/// The domain that the published SDK always signs with: that of `archivas` and `dev`.
pub const ARCHIVAS_DOMAIN: &str = "Archivas-TxV1";
/// The domain of `testnet`.
pub const TESTNET_DOMAIN: &str = "Archivas-Testnet-TxV1";

/// All domains of built-in networks: a transfer signed for another of them is refused with a reason
/// of its own, because its sender most likely chose the wrong network.
pub const KNOWN_DOMAINS: [&str; 2] = [ARCHIVAS_DOMAIN, TESTNET_DOMAIN];

/// 1–32 characters of `A–Z a–z 0–9 - . :`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Domain(String);

/// A text that cannot be a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a domain is 1 to 32 characters of A-Z a-z 0-9 - . :")]
pub struct BadDomain;

impl Domain {
    /// The domain that the published SDK always signs with.
    pub fn archivas() -> Self {
        Self(String::from(ARCHIVAS_DOMAIN))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domains of built-in networks other than this one.
    pub fn others(&self) -> impl Iterator<Item = Domain> + '_ {
        KNOWN_DOMAINS
            .iter()
            .filter(|known| **known != self.0)
            .map(|known| Self(String::from(*known)))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Domain {
    type Err = BadDomain;

    fn from_str(text: &str) -> Result<Self, BadDomain> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':');
        if text.is_empty() || text.len() > DOMAIN_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(BadDomain);
        }
        Ok(Self(String::from(text)))
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_short_and_plain() {
        assert!("Archivas-TxV1".parse::<Domain>().is_ok());
        assert!("a.B:9-".parse::<Domain>().is_ok());
        assert!("x".repeat(32).parse::<Domain>().is_ok());
        for text in ["", "a b", "a{", "a\"", "é", "a_b", &"x".repeat(33)] {
            assert_eq!(text.parse::<Domain>(), Err(BadDomain), "{text}");
        }
    }

    #[test]
    fn every_known_domain_is_a_domain_and_none_is_named_twice() {
        for known in KNOWN_DOMAINS {
            let domain: Domain = known.parse().expect("a known domain");
            assert_eq!(domain.others().count(), KNOWN_DOMAINS.len() - 1);
        }
    }
}
