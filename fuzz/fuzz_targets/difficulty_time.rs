//! See `archivas_targets::difficulty_time`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::difficulty_time(bytes));
