//! See `archivas_targets::keystore_address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::keystore_address(bytes));
