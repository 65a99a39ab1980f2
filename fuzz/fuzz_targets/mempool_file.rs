//! See `archivas_targets::mempool_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::mempool_file(bytes));
