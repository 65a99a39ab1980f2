//! See `archivas_targets::tx_request_tracker`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::tx_request_tracker(bytes));
