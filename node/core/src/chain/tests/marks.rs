//! What the operator sets aside, and takes back.

use alloc::vec;

use super::lab::{Lab, Order};
use super::*;
use crate::chain::{BadBranch, HeaderStop};

#[test]
fn setting_a_block_aside_moves_the_tip_to_the_best_of_the_rest_and_back() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.busy_line(lab.root, 5, 1);
    let side = lab.busy_line(line[1], 2, 2);
    give_all(&mut chain, &lab, &line);
    give_all(&mut chain, &lab, &side);
    let before = chain.reader().clone();

    let walk = chain.invalidate(LATE, &line[2]).unwrap().unwrap();
    let change = walk.tip_change.unwrap();
    assert_eq!((change.left_blocks, change.joined_blocks), (3, 2));
    assert_eq!(chain.tip().id, side[1]);
    assert_eq!(chain.best_header().id, side[1]);
    let child = lab.empty(line[4], 7);
    let mut chain = reopen(&chain, &lab);
    assert_eq!(chain.tip().id, side[1]);
    assert_eq!(
        give(&mut chain, &lab, &line[4]).outcome,
        BlockOutcome::SetAside
    );
    let headers = chain.accept_headers(LATE, &[lab.header(&child)]).unwrap();
    assert_eq!(headers.stop, Some((0, HeaderStop::SetAside)));

    let walk = chain.reconsider(LATE, &line[4]).unwrap().unwrap();
    assert_eq!(walk.tip_change.unwrap().joined_blocks, 3);
    assert_eq!(*chain.reader(), before);
}

#[test]
fn a_block_set_aside_stays_so_under_new_rules_and_an_invalid_one_is_found_out_again() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 2, 1);
    let wrong = Order {
        wrong_root: true,
        ..lab.order()
    };
    let bad = lab.make(line[1], wrong);
    give_all(&mut chain, &lab, &line);
    give(&mut chain, &lab, &bad);
    let before = chain.reader().clone();
    let walk = chain.reconsider(LATE, &bad).unwrap().unwrap();
    assert_eq!(walk.invalid.len(), 1);
    assert_eq!(walk.tip_change, None);
    assert_eq!(*chain.reader(), before);
    chain.invalidate(LATE, &line[1]).unwrap().unwrap();
    let mut store = chain.reader().clone();
    let mut batch = crate::storage::Batch::new();
    let version = crate::primitives::codec::encode(&0u32);
    batch.put(Table::Meta, schema::meta::RULES.to_vec(), version);
    store.commit(batch).unwrap();
    let chain = Chain::open(store, lab.genesis.clone()).unwrap();
    assert_eq!(chain.tip().id, line[0]);
}

#[test]
fn genesis_and_strangers_can_be_neither_set_aside_nor_reconsidered() {
    let lab = Lab::new();
    let mut chain = lab.chain();
    let stranger = BlockId::from_bytes([1; 32]);
    assert_eq!(
        chain.invalidate(LATE, &lab.root).unwrap(),
        Err(BadBranch::Genesis)
    );
    assert_eq!(
        chain.reconsider(LATE, &lab.root).unwrap(),
        Err(BadBranch::Genesis)
    );
    assert_eq!(
        chain.invalidate(LATE, &stranger).unwrap(),
        Err(BadBranch::Unknown)
    );
    assert_eq!(
        chain.reconsider(LATE, &stranger).unwrap(),
        Err(BadBranch::Unknown)
    );
}

#[test]
fn setting_a_deep_block_aside_walks_in_steps() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 10, 1);
    give_all(&mut chain, &lab, &line);
    chain.step_moves = 3;
    chain.invalidate(LATE, &line[1]).unwrap().unwrap();
    let mut heights = vec![chain.tip().height.get()];
    while chain.is_walking() {
        chain = reopen(&chain, &lab);
        chain.step_moves = 3;
        chain.step(LATE).unwrap();
        heights.push(chain.tip().height.get());
    }
    assert_eq!(heights, [7, 4, 1]);
    let walk = chain.reconsider(LATE, &line[9]).unwrap().unwrap();
    assert_eq!(walk.tip_change.unwrap().joined_blocks, 3);
}
