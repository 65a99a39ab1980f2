//! See `archivas_targets::addrbook`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::addrbook(bytes));
