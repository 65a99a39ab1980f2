//! The largest legal block: nothing on its way — wire, checks, ledger, undo, indexes — has a smaller
//! bound than consensus has, and nothing lets one byte more through.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod workshop;

use archivas_core::chain::{BlockOutcome, Chain};
use archivas_core::p2p::frame::payload_max;
use archivas_core::p2p::message::{Message, Response};
use archivas_core::params::{BLOCK_BYTES_MAX, BLOCK_TRANSFERS_MAX};
use archivas_core::primitives::Block;
use archivas_core::rules::{Invalid, check_block};
use archivas_core::storage::{MemoryStorage, Table};
use workshop::fullest::*;
use workshop::*;

/// Over the wire and back, with every check in between.
fn across(block: &Block) -> Block {
    let (kind, payload) = Message::Res(Response::Block(block.clone())).encode();
    assert!(payload.len() <= payload_max(kind), "a frame holds it");
    match Message::decode(kind, &payload) {
        Ok(Some(Message::Res(Response::Block(read)))) => read,
        other => panic!("{other:?}"),
    }
}

fn counts(chain: &Chain<MemoryStorage>) -> [usize; 3] {
    [Table::Accounts, Table::Txs, Table::AccountTxs].map(|table| chain.reader().count(table))
}

#[test]
fn the_fullest_block_is_taken_left_and_taken_again() {
    let genesis = crowd();
    let mut chain = Chain::open(MemoryStorage::default(), genesis.clone()).unwrap();
    let mut body = fullest_body(&genesis);
    let full = across(&valid(&chain, address(9), &body));
    assert_eq!(full.size(), BLOCK_BYTES_MAX);
    assert_eq!(full.encode().len(), BLOCK_BYTES_MAX);
    let memo = body[0].memo.len() + 1;
    body[0] = pays(&genesis, 0, memo);
    let one_more = forged(&chain, body, full.header.state_root);
    let (size, size_max) = (BLOCK_BYTES_MAX + 1, BLOCK_BYTES_MAX);
    let why = Invalid::BlockTooLarge { size, size_max };
    assert_eq!(check_block(across(&one_more), chain.law()), Err(why));

    let before = (counts(&chain), supply(&chain));
    let other = valid(&chain, address(2), &[]);
    let mut theirs = Chain::open(chain.reader().clone(), genesis.clone()).unwrap();
    take(&mut theirs, &other);
    let longer = valid(&theirs, address(2), &[]);

    take(&mut chain, &full);
    let touched = 2 * BLOCK_TRANSFERS_MAX + 1;
    let after = [touched, BLOCK_TRANSFERS_MAX, 2 * BLOCK_TRANSFERS_MAX];
    assert_eq!(counts(&chain), after);
    assert_eq!(supply(&chain), before.1 + REWARD);
    let rows = accounts(&chain);
    let mut ours = Chain::open(chain.reader().clone(), genesis).unwrap();
    // Left for an empty branch, and back: every row as it was.
    assert_eq!(give(&mut chain, &other).outcome, BlockOutcome::Stored);
    take(&mut chain, &longer);
    assert_eq!(counts(&chain), [before.0[0] + 1, 0, 0]);
    let on_top = [0, 0].map(|_| {
        let block = valid(&ours, address(9), &[]);
        take(&mut ours, &block);
        block
    });
    give(&mut chain, &on_top[0]);
    take(&mut chain, &on_top[1]);
    assert_eq!(accounts(&chain), accounts(&ours));
    assert_eq!(accounts(&chain).len(), rows.len());
}
