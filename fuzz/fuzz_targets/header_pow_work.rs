//! See `archivas_targets::header_pow_work`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::header_pow_work(bytes));
