//! The rows of the database: what each table's bytes mean, for the chain and for every reader.
//!
//! Keys hold heights big-endian, so that scans run in the order of heights. Values are decoded
//! strictly; bytes that this node could not have written are damage, reported with table and key,
//! and never anybody else's fault. Only this module knows the layouts.

mod keys;
mod read;
mod rows;
pub(crate) mod write;

pub use read::*;
pub use rows::*;

#[cfg(test)]
mod tests;
