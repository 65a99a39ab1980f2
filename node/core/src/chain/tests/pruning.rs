//! What lies behind is let go of, and nothing more: the state, the tip and what can be reverted stay.

use alloc::vec::Vec;

use super::lab::Lab;
use super::*;
use crate::chain::{BadBranch, Policy};
use crate::params::PRUNE_HEIGHTS_MAX;
use crate::primitives::{Height, Timestamp};
use crate::schema::Status;

const KEPT: u64 = 4;

/// Not long after the last block of the lab: no tip is old.
const SOON: Timestamp = Timestamp::new(1_700_001_000_000);

fn short(mut chain: Chain<MemoryStorage>, prune: bool) -> Chain<MemoryStorage> {
    chain.set_policy(Policy {
        reorg_depth_max: KEPT - 1,
        undo_blocks: KEPT,
        prune,
        ..Policy::default()
    });
    chain
}

fn offer(chain: &mut Chain<MemoryStorage>, lab: &Lab, ids: &[BlockId]) {
    for id in ids {
        let verdict = chain.accept_block(SOON, lab.checked(id)).unwrap();
        assert_eq!(verdict.outcome, BlockOutcome::Stored);
    }
}

/// The heights whose block of the line has a row in the table.
fn heights(chain: &Chain<MemoryStorage>, line: &[BlockId], table: Table) -> Vec<u64> {
    let here = |id: &&BlockId| chain.reader().get(table, id.as_bytes()).unwrap().is_some();
    let height = |id: &BlockId| chain.header(id).unwrap().unwrap().header.height.get();
    line.iter().filter(here).map(height).collect()
}

#[test]
fn undo_and_bodies_are_kept_unless_told_otherwise() {
    for prune in [false, true] {
        let mut lab = Lab::new();
        let mut chain = short(lab.chain(), prune);
        let line = lab.busy_line(lab.root, 10, 1);
        for (at, id) in line.iter().enumerate() {
            offer(&mut chain, &lab, core::slice::from_ref(id));
            let tip = at as u64 + 1;
            let deepest = tip.saturating_sub(KEPT) + 1;
            let recent: Vec<u64> = (deepest..=tip).collect();
            let kept = if prune { recent } else { (1..=tip).collect() };
            assert_eq!(heights(&chain, &line, Table::Undo), kept);
            assert_eq!(heights(&chain, &line, Table::Bodies), kept);
        }
        let first = lab.get(&line[0]).block.transfers()[0].id();
        let found = schema::tx_location(chain.reader(), &first).unwrap();
        assert_eq!(found.is_none(), prune);
        assert_eq!(accounts(&chain), lab.get(&line[9]).accounts);
        let base = Height::new(if prune { 6 } else { 0 });
        assert_eq!((chain.horizon(), chain.base()), (base, base));
        let again = reopen(&chain, &lab);
        assert_eq!(again.reader(), chain.reader());
        assert_eq!(
            (again.horizon(), again.base()),
            (chain.horizon(), chain.base())
        );
    }
}

#[test]
fn a_node_that_keeps_its_bodies_leaves_however_long_a_chain_for_more_work() {
    let mut lab = Lab::new();
    let mut chain = short(lab.chain(), false);
    let ours = lab.busy_line(lab.root, 10, 1);
    let theirs = lab.line(lab.root, 25, 2);
    offer(&mut chain, &lab, &ours);
    offer(&mut chain, &lab, &theirs);
    assert_eq!(chain.tip().id, theirs[24]);
}

#[test]
fn a_branch_from_the_horizon_is_followed_and_from_below_it_never() {
    for (fork, followed) in [(6, true), (5, false)] {
        let mut lab = Lab::new();
        let mut chain = short(lab.chain(), true);
        let ours = lab.busy_line(lab.root, 10, 1);
        let theirs = lab.line(ours[fork - 1], 12, 2);
        offer(&mut chain, &lab, &ours[..6]);
        // So that it is stored while what it forks from can still be reverted.
        give_all(&mut chain, &lab, &theirs[..1]);
        offer(&mut chain, &lab, &ours[6..]);
        // The work above the fork is far more than twice ours, and a late clock says that the node
        // catches up: nothing of that leads back.
        for id in &theirs[1..] {
            chain.accept_block(LATE, lab.checked(id)).unwrap();
        }
        assert_eq!(chain.tip().id == theirs[11], followed, "fork at {fork}");
        if !followed {
            let refused = Err(BadBranch::BelowHorizon(Height::new(6)));
            assert_eq!(chain.accept_branch(LATE, &theirs[11]).unwrap(), refused);
            assert_eq!(chain.invalidate(LATE, &ours[5]).unwrap(), refused);
            assert_eq!(chain.tip().id, ours[9]);
            assert_eq!(accounts(&chain), lab.get(&ours[9]).accounts);
            chain.invalidate(LATE, &ours[6]).unwrap().unwrap();
            assert_eq!(chain.tip().id, ours[5]);
        }
    }
}

#[test]
fn bodies_beside_the_best_chain_go_with_those_of_their_height_and_are_not_asked_for_again() {
    let mut lab = Lab::new();
    let mut chain = short(lab.chain(), true);
    let ours = lab.busy_line(lab.root, 10, 1);
    let side = lab.empty(ours[0], 7);
    offer(&mut chain, &lab, &ours[..2]);
    offer(&mut chain, &lab, &[side]);
    offer(&mut chain, &lab, &ours[2..]);
    assert_eq!(schema::body(chain.reader(), &side).unwrap(), None);
    assert_eq!(chain.header(&side).unwrap().unwrap().status, Status::Pruned);
    let again = chain.accept_block(SOON, lab.checked(&side)).unwrap();
    assert_eq!(again.outcome, BlockOutcome::Duplicate);
    assert_eq!(chain.missing_bodies(9).unwrap(), []);
    assert_eq!(chain.block(&ours[0]).unwrap(), None);
}

#[test]
fn a_backlog_goes_in_steps_of_few_heights_a_block_or_all_when_asked() {
    let mut lab = Lab::new();
    let mut chain = short(lab.chain(), false);
    let line = lab.busy_line(lab.root, 22, 1);
    offer(&mut chain, &lab, &line[..20]);
    let mut chain = short(chain, true);
    offer(&mut chain, &lab, &line[20..21]);
    assert_eq!(chain.base(), Height::new(PRUNE_HEIGHTS_MAX));
    while chain.prune().unwrap() {}
    assert_eq!(
        (chain.base(), chain.horizon()),
        (Height::new(17), Height::new(17))
    );
    offer(&mut chain, &lab, &line[21..]);
    assert_eq!(chain.base(), Height::new(18));
}
