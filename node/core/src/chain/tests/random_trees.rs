//! Random trees in random order, beside a model that keeps everything and recomputes everything.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::lab::{Lab, Order};
use super::*;
use crate::primitives::{Millis, Work};

/// Where a block is put, and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Sprout {
    parent: prop::sample::Index,
    gap_secs: u64,
    pays: Vec<(usize, usize, u64)>,
    /// One block in some is invalid.
    wrong_root: bool,
}

/// What happens, in order: headers of a path become known, or a body comes.
#[derive(Clone, Debug)]
enum Event {
    Headers(prop::sample::Index),
    Body(prop::sample::Index),
    Step,
    Invalidate(prop::sample::Index),
    Reconsider(prop::sample::Index),
    Restart,
}

pub(super) fn sprout() -> impl Strategy<Value = Sprout> {
    let pays = prop::collection::vec((0usize..4, 0usize..4, 1u64..400_000), 0..4);
    let gap = prop_oneof![4 => Just(20), 1 => Just(0), 1 => Just(300)];
    (
        any::<prop::sample::Index>(),
        gap,
        pays,
        prop::bool::weighted(0.06),
    )
        .prop_map(|(parent, gap_secs, pays, wrong_root)| Sprout {
            parent,
            gap_secs,
            pays,
            wrong_root,
        })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Event::Headers),
        12 => any::<prop::sample::Index>().prop_map(Event::Body),
        3 => Just(Event::Step),
        1 => any::<prop::sample::Index>().prop_map(Event::Invalidate),
        1 => any::<prop::sample::Index>().prop_map(Event::Reconsider),
        1 => Just(Event::Restart),
    ]
}

/// Grows the tree. A parent is one of the latest few blocks, so that branches get long.
pub(super) fn grow(lab: &mut Lab, sprouts: &[Sprout]) -> Vec<BlockId> {
    let mut ids = vec![lab.root];
    for (variant, sprout) in (0u8..).zip(sprouts) {
        let recent = &ids[ids.len().saturating_sub(5)..];
        let parent = *sprout.parent.get(recent);
        let mut transfers: Vec<crate::primitives::SignedTransfer> = Vec::new();
        let mut state = lab.get(&parent).accounts.clone();
        for (from, to, amount) in &sprout.pays {
            let (sender, to) = (lab.address(*from), lab.address(*to));
            let account = state.entry(sender).or_default();
            if account.balance.get() < amount + 2 {
                continue;
            }
            transfers.push(lab.pay(*from, to, *amount, account.nonce.get()));
            account.nonce = account.nonce.next().unwrap();
            account.balance = crate::primitives::Amount::new(account.balance.get() - amount - 2);
        }
        let producer = lab.address(usize::from(variant % 4));
        let order = Order {
            gap: Millis::from_secs(sprout.gap_secs),
            producer,
            transfers,
            wrong_root: sprout.wrong_root,
        };
        ids.push(lab.make(parent, order));
    }
    ids
}

/// The naive model: which bodies are here, in which order blocks became connectable.
struct Model {
    bodies: BTreeSet<BlockId>,
    arrived: Vec<BlockId>,
    set_aside: BTreeSet<BlockId>,
}

impl Model {
    fn body(&mut self, lab: &Lab, id: BlockId) {
        self.bodies.insert(id);
        let ready = |id: &&BlockId| {
            !self.arrived.contains(id) && lab.path(id).iter().all(|id| self.bodies.contains(id))
        };
        let mut ready: Vec<BlockId> = self.bodies.iter().filter(ready).copied().collect();
        ready.sort_by_key(|id| (lab.header(id).height, *id));
        self.arrived.extend(ready);
    }

    /// Everything below the first block of the path that was set aside is no longer.
    fn reconsider(&mut self, lab: &Lab, id: BlockId) {
        if let Some(first) = lab.path(&id).iter().find(|id| self.set_aside.contains(id)) {
            self.set_aside.retain(|id| !lab.path(id).contains(first));
        }
    }

    /// Most work; among equals the first. `max_by_key` takes the last of equals, so look backwards.
    fn tip(&self, lab: &Lab) -> BlockId {
        let aside = |id: &BlockId| lab.path(id).iter().any(|id| self.set_aside.contains(id));
        let valid = |id: &&BlockId| lab.get(id).valid && !aside(id);
        let valid = self.arrived.iter().rev().filter(valid);
        *valid.max_by_key(|id| lab.get(id).chainwork).unwrap()
    }
}

fn known_headers(chain: &Chain<MemoryStorage>, ids: &[BlockId]) -> BTreeMap<BlockId, Work> {
    let record = |id: &BlockId| {
        chain
            .header(id)
            .unwrap()
            .filter(|known| known.status.is_valid())
    };
    ids.iter()
        .filter_map(|id| record(id).map(|known| (*id, known.chainwork)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_tip_and_the_state_are_those_of_the_model(
        sprouts in prop::collection::vec(sprout(), 1..28),
        events in prop::collection::vec(event(), 1..60),
        step_moves in prop_oneof![1u64..4, Just(100)],
    ) {
        let mut lab = Lab::new();
        let ids = grow(&mut lab, &sprouts);
        let mut chain = lab.chain();
        chain.step_moves = step_moves;
        let mut model = Model { bodies: BTreeSet::from([lab.root]), arrived: vec![lab.root], set_aside: BTreeSet::new() };
        for event in events {
            match event {
                Event::Headers(index) => {
                    let path = lab.path(index.get(&ids));
                    let headers: Vec<_> = path.iter().map(|id| lab.header(id)).collect();
                    chain.accept_headers(LATE, &headers).unwrap();
                }
                Event::Body(index) => {
                    let id = *index.get(&ids);
                    let (work, walking) = (chain.tip().chainwork, chain.is_walking());
                    let verdict = give(&mut chain, &lab, &id);
                    match verdict.outcome {
                        BlockOutcome::Stored => model.body(&lab, id),
                        BlockOutcome::Duplicate => prop_assert!(model.bodies.contains(&id)),
                        BlockOutcome::Orphan => {
                            prop_assert!(chain.header(&lab.header(&id).parent).unwrap().is_none());
                        }
                        BlockOutcome::Invalid(_) | BlockOutcome::KnownInvalid => {
                            prop_assert!(!lab.get(&id).valid);
                            // A body may stay, for the day when the rules or the operator change.
                            if schema::has_body(chain.reader(), &id).unwrap() {
                                model.body(&lab, id);
                            }
                        }
                        BlockOutcome::SetAside => prop_assert!(!model.set_aside.is_empty()),
                        BlockOutcome::NotYet => prop_assert!(false),
                    }
                    for (at, _) in verdict.walk.invalid {
                        let parent = lab.header(&at).parent;
                        prop_assert!(!lab.get(&at).valid && lab.get(&parent).valid);
                    }
                    let rested = !walking && !chain.is_walking();
                    let changed = rested && verdict.walk.tip_change.is_some();
                    prop_assert!(!changed || chain.tip().chainwork > work);
                }
                Event::Step => drop(chain.step(LATE).unwrap()),
                Event::Invalidate(index) => {
                    let id = *index.get(&ids);
                    if chain.invalidate(LATE, &id).unwrap().is_ok() {
                        model.set_aside.insert(id);
                    }
                }
                Event::Reconsider(index) => {
                    let id = *index.get(&ids);
                    if chain.reconsider(LATE, &id).unwrap().is_ok() {
                        model.reconsider(&lab, id);
                    }
                }
                Event::Restart => {
                    let walking = chain.is_walking();
                    chain = reopen(&chain, &lab);
                    chain.step_moves = step_moves;
                    prop_assert_eq!(chain.is_walking(), walking);
                }
            }
            if !chain.is_walking() {
                prop_assert_eq!(chain.tip().id, model.tip(&lab));
            }
            prop_assert_eq!(&accounts(&chain), &lab.get(&chain.tip().id).accounts);
            let headers = known_headers(&chain, &ids);
            prop_assert_eq!(Some(&chain.best_header().chainwork), headers.values().max());
            let wanted = lab.path(&chain.best_header().id);
            let missing = wanted.iter().filter(|id| !model.bodies.contains(id));
            let missing: Vec<BlockId> = missing.copied().collect();
            prop_assert_eq!(chain.missing_bodies(99).unwrap(), missing);
        }
        while chain.is_walking() {
            chain.step(LATE).unwrap();
        }
        prop_assert_eq!(chain.tip().id, model.tip(&lab));
        let mut fresh = lab.chain();
        give_all(&mut fresh, &lab, &lab.path(&chain.tip().id)[1..]);
        prop_assert_eq!(best_chain_rows(&chain), best_chain_rows(&fresh));
    }
}
