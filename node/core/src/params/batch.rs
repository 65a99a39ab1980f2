//! How much may share a commit while a node catches up (`protocol.md` §5): what a crash at the wrong
//! moment has to be fetched again, and what stands in memory until then.

use crate::primitives::Millis;

/// Blocks that share a commit.
pub const BATCH_BLOCKS_MAX: usize = 256;

/// Bytes of the rows that share a commit; with the blocks themselves and the database's pages about
/// 150 MB in the worst case.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What was added is committed after this long, whatever came meanwhile.
pub const BATCH_TIME_MAX: Millis = Millis::from_secs(2);

/// A node whose tip is at least this far below the best header catches up. Below it each block is
/// committed and announced as it comes: a few headers whose bodies nobody delivers delay nothing.
pub const CATCH_UP_BLOCKS: u64 = 8;
