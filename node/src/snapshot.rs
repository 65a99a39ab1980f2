//! Snapshots: a file from which a node begins without replaying the chain (`protocol.md` §5).
//!
//! It holds the headers of the best chain from genesis to the exporter's tip, and all accounts
//! after the block of one height. Whoever imports it trusts nothing in it: every header is checked
//! like a peer's, and every byte of the accounts by the state root of that block. What remains to be
//! believed is that this is the best chain, which work shows: so the chain has the network's minimum
//! and the block stands well below its end, or the operator names the block. Memory stays the same
//! however long the chain and however many the accounts.

mod export;
pub mod frames;
mod import;

pub use export::{ExportError, Exported, export};
pub use import::{DEPTH_MIN, ImportError, Imported, Plan, import};

/// How far a long task is: what it works at, how much is done, and how much there is if that is
/// known. Called every few thousand rows.
pub type Progress<'a> = &'a mut dyn FnMut(&'static str, u64, Option<u64>);

#[cfg(test)]
mod tests;
