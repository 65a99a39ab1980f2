//! The logic of an Archivas node, without input, output, clock, thread, float or hash map.
//!
//! Floors, lowest first; a module imports only from floors below it:
//! primitives (things), params (numbers), rules (laws), storage (port), ledger (money),
//! chain (history), mempool and p2p (traffic), node (desk).
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod chain;
pub mod ledger;
pub mod mempool;
pub mod node;
pub mod p2p;
pub mod params;
pub mod primitives;
pub mod probes;
pub mod rules;
pub mod schema;
pub mod storage;
