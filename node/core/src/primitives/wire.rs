//! The JSON in which wallets hand in a transfer (the SDK's wire body; interfaces §1).
//!
//! Two steps, because the API answers them differently: [`WireTransfer::parse`] fails when the text
//! is not such a thing at all, [`WireTransfer::into_signed`] when what it says cannot be accepted.
//! The signature itself is for `rules` to check.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::crypto::{PublicKey, Signature};
use super::domain::Domain;
use super::hash::TxId;
use super::json;
use super::transfer::{Memo, SignedTransfer};
use super::units::{AccountNonce, Amount};

/// A wire body as it was read: the shape is right, the contents are not yet looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireTransfer {
    #[serde(deserialize_with = "json::object")]
    tx: WireTx,
    pubkey: String,
    sig: String,
    hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTx {
    #[serde(rename = "type")]
    kind: String,
    from: String,
    to: String,
    amount: u64,
    fee: u64,
    nonce: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    memo: String,
}

/// Why a wire body was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct WireError {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub sentence: String,
}

impl WireError {
    fn new(code: &'static str, sentence: &str) -> Self {
        Self {
            code,
            sentence: sentence.to_owned(),
        }
    }
}

impl WireTransfer {
    /// Reads the text. Numbers are read from their own digits: a sign, a fraction, an exponent, a
    /// value beyond `u64` or quotes around it are refused.
    ///
    /// # Errors
    /// Code `malformed`.
    pub fn parse(text: &[u8]) -> Result<Self, WireError> {
        json::parse_object(text).map_err(|why| WireError {
            code: "malformed",
            sentence: alloc::format!("the body is not a signed transfer: {why}"),
        })
    }

    /// Looks at the contents: addresses, key, signature's form, memo, sender, hash.
    ///
    /// # Errors
    /// `unknown_type`, `bad_address`, `bad_public_key`, `bad_signature_encoding`, `memo_too_long`,
    /// `bad_hash`, `sender_mismatch`, `wrong_network` or `hash_mismatch`.
    pub fn into_signed(self, domain: &Domain) -> Result<SignedTransfer, WireError> {
        let claimed = self
            .hash
            .parse::<TxId>()
            .map_err(|why| bad("bad_hash", &why))?;
        let from = address(&self.tx.from)?;
        let signed = self.contents()?;
        if signed.from() != from {
            return Err(WireError::new(
                "sender_mismatch",
                "the public key is not that of the address in from",
            ));
        }
        let transfer = signed.transfer();
        if transfer.id(domain) == claimed {
            return Ok(signed);
        }
        if domain.others().any(|other| transfer.id(&other) == claimed) {
            return Err(WireError::new(
                "wrong_network",
                "the transfer was signed for another network",
            ));
        }
        Err(WireError::new(
            "hash_mismatch",
            "the hash is not that of the transfer",
        ))
    }

    /// The body that a wallet would hand in for a signed transfer, as JSON.
    pub fn from_signed(signed: &SignedTransfer, domain: &Domain) -> String {
        serde_json::to_string(&Self::of(signed, domain)).expect("strings and numbers serialize")
    }

    /// The same as a value, to be written as part of a larger object.
    pub fn of(signed: &SignedTransfer, domain: &Domain) -> Self {
        Self {
            tx: WireTx {
                kind: "transfer".to_owned(),
                from: signed.from().to_string(),
                to: signed.to.to_string(),
                amount: signed.amount.get(),
                fee: signed.fee.get(),
                nonce: signed.nonce.get(),
                memo: signed.memo.as_str().to_owned(),
            },
            pubkey: BASE64.encode(signed.public_key.as_bytes()),
            sig: BASE64.encode(signed.signature.as_bytes()),
            hash: signed.id(domain).to_string(),
        }
    }

    fn contents(self) -> Result<SignedTransfer, WireError> {
        let tx = self.tx;
        if tx.kind != "transfer" {
            return Err(WireError::new("unknown_type", "the only type is transfer"));
        }
        Ok(SignedTransfer {
            to: address(&tx.to)?,
            amount: Amount::new(tx.amount),
            fee: Amount::new(tx.fee),
            nonce: AccountNonce::new(tx.nonce),
            memo: Memo::new(tx.memo).map_err(|_| {
                WireError::new("memo_too_long", "a memo has at most 256 bytes of UTF-8")
            })?,
            public_key: public_key(&self.pubkey)?,
            signature: signature(&self.sig)?,
        })
    }
}

fn bad(code: &'static str, why: &dyn core::fmt::Display) -> WireError {
    WireError {
        code,
        sentence: why.to_string(),
    }
}

fn address(text: &str) -> Result<Address, WireError> {
    text.parse().map_err(|why| bad("bad_address", &why))
}

fn public_key(text: &str) -> Result<PublicKey, WireError> {
    let bytes = match text.len() {
        64 if !text.starts_with("0x") => const_hex::decode_to_array(text).ok(),
        _ => base64_array(text),
    };
    bytes.map(PublicKey::from_bytes).ok_or_else(|| {
        WireError::new(
            "bad_public_key",
            "pubkey is 32 bytes in padded base64 or in hex",
        )
    })
}

fn signature(text: &str) -> Result<Signature, WireError> {
    base64_array(text)
        .map(Signature::from_bytes)
        .ok_or_else(|| WireError::new("bad_signature_encoding", "sig is 64 bytes in padded base64"))
}

fn base64_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text).ok()?.try_into().ok()
}
