//! See `archivas_targets::tx_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::tx_decode(bytes));
