//! See `archivas_targets::config_load`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::config_load(bytes));
