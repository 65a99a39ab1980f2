//! Limits of the mempool: policy, never validity (protocol §6).

use crate::params::peers::TRANSFER_CHECKS_MAX;
use crate::primitives::Millis;

/// Transfers in the pool: with the indexes about 50 MB.
pub const POOL_COUNT_MAX: usize = 50_000;

/// Bytes of transfers in the pool, as they are on the wire.
pub const POOL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Transfers of one sender, pending and queued: what one key can make everybody hold.
pub const POOL_SENDER_MAX: usize = 64;

/// How far a queued transfer's nonce may lie above the account's.
pub const POOL_NONCE_GAP_MAX: u64 = 64;

/// After this long in the pool a transfer is forgotten.
pub const POOL_EXPIRY: Millis = Millis::from_secs(3 * 60 * 60);

/// A replacement pays at least this much more fee rate than what it replaces, in percent.
pub const POOL_REPLACEMENT_PERCENT: u64 = 110;

/// The floor fee rate halves in this time once nothing is evicted any more.
pub const POOL_FLOOR_HALF_LIFE: Millis = Millis::from_secs(10 * 60);

/// Transfers whose verified signatures are remembered, by the hash of the whole signed transfer: all
/// that the pool holds and more than the fullest block brings; 8 MB.
pub const VERIFIED_TRANSFERS_MAX: usize = 65_536;

/// Of a reorganization, transfers of this many newest left blocks come back.
pub const POOL_RETURN_BLOCKS_MAX: u64 = 100;

/// Own transfers that have left the pool are deleted from disk together, this long after the first
/// of them.
pub const OWN_TIDY_INTERVAL: Millis = Millis::from_secs(30);

/// The pool is written to disk this long after its first change.
pub const POOL_SAVE_INTERVAL: Millis = Millis::from_secs(30);

/// Transfers of the pool of an earlier life that are at the checker at once: a quarter of its room, so
/// that a full pool keeps nobody out while it is judged anew.
pub const SAVED_CHECKS_MAX: usize = TRANSFER_CHECKS_MAX / 4;

const _: () = assert!(VERIFIED_TRANSFERS_MAX >= POOL_COUNT_MAX);
const _: () = assert!(POOL_NONCE_GAP_MAX <= POOL_SENDER_MAX as u64);
