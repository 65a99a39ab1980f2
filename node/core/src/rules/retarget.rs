//! How the target follows the rate of blocks: ASERT (aserti3-2d, as on Bitcoin Cash) with integers
//! only (protocol §3).
//!
//! The schedule is absolute: a block's target depends on how far its parent is ahead of or behind
//! genesis time plus height times block time, and on nothing else. Being one half-life behind
//! doubles the target, being one ahead halves it.

use ruint::Uint;

use crate::params::{Genesis, Retarget};
use crate::primitives::{CompactTarget, Height, Target, Timestamp};

/// A target times the 17-bit factor needs 273 bits.
type Wide = Uint<320, 5>;

/// The numbers of a schedule, all times in one unit of the caller's choice.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Time between blocks.
    pub block_time: i128,
    /// Delay that doubles the target; positive.
    pub half_life: i128,
    /// The easiest target.
    pub limit: Target,
}

/// How far the parent of the block in question is from the anchor block.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed {
    /// From the time of the anchor's parent to the time of the parent.
    pub time: i128,
    /// From the height of the anchor to the height of the parent.
    pub blocks: i128,
}

/// The bits that a child of this parent must have.
///
/// # Panics
/// For a genesis that was not checked.
pub fn next_bits(genesis: &Genesis, parent: Height, parent_time: Timestamp) -> CompactTarget {
    let rules = &genesis.rules;
    if rules.retarget == Retarget::Fixed {
        return genesis.bits;
    }
    let block_time = i128::from(rules.block_time.get());
    let schedule = Schedule {
        block_time,
        half_life: i128::from(rules.half_life.get()),
        limit: rules
            .target_limit
            .expand()
            .expect("a checked genesis has a target limit"),
    };
    // The anchor is genesis, whose parent would have stood one block time before it.
    let elapsed = Elapsed {
        time: i128::from(parent_time.get()) - (i128::from(genesis.time.get()) - block_time),
        blocks: i128::from(parent.get()),
    };
    let anchor = genesis
        .bits
        .expand()
        .expect("a checked genesis has a first target");
    asert(&schedule, anchor, elapsed).compact()
}

/// The target after `elapsed`, starting from the anchor's: anchor × 2^((time − block_time × (blocks
/// + 1)) / half_life), in fixed point, clamped to `[1, limit]`.
///
/// # Panics
/// When times are beyond 2^100 or the half-life is not positive.
pub fn asert(schedule: &Schedule, anchor: Target, elapsed: Elapsed) -> Target {
    let late = elapsed.time - schedule.block_time * (elapsed.blocks + 1);
    // 16 bits after the point; division truncates towards zero, as in the reference.
    let exponent = late * 65_536 / schedule.half_life;
    let shift = exponent >> 16;
    let grown = Wide::from(anchor.number()) * Wide::from(factor(exponent & 0xffff));
    let limit = Wide::from(schedule.limit.number());
    match shifted(grown, shift - 16) {
        Some(number) if number <= limit => {
            Target::from_number(number.wrapping_to()).unwrap_or(Target::MIN)
        }
        _ => schedule.limit,
    }
}

/// 65,536 × 2^(fraction / 65,536) by a cubic that is off by less than 0.013 %.
fn factor(fraction: i128) -> u128 {
    let x = fraction.unsigned_abs();
    let cubic = 195_766_423_245_049 * x + 971_821_376 * x * x + 5_127 * x * x * x;
    65_536 + ((cubic + (1 << 47)) >> 48)
}

/// The number shifted left, or right when negative; `None` when bits leave the wide number at the
/// left. (At the right they are dropped, down to zero.)
fn shifted(number: Wide, shift: i128) -> Option<Wide> {
    let places = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
    if shift < 0 {
        Some(number.wrapping_shr(places))
    } else {
        number.checked_shl(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::networks;
    use crate::primitives::Millis;

    fn bits(bits: u32) -> CompactTarget {
        CompactTarget::new(bits)
    }

    fn after(height: u64, late_ms: i64) -> CompactTarget {
        let genesis = networks::archivas();
        let on_schedule = genesis.time.plus(Millis::from_secs(20 * height)).get();
        let time = on_schedule.checked_add_signed(late_ms).expect("a moment");
        next_bits(&genesis, Height::new(height), Timestamp::new(time))
    }

    #[test]
    fn on_schedule_the_target_stays() {
        for height in [0, 1, 1_000_000, (1 << 32) - 1] {
            assert_eq!(after(height, 0), networks::archivas().bits, "{height}");
        }
    }

    #[test]
    fn one_half_life_behind_doubles_the_target_and_one_ahead_halves_it() {
        let half_life = 288 * 20 * 1_000;
        assert_eq!(after(500, half_life), bits(0x1d1f_fffe));
        assert_eq!(after(500, -half_life), bits(0x1d07_ffff));
    }

    #[test]
    fn the_target_never_leaves_its_bounds() {
        let limit = networks::archivas().rules.target_limit;
        let genesis = networks::archivas();
        assert_eq!(
            next_bits(&genesis, Height::new(1), Timestamp::new(u64::MAX)),
            limit
        );
        assert_eq!(
            next_bits(&genesis, Height::new(u64::MAX), Timestamp::new(0)),
            bits(0x0101_0000)
        );
    }

    #[test]
    fn a_target_of_nearly_256_bits_does_not_overflow() {
        let schedule = Schedule {
            block_time: 20,
            half_life: 20,
            limit: bits(0x207f_ffff).expand().expect("ok"),
        };
        for time in [0, 1, 19, 20, 21, 40, 20 * 300, 20 * 100_000] {
            let elapsed = Elapsed { time, blocks: 0 };
            let target = asert(&schedule, schedule.limit, elapsed);
            assert!(target <= schedule.limit);
            assert!(time < 20 || target == schedule.limit, "{time}");
        }
        let least = asert(
            &schedule,
            Target::MIN,
            Elapsed {
                time: -20 * 100_000,
                blocks: 0,
            },
        );
        assert_eq!(least, Target::MIN);
    }

    #[test]
    fn fixed_bits_stay_whatever_happens() {
        let genesis = networks::dev();
        assert_eq!(
            next_bits(&genesis, Height::new(9), Timestamp::new(u64::MAX)),
            genesis.bits
        );
        assert_eq!(
            next_bits(&genesis, Height::new(9), Timestamp::new(0)),
            genesis.bits
        );
    }

    #[test]
    fn the_unit_of_time_does_not_matter() {
        let schedule = |unit: i128| Schedule {
            block_time: 600 * unit,
            half_life: 172_800 * unit,
            limit: bits(0x1d00_ffff).expand().expect("a target"),
        };
        let anchor = bits(0x1802_aee8).expand().expect("a target");
        for time in [-86_400, 0, 1, 599, 601, 1_000_000, 12_345_678] {
            let [seconds, milliseconds] = [1, 1_000].map(|unit| {
                asert(
                    &schedule(unit),
                    anchor,
                    Elapsed {
                        time: time * unit,
                        blocks: 77,
                    },
                )
            });
            assert_eq!(seconds, milliseconds, "{time}");
        }
    }
}
