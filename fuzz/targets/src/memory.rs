//! How much memory reading takes: a few times the input, whatever it claims to hold.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is allocated beside the input, such as the text of an error: bytes.
const BESIDE_BYTES: usize = 4_096;
/// An empty memo of one byte on the wire is a transfer of 200 in memory at most; growing a list
/// copies it, so that each element is paid for about four times.
const TIMES_INPUT: usize = 16;

/// Reads bytes.
///
/// # Panics
/// When reading allocated more than a small multiple of them, in all.
pub fn bounded<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let value = read(bytes);
    let change = region.change();
    let grown = usize::try_from(change.bytes_reallocated).unwrap_or(0);
    let allocated = change.bytes_allocated + grown;
    let allowed = BESIDE_BYTES + TIMES_INPUT * bytes.len();
    assert!(
        allocated <= allowed,
        "{allocated} bytes were allocated to read {}",
        bytes.len()
    );
    value
}
