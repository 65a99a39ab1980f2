//! See `archivas_targets::block_tree`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::block_tree(bytes));
