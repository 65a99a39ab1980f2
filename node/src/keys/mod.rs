//! Wallet keys: the words that they are made from (BIP39), the key that the words give (as the
//! Archivas wallets derive it), and the encrypted files that hold them. Secrets are wiped from memory
//! when dropped, and no type here prints one.

mod sealed;
mod store;

pub use sealed::{KeyFile, Unsealed};
pub use store::{KeyStore, KeyStoreError, write_private};

use std::fmt;

use archivas_core::primitives::SecretKey;
use bip39::{Language, Mnemonic};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

/// What the wallets key their derivation with.
const DERIVATION: &[u8] = b"ed25519 seed";

/// What a key can be had from, and is backed up as.
#[derive(Clone)]
pub enum Secret {
    /// English BIP39 words, and the passphrase that belongs to them (usually empty).
    Words {
        /// 12 to 24 of them.
        words: Mnemonic,
        /// BIP39's own passphrase: another one gives another key.
        extra: Zeroizing<String>,
    },
    /// The 32 bytes of an Ed25519 private key (RFC 8032).
    Seed(Zeroizing<[u8; 32]>),
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Not words of the list, or not as many as there can be.
    #[error("that is neither 12, 15, 18, 21 or 24 English BIP39 words nor 64 hex digits")]
    Unreadable,
    /// A word is wrong, or two are exchanged.
    #[error("the words do not belong together: one is wrong or two are exchanged")]
    Checksum,
}

impl Secret {
    /// New words: 16 bytes of entropy give 12 of them, 32 give 24.
    ///
    /// # Panics
    /// When it is neither 16, 20, 24, 28 nor 32 bytes.
    pub fn from_entropy(entropy: &[u8]) -> Self {
        let words = Mnemonic::from_entropy(entropy).expect("as many bytes as BIP39 knows");
        let extra = Zeroizing::default();
        Self::Words { words, extra }
    }

    /// Words with spaces between them, or 64 hex digits of a private key.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str, extra: &str) -> Result<Self, BadSecret> {
        let text = text.trim();
        let mut seed = Zeroizing::new([0; 32]);
        if extra.is_empty() && const_hex::decode_to_slice(text, seed.as_mut_slice()).is_ok() {
            return Ok(Self::Seed(seed));
        }
        let lower = Zeroizing::new(text.to_lowercase());
        let words = Mnemonic::parse_in(Language::English, lower.as_str());
        let words = words.map_err(|error| match error {
            bip39::Error::InvalidChecksum => BadSecret::Checksum,
            _ => BadSecret::Unreadable,
        })?;
        let extra = Zeroizing::new(extra.to_owned());
        Ok(Self::Words { words, extra })
    }

    /// The key, by the wallets' rule: the left half of HMAC-SHA512 over the BIP39 seed.
    pub fn key(&self) -> SecretKey {
        match self {
            Self::Seed(seed) => SecretKey::from_seed(**seed),
            Self::Words { words, extra } => {
                let seed = Zeroizing::new(words.to_seed(extra.as_str()));
                let mac = Hmac::<Sha512>::new_from_slice(DERIVATION);
                let mut mac = mac.expect("HMAC takes keys of every length");
                mac.update(seed.as_slice());
                let whole = Zeroizing::new(<[u8; 64]>::from(mac.finalize().into_bytes()));
                let (left, _) = whole.split_at(32);
                SecretKey::from_seed(left.try_into().expect("half of 64 bytes"))
            }
        }
    }

    /// The words or the digits, to be written down; nothing else brings the key back.
    pub fn backup(&self) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Words { words, .. } => words.to_string(),
            Self::Seed(seed) => const_hex::encode(seed.as_slice()),
        })
    }

    /// BIP39's own passphrase, if there is one.
    pub fn extra(&self) -> &str {
        match self {
            Self::Words { extra, .. } => extra,
            Self::Seed(_) => "",
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Known answers, made with the SDK (in the core's tests).
    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../core/tests/vectors/wallet.json")).expect("JSON")
    }

    #[test]
    fn words_give_the_key_that_the_wallets_derive() {
        let vectors = vectors();
        let cases = vectors["derivations"].as_array().expect("a list");
        assert_eq!(cases.len(), 4);
        for case in cases {
            let text = |key: &str| case[key].as_str().expect("text");
            let secret = Secret::parse(text("mnemonic"), text("passphrase")).expect("words");
            assert_eq!(secret.key().address().to_string(), text("address"));
            let public = const_hex::encode(secret.key().public_key().as_bytes());
            assert_eq!(public, text("pubkey_hex"));
            assert_eq!(secret.backup().as_str(), text("mnemonic"));
            let seed = Secret::parse(text("secret_seed_hex"), "").expect("digits");
            assert_eq!(seed.key().address(), secret.key().address());
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_without_showing_it() {
        let words = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong";
        assert!(Secret::parse(words, "").is_ok(), "the published example");
        let exchanged = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong zoo";
        for (text, why) in [
            (exchanged, BadSecret::Checksum),
            ("zoo zoo", BadSecret::Unreadable),
            ("", BadSecret::Unreadable),
            ("0123", BadSecret::Unreadable),
        ] {
            let refused = Secret::parse(text, "").expect_err(text);
            assert_eq!(refused, why);
            assert!(text.is_empty() || !refused.to_string().contains(text));
        }
        let shown = format!("{:?}", Secret::parse(words, "").expect("words"));
        assert!(!shown.contains("zoo"), "{shown}");
    }

    #[test]
    fn upper_case_and_more_spaces_are_the_same_words() {
        let one = Secret::from_entropy(&[7; 32]);
        let shouted = one.backup().to_uppercase().replace(' ', "  \n");
        let other = Secret::parse(&shouted, "").expect("the same");
        assert_eq!(one.key().address(), other.key().address());
    }
}
