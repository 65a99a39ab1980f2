//! Single blocks: what is taken, what is refused, and what is remembered of it.

use alloc::vec;
use alloc::vec::Vec;

use super::lab::{FUNDS, IntoAmount, Lab, Order, REWARD};
use super::*;
use crate::chain::HeaderStop;
use crate::primitives::{AccountNonce, Block, Header, Millis, SignedTransfer};
use crate::rules::{Invalid, check_block};
use crate::schema::Status;

/// A chain with a block of these transfers on genesis, and what it said.
fn try_transfers(transfers: Vec<SignedTransfer>) -> (Chain<MemoryStorage>, BlockVerdict) {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let block = lab.make(
        lab.root,
        Order {
            transfers,
            ..lab.order()
        },
    );
    let before = accounts(&chain);
    let verdict = give(&mut chain, &lab, &block);
    if verdict.walk.tip_change.is_none() {
        assert_eq!(accounts(&chain), before);
        assert_eq!(chain.tip().id, lab.root);
        let record = chain.header(&block).unwrap().unwrap();
        assert!(!record.status.is_valid());
        assert_eq!(
            give(&mut chain, &lab, &block).outcome,
            BlockOutcome::KnownInvalid
        );
        let mut restarted = reopen(&chain, &lab);
        assert_eq!(
            give(&mut restarted, &lab, &block).outcome,
            BlockOutcome::KnownInvalid
        );
    }
    (chain, verdict)
}

fn reason(transfers: Vec<SignedTransfer>) -> Invalid {
    match try_transfers(transfers).1.outcome {
        BlockOutcome::Invalid(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_moves_money_nonces_and_the_tip() {
    let lab = Lab::new();
    let to = Address::from_bytes([7; 20]);
    let (chain, verdict) = try_transfers(vec![lab.pay(0, to, 500, 0), lab.pay(0, to, 1, 1)]);
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
    let change = verdict.walk.tip_change.unwrap();
    assert_eq!((change.left_blocks, change.joined_blocks), (0, 1));
    assert_eq!((change.left.len(), change.joined.len()), (0, 2));
    assert_eq!(change.to, *chain.tip());
    let state = accounts(&chain);
    assert_eq!(
        state[&to],
        Account {
            balance: 501.amount(),
            nonce: AccountNonce::ZERO
        }
    );
    let sender = state[&lab.address(0)];
    assert_eq!(sender.balance, (FUNDS - 501 - 4).amount());
    assert_eq!(sender.nonce, AccountNonce::new(2));
    assert_eq!(state[&lab.order().producer].balance, (REWARD + 4).amount());
}

#[test]
fn money_received_earlier_in_a_block_can_be_spent_later_in_it() {
    let lab = Lab::new();
    let all = lab.pay(0, lab.address(1), FUNDS - 2, 0);
    let on = lab.pay(1, Address::from_bytes([7; 20]), 2 * FUNDS - 4, 0);
    assert_eq!(
        try_transfers(vec![all.clone(), on.clone()]).1.outcome,
        BlockOutcome::Stored
    );
    assert!(matches!(
        reason(vec![on, all]),
        Invalid::BalanceTooLow { .. }
    ));
}

#[test]
fn the_reward_cannot_be_spent_in_its_own_block() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let producer = lab.address(0);
    let to = Address::from_bytes([7; 20]);
    let transfers = vec![lab.pay(0, to, FUNDS, 0)];
    let spent = Order {
        producer,
        transfers: transfers.clone(),
        ..lab.order()
    };
    let block = lab.make(lab.root, spent);
    let verdict = give(&mut chain, &lab, &block);
    assert!(matches!(
        verdict.outcome,
        BlockOutcome::Invalid(Invalid::BalanceTooLow { .. })
    ));
    let earned = lab.make(
        lab.root,
        Order {
            producer,
            ..lab.order()
        },
    );
    let spent = lab.make(
        earned,
        Order {
            transfers,
            ..lab.order()
        },
    );
    give_all(&mut chain, &lab, &[earned, spent]);
    assert_eq!(chain.tip().id, spent);
}

#[test]
fn the_same_transfer_twice_makes_a_block_invalid() {
    let lab = Lab::new();
    let transfer = lab.pay(0, lab.address(1), 5, 0);
    let nonce = AccountNonce::ZERO;
    let expected = AccountNonce::new(1);
    let twice = vec![transfer.clone(), transfer];
    assert_eq!(reason(twice), Invalid::NonceUsed { nonce, expected });
}

#[test]
fn a_nonce_above_or_below_the_accounts_makes_a_block_invalid() {
    let lab = Lab::new();
    let to = lab.address(1);
    assert!(matches!(
        reason(vec![lab.pay(0, to, 5, 1)]),
        Invalid::NonceGap { .. }
    ));
    let (first, second) = (lab.pay(0, to, 5, 0), lab.pay(0, to, 6, 0));
    assert!(matches!(
        reason(vec![first, second]),
        Invalid::NonceUsed { .. }
    ));
}

#[test]
fn spending_one_base_unit_too_much_makes_a_block_invalid() {
    let lab = Lab::new();
    let to = lab.address(1);
    assert!(matches!(
        reason(vec![lab.pay(0, to, FUNDS - 1, 0)]),
        Invalid::BalanceTooLow { .. }
    ));
    let (_, verdict) = try_transfers(vec![lab.pay(0, to, FUNDS - 2, 0)]);
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
}

#[test]
fn a_transfer_to_oneself_pays_only_the_fee() {
    let lab = Lab::new();
    let (chain, verdict) = try_transfers(vec![lab.pay(0, lab.address(0), FUNDS - 2, 0)]);
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
    assert_eq!(
        accounts(&chain)[&lab.address(0)].balance,
        (FUNDS - 2).amount()
    );
    let more_than_all = vec![lab.pay(0, lab.address(0), FUNDS - 1, 0)];
    assert!(matches!(
        reason(more_than_all),
        Invalid::BalanceTooLow { .. }
    ));
}

#[test]
fn a_wrong_state_root_makes_a_block_invalid() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let bad = lab.make(
        lab.root,
        Order {
            wrong_root: true,
            ..lab.order()
        },
    );
    let verdict = give(&mut chain, &lab, &bad);
    let BlockOutcome::Invalid(why) = verdict.outcome else {
        panic!("{verdict:?}")
    };
    assert!(matches!(why, Invalid::WrongStateRoot { .. }));
    assert_eq!(verdict.walk.invalid, [(bad, why)]);
    assert_eq!(verdict.walk.tip_change, None);
    // Descendants are refused by their header already.
    let child = lab.empty(bad, 1);
    let headers = chain.accept_headers(LATE, &[lab.header(&child)]).unwrap();
    assert_eq!(headers.stop, Some((0, HeaderStop::KnownInvalid)));
}

#[test]
fn a_mutated_body_is_no_checked_block_and_the_honest_one_is_still_taken() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let pay = |nonce| lab.pay(0, Address::from_bytes([7; 20]), 5, nonce);
    let transfers = vec![pay(0), pay(1), pay(2)];
    let id = lab.make(
        lab.root,
        Order {
            transfers,
            ..lab.order()
        },
    );
    let Block {
        header,
        mut transfers,
    } = lab.checked(&id).block();
    // CVE-2012-2459: with an odd leaf duplicated, this list had the same root.
    transfers.push(transfers[2].clone());
    let why = check_block(Block { header, transfers }, &lab.law).unwrap_err();
    assert_eq!(why, Invalid::MutatedBody);
    chain.accept_headers(LATE, &[header]).unwrap();
    chain.refuse_block(&id, &why).unwrap();
    assert_eq!(chain.missing_bodies(1).unwrap(), [id]);
    give_all(&mut chain, &lab, &[id]);
    assert_eq!(chain.tip().id, id);
}

#[test]
fn a_block_refused_before_it_came_here_is_remembered_with_its_descendants() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 4, 1);
    let headers: Vec<Header> = line.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    give_all(&mut chain, &lab, &[line[0], line[3]]);
    chain
        .refuse_block(&line[2], &Invalid::BadSignature)
        .unwrap();
    assert_eq!(chain.best_header().id, line[1]);
    assert_eq!(chain.missing_bodies(9).unwrap(), [line[1]]);
    give_all(&mut chain, &lab, &[line[1]]);
    assert_eq!(chain.tip().id, line[1]);
    // What is on the best chain did pass: no refusal can touch it.
    chain
        .refuse_block(&line[0], &Invalid::BadSignature)
        .unwrap();
    assert_eq!(chain.tip().id, line[1]);
}

#[test]
fn a_block_from_the_future_is_taken_later_without_a_mark() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let id = lab.make(
        lab.root,
        Order {
            gap: Millis::from_secs(100),
            ..lab.order()
        },
    );
    let time = lab.header(&id).timestamp;
    let early = time.minus(Millis::from_secs(40)).minus(Millis::new(1));
    let verdict = chain.accept_block(early, lab.checked(&id)).unwrap();
    assert_eq!(verdict.outcome, BlockOutcome::NotYet);
    let headers = chain.accept_headers(early, &[lab.header(&id)]).unwrap();
    assert_eq!(headers.stop, Some((0, HeaderStop::NotYet)));
    assert_eq!(chain.header(&id).unwrap(), None);
    let early = early.plus(Millis::new(1));
    let verdict = chain.accept_block(early, lab.checked(&id)).unwrap();
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
    assert_eq!(chain.tip().id, id);
}

#[test]
fn orphans_and_duplicates_change_nothing() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 2, 1);
    let before = chain.reader().clone();
    assert_eq!(
        give(&mut chain, &lab, &line[1]).outcome,
        BlockOutcome::Orphan
    );
    assert_eq!(*chain.reader(), before);
    give_all(&mut chain, &lab, &line);
    let before = chain.reader().clone();
    assert_eq!(
        give(&mut chain, &lab, &line[0]).outcome,
        BlockOutcome::Duplicate
    );
    assert_eq!(
        give(&mut chain, &lab, &lab.root).outcome,
        BlockOutcome::Duplicate
    );
    assert_eq!(*chain.reader(), before);
}

#[test]
fn the_header_rules_are_asked_in_the_context_of_the_parent() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 13, 1);
    let headers: Vec<Header> = line.iter().map(|id| lab.header(id)).collect();
    let verdict = chain.accept_headers(LATE, &headers[..12]).unwrap();
    assert_eq!(
        (verdict.accepted.as_slice(), verdict.stop),
        (&line[..12], None)
    );
    // The median of the last eleven (blocks 2 to 12) is block 7's time: not even that is allowed.
    let seal = |mut header: Header| {
        while !header.bits.expand().unwrap().is_met_by(&header.id()) {
            header.nonce += 1;
        }
        header
    };
    let claimed = headers[6].timestamp;
    let stuck = seal(Header {
        timestamp: claimed,
        ..headers[12]
    });
    let verdict = chain.accept_headers(LATE, &[stuck]).unwrap();
    let too_early = Invalid::TooEarly {
        claimed,
        median_time_past: claimed,
    };
    assert_eq!(verdict.stop, Some((0, HeaderStop::Invalid(too_early))));
    let just = seal(Header {
        timestamp: claimed.plus(Millis::new(1)),
        ..headers[12]
    });
    assert_eq!(chain.accept_headers(LATE, &[just]).unwrap().stop, None);
    let skipping = seal(Header {
        height: headers[12].height.next(),
        ..headers[12]
    });
    let verdict = chain.accept_headers(LATE, &[skipping]).unwrap();
    assert!(matches!(
        verdict.stop,
        Some((0, HeaderStop::Invalid(Invalid::WrongHeight { .. })))
    ));
}

#[test]
fn a_body_waits_for_its_ancestors_without_an_arrival_number() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 4, 1);
    let headers: Vec<Header> = line.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    for id in [line[3], line[1], line[2]] {
        let verdict = give(&mut chain, &lab, &id);
        assert_eq!(
            (verdict.outcome, verdict.walk.tip_change),
            (BlockOutcome::Stored, None)
        );
        let record = chain.header(&id).unwrap().unwrap();
        assert_eq!((record.status, record.arrival), (Status::Stored, None));
    }
    assert_eq!(chain.missing_bodies(9).unwrap(), [line[0]]);
    let verdict = give(&mut chain, &lab, &line[0]);
    assert_eq!(verdict.walk.tip_change.unwrap().joined_blocks, 4);
    let arrival = |id| chain.header(id).unwrap().unwrap().arrival.unwrap().get();
    let arrivals: Vec<u64> = line.iter().map(arrival).collect();
    assert_eq!(arrivals, [1, 2, 3, 4]);
}
