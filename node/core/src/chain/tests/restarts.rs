//! A chain that is opened anew after every change decides as one that never stops: at rest and in the
//! midst of walks, with branches held, accepted and set aside.

use core::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::lab::Lab;
use super::random_trees::{grow, sprout};
use super::*;
use crate::chain::Policy;
use crate::primitives::{Millis, Timestamp};

/// Something that happens to a block.
#[derive(Clone, Copy, Debug)]
enum Event {
    Branch,
    Body,
    Step,
    Accept,
    Invalidate,
    Reconsider,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Branch),
        4 => Just(Event::Body),
        6 => Just(Event::Step),
        1 => Just(Event::Accept),
        1 => Just(Event::Invalidate),
        1 => Just(Event::Reconsider),
    ]
}

/// Later than every block, and no tip is old.
fn now(lab: &Lab) -> Timestamp {
    lab.genesis.time.plus(Millis::from_secs(40_000))
}

fn happen(chain: &mut Chain<MemoryStorage>, lab: &Lab, event: Event, id: &BlockId) {
    let now = now(lab);
    match event {
        Event::Branch => {
            for id in &lab.path(id)[1..] {
                chain.accept_block(now, lab.checked(id)).unwrap();
            }
        }
        Event::Body => drop(chain.accept_block(now, lab.checked(id)).unwrap()),
        Event::Step => drop(chain.step(now).unwrap()),
        Event::Accept => drop(chain.accept_branch(now, id).unwrap()),
        Event::Invalidate => drop(chain.invalidate(now, id).unwrap()),
        Event::Reconsider => drop(chain.reconsider(now, id).unwrap()),
    }
}

/// With a narrow window and short steps.
fn hurried(mut chain: Chain<MemoryStorage>, depth: u64, moves: u64) -> Chain<MemoryStorage> {
    chain.step_moves = moves;
    chain.set_policy(Policy {
        reorg_depth_max: depth,
        ..Policy::default()
    });
    chain
}

#[test]
fn a_restart_after_every_change_changes_nothing() {
    let (walks, held, accepted) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |counter: &Cell<u32>, seen: bool| counter.set(counter.get() + u32::from(seen));
    let sprouts = prop::collection::vec(sprout(), 8..28);
    let events = prop::collection::vec((event(), any::<prop::sample::Index>()), 1..60);
    let worlds = (sprouts, events, 0u64..4, 1u64..4);
    let enough = || {
        [&walks, &held, &accepted]
            .iter()
            .all(|seen| seen.get() >= 50)
    };
    let round = || {
        TestRunner::new(Config::with_cases(64)).run(&worlds, |(sprouts, events, depth, moves)| {
            let mut lab = Lab::new();
            let ids = grow(&mut lab, &sprouts);
            let mut steady = hurried(lab.chain(), depth, moves);
            let mut restless = hurried(lab.chain(), depth, moves);
            for (event, index) in events {
                let id = index.get(&ids);
                happen(&mut steady, &lab, event, id);
                happen(&mut restless, &lab, event, id);
                restless = hurried(reopen(&restless, &lab), depth, moves);
                prop_assert_eq!(steady.reader(), restless.reader());
                prop_assert_eq!(steady.is_walking(), restless.is_walking());
                count(&walks, steady.is_walking());
                count(&held, !steady.held_branches().unwrap().is_empty());
                let word = steady.reader().get(Table::Meta, schema::meta::ACCEPTED);
                count(&accepted, word.unwrap().is_some());
            }
            Ok(())
        })
    };
    // Chance may keep what matters out of one round; not out of all of them.
    for _ in 0..16 {
        round().unwrap();
        if enough() {
            return;
        }
    }
    panic!("walks {walks:?}, held {held:?}, accepted {accepted:?}: seen too seldom");
}
