//! See `archivas_targets::merkle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::merkle(bytes));
