//! See `archivas_targets::frame_codec`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::frame_codec(bytes));
