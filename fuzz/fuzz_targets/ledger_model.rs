//! See `archivas_targets::ledger_model`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archivas_targets::ledger_model(bytes));
