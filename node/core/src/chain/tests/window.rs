//! Branches that fork deep below the tip wait for the operator's word.

use super::lab::{Lab, Order};
use super::*;
use crate::chain::queries::fork_of;
use crate::chain::{HeldBranch, Policy, WalkVerdict};
use crate::primitives::{Height, Millis, Timestamp};
use crate::storage::StorageError;
use alloc::vec::Vec;
use core::cell::Cell;

const DEPTH_MAX: u64 = 3;

/// Not long after the last block of the lab: no tip is old.
const SOON: Timestamp = Timestamp::new(1_700_001_000_000);

/// A chain with a narrow window and a line of `ours` blocks.
fn narrow(lab: &mut Lab, ours: usize) -> (Chain<MemoryStorage>, Vec<BlockId>) {
    let mut chain = narrowed(lab.chain());
    let line = lab.busy_line(lab.root, ours, 1);
    assert!(offer(&mut chain, lab, &line).held.is_empty());
    (chain, line)
}

fn narrowed(mut chain: Chain<MemoryStorage>) -> Chain<MemoryStorage> {
    chain.set_policy(Policy {
        reorg_depth_max: DEPTH_MAX,
        ..Policy::default()
    });
    chain
}

/// Hands blocks over soon after they were made; gives what came of the last one.
fn offer(chain: &mut Chain<MemoryStorage>, lab: &Lab, ids: &[BlockId]) -> WalkVerdict {
    let accept = |id| chain.accept_block(SOON, lab.checked(id)).unwrap();
    let last = ids.iter().map(accept).last().unwrap();
    assert_eq!(last.outcome, BlockOutcome::Stored);
    last.walk
}

#[test]
fn a_branch_is_followed_at_the_edge_of_the_window_and_held_beyond_it() {
    for (depth, followed) in [(3, true), (4, false)] {
        let mut lab = Lab::new();
        let (mut chain, ours) = narrow(&mut lab, 6);
        let theirs = lab.line(ours[5 - depth], depth + 1, 2);
        let walk = offer(&mut chain, &lab, &theirs);
        assert_eq!(chain.tip().id == theirs[depth], followed);
        assert_eq!(walk.held.is_empty(), followed);
        assert_eq!(chain.held_branches().unwrap().is_empty(), followed);
    }
}

#[test]
fn a_held_branch_is_an_alarm_that_lasts_over_a_restart_and_while_it_grows() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 6);
    let theirs = lab.line(ours[0], 7, 2);
    let walk = offer(&mut chain, &lab, &theirs[..6]);
    assert_eq!((walk.held, walk.tip_change), (alloc::vec![theirs[5]], None));
    let mut chain = narrowed(reopen(&chain, &lab));
    let walk = offer(&mut chain, &lab, &theirs[6..]);
    assert_eq!((walk.held, walk.tip_change), (alloc::vec![theirs[6]], None));
    let [HeldBranch { tip, fork_height }] = chain.held_branches().unwrap()[..] else {
        panic!("one branch is held");
    };
    assert_eq!((tip.id, fork_height), (theirs[6], Height::new(1)));
    assert_eq!(chain.tip().id, ours[5]);
    let template = chain.template(SOON, Address::ZERO, alloc::vec![]).unwrap();
    assert_eq!(template.unwrap().header.parent, ours[5]);
}

#[test]
fn a_held_branch_is_forgotten_once_ours_has_more_work() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 6);
    let theirs = lab.line(ours[0], 6, 2);
    offer(&mut chain, &lab, &theirs);
    let more = lab.line(ours[5], 2, 1);
    offer(&mut chain, &lab, &more[..1]);
    assert_eq!(chain.held_branches().unwrap().len(), 1);
    offer(&mut chain, &lab, &more[1..]);
    assert_eq!(chain.held_branches().unwrap(), []);
}

#[test]
fn twice_the_work_above_the_fork_needs_no_word() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 5);
    let mut theirs = lab.line(ours[0], 8, 2);
    let chainwork = |id: &BlockId| lab.get(id).chainwork;
    let above = |id: &BlockId| chainwork(id).checked_sub(chainwork(&ours[0])).unwrap();
    let twice = above(&ours[4]).saturating_mul(2);
    let enough = theirs.iter().position(|id| above(id) >= twice).unwrap();
    theirs.truncate(enough + 1);
    offer(&mut chain, &lab, &theirs[..enough]);
    assert_eq!(chain.tip().id, ours[4]);
    offer(&mut chain, &lab, &theirs[enough..]);
    assert_eq!(chain.tip().id, theirs[enough]);
    assert_eq!(chain.held_branches().unwrap(), []);
}

#[test]
fn the_operator_lets_a_branch_be_followed_in_steps_and_over_restarts() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 8);
    let theirs = lab.busy_line(ours[0], 9, 2);
    offer(&mut chain, &lab, &theirs[..8]);
    assert_eq!(chain.tip().id, ours[7]);
    chain.step_moves = 2;
    let walk = chain.accept_branch(SOON, &theirs[3]).unwrap().unwrap();
    assert_eq!(walk.tip_change.unwrap().left_blocks, 2);
    // The branch grows while it is walked.
    chain = narrowed(reopen(&chain, &lab));
    chain.step_moves = 2;
    offer(&mut chain, &lab, &theirs[8..]);
    while chain.is_walking() {
        chain = narrowed(reopen(&chain, &lab));
        chain.step_moves = 2;
        assert_eq!(chain.step(SOON).unwrap().held, []);
    }
    assert_eq!(chain.tip().id, theirs[8]);
    assert_eq!(chain.held_branches().unwrap(), []);
}

#[test]
fn an_accepted_branch_that_proves_invalid_leads_home_however_far_the_walk_came() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 8);
    let before = best_chain_rows(&chain);
    let good = lab.busy_line(ours[0], 5, 2);
    let wrong = Order {
        wrong_root: true,
        ..lab.order()
    };
    let bad = lab.make(good[4], wrong);
    let rest = lab.line(bad, 2, 2);
    let theirs = [good, alloc::vec![bad], rest].concat();
    offer(&mut chain, &lab, &theirs);
    chain.step_moves = 3;
    let mut walk = chain.accept_branch(SOON, &theirs[7]).unwrap().unwrap();
    while chain.is_walking() {
        chain = narrowed(reopen(&chain, &lab));
        chain.step_moves = 3;
        walk = chain.step(SOON).unwrap();
    }
    assert_eq!(walk.held, []);
    assert_eq!(chain.tip().id, ours[7]);
    assert_eq!(best_chain_rows(&chain), before);
}

#[test]
fn a_node_that_catches_up_follows_every_branch() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 6);
    let theirs = lab.line(ours[0], 7, 2);
    offer(&mut chain, &lab, &theirs[..6]);
    assert_eq!(chain.tip().id, ours[5]);
    let mut poor = reopen(&chain, &lab);
    poor.set_policy(Policy {
        reorg_depth_max: DEPTH_MAX,
        minimum_chainwork: lab.get(&theirs[6]).chainwork,
        ..Policy::default()
    });
    offer(&mut poor, &lab, &theirs[6..]);
    assert_eq!(poor.tip().id, theirs[6]);
    let day = chain.tip().header.timestamp.plus(Millis::from_secs(86_400));
    let block = lab.empty(ours[4], 3);
    chain.accept_block(day, lab.checked(&block)).unwrap();
    assert_eq!(chain.tip().id, ours[5]);
    let block = lab.empty(ours[4], 4);
    let late = day.plus(Millis::new(1));
    chain.accept_block(late, lab.checked(&block)).unwrap();
    assert_eq!(chain.tip().id, theirs[5]);
}

#[test]
fn a_walk_over_old_blocks_is_not_taken_for_catching_up() {
    let mut lab = Lab::new();
    let slow = |lab: &mut Lab, parent, variant, hours: u64| {
        let order = Order {
            gap: Millis::from_secs(hours * 3_600),
            producer: Address::from_bytes([variant; 20]),
            ..lab.order()
        };
        lab.make(parent, order)
    };
    let mut chain = narrowed(lab.chain());
    let mut ours = alloc::vec![lab.root];
    for _ in 0..6 {
        let last = ours[ours.len() - 1];
        ours.push(slow(&mut lab, last, 1, 12));
    }
    let now = lab.header(&ours[6]).timestamp;
    let accept = |chain: &mut Chain<MemoryStorage>, lab: &Lab, ids: &[BlockId]| {
        for id in ids {
            chain.accept_block(now, lab.checked(id)).unwrap();
        }
    };
    accept(&mut chain, &lab, &ours[1..]);
    // Forks one block too deep, and has the most work of all.
    let deep = lab.line(ours[2], 7, 2);
    accept(&mut chain, &lab, &deep);
    assert_eq!(chain.held_branches().unwrap().len(), 1);
    let mut near = alloc::vec![slow(&mut lab, ours[3], 3, 8)];
    for _ in 0..3 {
        near.push(slow(&mut lab, near[near.len() - 1], 3, 8));
    }
    chain.step_moves = 2;
    accept(&mut chain, &lab, &near);
    while chain.is_walking() {
        chain.step(now).unwrap();
    }
    assert_eq!(chain.tip().id, near[3]);
    assert_eq!(chain.held_branches().unwrap().len(), 1);
}

#[test]
fn leaving_a_branch_that_the_operator_set_aside_knows_no_window() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 6);
    let theirs = lab.line(ours[0], 2, 2);
    offer(&mut chain, &lab, &theirs);
    chain.invalidate(SOON, &ours[1]).unwrap().unwrap();
    assert_eq!(chain.tip().id, theirs[1]);
}

#[test]
fn what_the_operator_leaves_is_no_reason_to_follow_a_branch_that_forks_too_deep() {
    for (aside, followed) in [(6, false), (4, true)] {
        let mut lab = Lab::new();
        let (mut chain, ours) = narrow(&mut lab, 8);
        let theirs = lab.line(ours[0], 8, 2);
        offer(&mut chain, &lab, &theirs);
        assert_eq!(chain.held_branches().unwrap().len(), 1);
        chain.invalidate(SOON, &ours[aside]).unwrap().unwrap();
        let (tip, held) = (chain.tip().id, chain.held_branches().unwrap().len());
        match followed {
            true => assert_eq!((tip, held), (theirs[7], 0)),
            false => assert_eq!((tip, held), (ours[aside - 1], 1)),
        }
    }
}

#[test]
fn a_held_branch_that_forks_near_the_tip_of_another_one_is_followed() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 6);
    let trunk = lab.line(ours[0], 6, 2);
    let heavy = lab.line(trunk[5], 3, 3);
    let light = lab.line(trunk[5], 1, 4);
    for line in [&trunk, &heavy, &light] {
        offer(&mut chain, &lab, line);
    }
    assert_eq!(chain.tip().id, ours[5]);
    chain.accept_branch(SOON, &light[0]).unwrap().unwrap();
    assert_eq!(chain.tip().id, heavy[2]);
    assert_eq!(chain.held_branches().unwrap(), []);
}

#[test]
fn the_operators_word_is_kept_by_following_the_branch_and_lets_no_later_one_in() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 6);
    let theirs = lab.line(ours[0], 7, 2);
    offer(&mut chain, &lab, &theirs);
    chain.accept_branch(SOON, &theirs[0]).unwrap().unwrap();
    assert_eq!(chain.tip().id, theirs[6]);
    chain = narrowed(reopen(&chain, &lab));
    // Has the most work, descends from what was accepted, and forks far below the tip.
    let deep = lab.line(theirs[1], 6, 3);
    offer(&mut chain, &lab, &deep);
    assert_eq!(chain.tip().id, theirs[6]);
    assert_eq!(chain.held_branches().unwrap().len(), 1);
}

#[test]
fn however_many_branches_are_held_the_next_block_of_our_own_is_asked_for() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 6);
    let theirs = lab.line(ours[0], 8, 2);
    offer(&mut chain, &lab, &theirs);
    for variant in 10..30 {
        let end = lab.empty(theirs[7], variant);
        offer(&mut chain, &lab, &[end]);
    }
    assert_eq!(chain.held_branches().unwrap().len(), 20);
    let next = lab.empty(ours[5], 1);
    let headers = [lab.header(&next)];
    assert_eq!(chain.accept_headers(SOON, &headers).unwrap().stop, None);
    assert!(chain.missing_bodies(9).unwrap().is_empty());
    assert_eq!(chain.missing_of_rivals(9).unwrap(), [next]);
}

/// A store that counts what is read of it.
struct Counting<'a>(&'a MemoryStorage, Cell<usize>);

impl Reader for Counting<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.1.set(self.1.get() + 1);
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        self.1.set(self.1.get() + 1);
        self.0.scan(table, scan)
    }
}

#[test]
fn the_fork_of_a_long_branch_is_found_without_going_down_all_of_it() {
    let mut lab = Lab::new();
    let (mut chain, ours) = narrow(&mut lab, 40);
    let theirs = lab.line(ours[0], 45, 2);
    let beside = lab.empty(theirs[42], 3);
    offer(&mut chain, &lab, &theirs);
    offer(&mut chain, &lab, &[beside]);
    let rows = Counting(chain.reader(), Cell::new(0));
    let fork = fork_of(&rows, chain.tip().height, &beside).unwrap();
    assert_eq!((fork, chain.tip().id), (Height::new(1), ours[39]));
    assert!(rows.1.get() < 25, "{} reads", rows.1.get());
}
