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
