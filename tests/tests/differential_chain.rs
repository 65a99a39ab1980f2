//! The node's chain and mempool against the naive model, over random block trees and traffic: at
//! least 100,000 steps, the same on every run.
//!
//! `DIFFERENTIAL_SEED=n` draws other runs, `DIFFERENTIAL_WORLDS=n` more or fewer of them. A run that
//! fails is cut down to the fewest ops that still fail, and printed.

#![expect(clippy::print_stdout, reason = "the counts are what the test shows")]

use std::cell::RefCell;
use std::env;
use std::panic::{self, AssertUnwindSafe};

use archivas_tests::differential::{Counts, Op, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Rules that no chain of any length a test can build ever breaks; `differential_ends.rs` has them.
const ELSEWHERE: [&str; 2] = ["height_beyond_end", "chainwork_overflow"];

/// Runs of a failing world while it is cut down.
const CUTS_MAX: usize = 500;

fn number(name: &str, otherwise: u32) -> u32 {
    env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

fn runner(cases: u32) -> TestRunner {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number("DIFFERENTIAL_SEED", 0).to_le_bytes());
    let config = Config {
        cases: number("DIFFERENTIAL_WORLDS", cases),
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn op() -> impl Strategy<Value = Op> {
    let kinds = Op::WEIGHTS.map(|(kind, weight)| (weight, Just(kind)));
    let kind = proptest::strategy::Union::new_weighted(kinds.to_vec());
    (kind, any::<u64>()).prop_map(|(kind, seed)| Op { kind, seed })
}

/// Lets a world run; gives its counts, or what went wrong.
fn run(variant: u64, ops: &[Op]) -> Result<Counts, String> {
    let run = || {
        let mut world = World::new(variant, false);
        ops.iter().for_each(|op| op.run(&mut world));
        world.compare_all();
        world.counts
    };
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let fixed = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or(fixed).unwrap_or_default()
    })
}

/// Leaves out ever smaller stretches of ops as long as the rest still fails in the same way.
fn cut_down(variant: u64, mut ops: Vec<Op>) -> Vec<Op> {
    let way = |failed: Result<Counts, String>| {
        let why = failed.err()?;
        Some(why.split(':').nth(1).unwrap_or_default().to_owned())
    };
    let failed = way(run(variant, &ops));
    let (mut stretch, mut cuts) = (ops.len() / 2, 0);
    while stretch > 0 && cuts < CUTS_MAX {
        let mut at = 0;
        while at < ops.len() && cuts < CUTS_MAX {
            let mut fewer = ops.clone();
            fewer.drain(at..ops.len().min(at + stretch));
            cuts += 1;
            match way(run(variant, &fewer)) == failed {
                true => ops = fewer,
                false => at += stretch,
            }
        }
        stretch /= 2;
    }
    ops
}

#[test]
fn chain_and_mempool_do_what_the_model_does() {
    let total = RefCell::new(Counts::default());
    let worlds = (0..16_u64, prop::collection::vec(op(), 1..800));
    // Without it each of the many failures while cutting down would be printed.
    panic::set_hook(Box::new(|_| {}));
    let result = runner(80).run(&worlds, |(variant, ops)| {
        let counts = run(variant, &ops).map_err(TestCaseError::fail)?;
        total.borrow_mut().add(&counts);
        Ok(())
    });
    if let Err(TestError::Fail(_, (variant, ops))) = result {
        let ops = cut_down(variant, ops);
        let why = run(variant, &ops).expect_err("it failed before");
        drop(panic::take_hook());
        panic!("{why}\nWorld {variant}, after {ops:?}");
    }
    drop(panic::take_hook());
    let total = total.into_inner();
    println!("{total}");
    if env::var("DIFFERENTIAL_WORLDS").is_err() {
        assert_enough(&total);
    }
}

fn assert_enough(total: &Counts) {
    assert!(total.steps >= 100_000, "{} steps", total.steps);
    assert!(total.blocks_with_transfers >= 1_000);
    assert!(total.deep_reorgs >= 1_000 && total.reorgs >= 2_000);
    for rule in archivas_model::Rule::ALL.map(|rule| rule.name()) {
        let times = total.refusals(rule);
        assert!(times >= 20 || ELSEWHERE.contains(&rule), "{rule}: {times}");
    }
}
