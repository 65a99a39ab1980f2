//! Amounts on the command line: base units, or coins with their unit.

use std::str::FromStr;

use archivas_core::primitives::Amount;

/// Base units in one RCHV.
const UNITS: u64 = 100_000_000;
/// Digits after the point of an amount in RCHV.
const DECIMALS: usize = 8;

/// An amount, in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money(pub Amount);

impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no amount: give base units, or RCHV such as 1.5RCHV");
        let units = match text.strip_suffix("RCHV") {
            None => digits(text).ok_or_else(wanted)?,
            Some(coins) => {
                let (whole, part) = coins
                    .trim_end()
                    .split_once('.')
                    .unwrap_or((coins.trim_end(), "0"));
                if part.is_empty() || part.len() > DECIMALS {
                    return Err(wanted());
                }
                let part = digits(&format!("{part:0<DECIMALS$}")).ok_or_else(wanted)?;
                let whole = digits(whole).and_then(|whole| whole.checked_mul(UNITS));
                whole
                    .and_then(|whole| whole.checked_add(part))
                    .ok_or_else(wanted)?
            }
        };
        Ok(Self(Amount::new(units)))
    }
}

/// Plain decimal digits, no sign.
pub fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_base_units_or_say_their_unit() {
        let units = |text: &str| text.parse::<Money>().map(|money| money.0.get());
        assert_eq!(units("12"), Ok(12));
        assert_eq!(units("1.5RCHV"), Ok(150_000_000));
        assert_eq!(units("0.00000001RCHV"), Ok(1));
        assert_eq!(units("184467440737.09551615RCHV"), Ok(u64::MAX));
        for bad in [
            "",
            "1.5",
            "-1",
            "+1",
            "1e3",
            "RCHV",
            ".5RCHV",
            "1.RCHV",
            "0.000000001RCHV",
            "184467440737.09551616RCHV",
            "18446744073709551616",
        ] {
            assert!(units(bad).is_err(), "{bad}");
        }
    }
}
