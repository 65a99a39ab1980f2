//! Numbers with a meaning: money, nonces, heights, times. Each is a type of its own, so that two
//! of them cannot be exchanged by mistake, and arithmetic that could overflow says so in its type.
//!
//! Everything is a plain copy of a `u64` and is encoded as one.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Wraps the bare number.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The bare number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

unit! {
    /// Money in base units (one RCHV is 10^8 of them).
    Amount
}
unit! {
    /// The number of transfers that an account has sent, which is the nonce of its next one.
    AccountNonce
}
unit! {
    /// The distance of a block from genesis, which has height 0.
    Height
}
unit! {
    /// A moment of the calendar: milliseconds since the beginning of 1970, UTC.
    Timestamp
}
unit! {
    /// A span of time in milliseconds.
    Millis
}
unit! {
    /// A moment of the node's own life: milliseconds since it began. Never runs backwards.
    Instant
}

/// What a clock shows: a monotonic moment for timers, a calendar moment for blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For timeouts and rates; never runs backwards.
    pub monotonic: Instant,
    /// For block timestamps; may jump when the operator sets the clock.
    pub wall: Timestamp,
}

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` beyond `u64`.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` below zero.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

impl AccountNonce {
    /// The nonce of an account that has never sent anything.
    pub const ZERO: Self = Self(0);
    /// The last number: an account that reaches it can send no more.
    pub const MAX: Self = Self(u64::MAX);

    /// The nonce after this one, or `None` at the end of the numbers.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

impl Height {
    /// The height of the first block.
    pub const GENESIS: Self = Self(0);

    /// The height of a child. Saturates at the end of the numbers, far above the highest height
    /// that a valid block can have.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The height of the parent, or `None` at genesis.
    pub const fn parent(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(parent) => Some(Self(parent)),
            None => None,
        }
    }

    /// The height lower by `blocks`, genesis at the lowest.
    pub const fn saturating_sub(self, blocks: u64) -> Self {
        Self(self.0.saturating_sub(blocks))
    }
}

impl Timestamp {
    /// The moment later by `span`; saturates at the end of time.
    pub const fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The moment earlier by `span`; saturates at 1970.
    pub const fn minus(self, span: Millis) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The span since an earlier moment; zero when that one is later.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since 1970, as the outward API shows times.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }
}

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds; saturates at the end of the numbers.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// The sum of two spans, saturating.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The span `times` over, saturating.
    pub const fn times(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Instant {
    /// The moment later by `span`; saturates at the end of time.
    pub const fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span since an earlier moment; zero when that one is later.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_never_wraps() {
        let most = Amount::new(u64::MAX);
        assert_eq!(most.checked_add(Amount::new(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::new(1)), None);
        assert_eq!(
            Amount::new(u64::MAX - 1).checked_add(Amount::new(1)),
            Some(most)
        );
        assert_eq!(most.checked_sub(most), Some(Amount::ZERO));
    }

    #[test]
    fn nonces_and_heights_end_without_wrapping() {
        assert_eq!(AccountNonce::MAX.next(), None);
        assert_eq!(AccountNonce::ZERO.next(), Some(AccountNonce::new(1)));
        assert_eq!(Height::new(u64::MAX).next(), Height::new(u64::MAX));
        assert_eq!(Height::GENESIS.parent(), None);
        assert_eq!(Height::new(7).parent(), Some(Height::new(6)));
        assert_eq!(Height::new(7).saturating_sub(9), Height::GENESIS);
    }

    #[test]
    fn times_saturate_at_both_ends() {
        let end = Timestamp::new(u64::MAX);
        assert_eq!(end.plus(Millis::new(1)), end);
        assert_eq!(Timestamp::new(3).minus(Millis::new(4)), Timestamp::new(0));
        assert_eq!(Timestamp::new(3).since(end), Millis::ZERO);
        assert_eq!(Instant::new(9).since(Instant::new(4)), Millis::new(5));
        assert_eq!(Millis::from_secs(u64::MAX), Millis::new(u64::MAX));
        assert_eq!(Millis::from_secs(20), Millis::new(20_000));
        assert_eq!(Timestamp::new(1_999).as_secs(), 1);
    }
}
