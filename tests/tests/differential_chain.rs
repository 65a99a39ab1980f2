//! The node's chain and mempool against the naive model, over random block trees and traffic: at
//! least 100,000 steps, the same on every run.
//!
//! `DIFFERENTIAL_SEED=n` draws other runs, `DIFFERENTIAL_WORLDS=n` more or fewer of them. A failing
//! run is shrunk to the fewest ops that still fail, and printed.

#![expect(clippy::print_stdout, reason = "the counts are what the test shows")]

use std::cell::RefCell;
use std::env;

use archivas_tests::differential::{Counts, Kind, Op, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Rules that no chain of any length a test can build ever breaks; `differential_ends.rs` has them.
const ELSEWHERE: [&str; 2] = ["height_beyond_end", "chainwork_overflow"];

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

fn runner(cases: u64) -> TestRunner {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number("DIFFERENTIAL_SEED", 0).to_le_bytes());
    let config = Config {
        cases: u32::try_from(number("DIFFERENTIAL_WORLDS", cases)).expect("a few"),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn op() -> impl Strategy<Value = Op> {
    let kinds = Op::WEIGHTS.map(|(kind, weight)| (weight, Just(kind)));
    let kind = proptest::strategy::Union::new_weighted(kinds.to_vec());
    (kind, any::<u64>())
        .prop_map(|(kind, seed)| Op { kind, seed })
        .no_shrink()
}

#[test]
fn chain_and_mempool_do_what_the_model_does() {
    let total = RefCell::new(Counts::default());
    let worlds = RefCell::new(0);
    let ops = (0..4_u64, prop::collection::vec(op(), 1..800));
    let result = runner(74).run(&ops, |(variant, ops)| {
        let mut world = World::new(variant, false);
        ops.iter().for_each(|op| op.run(&mut world));
        world.compare_all();
        total.borrow_mut().add(&world.counts);
        *worlds.borrow_mut() += 1;
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let total = total.into_inner();
    println!("{} worlds: {total}", worlds.into_inner());
    if env::var("DIFFERENTIAL_WORLDS").is_err() {
        assert!(total.steps >= 100_000, "{} steps", total.steps);
        assert!(total.blocks_with_transfers >= 1_000);
        assert!(total.deep_reorgs >= 1_000 && total.reorgs >= 2_000);
        for rule in archivas_model::Rule::ALL.map(|rule| rule.name()) {
            let times = total.refusals(rule);
            assert!(times >= 20 || ELSEWHERE.contains(&rule), "{rule}: {times}");
        }
    }
}

#[test]
fn a_reorganization_in_several_commits_ends_where_the_models_does() {
    let mut total = Counts::default();
    for seed in 0..number("DIFFERENTIAL_WORLDS", 8) {
        let mut world = World::new(seed, true);
        for turn in 0..3 {
            let kinds = [Kind::Bush, Kind::Poison, Kind::Rival, Kind::LongHaul];
            for (index, kind) in kinds.into_iter().enumerate() {
                let seed = seed * 1_000 + turn * 10 + index as u64;
                Op { kind, seed }.run(&mut world);
            }
        }
        world.settle();
        world.compare_all();
        total.add(&world.counts);
    }
    println!("{total}");
    assert!(total.walks >= 10, "{} walks", total.walks);
}
