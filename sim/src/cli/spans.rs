//! Spans of time as people write and read them.

use archivas_core::primitives::Millis;

/// A span as written on a command line: `90`, `90s`, `1.5h`, `10m`, `2d`.
pub fn parse_span(text: &str) -> Result<Millis, String> {
    let bad = || format!("`{text}` is no span of time: a number, then s, m, h or d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms: f64 = match &text[digits.len()..] {
        "" | "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return Err(bad()),
    };
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number: f64 = digits.parse().map_err(|_| bad())?;
    let millis = number * unit_ms;
    if !plain || !(1.0..=MILLIS_MAX).contains(&millis) {
        return Err(bad());
    }
    Ok(whole(millis))
}

/// A hundred years: no sum of spans overflows.
const MILLIS_MAX: f64 = 100.0 * 366.0 * 86_400_000.0;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and a hundred years"
)]
fn whole(millis: f64) -> Millis {
    Millis::new(millis.round() as u64)
}

/// A span in seconds, for rates.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53 ms")]
pub fn seconds(span: Millis) -> f64 {
    span.get() as f64 / 1_000.0
}

/// A moment of a run: `0:02:07.340`.
pub fn clock(at: Millis) -> String {
    let (ms, s) = (at.get() % 1_000, at.get() / 1_000);
    format!("{}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60)
}

/// A span in the unit that fits: `40 min`, `3.2 h`.
pub fn human(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1_000.0),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// A whole number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate as a whole number with commas.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive, and a saturating cast is good enough to read"
)]
pub fn rate(per_second: f64) -> String {
    grouped(per_second.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_in_every_unit() {
        let cases = [
            ("90", 90_000),
            ("90s", 90_000),
            ("1.5h", 5_400_000),
            ("10m", 600_000),
            ("2d", 172_800_000),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_span(text), Ok(Millis::new(millis)), "{text}");
        }
        for text in [
            "",
            "m",
            "-1s",
            "0",
            "1w",
            "1e9",
            "nan",
            "inf",
            "99999999999d",
            "5 m",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_are_shown_for_people() {
        assert_eq!(clock(Millis::new(127_340)), "0:02:07.340");
        assert_eq!(human(2_400.0), "40.0 min");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
    }
}
