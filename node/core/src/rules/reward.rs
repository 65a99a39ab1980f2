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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{HEIGHT_END, SUPPLY_END, networks};

    #[test]
    fn every_block_gives_twenty_rchv_and_its_fees() {
        for genesis in networks::NAMES.map(|name| networks::by_name(name).expect("built in")) {
            assert_eq!(
                producer_income(&genesis.rules, Amount::ZERO),
                Amount::new(2_000_000_000)
            );
            assert_eq!(
                producer_income(&genesis.rules, Amount::new(7)),
                Amount::new(2_000_000_007)
            );
        }
    }

    #[test]
    fn the_supply_is_allocations_and_a_reward_a_block() {
        let dev = networks::dev();
        let golden = [
            (0, 300_000_000_000_000),
            (1, 300_002_000_000_000),
            (2, 300_004_000_000_000),
            (210_000, 720_000_000_000_000),
            (HEIGHT_END - 1, 8_590_234_590_000_000_000),
        ];
        for (height, supply) in golden {
            assert_eq!(issued(&dev, Height::new(height)).get(), supply, "{height}");
            assert!(supply < SUPPLY_END);
        }
    }
}
