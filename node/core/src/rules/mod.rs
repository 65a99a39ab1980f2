//! Floor 3, laws: pure functions that say whether headers, blocks and transfers are valid, one file
//! a topic; and [`Invalid`], with one variant for each rule.
//!
//! Nothing here reads a store or a clock: what a rule depends on is an argument.

pub mod block;
pub mod header;
pub mod invalid;
pub mod retarget;
pub mod reward;
pub mod seal;
pub mod transfer;

pub use crate::params::{Law, Rules};
pub use block::{CheckedBlock, check_block, check_block_with};
pub use header::{ParentContext, check_header, is_from_future, median_time_past};
pub use invalid::Invalid;
pub use retarget::next_bits;
pub use reward::{issued, producer_income};
pub use seal::check_seal;
pub use transfer::{CheckedTransfer, check_on_state, check_transfer};
