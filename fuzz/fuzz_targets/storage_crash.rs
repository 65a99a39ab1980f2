//! See `archivas_targets::storage_crash`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::storage_crash(bytes));
