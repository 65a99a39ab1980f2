//! The bounds that belong to the formats themselves, on every network. `params` repeats them
//! beside all other numbers, so that a reader finds every number in one place.

/// Bytes of an encoded header (protocol §3).
pub const HEADER_BYTES: usize = 160;

/// Largest memo, in bytes of UTF-8 (protocol §2): room for an invoice line, not for a file.
pub const MEMO_BYTES_MAX: usize = 256;

/// Smallest signed transfer: to 20, four one-byte varints (amount, fee, nonce, memo length),
/// public key 32, signature 64.
pub const SIGNED_TRANSFER_BYTES_MIN: usize = 20 + 4 + 32 + 64;

/// Largest signed transfer: three ten-byte varints, a memo of full length with a two-byte length.
pub const SIGNED_TRANSFER_BYTES_MAX: usize = 20 + 3 * 10 + 2 + MEMO_BYTES_MAX + 32 + 64;

/// Largest block of any network: header plus encoded transfer list (protocol §3). A network may
/// set a smaller limit in its genesis. Worst case in memory: about 1.5 times as much, as
/// transfers decoded (8,737 of 168 bytes and their memos).
pub const BLOCK_BYTES_MAX: usize = 1_048_576;

/// Most transfers that fit into the largest block; the bound of the list's length prefix, checked
/// before memory is reserved.
pub const BLOCK_TRANSFERS_MAX: usize = (BLOCK_BYTES_MAX - HEADER_BYTES) / SIGNED_TRANSFER_BYTES_MIN;

/// Longest signing domain (protocol §2).
pub const DOMAIN_BYTES_MAX: usize = 32;

/// Most accounts that a block touches: two of each transfer, and the miner's. The bound of a stored
/// undo's length prefix; worst case in memory: 17,473 of 40 bytes, at most doubled while the list grows.
pub const UNDO_ACCOUNTS_MAX: usize = 2 * BLOCK_TRANSFERS_MAX + 1;

const _: () = assert!(SIGNED_TRANSFER_BYTES_MIN == 120);
const _: () = assert!(SIGNED_TRANSFER_BYTES_MAX + HEADER_BYTES < BLOCK_BYTES_MAX);
const _: () = assert!(BLOCK_TRANSFERS_MAX == 8_736);
