//! What a producer gets: the same reward for every block, and the fees of its transfers.

use crate::params::{Genesis, Rules};
use crate::primitives::{Amount, Height};

/// Reward and fees together.
///
/// # Panics
/// When they exceed `u64`, which money below 2^63 in all cannot do.
pub fn producer_income(rules: &Rules, fees: Amount) -> Amount {
    rules
        .reward
        .checked_add(fees)
        .expect("all money together is below 2^63")
}

/// All money that exists after the block at this height: allocations and a reward a block, exactly
/// (protocol §2).
///
/// # Panics
/// For a genesis that was not checked, or a height that no valid block has.
pub fn issued(genesis: &Genesis, height: Height) -> Amount {
    let rewards = genesis
        .rules
        .reward
        .get()
        .checked_mul(height.get())
        .map(Amount::new);
    rewards
        .and_then(|rewards| genesis.allocated().checked_add(rewards))
        .expect("a checked genesis keeps all money below 2^63 up to the last height")
}
