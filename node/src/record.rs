//! Recordings: everything that the loop hands to the core during one life of a node, so that the
//! simulator can play it again and see the same node. A recording holds what strangers and clients
//! sent, when it came, what the checker found and the seed of the node's draws; it holds no key and
//! no passphrase, because the node knows none. Addresses of peers are in it.
//!
//! **The seam is [`Desk`]**: the loop has no other way to change the node, so that nothing can reach
//! the node past the recording. **The proof is in it**: each call carries how often the loop had
//! asked for actions before, and a digest of all that it was given; each new tip carries the state
//! root. [`play`] compares both, so that a difference is named at the first call that shows it.
//!
//! A file begins with [`MAGIC`]; then come entries, each with its length in four bytes, little-endian,
//! in the codec of `protocol.md`. A call is written before the node has it: when a process dies of
//! one, it is the last of the file. What follows the last whole entry is ignored.

mod desk;
mod entry;
mod fold;
mod play;

pub use desk::{Desk, Recording};
pub use entry::{Beginning, MAGIC, Mark};
pub use play::{PlayError, Played, play};

/// A recording ends here unless told otherwise: about a day of a busy node.
pub const RECORD_MIB_DEFAULT: u64 = 256;
