//! See `archivas_targets::block_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::block_decode(bytes));
