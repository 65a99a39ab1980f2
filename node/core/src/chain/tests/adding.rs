//! Headers and blocks that are added first and committed later, many in one commit.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::lab::{LATE, Lab};
use super::random_trees::{grow, sprout};
use super::*;
use crate::chain::TipChange;
use crate::primitives::TxId;
use crate::rules::{CheckedTransfer, Invalid};

/// What a node would see from outside.
fn outside(chain: &Chain<MemoryStorage>, lab: &Lab) -> (BlockId, usize, MemoryStorage) {
    let stop = BlockId::from_bytes([0; 32]);
    let headers = chain.headers_after(&[lab.root], &stop, 99).unwrap();
    (chain.tip().id, headers.len(), chain.reader().clone())
}

#[test]
fn what_was_added_is_seen_by_nobody_until_one_commit_makes_it_true() {
    let mut lab = Lab::new();
    let line = lab.busy_line(lab.root, 5, 1);
    let mut chain = lab.chain();
    let before = outside(&chain, &lab);
    let headers: Vec<_> = line.iter().map(|id| lab.header(id)).collect();
    assert_eq!(chain.add_headers(LATE, &headers).unwrap().accepted, line);
    for id in &line[..4] {
        let outcome = chain.add_block(LATE, lab.checked(id)).unwrap();
        assert_eq!(outcome, BlockOutcome::Stored);
    }
    assert_eq!(outside(&chain, &lab), before);
    assert_eq!(chain.block(&line[0]).unwrap(), None);
    assert_eq!(chain.committed_best_header().id, lab.root);
    assert_eq!((chain.added().headers, chain.added().blocks), (5, 4));
    // The chain itself goes on from it.
    assert_eq!(chain.best_header().id, line[4]);
    assert_eq!(chain.added_tip().id, line[3]);
    assert_eq!(chain.missing_bodies(9).unwrap(), line[4..]);

    let change = chain.commit_added().unwrap().tip_change.unwrap();
    assert_eq!((change.from.id, change.to.id), (lab.root, line[3]));
    assert_eq!((change.joined_blocks, change.left_blocks), (4, 0));
    assert_eq!(accounts(&chain), lab.get(&line[3]).accounts);
    assert_eq!(outside(&chain, &lab).1, 4);
    assert_eq!(chain.commit_added().unwrap().tip_change, None);
}

#[test]
fn an_invalid_block_ends_a_batch_whose_valid_blocks_are_committed_with_the_mark() {
    let mut lab = Lab::new();
    let good = lab.line(lab.root, 3, 1);
    let order = super::lab::Order {
        wrong_root: true,
        ..lab.order()
    };
    let bad = lab.make(good[2], order);
    let mut chain = lab.chain();
    for id in &good {
        chain.add_block(LATE, lab.checked(id)).unwrap();
        assert!(!chain.added().is_final);
    }
    let outcome = chain.add_block(LATE, lab.checked(&bad)).unwrap();
    assert!(matches!(outcome, BlockOutcome::Invalid(_)), "{outcome:?}");
    assert!(chain.added().is_final);
    let walk = chain.commit_added().unwrap();
    assert_eq!(walk.invalid.len(), 1);
    assert_eq!(chain.tip().id, good[2]);
    let status = schema::required_header(chain.reader(), &bad)
        .unwrap()
        .status;
    assert!(!status.is_valid());
    // A body that fails the checks without state ends a batch as well.
    let next = lab.empty(good[2], 7);
    chain.add_headers(LATE, &[lab.header(&next)]).unwrap();
    let walk = chain.refuse_block(&next, &Invalid::BadSignature);
    assert_eq!(walk.unwrap().tip_change, None);
    let status = schema::required_header(chain.reader(), &next).unwrap();
    assert!(!status.status.is_valid());
}

/// The ids of transfers.
fn ids(transfers: &[CheckedTransfer]) -> Vec<TxId> {
    transfers.iter().map(CheckedTransfer::id).collect()
}

/// The transfers of these blocks.
fn transfers(lab: &Lab, blocks: &[BlockId]) -> Vec<TxId> {
    let blocks = blocks.iter().map(|id| lab.checked(id));
    blocks.flat_map(|block| ids(block.transfers())).collect()
}

/// What the trees say of a change of the tip.
fn check_change(lab: &Lab, change: &TipChange) {
    let (from, to) = (lab.path(&change.from.id), lab.path(&change.to.id));
    let shared: BTreeSet<_> = from.iter().filter(|id| to.contains(id)).copied().collect();
    let apart = |path: Vec<BlockId>| -> Vec<BlockId> {
        path.into_iter().filter(|id| !shared.contains(id)).collect()
    };
    assert_eq!(change.fork_height.get() + 1, shared.len() as u64);
    assert_eq!(ids(&change.left.concat()), transfers(lab, &apart(from)));
    assert_eq!(ids(&change.joined), transfers(lab, &apart(to)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn commits_between_any_blocks_leave_the_rows_that_a_commit_after_each_does(
        sprouts in prop::collection::vec(sprout(), 1..28),
        events in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>(), prop::bool::weighted(0.2)), 1..60
        ),
    ) {
        let mut lab = Lab::new();
        let tree = grow(&mut lab, &sprouts);
        let (mut each, mut batched) = (lab.chain(), lab.chain());
        for (index, whole, commit) in events {
            let id = index.get(&tree);
            let before = batched.reader().clone();
            if whole {
                let outcome = batched.add_block(LATE, lab.checked(id)).unwrap();
                prop_assert_eq!(outcome, give(&mut each, &lab, id).outcome);
            } else {
                let headers: Vec<_> = lab.path(id).iter().map(|id| lab.header(id)).collect();
                let verdict = batched.add_headers(LATE, &headers).unwrap();
                prop_assert_eq!(verdict, each.accept_headers(LATE, &headers).unwrap());
            }
            prop_assert_eq!(&before, batched.reader());
            prop_assert_eq!(batched.added_tip(), each.tip());
            prop_assert_eq!(batched.best_header(), each.best_header());
            prop_assert_eq!(batched.missing_bodies(99).unwrap(), each.missing_bodies(99).unwrap());
            prop_assert_eq!(
                batched.missing_of_rivals(99).unwrap(), each.missing_of_rivals(99).unwrap()
            );
            if commit {
                let walk = batched.commit_added().unwrap();
                walk.tip_change.iter().for_each(|change| check_change(&lab, change));
                prop_assert_eq!(batched.reader(), each.reader());
            }
        }
        batched.commit_added().unwrap();
        prop_assert_eq!(batched.reader(), each.reader());
    }
}
