//! Targets and work. A seal is a block id that, read as a big-endian number, is at most the target;
//! so a smaller target is harder, and a block's work is how many tries it takes on average.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codec::{deserialize_raw, deserialize_text, serialize_raw};
use super::hash::BlockId;

/// 2^53 − 1: the largest whole number that every JSON reader holds exactly.
const U53_MAX: u64 = (1 << 53) - 1;

/// Work, or a sum of it: 256 bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work(U256);

/// What a seal must not exceed: 256 bits, never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(U256);

/// A target as a header carries it: one byte of exponent, three of mantissa, as in Bitcoin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompactTarget(u32);

/// A compact form that is no target: negative, zero or beyond 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a compact target must be neither negative nor zero nor beyond 256 bits")]
pub struct BadCompactTarget;

impl Work {
    /// No work.
    pub const ZERO: Self = Self(U256::ZERO);

    /// Reads the number from its big-endian bytes, whose order is the order of the numbers.
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_be_bytes(bytes))
    }

    /// The number as big-endian bytes.
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// Tries that a seal under this target takes on average: floor(2^256 / (target + 1)).
    pub fn of_target(target: Target) -> Self {
        match target.0.checked_add(U256::ONE) {
            // 2^256 / d = (2^256 − d) / d + 1, and 2^256 − d is the complement of d − 1.
            Some(divisor) => Self(!target.0 / divisor + U256::ONE),
            None => Self(U256::ONE),
        }
    }

    /// The sum, or `None` beyond 256 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The work `times` over, saturating.
    pub fn saturating_mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(U256::from(times)))
    }

    /// The number in decimal digits, for outward JSON text.
    pub fn to_decimal(self) -> String {
        self.0.to_string()
    }

    /// The number for outward JSON: at most 2^53 − 1.
    pub fn saturating_u53(self) -> u64 {
        u64::try_from(self.0).map_or(U53_MAX, |small| small.min(U53_MAX))
    }
}

impl Target {
    /// The easiest target: every id meets it.
    pub const MAX: Self = Self(U256::MAX);
    /// The hardest target.
    pub const MIN: Self = Self(U256::ONE);

    /// Reads a target from its big-endian bytes; zero is none.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Option<Self> {
        Self::from_number(U256::from_be_bytes(bytes))
    }

    /// The target as big-endian bytes.
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// Whether a block of this id is sealed under this target.
    pub fn is_met_by(&self, id: &BlockId) -> bool {
        U256::from_be_bytes(*id.as_bytes()) <= self.0
    }

    /// The compact form, which keeps the highest 15 to 23 bits and drops the rest.
    pub fn compact(self) -> CompactTarget {
        let bytes = self.0.byte_len();
        let mantissa = if bytes <= 3 {
            self.0.wrapping_to::<u32>() << (8 * (3 - bytes))
        } else {
            (self.0 >> (8 * (bytes - 3))).wrapping_to::<u32>()
        };
        // The highest bit of the mantissa is a sign: a number that would set it moves one byte.
        let (mantissa, bytes) = if mantissa & 0x0080_0000 != 0 {
            (mantissa >> 8, bytes + 1)
        } else {
            (mantissa, bytes)
        };
        let exponent = u32::try_from(bytes).expect("at most 33 bytes");
        CompactTarget(exponent << 24 | mantissa)
    }

    /// The number; for arithmetic in rules.
    pub(crate) const fn number(self) -> U256 {
        self.0
    }

    /// The target of a number; zero is none.
    pub(crate) fn from_number(number: U256) -> Option<Self> {
        (!number.is_zero()).then_some(Self(number))
    }
}

impl CompactTarget {
    /// Wraps the header's 32 bits.
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The header's 32 bits.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The target that is meant, read as Bitcoin reads it.
    ///
    /// # Errors
    /// [`BadCompactTarget`] when it is negative, zero or beyond 256 bits.
    pub fn expand(self) -> Result<Target, BadCompactTarget> {
        let bytes = (self.0 >> 24) as usize;
        let negative = self.0 & 0x0080_0000 != 0;
        let mantissa = U256::from(self.0 & 0x007f_ffff);
        let number = if bytes <= 3 {
            Some(mantissa >> (8 * (3 - bytes)))
        } else {
            mantissa.checked_shl(8 * (bytes - 3))
        };
        match number.and_then(Target::from_number) {
            Some(target) if !negative => Ok(target),
            _ => Err(BadCompactTarget),
        }
    }

    /// Whether this is the form in which [`Target::compact`] writes its target.
    pub fn is_canonical(self) -> bool {
        self.expand().is_ok_and(|target| target.compact() == self)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:064x}", self.0)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:064x}", self.0)
    }
}

impl fmt::Display for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({:#x})", self.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

impl FromStr for CompactTarget {
    type Err = BadCompactTarget;

    /// Reads `0x` and eight hex digits.
    fn from_str(text: &str) -> Result<Self, BadCompactTarget> {
        let digits = text.strip_prefix("0x").ok_or(BadCompactTarget)?;
        if digits.len() != 8 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(BadCompactTarget);
        }
        u32::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| BadCompactTarget)
    }
}

impl Serialize for Work {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_raw(&self.to_be_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Work {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_raw(deserializer).map(Self::from_be_bytes)
    }
}

impl Serialize for CompactTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u32(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for CompactTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserialize_text(deserializer)
        } else {
            u32::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use proptest::prelude::*;
    use ruint::aliases::U512;

    use super::*;

    /// Reads a compact form by placing its three bytes into a long big-endian number.
    fn naive_expand(bits: u32) -> Option<[u8; 32]> {
        let [exponent, a, b, c] = bits.to_be_bytes();
        let mut long = [0u8; 300];
        for (position, byte) in [a & 0x7f, b, c].into_iter().enumerate() {
            // Byte 299 has weight 256^0; the mantissa's last byte has weight 256^(exponent − 3).
            let weight = i32::from(exponent) - 1 - i32::try_from(position).expect("below 3");
            if weight >= 0 {
                long[299 - usize::try_from(weight).expect("not negative")] = byte;
            }
        }
        let number: [u8; 32] = long[268..].try_into().expect("32 bytes");
        let fits = long[..268].iter().all(|byte| *byte == 0);
        (fits && a & 0x80 == 0 && number != [0; 32]).then_some(number)
    }

    /// Writes the compact form from the significant bytes.
    fn naive_compact(number: [u8; 32]) -> u32 {
        let mut bytes: Vec<u8> = number.into_iter().skip_while(|byte| *byte == 0).collect();
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        let exponent = u8::try_from(bytes.len()).expect("at most 33");
        bytes.resize(bytes.len().max(3), 0);
        u32::from_be_bytes([exponent, bytes[0], bytes[1], bytes[2]])
    }

    #[test]
    fn compact_targets_read_as_bitcoin_reads_them() {
        // From Bitcoin's arith_uint256 tests: bits, the number's hex without leading zeros.
        let cases = [
            (0x0112_3456, Some("12")),
            (0x0212_3456, Some("1234")),
            (0x0312_3456, Some("123456")),
            (0x0412_3456, Some("12345600")),
            (0x0500_9234, Some("92340000")),
            (
                0x2012_3456,
                Some("1234560000000000000000000000000000000000000000000000000000000000"),
            ),
            (
                0x1d00_ffff,
                Some("ffff0000000000000000000000000000000000000000000000000000"),
            ),
            (
                0x1b04_04cb,
                Some("404cb000000000000000000000000000000000000000000000000"),
            ),
            (0, None),
            (0x0012_3456, None),
            (0x0100_3456, None),
            (0x0200_0056, None),
            (0x0300_0000, None),
            (0x0400_0000, None),
            (0x0092_3456, None),
            (0x0180_3456, None),
            (0x01fe_dcba, None),
            (0x0492_3456, None),
            (0xff12_3456, None),
            (0x2300_0001, None),
            (0x2200_0100, None),
            (0x2101_0000, None),
        ];
        for (bits, hex) in cases {
            let number = CompactTarget::new(bits)
                .expand()
                .ok()
                .map(|target| target.to_string());
            let hex = hex.map(|hex| alloc::format!("{hex:0>64}"));
            assert_eq!(number, hex, "{bits:#010x}");
        }
    }

    #[test]
    fn the_largest_exponents_read_only_what_fits() {
        for bits in [0x2200_00ff, 0x2100_ffff, 0x207f_ffff] {
            assert!(CompactTarget::new(bits).expand().is_ok(), "{bits:#x}");
        }
    }

    #[test]
    fn every_exponent_reads_as_the_naive_reader_does() {
        for exponent in 0..=0xff_u32 {
            for mantissa in [
                0, 1, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7f_ffff,
            ]
            .into_iter()
            .flat_map(|mantissa| [mantissa, mantissa | 0x80_0000])
            {
                let bits = exponent << 24 | mantissa;
                let target = CompactTarget::new(bits)
                    .expand()
                    .ok()
                    .map(Target::to_be_bytes);
                assert_eq!(target, naive_expand(bits), "{bits:#010x}");
            }
        }
    }

    #[test]
    fn work_is_tries_on_average() {
        let work = |bits| Work::of_target(CompactTarget::new(bits).expand().expect("a target"));
        assert_eq!(work(0x1d00_ffff).0, U256::from(0x1_0001_0001_u64));
        assert_eq!(work(0x207f_ffff).0, U256::from(2));
        assert_eq!(Work::of_target(Target::MAX).0, U256::ONE);
        assert_eq!(Work::of_target(Target::MIN).0, U256::ONE << 255);
    }

    #[test]
    fn a_harder_target_is_more_work() {
        let of = |bits| Work::of_target(CompactTarget::new(bits).expand().expect("a target"));
        assert!(of(0x1c00_ffff) > of(0x1d00_ffff));
        assert!(of(0x1d00_fffe) > of(0x1d00_ffff));
    }

    #[test]
    fn sums_of_work_never_wrap() {
        let most = Work::from_be_bytes([0xff; 32]);
        assert_eq!(most.checked_add(Work::of_target(Target::MAX)), None);
        assert_eq!(Work::ZERO.checked_sub(Work::of_target(Target::MAX)), None);
        assert_eq!(most.saturating_mul(2), most);
    }

    #[test]
    fn outward_difficulty_stops_where_json_numbers_do() {
        let exact = |number: u64| Work(U256::from(number)).saturating_u53();
        assert_eq!(exact(7), 7);
        assert_eq!(exact((1 << 53) - 1), (1 << 53) - 1);
        assert_eq!(exact(1 << 53), (1 << 53) - 1);
        assert_eq!(
            Work::from_be_bytes([0xff; 32]).saturating_u53(),
            (1 << 53) - 1
        );
    }

    #[test]
    fn a_seal_may_equal_the_target_and_not_exceed_it() {
        let target = CompactTarget::new(0x1d00_ffff).expand().expect("a target");
        let mut id = target.to_be_bytes();
        assert!(target.is_met_by(&BlockId::from_bytes(id)));
        id[31] += 1;
        assert!(!target.is_met_by(&BlockId::from_bytes(id)));
        assert!(target.is_met_by(&BlockId::ZERO));
    }

    #[test]
    fn bits_are_written_as_hex_for_people() {
        let bits = CompactTarget::new(0x0101_0000);
        assert_eq!(bits.to_string(), "0x01010000");
        assert_eq!("0x01010000".parse(), Ok(bits));
        for text in [
            "01010000",
            "0x1010000",
            "0x+1010000",
            "0x0101000g",
            "16842752",
        ] {
            assert_eq!(
                text.parse::<CompactTarget>(),
                Err(BadCompactTarget),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn compact_forms_agree_with_the_naive_ones(
            number: [u8; 32], zeros in 0usize..32, bits: u32
        ) {
            let mut number = number;
            number[..zeros].fill(0);
            if let Some(target) = Target::from_be_bytes(number) {
                prop_assert_eq!(target.compact().get(), naive_compact(number));
                let rounded = target.compact().expand().expect("a written form reads back");
                prop_assert!(rounded <= target);
                prop_assert!(target.compact().is_canonical());
            }
            let read = CompactTarget::new(bits).expand().ok();
            prop_assert_eq!(read.map(Target::to_be_bytes), naive_expand(bits));
        }

        #[test]
        fn work_is_the_quotient_of_2_to_the_256(number: [u8; 32], zeros in 0usize..32) {
            let mut number = number;
            number[..zeros].fill(0);
            if let Some(target) = Target::from_be_bytes(number) {
                let divisor = U512::from(target.0) + U512::ONE;
                let work = U512::from(Work::of_target(target).0);
                prop_assert_eq!(work, (U512::ONE << 256) / divisor);
            }
        }

        #[test]
        fn order_of_bytes_is_order_of_numbers(a: [u8; 32], b: [u8; 32]) {
            let (x, y) = (Work::from_be_bytes(a), Work::from_be_bytes(b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.to_be_bytes(), a);
        }
    }
}
