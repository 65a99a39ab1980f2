//! One key, encrypted: a JSON file with a version, what everybody may know (address and public key),
//! and the secret under a key that Argon2id makes from the passphrase. The cipher vouches for all of
//! the file, so nothing in it can be exchanged unnoticed.

use archivas_core::primitives::{Address, SecretKey};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{BadSecret, KeyStoreError, Secret};

/// The format that this program writes and reads.
const VERSION: u32 = 1;
/// What Argon2id takes for a new file: 64 MiB, three passes (RFC 9106, second choice).
const KDF: Kdf = Kdf {
    memory_kib: 64 * 1024,
    passes: 3,
};
/// The most that a file may ask for: it may be anybody's.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 32;

/// A key as it stands on disk. Its fields are in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyFile {
    archivas_key: u32,
    /// Whose account it can spend.
    pub address: Address,
    /// The public half, in hex.
    pub public_key: String,
    kdf: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
    cipher: String,
    nonce: String,
    sealed: String,
}

/// What Argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kdf {
    memory_kib: u32,
    passes: u32,
}

/// A key that can sign, and what it was made from.
#[derive(Clone, Debug)]
pub struct Unsealed {
    /// What it was made from.
    pub secret: Secret,
    /// Whose account it can spend.
    pub address: Address,
}

/// What is encrypted.
#[derive(Deserialize, Serialize)]
struct Content {
    backup: Zeroizing<String>,
    extra: Zeroizing<String>,
}

impl KeyFile {
    /// Encrypts `secret` under `passphrase`, with salt and nonce from `random`, which must never have
    /// been used before.
    pub fn seal(secret: &Secret, passphrase: &str, random: &[u8; 28]) -> Self {
        Self::seal_at(secret, passphrase, (random, KDF))
    }

    fn seal_at(secret: &Secret, passphrase: &str, (random, cost): (&[u8; 28], Kdf)) -> Self {
        let (salt, nonce) = random.split_at(16);
        let key = secret.key();
        let mut file = Self {
            archivas_key: VERSION,
            address: key.address(),
            public_key: const_hex::encode(key.public_key().as_bytes()),
            kdf: "argon2id".into(),
            memory_kib: cost.memory_kib,
            passes: cost.passes,
            salt: const_hex::encode(salt),
            cipher: "chacha20poly1305".into(),
            nonce: const_hex::encode(nonce),
            sealed: String::new(),
        };
        let content = Content {
            backup: secret.backup(),
            extra: Zeroizing::new(secret.extra().to_owned()),
        };
        let content = serde_json::to_vec(&content).expect("two strings");
        let content = Zeroizing::new(content);
        let key = cost
            .derive(passphrase, salt)
            .expect("our own cost is allowed");
        let nonce: [u8; 12] = nonce.try_into().expect("28 bytes less 16");
        let payload = Payload {
            msg: content.as_slice(),
            aad: &file.header(),
        };
        let cipher = ChaCha20Poly1305::new((&*key).into());
        let sealed = cipher.encrypt(&nonce.into(), payload);
        file.sealed = const_hex::encode(sealed.expect("a short message"));
        file
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// `Damaged` when it is no key file of this version.
    pub fn parse(text: &[u8]) -> Result<Self, KeyStoreError> {
        let file: Self = serde_json::from_slice(text)
            .map_err(|error| KeyStoreError::Damaged(format!("it cannot be read: {error}")))?;
        if file.archivas_key != VERSION {
            let version = file.archivas_key;
            let sentence = format!("it has version {version}, and this program reads {VERSION}");
            return Err(KeyStoreError::Damaged(sentence));
        }
        if file.kdf != "argon2id" || file.cipher != "chacha20poly1305" {
            let sentence = "it names another cipher than this program has";
            return Err(KeyStoreError::Damaged(sentence.into()));
        }
        Ok(file)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("plain fields");
        text + "\n"
    }

    /// Decrypts it.
    ///
    /// # Errors
    /// `WrongPassphrase` when the passphrase is another one, or the file was changed: nobody can tell
    /// the two apart. `Damaged` when it is nonsense in itself.
    pub fn open(&self, passphrase: &str) -> Result<Unsealed, KeyStoreError> {
        let damaged = |what: &str| KeyStoreError::Damaged(what.into());
        let salt: [u8; 16] = bytes(&self.salt).ok_or_else(|| damaged("its salt is cut off"))?;
        let nonce: [u8; 12] = bytes(&self.nonce).ok_or_else(|| damaged("its nonce is cut off"))?;
        let sealed =
            const_hex::decode(&self.sealed).map_err(|_| damaged("its secret is no hex"))?;
        let cost = Kdf {
            memory_kib: self.memory_kib,
            passes: self.passes,
        };
        let key = cost.derive(passphrase, &salt)?;
        let payload = Payload {
            msg: sealed.as_slice(),
            aad: &self.header(),
        };
        let cipher = ChaCha20Poly1305::new((&*key).into());
        let content = cipher.decrypt(&nonce.into(), payload);
        let content = Zeroizing::new(content.map_err(|_| KeyStoreError::WrongPassphrase)?);
        let content: Content = serde_json::from_slice(&content)
            .map_err(|_| damaged("what it holds is not what this program writes"))?;
        let secret = Secret::parse(&content.backup, &content.extra);
        let secret = secret.map_err(|error: BadSecret| damaged(&error.to_string()))?;
        let address = secret.key().address();
        Ok(Unsealed { secret, address })
    }

    /// Everything but the secret: what the cipher vouches for beside it.
    fn header(&self) -> Vec<u8> {
        let header = Self {
            sealed: String::new(),
            ..self.clone()
        };
        serde_json::to_vec(&header).expect("plain fields")
    }
}

impl Unsealed {
    /// The key that signs.
    pub fn key(&self) -> SecretKey {
        self.secret.key()
    }
}

impl Kdf {
    fn derive(self, passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyStoreError> {
        let allowed = self.memory_kib <= MEMORY_KIB_MAX && self.passes <= PASSES_MAX;
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).ok();
        let params = params.filter(|_| allowed).ok_or_else(|| {
            KeyStoreError::Damaged("it asks for more work than any key of ours does".into())
        })?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
            .map_err(|error| KeyStoreError::Damaged(format!("no key can be derived: {error}")))?;
        Ok(key)
    }
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    const_hex::decode_to_array(hex).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Kdf = Kdf {
        memory_kib: 64,
        passes: 1,
    };

    fn sealed() -> KeyFile {
        let secret = Secret::from_entropy(&[3; 16]);
        KeyFile::seal_at(&secret, "correct horse", (&[9; 28], CHEAP))
    }

    #[test]
    fn a_key_is_read_back_with_its_passphrase_and_no_other() {
        let file = KeyFile::parse(sealed().to_text().as_bytes()).expect("ours");
        let unsealed = file.open("correct horse").expect("the passphrase");
        assert_eq!(
            unsealed.secret.backup(),
            Secret::from_entropy(&[3; 16]).backup()
        );
        assert_eq!(unsealed.address, file.address);
        for wrong in ["", "correct horse ", "Correct horse"] {
            let refused = file.open(wrong).expect_err(wrong);
            assert!(
                matches!(refused, KeyStoreError::WrongPassphrase),
                "{refused}"
            );
        }
    }

    #[test]
    fn nothing_in_the_file_can_be_exchanged() {
        let (file, other) = (sealed(), Secret::from_entropy(&[4; 16]).key());
        let changed = [
            KeyFile {
                address: other.address(),
                ..file.clone()
            },
            KeyFile {
                public_key: const_hex::encode(other.public_key().as_bytes()),
                ..file.clone()
            },
            KeyFile {
                passes: 2,
                ..file.clone()
            },
            KeyFile {
                salt: "00".repeat(16),
                ..file.clone()
            },
            KeyFile {
                nonce: "00".repeat(12),
                ..file.clone()
            },
            KeyFile {
                sealed: file.sealed.replacen(['0', '1', '2'], "3", 1),
                ..file.clone()
            },
        ];
        for file in changed {
            let refused = file.open("correct horse").expect_err("changed");
            assert!(
                matches!(refused, KeyStoreError::WrongPassphrase),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_file_of_another_version_or_that_asks_for_too_much_is_refused() {
        let text = sealed().to_text();
        for (from, to) in [
            ("\"archivasKey\": 1", "\"archivasKey\": 2"),
            ("argon2id", "scrypt"),
            ("\"salt\"", "\"pepper\""),
            ("{", "["),
        ] {
            let refused = KeyFile::parse(text.replacen(from, to, 1).as_bytes());
            assert!(matches!(refused, Err(KeyStoreError::Damaged(_))), "{to}");
        }
        let file = KeyFile {
            memory_kib: MEMORY_KIB_MAX + 1,
            ..sealed()
        };
        let refused = file.open("correct horse").expect_err("too much");
        assert!(matches!(refused, KeyStoreError::Damaged(_)), "{refused}");
    }

    #[test]
    fn a_file_written_by_the_first_version_opens_for_ever() {
        let file = KeyFile::parse(include_bytes!("key-v1.json")).expect("ours");
        let unsealed = file.open("correct horse").expect("the passphrase");
        let address = "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p";
        assert_eq!(unsealed.address.to_string(), address);
    }
}
