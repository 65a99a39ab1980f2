//! Floor 5, money: what a block does to accounts, and how it is taken back.

pub mod undo;

pub use undo::Undo;
