//! Our own next block passes our own rules (check O14).

use alloc::vec;
use alloc::vec::Vec;

use super::lab::Lab;
use super::*;
use crate::chain::NoTemplate;
use crate::primitives::{Block, Millis, SignedTransfer};
use crate::rules::{Invalid, check_block, check_transfer};

#[test]
fn a_template_is_a_valid_block_but_for_its_seal() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 12, 1);
    give_all(&mut chain, &lab, &line);
    let to = Address::from_bytes([7; 20]);
    let transfers = [lab.pay(0, to, 5, 0), lab.pay(1, lab.address(1), 7, 0)];
    let checked = |transfer: &SignedTransfer| check_transfer(transfer.clone(), &lab.law).unwrap();
    let transfers: Vec<_> = transfers.iter().map(checked).collect();
    let now = chain.tip().header.timestamp.plus(Millis::from_secs(3));
    let template = chain.template(now, to, transfers.clone()).unwrap().unwrap();
    assert_eq!(template.header.timestamp, now);
    assert_eq!(template.transfers, transfers);
    let mut header = template.header;
    while !header.bits.expand().unwrap().is_met_by(&header.id()) {
        header.nonce += 1;
    }
    let transfers = transfers.into_iter().map(|tx| tx.into_signed()).collect();
    let block = check_block(Block { header, transfers }, &lab.law).unwrap();
    let verdict = chain.accept_block(now, block).unwrap();
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
    assert_eq!(chain.tip().header, header);
}

#[test]
fn there_is_no_template_with_a_clock_behind_or_transfers_that_do_not_fit() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 1, 1);
    give_all(&mut chain, &lab, &line);
    let producer = Address::from_bytes([7; 20]);
    let median = lab.header(&line[0]).timestamp;
    let behind = median.minus(Millis::from_secs(40));
    let none = chain.template(behind, producer, vec![]).unwrap();
    assert_eq!(none, Err(NoTemplate::ClockBehind));
    let just = chain
        .template(behind.plus(Millis::new(1)), producer, vec![])
        .unwrap()
        .unwrap();
    assert_eq!(just.header.timestamp, median.plus(Millis::new(1)));
    let gap = lab.pay(0, producer, 5, 1);
    let gap = check_transfer(gap, &lab.law).unwrap();
    let none = chain
        .template(median, producer, vec![gap])
        .unwrap()
        .unwrap_err();
    assert!(matches!(
        none,
        NoTemplate::Invalid(Invalid::NonceGap { .. })
    ));
}
