//! The network that a plan is played on: its genesis, with seals that take few hashes, and its
//! keys, which are published test keys and must never hold anything of worth.

use archivas_core::params::{Allocation, Genesis, Retarget, Rules};
use archivas_core::primitives::crypto::sha3_256;
use archivas_core::primitives::limits::BLOCK_BYTES_MAX;
use archivas_core::primitives::{Amount, CompactTarget, Domain, Millis, SecretKey, Timestamp};

use super::{Network, RetargetDoc};

/// The easiest target of a simulation network, about 2^255: a seal takes two hashes.
const TARGET_LIMIT: CompactTarget = CompactTarget::new(0x207f_ffff);
/// 20 RCHV, as on every network.
const REWARD: Amount = Amount::new(2_000_000_000);
/// The least fee, as on every network.
const FEE_MIN: Amount = Amount::new(100);
/// How far ahead of a node's clock a block may be, as on every network.
const FUTURE_LIMIT: Millis = Millis::from_secs(40);

impl Network {
    /// The genesis at wall time `time`, on a clock that runs `speedup` times as fast as plan time
    /// passes in a plan of speedup 1: block time and half-life shrink by it.
    pub fn genesis(&self, time: Timestamp, speedup: u32) -> Genesis {
        let scaled = |span: Millis| Millis::new((span.get() / u64::from(speedup)).max(1));
        let allocation = |number| Allocation {
            address: funded_key(number).address(),
            amount: self.funds,
        };
        Genesis {
            network: "simulation".to_owned(),
            domain: "Archivas-Simulation-TxV1"
                .parse::<Domain>()
                .expect("within the alphabet"),
            time,
            bits: bits_of_hashes(self.start_hashes),
            nonce: 0,
            rules: Rules {
                block_time: scaled(self.block_time),
                half_life: scaled(self.half_life),
                target_limit: TARGET_LIMIT,
                retarget: match self.retarget {
                    RetargetDoc::Asert => Retarget::Asert,
                    RetargetDoc::Fixed => Retarget::Fixed,
                },
                reward: REWARD,
                fee_min: FEE_MIN,
                block_bytes_max: u32::try_from(BLOCK_BYTES_MAX).expect("a mebibyte"),
                future_limit: FUTURE_LIMIT,
            },
            allocations: (0..self.funded_keys).map(allocation).collect(),
        }
    }
}

/// The compact target whose seals take `hashes` hashes (2 to 512) on the average: 2^256 / hashes,
/// written with exponent 32, where the mantissa counts units of 2^232.
fn bits_of_hashes(hashes: u64) -> CompactTarget {
    let mantissa = ((1 << 24) / hashes).min(0x7f_ffff);
    let mantissa = u32::try_from(mantissa).expect("at most 23 bits");
    CompactTarget::new(0x2000_0000 | mantissa)
}

/// The key number `number` that has funds in every plan with at least that many.
pub fn funded_key(number: usize) -> SecretKey {
    let number = u64::try_from(number).expect("a count fits 64 bits");
    SecretKey::from_seed(sha3_256(&[b"archivas test key", &number.to_le_bytes()]))
}

/// The key that the node called `name` mines to.
pub fn producer_key(name: &str) -> SecretKey {
    SecretKey::from_seed(sha3_256(&[b"archivas test producer", name.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use archivas_core::primitives::Work;

    use super::*;

    #[test]
    fn start_bits_are_canonical_and_mean_that_many_hashes() {
        for hashes in 2..=512 {
            let bits = bits_of_hashes(hashes);
            assert!(bits.is_canonical(), "{hashes}");
            let work = Work::of_target(bits.expand().unwrap()).saturating_u53();
            assert!(work.abs_diff(hashes) <= 1, "{hashes} against {work}");
        }
    }

    #[test]
    fn the_genesis_of_a_plan_is_valid_at_any_speedup() {
        let network = Network {
            block_time: Millis::from_secs(20),
            half_life: Millis::from_secs(600),
            retarget: RetargetDoc::Asert,
            start_hashes: 240,
            funded_keys: 3,
            funds: Amount::new(1_000_000_000_000),
        };
        for speedup in [1, 20, 1_000] {
            let genesis = network.genesis(Timestamp::new(1_767_225_600_000), speedup);
            genesis.check().expect("valid");
            assert_eq!(genesis.rules.block_time.get(), 20_000 / u64::from(speedup));
        }
    }
}
