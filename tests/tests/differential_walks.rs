//! Reorganizations of the node that take more than one commit, interrupted by blocks and restarts,
//! against the naive model.

#![expect(clippy::print_stdout, reason = "the counts are what the test shows")]

use archivas_tests::differential::{Counts, Kind, Op, World};

#[test]
fn a_reorganization_in_several_commits_ends_where_the_models_does() {
    let mut total = Counts::default();
    for seed in 0..8 {
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
