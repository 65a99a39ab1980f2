//! See `archivas_targets::ed25519_consensus`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::ed25519_consensus(bytes));
