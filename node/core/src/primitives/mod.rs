//! Floor 1, things: units, work, hashes, keys, addresses, the strict codec, transfers, blocks.
//!
//! Nothing here knows a network's rules; what is here is the same on every network. Touches
//! nothing but cryptographic and encoding libraries.

pub mod account;
pub mod address;
pub mod block;
pub mod bounded;
pub mod codec;
pub mod crypto;
pub mod domain;
pub mod hash;
pub mod header;
pub(crate) mod json;
pub mod limits;
pub mod lthash;
pub mod merkle;
pub mod transfer;
pub mod units;
pub mod wire;
pub mod work;

pub use account::Account;
pub use address::{Address, BadAddress};
pub use block::Block;
pub use bounded::{BoundedString, BoundedVec, TooLong};
pub use codec::{DecodeError, decode, encode};
pub use crypto::{PublicKey, SecretKey, Signature};
pub use domain::{BadDomain, Domain};
pub use hash::{BadHash, BlockId, SignedHash, StateRoot, TxId, TxRoot};
pub use header::Header;
pub use lthash::LtHash;
pub use transfer::{Memo, Payment, SignedTransfer, Transfer};
pub use units::{AccountNonce, Amount, Height, Instant, Millis, Now, Timestamp};
pub use wire::{WireError, WireTransfer};

pub use work::{BadCompactTarget, CompactTarget, Target, Work};
