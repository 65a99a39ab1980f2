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
