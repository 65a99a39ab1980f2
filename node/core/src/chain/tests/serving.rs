//! What peers ask: locators, headers, missing bodies.

use alloc::vec::Vec;

use super::lab::Lab;
use super::*;
use crate::params::peers::BODY_WINDOW;
use crate::primitives::Header;

#[test]
fn a_locator_steps_singly_then_doubles_and_ends_in_genesis() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    assert_eq!(chain.locator().unwrap(), [lab.root]);
    let line = lab.line(lab.root, 40, 1);
    let headers: Vec<Header> = line.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    let heights: Vec<u64> = chain
        .locator()
        .unwrap()
        .iter()
        .map(|id| lab.header(id).height.get())
        .collect();
    assert_eq!(
        heights,
        [40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 28, 24, 16, 0]
    );
}

#[test]
fn headers_follow_the_first_known_id_of_a_locator() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 6, 1);
    give_all(&mut chain, &lab, &line);
    let side = lab.line(line[2], 2, 2);
    give_all(&mut chain, &lab, &side);
    let stranger = BlockId::from_bytes([1; 32]);
    let ask = |locator: &[BlockId], stop, max| -> Vec<BlockId> {
        let headers = chain.headers_after(locator, &stop, max).unwrap();
        headers.iter().map(Header::id).collect()
    };
    assert_eq!(
        ask(&[stranger, side[1], line[2], lab.root], stranger, 99),
        line[3..]
    );
    assert_eq!(ask(&[stranger], stranger, 99), line);
    assert_eq!(ask(&[], stranger, 2), line[..2]);
    assert_eq!(ask(&[line[0]], line[2], 99), line[1..3]);
    assert_eq!(ask(&[line[5]], stranger, 99), []);
    assert_eq!(ask(&[], stranger, 0), []);
}

#[test]
fn missing_bodies_are_those_of_the_best_headers_lowest_first() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let short = lab.line(lab.root, 200, 1);
    let headers: Vec<Header> = short.iter().map(|id| lab.header(id)).collect();
    chain.set_self_checks(None);
    chain.accept_headers(LATE, &headers).unwrap();
    assert_eq!(chain.missing_bodies(3).unwrap(), short[..3]);
    assert_eq!(chain.missing_bodies(500).unwrap(), short);
    give_all(&mut chain, &lab, &[short[0], short[1], short[3]]);
    assert_eq!(chain.missing_bodies(2).unwrap(), [short[2], short[4]]);
    assert_eq!(
        reopen(&chain, &lab).missing_bodies(2).unwrap(),
        [short[2], short[4]]
    );
    // A heavier branch of headers from block 1 on: now its bodies are wanted.
    let long = lab.line(short[0], 200, 2);
    let headers: Vec<Header> = long.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    assert_eq!(chain.best_header().id, long[199]);
    assert_eq!(chain.missing_bodies(1).unwrap(), [long[0]]);
    assert_eq!(chain.tip().id, short[1]);
    chain
        .check_invariants(crate::chain::Thoroughness::Full)
        .unwrap();
}

#[test]
fn a_body_that_nobody_delivers_does_not_let_the_others_pile_up_behind_it() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, BODY_WINDOW + 9, 1);
    let headers: Vec<Header> = line.iter().map(|id| lab.header(id)).collect();
    chain.set_self_checks(None);
    chain.accept_headers(LATE, &headers).unwrap();
    give_all(&mut chain, &lab, &[&line[..3], &line[4..9]].concat());
    let missing = chain.missing_bodies(usize::MAX).unwrap();
    assert_eq!(missing[..2], [line[3], line[9]]);
    assert_eq!(missing.last(), Some(&line[3 + BODY_WINDOW - 1]));
    give_all(&mut chain, &lab, &line[3..4]);
    let missing = chain.missing_bodies(usize::MAX).unwrap();
    assert_eq!(
        (missing.first(), missing.last()),
        (Some(&line[9]), line.last())
    );
}

#[test]
fn bodies_are_missing_on_every_near_branch_with_more_work_than_the_tip() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let ours = lab.line(lab.root, 4, 1);
    give_all(&mut chain, &lab, &ours);
    let withheld = lab.line(ours[3], 3, 2);
    let near = lab.line(ours[1], 4, 3);
    let light = lab.line(ours[0], 3, 4);
    for branch in [&withheld, &near, &light] {
        let headers: Vec<Header> = branch.iter().map(|id| lab.header(id)).collect();
        chain.accept_headers(LATE, &headers).unwrap();
    }
    assert_eq!(chain.missing_bodies(9).unwrap(), withheld);
    assert_eq!(chain.missing_of_rivals(4).unwrap(), near);
    assert_eq!(chain.missing_of_rivals(3).unwrap(), []);
    give_all(&mut chain, &lab, &near[1..2]);
    let rest = [near[0], near[2], near[3]];
    assert_eq!(chain.missing_of_rivals(4).unwrap(), rest);
    give_all(&mut chain, &lab, &rest);
    assert_eq!(chain.tip().id, near[3]);
    assert_eq!(chain.missing_of_rivals(4).unwrap(), []);
}
