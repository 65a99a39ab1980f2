//! The seal: a block's id, read as a big-endian number, must not exceed its target.

use super::Invalid;
use crate::primitives::Header;

/// Whether the header's id meets the target that the header itself names. That it names the right
/// one is for [`super::check_header`].
///
/// # Errors
/// [`Invalid::NotSealed`], also when the bits are no target at all: nothing meets that.
pub fn check_seal(header: &Header) -> Result<(), Invalid> {
    match header.bits.expand() {
        Ok(target) if target.is_met_by(&header.id()) => Ok(()),
        _ => Err(Invalid::NotSealed),
    }
}
