//! A share of the smallest plan's sweep: every kind of end is tried, and nothing is lost.

use archivas_scenarios::world::NodeIndex;
use archivas_sim::sweep::plans::{PLANS, find_plan};
use archivas_sim::sweep::{Outcome, Sweep, awaits, record};

const SWEEP: Sweep = Sweep {
    jobs: 1,
    nested: true,
    shard: (3, 8),
    budget_s: None,
};

#[test]
fn whatever_an_end_at_an_operation_leaves_opens_again_with_all_that_was_promised() {
    let (scenario, last) = find_plan("first-blocks").unwrap();
    let plan = scenario.plan(0).unwrap();
    let recording = record(&plan, 0, NodeIndex(0), last).unwrap();
    assert!(recording.operations().len() < 600);
    let swept = SWEEP.run(&recording);
    assert!(swept.tally.found.is_empty(), "{:?}", swept.tally.found);
    assert!(swept.whole && swept.tally.nested > 100 && swept.tally.distinct > 2);
    for outcome in Outcome::ALL {
        assert!(swept.tally.outcomes[&outcome].tried > 0, "{outcome}");
    }
}

#[test]
fn a_node_killed_where_its_tasks_wait_comes_back_and_tells_the_story_to_its_end() {
    let (scenario, _) = find_plan("first-blocks").unwrap();
    let plan = scenario.plan(0).unwrap();
    let swept = awaits::run(&SWEEP, &plan, 0, NodeIndex(0));
    assert!(swept.tally.found.is_empty(), "{:?}", swept.tally.found);
    assert!(swept.whole && swept.tally.awaits.tried > 5);
}

#[test]
fn ten_plans_of_at_most_six_hundred_operations_are_swept() {
    assert_eq!(PLANS.len(), 10);
    for swept in PLANS {
        let plan = swept.scenario().plan(0).unwrap();
        let recording = record(&plan, 0, NodeIndex(0), swept.last).unwrap();
        let count = recording.operations().len();
        assert!((100..=600).contains(&count), "{}: {count}", swept.name());
    }
}

#[test]
fn a_node_that_begins_from_a_snapshot_or_lets_go_of_the_past_can_end_at_any_operation() {
    for name in ["snapshot-import", "prune"] {
        let (scenario, last) = find_plan(name).unwrap();
        let recording = record(&scenario.plan(0).unwrap(), 0, NodeIndex(0), last).unwrap();
        let share = Sweep {
            nested: false,
            shard: (3, 16),
            ..SWEEP
        };
        let swept = share.run(&recording);
        assert!(swept.tally.found.is_empty(), "{:?}", swept.tally.found);
        assert!(swept.whole && swept.tally.distinct > 5, "{name}");
    }
}
