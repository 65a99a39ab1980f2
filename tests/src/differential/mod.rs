//! The node's chain and mempool beside the naive model: both are given the same bytes, and after
//! each step must have given the same answer and hold the same state (known-bugs.md, O10).
//!
//! A [`World`] holds the two; [`Op`]s say what happens to them. Every op draws its details from a
//! seed of its own and from what the world is when it comes, so that any list of ops is a run, and
//! a shorter list of the same ops is a smaller one. A disagreement panics.

mod compare;
mod counts;
mod dice;
mod faults;
mod forge;
mod growth;
mod ops;
mod orders;
mod pools;
mod traffic;
mod world;

pub use counts::Counts;
pub use dice::Dice;
pub use faults::{Fault, payment};
pub use forge::{Forge, Made, as_model, network, sealed};
pub use ops::{Kind, Op};
pub use orders::Order;
pub use world::World;
