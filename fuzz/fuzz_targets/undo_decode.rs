//! See `archivas_targets::undo_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::undo_decode(bytes));
