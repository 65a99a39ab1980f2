//! See `archivas_targets::headers_presync`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::headers_presync(bytes));
