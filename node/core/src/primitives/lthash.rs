//! LtHash: one value that stands for the set of all accounts, whatever their order, and that a change
//! of one account changes in constant time. Its digest is the state root (`protocol.md` §1). It stands
//! on this floor because the genesis header commits to it.

use alloc::vec::Vec;
use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::account::Account;
use super::address::Address;
use super::crypto::{blake2b_256, sha3_256};
use super::hash::StateRoot;

const LANES: usize = 1024;

/// The bytes of an LtHash, and of one account's share of it.
pub const LTHASH_BYTES: usize = 2 * LANES;

/// The sum of all non-empty accounts: 1,024 lanes of 16 bits, added without carry.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash {
    lanes: [u16; LANES],
}

impl LtHash {
    /// The LtHash of no accounts.
    pub const EMPTY: LtHash = LtHash { lanes: [0; LANES] };

    /// Adds an account. The empty account is no member of the set and changes nothing.
    pub fn add(&mut self, address: &Address, account: &Account) {
        self.combine(address, account, u16::wrapping_add);
    }

    /// Takes away an account that was added with exactly this value.
    pub fn remove(&mut self, address: &Address, account: &Account) {
        self.combine(address, account, u16::wrapping_sub);
    }

    fn combine(&mut self, address: &Address, account: &Account, lane: impl Fn(u16, u16) -> u16) {
        if account.is_empty() {
            return;
        }
        let element = element(address, account);
        for (sum, bytes) in self.lanes.iter_mut().zip(element.as_chunks::<2>().0) {
            *sum = lane(*sum, u16::from_le_bytes(*bytes));
        }
    }

    /// The state root: SHA3-256 of the lanes.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        StateRoot::from_bytes(sha3_256(&[&self.to_bytes()]))
    }

    /// The lanes in order, each little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lanes
            .iter()
            .flat_map(|lane| lane.to_le_bytes())
            .collect()
    }

    /// The LtHash with these lanes; `None` unless there are exactly [`LTHASH_BYTES`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LTHASH_BYTES] = bytes.try_into().ok()?;
        let mut lanes = [0; LANES];
        for (lane, bytes) in lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = u16::from_le_bytes(*bytes);
        }
        Some(Self { lanes })
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LtHash({})", self.root())
    }
}

/// One account's share: ChaCha20 keystream (nonce zero, counter from zero) under a key that commits
/// to everything about the account.
fn element(address: &Address, account: &Account) -> [u8; LTHASH_BYTES] {
    let key = blake2b_256(&[
        b"account",
        address.as_bytes(),
        &account.balance.get().to_le_bytes(),
        &account.nonce.get().to_le_bytes(),
    ]);
    keystream(key)
}

fn keystream(key: [u8; 32]) -> [u8; LTHASH_BYTES] {
    let mut bytes = [0; LTHASH_BYTES];
    ChaCha20Rng::from_seed(key).fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::primitives::units::{AccountNonce, Amount};

    fn account(balance: u64, nonce: u64) -> Account {
        Account {
            balance: Amount::new(balance),
            nonce: AccountNonce::new(nonce),
        }
    }

    #[test]
    fn the_keystream_is_chacha20_with_zero_nonce_counting_from_zero() {
        // RFC 8439, appendix A.1, test vectors 1 and 2: blocks 0 and 1 under the zero key.
        let blocks = "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7\
                      da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586\
                      9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed\
                      29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f";
        assert_eq!(const_hex::encode(&keystream([0; 32])[..128]), blocks);
    }

    #[test]
    fn nothing_and_empty_accounts_hash_to_the_digest_of_zeros() {
        let mut lthash = LtHash::EMPTY;
        lthash.add(&Address::from_bytes([7; 20]), &Account::EMPTY);
        assert_eq!(lthash, LtHash::EMPTY);
        let root = "463c61ad03873aa9e82581205205acc3d3c8346c7037c43e4e241ee529f2dc27";
        assert_eq!(alloc::format!("{}", lthash.root()), root);
    }

    #[test]
    fn the_root_of_two_accounts_is_the_known_one() {
        // Computed apart from this code, with Python's hashlib and a ChaCha20 written from RFC 8439.
        let mut lthash = LtHash::EMPTY;
        lthash.add(&Address::from_bytes([1; 20]), &account(5_000_000_000, 3));
        lthash.add(&Address::from_bytes([2; 20]), &account(0, u64::MAX));
        let root = "391f38cc494f839a9e9e3e3c6c1081a19bb9435cba9ac4168dcf98b364668d4f";
        assert_eq!(alloc::format!("{}", lthash.root()), root);
    }

    #[test]
    fn bytes_come_back_and_other_lengths_are_refused() {
        let mut lthash = LtHash::EMPTY;
        lthash.add(&Address::from_bytes([9; 20]), &account(1, 0));
        let bytes = lthash.to_bytes();
        assert_eq!(LtHash::from_bytes(&bytes), Some(lthash));
        assert_eq!(LtHash::from_bytes(&bytes[1..]), None);
    }

    proptest! {
        #[test]
        fn following_changes_gives_the_same_as_starting_from_scratch(
            changes in prop::collection::vec((0u8..4, 0u64..4, 0u64..3), 0..40)
        ) {
            let mut followed = LtHash::EMPTY;
            let mut accounts = BTreeMap::new();
            for (address, balance, nonce) in changes {
                let address = Address::from_bytes([address; 20]);
                let after = account(balance, nonce);
                let before = accounts.insert(address, after).unwrap_or_default();
                followed.remove(&address, &before);
                followed.add(&address, &after);
            }
            let mut scratch = LtHash::EMPTY;
            for (address, account) in accounts.iter().rev() {
                scratch.add(address, account);
            }
            prop_assert_eq!(followed, scratch);
        }
    }
}
