//! Targets, work and retargeting with integers of any size (protocol §3).

use num_bigint::{BigInt, BigUint, Sign};

/// The pace that retargeting keeps, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between blocks.
    pub block_time: u64,
    /// Being behind by this much doubles the target.
    pub half_life: u64,
}

/// How far the chain has come since the anchor's parent.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Time of the parent less time of the anchor's parent, in the pace's units.
    pub elapsed: i128,
    /// Height of the parent less height of the anchor.
    pub blocks: u64,
}

/// The target of a compact number: its top byte counts bytes, the lower three hold the first of
/// them, the highest bit of those is a sign. None when negative, zero or above 256 bits.
pub fn expand(bits: u32) -> Option<BigUint> {
    let bytes = bits >> 24;
    let mantissa = BigUint::from(bits & 0x007f_ffff);
    if bits & 0x0080_0000 != 0 {
        return None;
    }
    let target = match bytes {
        0..=3 => mantissa >> (8 * (3 - bytes)),
        _ => mantissa << (8 * (bytes - 3)),
    };
    (target != BigUint::ZERO && target.bits() <= 256).then_some(target)
}

/// The compact number of a target, rounded down.
pub fn compact(target: &BigUint) -> u32 {
    let mut bytes = target.bits().div_ceil(8);
    let mut mantissa = match bytes {
        0..=3 => target << (8 * (3 - bytes)),
        _ => target >> (8 * (bytes - 3)),
    };
    if mantissa.bit(23) {
        mantissa >>= 8;
        bytes += 1;
    }
    let mantissa = u32::try_from(mantissa).expect("three bytes are left");
    u32::try_from(bytes).expect("a target has at most 33 bytes") << 24 | mantissa
}

/// How many hashes a target takes on average: floor(2^256 / (target + 1)).
pub fn work(target: &BigUint) -> BigUint {
    (BigUint::from(1_u8) << 256_u32) / (target + 1_u8)
}

/// Whether an id, as a big-endian number, is at most the target.
pub fn meets(id: &[u8; 32], target: &BigUint) -> bool {
    BigUint::from_bytes_be(id) <= *target
}

/// The target after a parent by aserti3-2d, at least 1 and at most `limit`.
pub fn asert(anchor: &BigUint, progress: Progress, pace: Pace, limit: &BigUint) -> BigUint {
    let ideal = BigInt::from(pace.block_time) * (BigInt::from(progress.blocks) + 1);
    let behind = BigInt::from(progress.elapsed) - ideal;
    let exponent: BigInt = behind * 65_536 / BigInt::from(pace.half_life);
    let shifts = &exponent >> 16_u32;
    let fraction = &exponent - (&shifts << 16_u32);
    let cubic: BigInt = BigInt::from(195_766_423_245_049_u64) * &fraction
        + BigInt::from(971_821_376) * &fraction * &fraction
        + BigInt::from(5_127) * &fraction * &fraction * &fraction
        + (BigInt::from(1) << 47_u32);
    let factor: BigInt = (cubic >> 48_u32) + 65_536;
    let factor = factor.to_biguint().expect("a factor is positive");
    let one = BigUint::from(1_u8);
    let target = match (shifts.sign(), u32::try_from(shifts.magnitude())) {
        (Sign::Minus, Ok(shifts)) => ((anchor * factor) >> shifts) >> 16_u32,
        (Sign::Minus, Err(_)) => return one,
        (_, Ok(shifts)) if shifts <= 256 => ((anchor * factor) << shifts) >> 16_u32,
        _ => return limit.clone(),
    };
    target.clamp(one, limit.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_numbers_are_bitcoins() {
        let bitcoin = expand(0x1d00_ffff).expect("a target");
        assert_eq!(bitcoin, BigUint::from(0xffff_u32) << 208_u32);
        assert_eq!(
            compact(&(BigUint::from(0x80_u8) << 16_u32)),
            0x0400_8000_u32
        );
        for bits in [0x1d00_ffff, 0x207f_ffff, 0x0312_3456, 0x0201_2300_u32] {
            assert_eq!(
                compact(&expand(bits).expect("a target")),
                bits,
                "{bits:08x}"
            );
        }
        for bits in [0, 0x0180_0001, 0x0100_0000, 0x2101_0000, 0xff12_3456_u32] {
            assert_eq!(expand(bits), None, "{bits:08x}");
        }
        assert!(expand(0x2100_ffff).is_some(), "exactly 256 bits");
    }

    #[test]
    fn work_counts_the_hashes_that_a_target_takes() {
        let all = (BigUint::from(1_u8) << 256_u32) - 1_u8;
        assert_eq!(work(&all), BigUint::from(1_u8));
        assert_eq!(
            work(&expand(0x207f_ffff).expect("easy")),
            BigUint::from(2_u8)
        );
        assert_eq!(
            work(&expand(0x1d00_ffff).expect("Bitcoin's first")),
            BigUint::from(0x0001_0001_0001_u64)
        );
    }

    #[test]
    fn two_half_lives_behind_quadruple_the_target() {
        let pace = Pace {
            block_time: 600,
            half_life: 172_800,
        };
        let anchor = expand(0x1a2b_3c4d).expect("a target");
        let limit = expand(0x1d00_ffff).expect("a target");
        let after = |elapsed, blocks| asert(&anchor, Progress { elapsed, blocks }, pace, &limit);
        assert_eq!(after(600, 0), anchor);
        assert_eq!(after(600 + 2 * 172_800, 0), &anchor << 2_u32);
        assert_eq!(
            after(600 * 289 - 172_800, 288),
            &anchor >> 1_u32,
            "and ahead"
        );
        assert_eq!(after(i128::MAX, 0), limit);
        assert_eq!(after(i128::MIN, 0), BigUint::from(1_u8));
    }
}
