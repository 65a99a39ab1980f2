//! See `archivas_targets::peer_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::peer_session(bytes));
