//! What a block changed, as it was before: the way back from a block.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

use crate::primitives::bounded::deserialize_list;
use crate::primitives::limits::UNDO_ACCOUNTS_MAX;
use crate::primitives::{Account, Address};

/// The accounts that a block touched, each once, sorted by address, with the value that it had
/// *before the whole block* — however often the block touched it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Address and account before the block; the empty account for one that had no row.
    #[serde(deserialize_with = "before")]
    pub before: Vec<(Address, Account)>,
}

fn before<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Address, Account)>, D::Error> {
    deserialize_list::<D, (Address, Account), UNDO_ACCOUNTS_MAX>(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::{DecodeError, decode, encode};
    use alloc::vec;

    #[test]
    fn an_undo_holds_as_many_accounts_as_the_largest_block_touches_and_no_more() {
        let mut undo = Undo {
            before: vec![(Address::from_bytes([1; 20]), Account::EMPTY); UNDO_ACCOUNTS_MAX],
        };
        assert_eq!(decode::<Undo>(&encode(&undo)).as_ref(), Ok(&undo));
        undo.before.push(undo.before[0]);
        assert_eq!(decode::<Undo>(&encode(&undo)), Err(DecodeError::Malformed));
    }
}
