//! Transfers of money, as wallets sign them ("TxV1") and as blocks carry them (protocol §2).

use alloc::string::String;
use core::fmt::Write;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::bounded::BoundedString;
use super::codec::{encode, varint_bytes};
use super::crypto::{PublicKey, SecretKey, Signature, blake2b_256, sha3_256};
use super::domain::Domain;
use super::hash::{SignedHash, TxId};
use super::limits::MEMO_BYTES_MAX;
use super::units::{AccountNonce, Amount};

/// A sender's note; empty means none.
pub type Memo = BoundedString<MEMO_BYTES_MAX>;

/// What is signed: all that a transfer says, without key and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Whose account pays.
    pub from: Address,
    /// Whose account receives.
    pub to: Address,
    /// What is received, in base units.
    pub amount: Amount,
    /// What the producer of the block gets, in base units.
    pub fee: Amount,
    /// Must be the sender's account nonce.
    pub nonce: AccountNonce,
    /// A note; empty means none.
    pub memo: Memo,
}

/// A transfer with key and signature, as blocks and messages carry it. The sender's address is that
/// of the key: no other can be claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTransfer {
    /// Whose account receives.
    pub to: Address,
    /// What is received, in base units.
    pub amount: Amount,
    /// What the producer of the block gets, in base units.
    pub fee: Amount,
    /// Must be the sender's account nonce.
    pub nonce: AccountNonce,
    /// A note; empty means none.
    pub memo: Memo,
    /// The sender's key.
    pub public_key: PublicKey,
    /// Ed25519 over the 32 bytes of the [`TxId`].
    pub signature: Signature,
}

/// What a sender decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Whose account receives.
    pub to: Address,
    /// What is received, in base units.
    pub amount: Amount,
    /// What the producer of the block gets, in base units.
    pub fee: Amount,
    /// The sender's account nonce.
    pub nonce: AccountNonce,
    /// A note; empty means none.
    pub memo: Memo,
}

impl Transfer {
    /// The one JSON text of a transfer: no spaces, keys sorted, plain digits, strings escaped as
    /// JavaScript's `JSON.stringify` does, no memo when it is empty.
    pub fn canonical_json(&self) -> String {
        // Braces, keys and commas 69, three numbers 60, two addresses 86: with a short memo, one
        // allocation.
        let mut json = String::with_capacity(256 + self.memo.len());
        let Self {
            from,
            to,
            amount,
            fee,
            nonce,
            memo,
        } = self;
        let mut put = |part: core::fmt::Arguments<'_>| {
            json.write_fmt(part).expect("a string takes everything");
        };
        put(format_args!(
            r#"{{"amount":{amount},"fee":{fee},"from":"{from}","#
        ));
        if !memo.is_empty() {
            let memo = serde_json::to_string(memo.as_str()).expect("a text serializes");
            put(format_args!(r#""memo":{memo},"#));
        }
        put(format_args!(
            r#""nonce":{nonce},"to":"{to}","type":"transfer"}}"#
        ));
        json
    }

    /// BLAKE2b-256 of the domain's bytes and the canonical JSON's, with nothing between.
    pub fn id(&self, domain: &Domain) -> TxId {
        let json = self.canonical_json();
        TxId::from_bytes(blake2b_256(&[domain.as_str().as_bytes(), json.as_bytes()]))
    }
}

impl SignedTransfer {
    /// Makes and signs a transfer from the key's own account.
    pub fn sign(key: &SecretKey, domain: &Domain, payment: Payment) -> Self {
        let Payment {
            to,
            amount,
            fee,
            nonce,
            memo,
        } = payment;
        let from = key.address();
        let transfer = Transfer {
            from,
            to,
            amount,
            fee,
            nonce,
            memo,
        };
        let signature = key.sign(transfer.id(domain).as_bytes());
        let Transfer { memo, .. } = transfer;
        Self {
            to,
            amount,
            fee,
            nonce,
            memo,
            public_key: key.public_key(),
            signature,
        }
    }

    /// The sender: the address of the key. One BLAKE2b; checked transfers keep it.
    pub fn from(&self) -> Address {
        self.public_key.address()
    }

    /// What was signed.
    pub fn transfer(&self) -> Transfer {
        Transfer {
            from: self.from(),
            to: self.to,
            amount: self.amount,
            fee: self.fee,
            nonce: self.nonce,
            memo: self.memo.clone(),
        }
    }

    /// The name of the transfer on a network of this domain.
    pub fn id(&self, domain: &Domain) -> TxId {
        self.transfer().id(domain)
    }

    /// SHA3-256 of the encoding, signature included.
    pub fn hash(&self) -> SignedHash {
        SignedHash::from_bytes(sha3_256(&[&encode(self)]))
    }

    /// Bytes of the encoding, without making it.
    pub fn size(&self) -> usize {
        let numbers = [self.amount.get(), self.fee.get(), self.nonce.get()];
        let memo = u64::try_from(self.memo.len()).expect("a memo is short");
        let varints: usize = numbers.into_iter().map(varint_bytes).sum();
        20 + varints + varint_bytes(memo) + self.memo.len() + 32 + 64
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::{DecodeError, decode};
    use super::*;
    use alloc::string::ToString;

    fn payment(memo: &str) -> Payment {
        Payment {
            to: Address::from_bytes([9; 20]),
            amount: Amount::new(u64::MAX),
            fee: Amount::new(128),
            nonce: AccountNonce::new(0),
            memo: Memo::new(memo).expect("short"),
        }
    }

    fn signed(memo: &str) -> SignedTransfer {
        SignedTransfer::sign(
            &SecretKey::from_seed([1; 32]),
            &Domain::archivas(),
            payment(memo),
        )
    }

    #[test]
    fn the_size_is_known_without_encoding() {
        for memo in [
            "",
            "a",
            &"é".repeat(63),
            &"x".repeat(127),
            &"x".repeat(128),
            &"x".repeat(256),
        ] {
            let signed = signed(memo);
            assert_eq!(signed.size(), encode(&signed).len(), "{memo}");
        }
    }

    #[test]
    fn the_parts_of_the_encoding_follow_each_other_raw() {
        let signed = signed("hi");
        let hex = const_hex::encode(encode(&signed));
        let numbers = "ffffffffffffffffff01800100";
        assert_eq!(
            &hex[..40 + 26 + 6],
            ["09".repeat(20).as_str(), numbers, "026869"].concat()
        );
        assert_eq!(signed.size(), 20 + 13 + 3 + 32 + 64);
        assert!(hex.ends_with(&const_hex::encode(signed.signature.as_bytes())));
    }

    #[test]
    fn a_memo_of_257_bytes_does_not_decode() {
        let long = (
            Address::from_bytes([9; 20]),
            1u64,
            1u64,
            1u64,
            "x".repeat(257),
        );
        let mut bytes = encode(&long);
        bytes.extend_from_slice(&[0; 96]);
        assert_eq!(
            decode::<SignedTransfer>(&bytes),
            Err(DecodeError::Malformed)
        );
    }

    #[test]
    fn the_id_does_not_cover_the_signature_and_the_hash_does() {
        let one = signed("");
        let mut other = one.clone();
        other.signature = Signature::from_bytes([0; 64]);
        let domain = Domain::archivas();
        assert_eq!(one.id(&domain), other.id(&domain));
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn domains_give_different_ids() {
        let ids = super::super::domain::KNOWN_DOMAINS
            .map(|domain| signed("").id(&domain.parse().expect("known")).to_string());
        assert_ne!(ids[0], ids[1]);
    }
}
