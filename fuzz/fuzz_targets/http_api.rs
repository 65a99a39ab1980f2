//! See `archivas_targets::http_api`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::http_api(bytes));
