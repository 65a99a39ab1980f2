//! What a block changed, as it was before: the way back from a block.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::primitives::{Account, Address};

/// The accounts that a block touched, each once, sorted by address, with the value that it had
/// *before the whole block* — however often the block touched it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Address and account before the block; the empty account for one that had no row.
    pub before: Vec<(Address, Account)>,
}
