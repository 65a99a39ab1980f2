//! See `archivas_targets::snapshot_import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::snapshot_import(bytes));
