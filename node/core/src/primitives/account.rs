//! An account: what an address owns and how many transfers it has sent. It stands on this floor
//! because the rules judge transfers against it.

use serde::{Deserialize, Serialize};

use super::units::{AccountNonce, Amount};

/// The state of one address, in base units. An address without a row has the empty account, and the
/// empty account never has a row (`protocol.md` §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What the address may spend, in base units.
    pub balance: Amount,
    /// The nonce that its next transfer must carry.
    pub nonce: AccountNonce,
}

impl Account {
    /// No balance and no transfer sent.
    pub const EMPTY: Account = Account {
        balance: Amount::ZERO,
        nonce: AccountNonce::new(0),
    };

    /// True for the account that has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}
