//! What a block's id stands for: one body and no other.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod workshop;

use archivas_core::primitives::Block;
use archivas_core::rules::{Invalid, check_block};
use workshop::*;

#[test]
fn every_flipped_bit_of_a_block_is_refused_or_makes_another_block() {
    let genesis = network();
    let chain = chain(&genesis);
    let body = [0, 1, 2].map(|nonce| pay(&genesis, 0, address(1), 500, nonce));
    let block = valid(&chain, address(9), &body);
    let bytes = block.encode();
    let (mut undecodable, mut mutated, mut other) = (0, 0, 0);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        match Block::decode(&changed) {
            Err(_) => undecodable += 1,
            Ok(decoded) if decoded.id() == block.id() => {
                let why = check_block(decoded, chain.law());
                assert_eq!(why, Err(Invalid::MutatedBody), "bit {bit}");
                mutated += 1;
            }
            Ok(decoded) => {
                assert_ne!(decoded, block);
                other += 1;
            }
        }
    }
    assert_eq!(
        other,
        160 * 8,
        "the id covers the header and nothing else directly"
    );
    assert!(
        mutated > 3 * 100 * 8,
        "{mutated}: the root covers keys and signatures too"
    );
    assert!(
        undecodable > 0,
        "{undecodable}: lengths and varints have one form"
    );
    assert!(check_block(block, chain.law()).is_ok());
}

#[test]
fn no_other_order_number_or_repetition_of_transfers_goes_under_the_same_id() {
    let genesis = network();
    let chain = chain(&genesis);
    for count in 1..=9 {
        let body: Vec<_> = (0..count)
            .map(|nonce| pay(&genesis, 0, address(1), 500, nonce))
            .collect();
        let block = valid(&chain, address(9), &body);
        let mut others = vec![vec![], body[1..].to_vec(), [&body[..], &body[..]].concat()];
        for tail in 1..=body.len() {
            // The lists that CVE-2012-2459 made from one root: the last leaves repeated.
            others.push([&body[..], &body[body.len() - tail..]].concat());
        }
        for other in 1..body.len() {
            let mut swapped = body.clone();
            swapped.swap(0, other);
            others.push(swapped);
        }
        for transfers in others {
            let header = block.header;
            let why = check_block(Block { header, transfers }, chain.law());
            assert_eq!(why, Err(Invalid::MutatedBody), "{count}");
        }
    }
}
