//! Transfers: their bytes, the wallet's canonical text, their id, and what can be judged without
//! accounts (protocol §§1, 2).

use crate::bech32::address_text;
use crate::bytes::{Reader, Unreadable, put_string, put_varint};
use crate::hash::{Hash, address_of, blake2b_32, sha3, signature_holds};
use crate::rule::Rule;

const MEMO_BYTES_MAX: u64 = 256;

/// The domains of the networks that every release knows.
const KNOWN_DOMAINS: [&str; 2] = ["Archivas-TxV1", "Archivas-Testnet-TxV1"];

/// A signed transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who receives.
    pub to: [u8; 20],
    /// Base units that move.
    pub amount: u64,
    /// Base units for the producer.
    pub fee: u64,
    /// The sender's count of transfers before this one.
    pub nonce: u64,
    /// A note; empty when there is none.
    pub memo: String,
    /// The sender's key.
    pub public_key: [u8; 32],
    /// Over the id.
    pub signature: [u8; 64],
}

impl Transfer {
    /// Reads exactly one.
    ///
    /// # Errors
    /// When the bytes are not what writing it would give.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new(bytes);
        let transfer = Self::read(&mut reader)?;
        reader.end()?;
        Ok(transfer)
    }

    /// Reads the next one.
    ///
    /// # Errors
    /// When the bytes are not what writing it would give.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Transfer {
            to: reader.array()?,
            amount: reader.varint()?,
            fee: reader.varint()?,
            nonce: reader.varint()?,
            memo: reader.string(MEMO_BYTES_MAX)?,
            public_key: reader.array()?,
            signature: reader.array()?,
        })
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.to.to_vec();
        put_varint(&mut out, self.amount);
        put_varint(&mut out, self.fee);
        put_varint(&mut out, self.nonce);
        put_string(&mut out, &self.memo);
        out.extend(self.public_key);
        out.extend(self.signature);
        out
    }

    /// The sender: the address of the key.
    pub fn from(&self) -> [u8; 20] {
        address_of(&self.public_key)
    }

    /// The text that the wallet hashes.
    pub fn canonical_json(&self) -> String {
        let memo = match self.memo.is_empty() {
            true => String::new(),
            false => format!("\"memo\":{},", quoted(&self.memo)),
        };
        format!(
            "{{\"amount\":{},\"fee\":{},\"from\":\"{}\",{memo}\"nonce\":{},\"to\":\"{}\",\"type\":\"transfer\"}}",
            self.amount,
            self.fee,
            address_text(&self.from()),
            self.nonce,
            address_text(&self.to),
        )
    }

    /// The id under a domain. It does not cover the signature.
    pub fn id(&self, domain: &str) -> Hash {
        blake2b_32(&[domain.as_bytes(), self.canonical_json().as_bytes()])
    }

    /// The hash of everything, signature included.
    pub fn hash(&self) -> Hash {
        sha3(&[&self.bytes()])
    }

    /// Judges what needs no accounts.
    ///
    /// # Errors
    /// The first rule broken, in the order of the page; the signature last.
    pub fn judge(&self, domain: &str, fee_min: u64) -> Result<(), Rule> {
        if self.amount < 1 {
            return Err(Rule::ZeroAmount);
        }
        if self.fee < fee_min {
            return Err(Rule::FeeTooLow);
        }
        if self.nonce == u64::MAX {
            return Err(Rule::NonceAtEnd);
        }
        if u128::from(self.amount) + u128::from(self.fee) > u128::from(u64::MAX) {
            return Err(Rule::CostOverflow);
        }
        let holds =
            |domain: &str| signature_holds(&self.public_key, &self.id(domain), &self.signature);
        if holds(domain) {
            return Ok(());
        }
        match KNOWN_DOMAINS.into_iter().any(holds) {
            true => Err(Rule::WrongNetwork),
            false => Err(Rule::BadSignature),
        }
    }
}

/// As JavaScript's `JSON.stringify` writes a string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_javascript_does() {
        assert_eq!(
            quoted("a\"\\/\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\u{2028}é"),
            "\"a\\\"\\\\/\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\u{2028}é\""
        );
    }

    #[test]
    fn bytes_are_read_and_written_alike() {
        let transfer = Transfer {
            to: [1; 20],
            amount: 300,
            fee: 100,
            nonce: 0,
            memo: "m".to_owned(),
            public_key: [2; 32],
            signature: [3; 64],
        };
        let bytes = transfer.bytes();
        assert_eq!(bytes.len(), 20 + 2 + 1 + 1 + 2 + 32 + 64);
        assert_eq!(Transfer::parse(&bytes), Ok(transfer));
        assert!(Transfer::parse(&bytes[..bytes.len() - 1]).is_err());
        assert!(Transfer::parse(&[bytes, vec![0]].concat()).is_err());
    }
}
