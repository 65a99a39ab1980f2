//! What an operator does with a stopped node: looks at everything, does it all again, goes back.

use alloc::vec::Vec;

use super::lab::Lab;
use super::*;
use crate::chain::{
    DERIVED, Policy, Replay, audit, copy_underived, first_difference, open_rebuilt,
};
use crate::primitives::Height;
use crate::schema::meta;
use crate::storage::{Batch, StorageErrorKind};

/// A chain with a reorganization behind it and a branch beside it.
fn lived(lab: &mut Lab) -> (Chain<MemoryStorage>, Vec<BlockId>, Vec<BlockId>) {
    let mut chain = lab.chain();
    let ours = lab.busy_line(lab.root, 40, 1);
    let side = lab.busy_line(ours[33], 3, 2);
    give_all(&mut chain, lab, &ours[..36]);
    give_all(&mut chain, lab, &side);
    give_all(&mut chain, lab, &ours[36..]);
    assert_eq!(chain.tip().id, ours[39]);
    (chain, ours, side)
}

fn replayed(
    lab: &Lab,
    source: &MemoryStorage,
    end: u64,
) -> Result<MemoryStorage, StorageErrorKind> {
    let run = || {
        let (scratch, end) = (MemoryStorage::new(), Height::new(end));
        let mut replay = Replay::begin(source, scratch, &lab.genesis, end)?;
        while replay.step()? {}
        Ok(replay.finish().0)
    };
    run().map_err(|error: crate::storage::StorageError| error.kind)
}

fn look(lab: &Lab, rows: &MemoryStorage) -> Result<(), crate::storage::StorageError> {
    audit(rows, &lab.genesis, &mut |_, _, _| {}).map(drop)
}

#[test]
fn a_replay_makes_every_derived_row_again() {
    let mut lab = Lab::new();
    let (chain, ..) = lived(&mut lab);
    look(&lab, chain.reader()).unwrap();
    let again = replayed(&lab, chain.reader(), 40).unwrap();
    for table in DERIVED {
        assert_eq!(
            first_difference(chain.reader(), &again, table).unwrap(),
            None
        );
        assert!(again.count(table) > 0);
    }
}

#[test]
fn a_replay_of_a_pruned_chain_begins_where_undo_leads_back_to() {
    let mut lab = Lab::new();
    let (mut chain, ours, _) = lived(&mut lab);
    chain.set_policy(Policy {
        undo_blocks: 7,
        prune: true,
        ..Policy::default()
    });
    while chain.prune().unwrap() {}
    assert_eq!(chain.base(), Height::new(33));
    look(&lab, chain.reader()).unwrap();
    let again = replayed(&lab, chain.reader(), 40).unwrap();
    for table in DERIVED {
        assert_eq!(
            first_difference(chain.reader(), &again, table).unwrap(),
            None
        );
    }
    let later = lab.empty(ours[39], 9);
    give_all(&mut chain, &lab, &[later]);
}

#[test]
fn damage_in_any_row_that_blocks_decide_is_found_by_an_audit_or_a_replay() {
    let mut lab = Lab::new();
    let (chain, ..) = lived(&mut lab);
    let tables = [
        Table::Accounts,
        Table::Undo,
        Table::Txs,
        Table::AccountTxs,
        Table::Bodies,
        Table::Headers,
        Table::Levels,
        Table::Best,
        Table::BestHeaders,
    ];
    for table in tables {
        let rows = chain.reader().scan(table, &Scan::all()).unwrap();
        for (key, value) in rows.iter().step_by(7) {
            let mut changed = value.clone();
            let middle = changed.len() / 2;
            let missing = match changed.get_mut(middle) {
                Some(byte) => {
                    *byte ^= 1;
                    false
                }
                None => true,
            };
            for missing in [missing, true] {
                let mut damaged = chain.reader().clone();
                let mut batch = Batch::new();
                match missing {
                    true => batch.delete(table, key.clone()),
                    false => batch.put(table, key.clone(), changed.clone()),
                }
                damaged.commit(batch).unwrap();
                let seen = look(&lab, &damaged).is_err();
                let full = match replayed(&lab, &damaged, 40) {
                    Err(kind) => kind == StorageErrorKind::Damaged,
                    Ok(again) => DERIVED
                        .into_iter()
                        .any(|table| first_difference(&damaged, &again, table).unwrap().is_some()),
                };
                let side = table == Table::Bodies;
                assert!(
                    seen || full || side,
                    "{table:?} {key:?}, missing: {missing}"
                );
                let derived = DERIVED.contains(&table);
                assert!(full || !derived, "{table:?} {key:?}: no difference");
            }
        }
    }
}

#[test]
fn rolling_back_leaves_the_state_of_the_height_and_the_blocks_can_come_again() {
    for to in [0, 1, 33, 34, 35, 39, 40] {
        let mut lab = Lab::new();
        let (mut chain, ours, side) = lived(&mut lab);
        chain.roll_back(Height::new(to), &mut |_| {}).unwrap();
        // Two branches of 35 blocks and more have the same work: the first comer stays.
        let expected = if to == 0 {
            lab.root
        } else {
            ours[usize::try_from(to).unwrap() - 1]
        };
        assert_eq!(chain.tip().id, expected, "to {to}");
        assert_eq!(accounts(&chain), lab.get(&expected).accounts);
        let above = |id: &&BlockId| lab.header(id).height > Height::new(to);
        for id in ours.iter().chain(&side).filter(above) {
            assert_eq!(schema::body(chain.reader(), id).unwrap(), None);
            assert_eq!(chain.header(id).unwrap().unwrap().arrival, None);
        }
        let mut chain = reopen(&chain, &lab);
        assert_eq!(chain.best_header().id, ours[39]);
        assert_eq!(
            chain.missing_bodies(99).unwrap(),
            &ours[usize::try_from(to).unwrap()..]
        );
        give_all(&mut chain, &lab, &ours[usize::try_from(to).unwrap()..]);
        assert_eq!(chain.tip().id, ours[39]);
        assert_eq!(accounts(&chain), lab.get(&ours[39]).accounts);
    }
}

#[test]
fn what_was_rebuilt_up_to_a_height_is_a_chain_that_goes_on() {
    for to in [3, 34, 40] {
        let mut lab = Lab::new();
        let (chain, ours, _) = lived(&mut lab);
        let source = chain.reader();
        let mut fresh = MemoryStorage::new();
        copy_underived(source, &mut fresh).unwrap();
        let end = Height::new(to);
        let mut replay = Replay::begin(source, fresh, &lab.genesis, end).unwrap();
        while replay.step().unwrap() {}
        assert_eq!(replay.height(), end);
        let (fresh, lthash) = replay.finish();
        let mut again = open_rebuilt(fresh, lab.genesis.clone(), end, &lthash).unwrap();
        let at = usize::try_from(to).unwrap();
        assert_eq!(again.tip().id, ours[at - 1]);
        if to == 40 {
            assert_eq!(again.reader(), source);
        }
        give_all(&mut again, &lab, &ours[at..]);
        assert_eq!(best_chain_rows(&again), best_chain_rows(&chain));
        look(&lab, again.reader()).unwrap();
        let next: Option<crate::schema::Arrival> =
            schema::meta_row(again.reader(), meta::NEXT_ARRIVAL).unwrap();
        assert!(next >= schema::meta_row(source, meta::NEXT_ARRIVAL).unwrap());
    }
}
