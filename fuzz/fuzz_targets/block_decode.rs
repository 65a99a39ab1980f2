//! Blocks from strangers: whatever decodes encodes to the same bytes, and judging it never panics.
#![no_main]

use archivas_core::params::networks;
use archivas_core::primitives::Block;
use archivas_core::rules::{Law, check_block};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static LAW: LazyLock<Law> = LazyLock::new(|| networks::dev().law());

fuzz_target!(|bytes: &[u8]| {
    let Ok(block) = Block::decode(bytes) else { return };
    assert_eq!(block.encode(), bytes, "what decodes encodes to the same bytes");
    assert_eq!(block.size(), bytes.len(), "the size is the length of the encoding");
    let root = block.tx_root();
    let id = block.id();
    if let Ok(checked) = check_block(block, &LAW) {
        assert_eq!(checked.id(), id);
        assert_eq!(checked.header().tx_root, root);
    }
});
