//! Floor 5, money: what a block does to accounts, and how it is taken back.
//!
//! Works on an overlay over any store; the chain above decides which blocks, and commits.

mod apply;
mod changes;
mod undo;

pub use apply::{Fault, apply_block, revert_block, set_index, state_root_after};
pub use undo::Undo;

#[cfg(test)]
mod tests;
