//! See `archivas_targets::plan_player`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::plan_player(bytes));
