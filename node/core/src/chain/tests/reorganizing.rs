//! Changing branches: most work, first comer among equals, back and forth without a trace.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

use super::lab::{Lab, Order};
use super::*;
use crate::chain::{Policy, Thoroughness};
use crate::primitives::{Header, Height, Millis, SignedTransfer};
use crate::rules::Invalid;
use crate::storage::{Batch, StorageError};

#[test]
fn the_first_comer_stays_among_equals_also_after_a_restart() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let (a, b) = (lab.empty(lab.root, 1), lab.empty(lab.root, 2));
    for (first, second) in [(a, b), (b, a)] {
        let mut chain = lab.chain();
        give_all(&mut chain, &lab, &[first, second]);
        assert_eq!(chain.tip().id, first);
        assert_eq!(reopen(&chain, &lab).tip().id, first);
    }
    // Headers first, bodies in the other order: the body counts.
    chain
        .accept_headers(LATE, &[lab.header(&a), lab.header(&b)])
        .unwrap();
    assert_eq!(chain.best_header().id, a);
    give_all(&mut chain, &lab, &[b, a]);
    assert_eq!(chain.tip().id, b);
    assert_eq!(reopen(&chain, &lab).tip().id, b);
}

#[test]
fn a_branch_that_catches_up_at_once_comes_after_the_one_that_was_there() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let (ours, theirs) = (lab.line(lab.root, 3, 1), lab.line(lab.root, 3, 2));
    let headers: Vec<Header> = theirs.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    give_all(&mut chain, &lab, &[theirs[1], theirs[2]]);
    give_all(&mut chain, &lab, &ours);
    // Theirs waited for one body since before ours came; it becomes connectable only now.
    give_all(&mut chain, &lab, &[theirs[0]]);
    assert_eq!(chain.tip().id, ours[2]);
    let more = lab.empty(theirs[2], 2);
    give_all(&mut chain, &lab, &[more]);
    assert_eq!(chain.tip().id, more);
}

#[test]
fn more_work_wins_over_more_blocks() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    // Blocks in quick succession make the next ones harder; late ones keep them easy.
    let quick = Order {
        gap: Millis::new(1),
        ..lab.order()
    };
    let mut hard = lab.root;
    for _ in 0..60 {
        hard = lab.make(hard, quick.clone());
    }
    let slow = Order {
        gap: Millis::from_secs(200),
        ..lab.order()
    };
    let mut easy = lab.root;
    for _ in 0..70 {
        easy = lab.make(easy, slow.clone());
    }
    chain.set_self_checks(Some(Thoroughness::Quick));
    give_all(&mut chain, &lab, &lab.path(&easy)[1..]);
    assert_eq!(chain.tip().id, easy);
    give_all(&mut chain, &lab, &lab.path(&hard)[1..]);
    assert_eq!(chain.tip().id, hard);
    assert!(chain.tip().height < lab.header(&easy).height);
    chain.check_invariants(Thoroughness::Full).unwrap();
}

#[test]
fn a_reorganization_of_any_depth_leaves_what_a_fresh_node_has() {
    for depth in [1, 2, 3, 7, 20, 50] {
        let mut lab = Lab::new();
        let mut chain = lab.chain();
        chain.set_self_checks(Some(Thoroughness::Quick));
        let shared = lab.busy_line(lab.root, 3, 1);
        let old = lab.busy_line(shared[2], depth, 2);
        let new = lab.busy_line(shared[2], depth + 1, 3);
        give_all(&mut chain, &lab, &shared);
        give_all(&mut chain, &lab, &old);
        give_all(&mut chain, &lab, &new[..depth]);
        assert_eq!(chain.tip().id, old[depth - 1]);
        let change = give(&mut chain, &lab, &new[depth]).walk.tip_change.unwrap();
        let blocks = u64::try_from(depth).unwrap();
        assert_eq!(
            (change.left_blocks, change.joined_blocks),
            (blocks, blocks + 1)
        );
        assert_eq!(change.fork_height, Height::new(3));
        assert_eq!((change.from.id, change.to.id), (old[depth - 1], new[depth]));
        let signed = |ids: &[BlockId]| -> Vec<SignedTransfer> {
            ids.iter()
                .flat_map(|id| lab.checked(id).block().transfers)
                .collect()
        };
        let left: Vec<_> = change
            .left
            .iter()
            .flatten()
            .map(|tx| tx.signed().clone())
            .collect();
        let joined: Vec<_> = change.joined.iter().map(|tx| tx.signed().clone()).collect();
        assert_eq!((left, joined), (signed(&old), signed(&new)));
        chain.check_invariants(Thoroughness::Full).unwrap();
        let mut fresh = lab.chain();
        fresh.set_self_checks(Some(Thoroughness::Quick));
        give_all(&mut fresh, &lab, &lab.path(&new[depth])[1..]);
        assert_eq!(best_chain_rows(&chain), best_chain_rows(&fresh));
    }
}

#[test]
fn an_invalid_block_in_the_middle_of_a_branch_leaves_the_old_tip_when_that_is_heavier() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let ours = lab.busy_line(lab.root, 4, 1);
    give_all(&mut chain, &lab, &ours);
    let good = lab.busy_line(lab.root, 2, 2);
    let bad = lab.make(
        good[1],
        Order {
            wrong_root: true,
            ..lab.order()
        },
    );
    let rest = lab.line(bad, 2, 2);
    let before = best_chain_rows(&chain);
    give_all(&mut chain, &lab, &good);
    give_all(&mut chain, &lab, &[bad, rest[0]]);
    let verdict = give(&mut chain, &lab, &rest[1]);
    assert_eq!(verdict.outcome, BlockOutcome::KnownInvalid);
    assert!(
        matches!(verdict.walk.invalid[..], [(at, Invalid::WrongStateRoot { .. })] if at == bad)
    );
    assert_eq!(verdict.walk.tip_change, None);
    assert_eq!(best_chain_rows(&chain), before);
    for id in [bad, rest[0], rest[1]] {
        assert!(!chain.header(&id).unwrap().unwrap().status.is_valid());
    }
    assert!(chain.header(&good[1]).unwrap().unwrap().status.is_valid());
    assert_eq!(chain.best_header().id, ours[3]);
    let again = lab.empty(good[1], 7);
    give_all(&mut chain, &lab, &[again]);
}

#[test]
fn an_invalid_block_in_the_middle_of_a_branch_leaves_its_valid_part_when_that_is_heavier() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let ours = lab.busy_line(lab.root, 2, 1);
    give_all(&mut chain, &lab, &ours);
    let good = lab.busy_line(lab.root, 4, 2);
    let bad = lab.make(
        good[3],
        Order {
            wrong_root: true,
            ..lab.order()
        },
    );
    let rest = lab.line(bad, 2, 2);
    let all: Vec<BlockId> = good.iter().chain([&bad]).chain(&rest).copied().collect();
    let headers: Vec<Header> = all.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    give_all(&mut chain, &lab, &all[1..]);
    assert_eq!(chain.tip().id, ours[1]);
    let verdict = give(&mut chain, &lab, &all[0]);
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
    assert!(
        matches!(verdict.walk.invalid[..], [(at, Invalid::WrongStateRoot { .. })] if at == bad)
    );
    let change = verdict.walk.tip_change.unwrap();
    assert_eq!((change.left_blocks, change.joined_blocks), (2, 4));
    assert_eq!(chain.tip().id, good[3]);
    assert_eq!(chain.best_header().id, good[3]);
    assert_eq!(chain.missing_bodies(9).unwrap(), []);
    let mut fresh = lab.chain();
    give_all(&mut fresh, &lab, &good);
    assert_eq!(best_chain_rows(&chain), best_chain_rows(&fresh));
    assert_eq!(reopen(&chain, &lab).tip().id, good[3]);
}

#[test]
fn two_invalid_branches_in_one_change_are_both_found_and_the_third_is_taken() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let ours = lab.line(lab.root, 2, 1);
    give_all(&mut chain, &lab, &ours);
    let gate = lab.empty(lab.root, 2);
    let wrong = Order {
        wrong_root: true,
        ..lab.order()
    };
    let worst = lab.make(gate, wrong.clone());
    let worst = [vec![worst], lab.line(worst, 4, 3)].concat();
    let bad = lab.line(gate, 2, 4);
    let worse = lab.make(bad[1], wrong);
    let worse = [vec![worse], lab.line(worse, 1, 4)].concat();
    let good = lab.line(gate, 2, 5);
    let ids = [vec![gate], worst.clone(), bad.clone(), worse.clone(), good].concat();
    let headers: Vec<Header> = ids.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    give_all(&mut chain, &lab, &ids[1..]);
    let verdict = give(&mut chain, &lab, &gate);
    let culprits: Vec<BlockId> = verdict.walk.invalid.iter().map(|(at, _)| *at).collect();
    assert_eq!(culprits, [worst[0], worse[0]]);
    // Two branches of equal work are left: they became connectable together, so the id decides.
    let candidates = [bad[1], ids[ids.len() - 1]];
    let first = candidates
        .iter()
        .min_by_key(|id| chain.header(id).unwrap().unwrap().arrival);
    assert_eq!(Some(&chain.tip().id), first);
    assert_eq!(first, candidates.iter().min());
}

#[test]
fn a_missing_undo_row_stops_the_node_instead_of_the_reorganization() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let ours = lab.busy_line(lab.root, 2, 1);
    let theirs = lab.busy_line(lab.root, 3, 2);
    give_all(&mut chain, &lab, &ours);
    give_all(&mut chain, &lab, &theirs[..2]);
    for value in [None, Some(vec![0])] {
        let mut store = chain.reader().clone();
        let mut batch = crate::storage::Batch::new();
        match value {
            Some(value) => batch.put(Table::Undo, ours[1].as_bytes().to_vec(), value),
            None => batch.delete(Table::Undo, ours[1].as_bytes().to_vec()),
        }
        store.commit(batch).unwrap();
        let mut chain = Chain::open(store, lab.genesis.clone()).unwrap();
        let error = chain
            .accept_block(LATE, lab.checked(&theirs[2]))
            .unwrap_err();
        assert_eq!(error.kind, crate::storage::StorageErrorKind::Damaged);
        assert!(error.what.contains("table undo"), "{error}");
        assert_eq!(chain.tip().id, ours[1]);
    }
}

#[test]
fn a_hundred_blocks_are_left_in_one_commit_and_one_more_takes_steps() {
    for (left, walks) in [(100, false), (101, true)] {
        let mut lab = Lab::new();
        let mut chain = lab.chain();
        let old = lab.line(lab.root, left, 2);
        let new = lab.line(lab.root, left + 1, 3);
        give_all(&mut chain, &lab, &old);
        give_all(&mut chain, &lab, &new[..left]);
        assert_eq!(chain.tip().id, old[left - 1]);
        give(&mut chain, &lab, &new[left]);
        assert_eq!(chain.is_walking(), walks, "{left} left");
        assert_eq!(chain.tip().id == new[left], !walks);
        while chain.is_walking() {
            chain.step(LATE).unwrap();
        }
        assert_eq!(chain.tip().id, new[left]);
    }
}

#[test]
fn a_long_reorganization_walks_in_steps_and_a_restart_goes_on_with_it() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let old = lab.busy_line(lab.root, 10, 2);
    let new = lab.busy_line(lab.root, 11, 3);
    give_all(&mut chain, &lab, &old);
    give_all(&mut chain, &lab, &new[..10]);
    chain.step_moves = 4;
    let first = give(&mut chain, &lab, &new[10]).walk.tip_change.unwrap();
    assert_eq!((first.left_blocks, first.joined_blocks), (4, 0));
    let mut heights = vec![chain.tip().height.get()];
    while chain.is_walking() {
        assert_eq!(
            chain.template(LATE, Address::ZERO, vec![]).unwrap(),
            Err(crate::chain::NoTemplate::Walking)
        );
        chain = reopen(&chain, &lab);
        chain.step_moves = 4;
        let step = chain.step(LATE).unwrap();
        let change = step.tip_change.unwrap();
        assert_eq!(change.to, *chain.tip());
        assert!(change.left_blocks + change.joined_blocks <= 4);
        heights.push(chain.tip().height.get());
    }
    assert_eq!(heights, [6, 2, 2, 6, 10, 11]);
    assert_eq!(chain.tip().id, new[10]);
    assert_eq!(
        chain.step(LATE).unwrap(),
        crate::chain::WalkVerdict::default()
    );
    let mut fresh = lab.chain();
    give_all(&mut fresh, &lab, &new);
    assert_eq!(best_chain_rows(&chain), best_chain_rows(&fresh));
}

#[test]
fn a_walk_whose_branch_proves_invalid_goes_back_to_the_best_valid_tip() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let old = lab.busy_line(lab.root, 8, 2);
    let good = lab.busy_line(lab.root, 6, 3);
    let wrong = Order {
        wrong_root: true,
        ..lab.order()
    };
    let bad = lab.make(good[5], wrong);
    let rest = lab.line(bad, 3, 3);
    give_all(&mut chain, &lab, &old);
    let before = best_chain_rows(&chain);
    let branch = [good, vec![bad], rest].concat();
    chain.step_moves = 3;
    let (last, others) = branch.split_last().unwrap();
    for id in others {
        give(&mut chain, &lab, id);
    }
    give(&mut chain, &lab, last);
    let mut culprits = Vec::new();
    while chain.is_walking() {
        let step = chain.step(LATE).unwrap();
        culprits.extend(step.invalid.into_iter().map(|(at, _)| at));
    }
    assert_eq!(culprits, [bad]);
    assert_eq!(chain.tip().id, old[7]);
    assert_eq!(best_chain_rows(&chain), before);
}

#[test]
fn a_walk_turns_when_another_branch_overtakes_its_target() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let old = lab.line(lab.root, 6, 2);
    let new = lab.line(lab.root, 7, 3);
    give_all(&mut chain, &lab, &old);
    give_all(&mut chain, &lab, &new[..6]);
    chain.step_moves = 2;
    give_all(&mut chain, &lab, &new[6..]);
    assert_eq!(chain.tip().id, old[3]);
    let more = lab.line(old[5], 2, 2);
    give_all(&mut chain, &lab, &more);
    while chain.is_walking() {
        chain.step(LATE).unwrap();
    }
    assert_eq!(chain.tip().id, more[1]);
}

/// A store that counts how often accounts are read: whoever applies or reverts a block reads those
/// that it touches.
struct Counting {
    store: MemoryStorage,
    account_reads: Cell<u64>,
}

impl Reader for Counting {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let read = u64::from(table == Table::Accounts);
        self.account_reads.set(self.account_reads.get() + read);
        self.store.get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        self.store.scan(table, scan)
    }
}

impl Storage for Counting {
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.store.commit(batch)
    }
}

#[test]
fn of_a_lighter_branch_of_five_hundred_blocks_none_is_executed_until_it_is_heavier() {
    let mut lab = Lab::new();
    let store = Counting {
        store: MemoryStorage::new(),
        account_reads: Cell::new(0),
    };
    let mut chain = Chain::open(store, lab.genesis.clone()).unwrap();
    chain.set_policy(Policy {
        reorg_depth_max: 1_000,
        ..Policy::default()
    });
    let ours = lab.line(lab.root, 500, 1);
    give_all(&mut chain, &lab, &ours);
    let theirs = lab.line(lab.root, 501, 2);
    let before = chain.storage.account_reads.get();
    assert!(before >= 500, "a block that is applied reads accounts");
    give_all(&mut chain, &lab, &theirs[..500]);
    assert_eq!(chain.storage.account_reads.get(), before);
    give_all(&mut chain, &lab, &theirs[500..]);
    while chain.is_walking() {
        chain.step(LATE).unwrap();
    }
    assert_eq!(chain.tip().id, theirs[500]);
    assert!(chain.storage.account_reads.get() > before);
}
