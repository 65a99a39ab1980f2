//! What makes a header valid after a given parent (protocol §3).

use super::Invalid;
use super::seal::check_seal;
use crate::params::{HEADER_VERSION, HEIGHT_END, MEDIAN_TIME_BLOCKS, Rules};
use crate::primitives::{BlockId, CompactTarget, Header, Height, Timestamp};

/// What the rules for a header need to know of its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentContext {
    /// The parent's id.
    pub id: BlockId,
    /// The parent's height.
    pub height: Height,
    /// [`median_time_past`] over the parent and its nearest ancestors.
    pub median_time_past: Timestamp,
    /// [`super::next_bits`] after the parent.
    pub next_bits: CompactTarget,
}

/// Whether the header is valid as a child of this parent, at any time: whether it is too early to
/// take it is [`is_from_future`], which is no question of validity.
///
/// # Errors
/// The first rule broken, in the order of protocol §3.
///
/// # Panics
/// When the context is that of another block than the header's parent.
pub fn check_header(header: &Header, parent: &ParentContext) -> Result<(), Invalid> {
    assert_eq!(
        header.parent, parent.id,
        "the caller looked the parent up by this id"
    );
    check_form(header)?;
    check_height(header.height, parent.height.next())?;
    if header.bits != parent.next_bits {
        return Err(Invalid::WrongBits {
            claimed: header.bits,
            expected: parent.next_bits,
        });
    }
    check_seal(header)?;
    check_time(header.timestamp, parent.median_time_past)
}

/// What can be said of a header without its parent, except the seal.
///
/// # Errors
/// [`Invalid::UnknownVersion`] or [`Invalid::ReservedNotZero`].
pub fn check_form(header: &Header) -> Result<(), Invalid> {
    if header.version != HEADER_VERSION {
        return Err(Invalid::UnknownVersion {
            version: header.version,
        });
    }
    if header.reserved != [0; 12] {
        Err(Invalid::ReservedNotZero)
    } else {
        Ok(())
    }
}

fn check_height(claimed: Height, expected: Height) -> Result<(), Invalid> {
    if claimed != expected {
        return Err(Invalid::WrongHeight { claimed, expected });
    }
    if claimed.get() >= HEIGHT_END {
        Err(Invalid::HeightBeyondEnd)
    } else {
        Ok(())
    }
}

fn check_time(claimed: Timestamp, median_time_past: Timestamp) -> Result<(), Invalid> {
    if claimed > median_time_past {
        Ok(())
    } else {
        Err(Invalid::TooEarly {
            claimed,
            median_time_past,
        })
    }
}

/// Whether the header is from further ahead than the network allows: "not yet", to be looked at
/// again later, and never a mark or a blame, because it says as much about our clock as about it.
pub fn is_from_future(header: &Header, now: Timestamp, rules: &Rules) -> bool {
    header.timestamp > now.plus(rules.future_limit)
}

/// The median of the timestamps of the nearest ancestors (a parent and those before it, up to
/// [`MEDIAN_TIME_BLOCKS`]), in any order; sorts them. Of an even number, the later of the middle
/// two.
///
/// # Panics
/// For none, or for more than are looked at.
pub fn median_time_past(timestamps: &mut [Timestamp]) -> Timestamp {
    let count = timestamps.len();
    assert!(
        (1..=MEDIAN_TIME_BLOCKS).contains(&count),
        "every block has 1 to 11 near ancestors"
    );
    timestamps.sort_unstable();
    timestamps[count / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::networks;
    use crate::primitives::Millis;

    const MEDIAN: Timestamp = Timestamp::new(1_000_000);

    fn context() -> ParentContext {
        ParentContext {
            id: BlockId::from_bytes([5; 32]),
            height: Height::new(6),
            median_time_past: MEDIAN,
            next_bits: CompactTarget::new(0x207f_ffff),
        }
    }

    fn sealed(mut header: Header) -> Header {
        while check_seal(&header).is_err() {
            header.nonce += 1;
        }
        header
    }

    fn valid() -> Header {
        Header {
            version: 1,
            bits: context().next_bits,
            height: Height::new(7),
            timestamp: MEDIAN.plus(Millis::new(1)),
            parent: context().id,
            ..Header::default()
        }
    }

    fn verdict(header: Header) -> Result<(), Invalid> {
        check_header(&header, &context())
    }

    #[test]
    fn a_header_that_follows_every_rule_is_valid() {
        assert_eq!(verdict(sealed(valid())), Ok(()));
    }

    #[test]
    fn another_version_is_unknown_before_anything_else_is_looked_at() {
        let header = Header {
            version: 2,
            height: Height::new(99),
            ..valid()
        };
        assert_eq!(verdict(header), Err(Invalid::UnknownVersion { version: 2 }));
        let header = Header {
            version: 0,
            ..valid()
        };
        assert_eq!(verdict(header), Err(Invalid::UnknownVersion { version: 0 }));
    }

    #[test]
    fn the_reserved_bytes_are_zero() {
        for position in 0..12 {
            let mut header = valid();
            header.reserved[position] = 1;
            assert_eq!(
                verdict(header),
                Err(Invalid::ReservedNotZero),
                "byte {position}"
            );
        }
    }

    #[test]
    fn the_height_is_one_more_than_the_parents() {
        for height in [0, 6, 8, u64::MAX] {
            let claimed = Height::new(height);
            let expected = Height::new(7);
            let header = sealed(Header {
                height: claimed,
                ..valid()
            });
            assert_eq!(
                verdict(header),
                Err(Invalid::WrongHeight { claimed, expected })
            );
        }
    }

    #[test]
    fn heights_end_below_2_to_the_32() {
        let last = ParentContext {
            height: Height::new(HEIGHT_END - 2),
            ..context()
        };
        let header = sealed(Header {
            height: Height::new(HEIGHT_END - 1),
            ..valid()
        });
        assert_eq!(check_header(&header, &last), Ok(()));
        let beyond = ParentContext {
            height: Height::new(HEIGHT_END - 1),
            ..context()
        };
        let header = sealed(Header {
            height: Height::new(HEIGHT_END),
            ..valid()
        });
        assert_eq!(
            check_header(&header, &beyond),
            Err(Invalid::HeightBeyondEnd)
        );
    }

    #[test]
    fn the_bits_are_exactly_what_retargeting_demands() {
        for bits in [0x207f_fffe, 0x2100_7fff, 0x1d00_ffff, 0] {
            let claimed = CompactTarget::new(bits);
            let header = Header {
                bits: claimed,
                ..valid()
            };
            let expected = context().next_bits;
            assert_eq!(
                verdict(header),
                Err(Invalid::WrongBits { claimed, expected })
            );
        }
    }

    #[test]
    fn a_header_without_a_seal_is_refused() {
        let mut header = valid();
        while check_seal(&header).is_ok() {
            header.nonce += 1;
        }
        assert_eq!(verdict(header), Err(Invalid::NotSealed));
    }

    #[test]
    fn bits_that_are_no_target_have_no_seal() {
        for bits in [0, 0x0180_0001, 0xff12_3456] {
            let header = Header {
                bits: CompactTarget::new(bits),
                ..valid()
            };
            assert_eq!(check_seal(&header), Err(Invalid::NotSealed), "{bits:#x}");
        }
    }

    #[test]
    fn the_timestamp_is_after_the_median_time_past() {
        for claimed in [MEDIAN, Timestamp::new(0), MEDIAN.minus(Millis::new(1))] {
            let header = sealed(Header {
                timestamp: claimed,
                ..valid()
            });
            let why = Invalid::TooEarly {
                claimed,
                median_time_past: MEDIAN,
            };
            assert_eq!(verdict(header), Err(why));
        }
    }

    #[test]
    fn far_ahead_is_not_yet_but_never_invalid() {
        let rules = networks::dev().rules;
        let now = Timestamp::new(5_000_000);
        let at = |ahead| Header {
            timestamp: now.plus(Millis::new(ahead)),
            ..valid()
        };
        assert!(!is_from_future(&at(40_000), now, &rules));
        assert!(is_from_future(&at(40_001), now, &rules));
        assert_eq!(verdict(sealed(at(40_001))), Ok(()));
        assert!(!is_from_future(
            &at(u64::MAX),
            Timestamp::new(u64::MAX),
            &rules
        ));
    }

    #[test]
    fn the_median_is_the_middle_and_of_an_even_number_the_later_one() {
        let median = |times: &[u64]| {
            let mut times: alloc::vec::Vec<_> = times.iter().copied().map(Timestamp::new).collect();
            median_time_past(&mut times).get()
        };
        assert_eq!(median(&[7]), 7);
        assert_eq!(median(&[9, 3]), 9);
        assert_eq!(median(&[9, 3, 5]), 5);
        assert_eq!(median(&[4, 1, 3, 2]), 3);
        assert_eq!(median(&[11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6]), 6);
    }

    #[test]
    #[should_panic(expected = "looked the parent up")]
    fn the_context_of_another_parent_is_our_own_bug() {
        let _ = verdict(Header {
            parent: BlockId::ZERO,
            ..valid()
        });
    }
}
