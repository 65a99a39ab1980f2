//! Times as a plan writes them: seconds, whole or with decimals; inside they are milliseconds.

use std::fmt;

use archivas_core::primitives::Millis;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A time in seconds with at most three decimals, kept as milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(Millis);

impl Seconds {
    /// A whole number of seconds.
    pub const fn whole(seconds: u64) -> Self {
        Self(Millis::new(seconds * 1_000))
    }

    /// The same in milliseconds.
    pub const fn millis(self) -> Millis {
        self.0
    }
}

impl From<Millis> for Seconds {
    fn from(millis: Millis) -> Self {
        Self(millis)
    }
}

/// The longest time that a plan may name: a hundred years, so that no sum of times overflows.
const SECONDS_MAX: u64 = 100 * 366 * 86_400;

impl Serialize for Seconds {
    #[expect(
        clippy::cast_precision_loss,
        reason = "bounded by SECONDS_MAX, far below 2^53 ms"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.get();
        if millis.is_multiple_of(1_000) {
            serializer.serialize_u64(millis / 1_000)
        } else {
            serializer.serialize_f64(millis as f64 / 1_000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds from 0 to a hundred years")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Seconds, E> {
        if value > SECONDS_MAX {
            return Err(E::invalid_value(de::Unexpected::Unsigned(value), &self));
        }
        Ok(Seconds::whole(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Seconds, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "SECONDS_MAX is far below 2^53")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Seconds, E> {
        if !(0.0..=SECONDS_MAX as f64).contains(&value) {
            return Err(E::invalid_value(de::Unexpected::Float(value), &self));
        }
        let millis = libm::round(value * 1_000.0) as u64;
        Ok(Seconds(Millis::new(millis)))
    }
}
