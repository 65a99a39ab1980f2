//! Floor 2, numbers: every consensus constant and every limit towards peers, each with its reason and
//! the memory that it allows in the worst case; and the rules of a network, which its genesis fixes.
//!
//! A number that differs between networks is in [`Rules`]; a number that is the same everywhere is a
//! constant here. What the operator may choose is in neither.

pub mod batch;
pub mod genesis;
pub mod networks;
pub mod peers;
pub mod pool;

pub use genesis::{Allocation, Genesis, GenesisError, Law, Retarget, Rules};

use crate::primitives::Millis;
pub use crate::primitives::limits::{
    BLOCK_BYTES_MAX, BLOCK_TRANSFERS_MAX, DOMAIN_BYTES_MAX, HEADER_BYTES, MEMO_BYTES_MAX,
    SIGNED_TRANSFER_BYTES_MAX, SIGNED_TRANSFER_BYTES_MIN, UNDO_ACCOUNTS_MAX,
};

/// The only header version today (protocol §3).
pub const HEADER_VERSION: u32 = 1;

/// Version of the rules that judged a block invalid. Raised when a release judges differently, so
/// that marks of the old judgement are not believed.
pub const RULES_VERSION: u32 = 1;

/// Heights end here (protocol §3): 2,700 years of 20 seconds, and what makes the supply bounded.
pub const HEIGHT_END: u64 = 1 << 32;

/// Ancestors whose timestamps make the median time past. Odd and small, as in Bitcoin: six liars in
/// a row are needed to move it.
pub const MEDIAN_TIME_BLOCKS: usize = 11;

/// All money ever stays below this (a genesis that breaks it is refused), so that no sum of balances
/// can overflow, even a signed one.
pub const SUPPLY_END: u64 = 1 << 63;

/// Longest duration in a network's rules, 366 days: keeps the products of retargeting (duration, any
/// height, 16 bits of fraction) far within 128 bits.
pub const DURATION_MS_MAX: u64 = 366 * 24 * 3_600 * 1_000;

/// Longest network name. It appears in log lines and directory names.
pub const NETWORK_NAME_BYTES_MAX: usize = 32;

/// Longest genesis file that is read. 8 MiB hold about 100,000 allocations; they take 3 MB decoded.
pub const GENESIS_BYTES_MAX: usize = 8 << 20;

/// Deepest branch that is adopted without the operator (protocol §3): two days of 20 seconds. Long
/// enough to repair a partition over a weekend's Saturday, short enough to bound the undo that is
/// kept.
pub const REORG_DEPTH_MAX: u64 = 8_640;

/// A node whose tip is older than this is catching up (protocol §3): it follows every branch and
/// holds none.
pub const IBD_TIP_AGE: Millis = Millis::from_secs(24 * 3_600);

/// Blocks below the reorg window whose undo is still kept, so that the operator can step back.
pub const UNDO_MARGIN_BLOCKS: u64 = 144;

/// Undo kept: blocks below the tip that can be reverted, and so the deepest fork that can be followed.
pub const UNDO_BLOCKS: u64 = REORG_DEPTH_MAX + UNDO_MARGIN_BLOCKS;

/// Heights that one block lets go of at most, when what lies behind it is due: more than one, so that
/// a backlog shrinks while the chain grows, and few, so that a block costs about the same every time.
pub const PRUNE_HEIGHTS_MAX: u64 = 4;

/// Headers of a chain are stored once it has the work of ours but for so many blocks (protocol §4):
/// deep enough for any fork that nodes make among themselves, and below it a header costs as much
/// work as one of ours. A deeper branch shows its work first.
pub const ANTI_DOS_BLOCKS: u64 = 144;

/// Depth of the reorganizations that are one transaction (protocol §3): so many blocks leave and one
/// more joins. Bounds a step to about 200 MiB of bodies, if all are full, which are read, and the
/// accounts that they touch, which are written.
pub const REORG_STEP_BLOCKS: u64 = 100;

const _: () = assert!(
    MEDIAN_TIME_BLOCKS % 2 == 1,
    "a median of an odd number is one of them"
);
const _: () = assert!(
    DURATION_MS_MAX < 1 << 35,
    "2^35 × 2^64 × 2^16 stays within i128"
);
const _: () = assert!(REORG_STEP_BLOCKS <= REORG_DEPTH_MAX);
