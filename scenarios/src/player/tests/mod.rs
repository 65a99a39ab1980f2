//! The player against a world without nodes: a sound network passes every scenario, every planted
//! bug is found by the check that is named for it, and stories that are not told are vacuous.

mod world;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use self::world::{Bug, TestWorld};
use super::play;
use crate::draws::Draws;
use crate::observer::{Happening, Row};
use crate::outcome::{Outcome, Verdict};
use crate::plan::{Overrides, Plan, load};

/// Runs a future that never waits.
fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the test world never waits"),
    }
}

fn run(plan: &Plan, seed: u64, bug: Bug) -> (Outcome, Vec<Row>) {
    let mut rows = Vec::new();
    let world = TestWorld::new(plan, bug);
    let outcome = block_on(play(plan, &Draws::new(seed), world, &mut rows));
    (outcome, rows)
}

fn scenario(name: &str) -> Plan {
    load(name, Overrides::default()).unwrap()
}

/// Plays a scenario with a planted bug; the verdict, and the check that found it.
fn found(name: &str, bug: Bug) -> (Verdict, String) {
    let (outcome, _) = run(&scenario(name), 7, bug);
    let check = outcome
        .first_violation()
        .map(|violation| violation.check.clone());
    (outcome.verdict(), check.unwrap_or_default())
}

#[test]
fn a_sound_network_passes_every_story_that_its_links_can_tell_with_any_seed() {
    // The network of these tests has links that never change and a pool that forgets what a left
    // branch confirmed: the other stories are the simulator's.
    let names = [
        "three-nodes-agree",
        "partition-heals",
        "restart-keeps-tip",
        "mempool-broadcast",
    ];
    let told = |file: &str| names.iter().any(|name| file.contains(name));
    for built_in in crate::plan::BUILT_IN {
        for seed in (0..6).filter(|_| told(built_in.file)) {
            let (outcome, _) = run(&built_in.scenario().plan(0).unwrap(), seed, Bug::None);
            let (violations, vacuous) = (&outcome.violations, &outcome.vacuous);
            assert_eq!(
                outcome.verdict(),
                Verdict::Pass,
                "{} {seed}: {violations:?} {vacuous:?}",
                built_in.file
            );
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_rows_and_another_seed_others() {
    let plan = scenario("partition-heals");
    assert_eq!(run(&plan, 7, Bug::None).1, run(&plan, 7, Bug::None).1);
    assert_ne!(run(&plan, 7, Bug::None).1, run(&plan, 8, Bug::None).1);
}

#[test]
fn keeping_the_first_branch_for_ever_fails_convergence_with_every_seed() {
    for seed in 0..20 {
        let (outcome, _) = run(&scenario("partition-heals"), seed, Bug::FirstBranchWins);
        let violation = outcome.first_violation().expect("found");
        assert_eq!(
            (violation.check.as_str(), outcome.verdict().exit_code()),
            ("convergence", 11)
        );
        // What was broken off is not called vacuous as well.
        assert!(outcome.vacuous.is_empty());
    }
}

#[test]
fn both_sides_of_a_partition_mine_and_one_reorganizes() {
    let (outcome, rows) = run(&scenario("partition-heals"), 7, Bug::None);
    let deepest = outcome
        .nodes
        .iter()
        .map(|node| node.deepest_reorg)
        .max()
        .unwrap();
    assert!(deepest >= 5, "{deepest}");
    let healed = rows
        .iter()
        .position(|row| matches!(row.what, Happening::Healed(_)))
        .unwrap();
    let agreed = rows[healed..]
        .iter()
        .any(|row| matches!(row.what, Happening::Agreed(_)));
    assert!(agreed);
    assert_eq!(outcome.faults["cut"], 2);
}

#[test]
fn each_planted_bug_is_found_by_the_check_named_for_it() {
    let cases = [
        (
            "restart-keeps-tip",
            Bug::ForgetsTip,
            Verdict::Safety,
            "durable_tip",
        ),
        (
            "mempool-broadcast",
            Bug::SubmitSaysYes,
            Verdict::Liveness,
            "transfer_relayed",
        ),
        (
            "mempool-broadcast",
            Bug::NoRelay,
            Verdict::Liveness,
            "transfer_relayed",
        ),
        (
            "three-nodes-agree",
            Bug::ApiLies,
            Verdict::Safety,
            "api_agrees",
        ),
        (
            "three-nodes-agree",
            Bug::MintsMoney,
            Verdict::Safety,
            "supply",
        ),
        (
            "three-nodes-agree",
            Bug::RefusesOwnBlock,
            Verdict::Safety,
            "own_template",
        ),
        (
            "partition-heals",
            Bug::LastBranchWins,
            Verdict::Safety,
            "tip_is_best",
        ),
        ("three-nodes-agree", Bug::Panics, Verdict::Panic, "no_panic"),
    ];
    for (name, bug, verdict, check) in cases {
        assert_eq!(found(name, bug), (verdict, check.to_owned()), "{bug:?}");
    }
}

#[test]
fn a_broken_world_is_no_verdict_about_the_nodes() {
    let (outcome, _) = run(&scenario("three-nodes-agree"), 7, Bug::HarnessBreaks);
    assert_eq!(outcome.verdict(), Verdict::Harness);
    assert_eq!(outcome.harness.unwrap().0, "the world broke");
}

#[test]
fn a_fault_that_never_fired_makes_the_run_vacuous() {
    let text = scenario("partition-heals")
        .to_json()
        .replace("\"at_least\": 2", "\"at_least\": 3");
    let plan = Plan::parse(&text, crate::plan::Format::Json, "x.json").unwrap();
    let (outcome, _) = run(&plan, 7, Bug::None);
    assert_eq!(outcome.verdict().exit_code(), 15);
    assert_eq!(
        outcome.vacuous,
        ["the fault `cut` fired 2 times of at least 3"]
    );
}

#[test]
fn a_story_without_its_reorganization_or_restart_is_vacuous() {
    let mut document = scenario("three-nodes-agree").document().clone();
    document.expect.keeps_tip = vec!["b".to_owned()];
    let plan = Plan::resolve(document, "test").unwrap();
    let (outcome, _) = run(&plan, 7, Bug::None);
    assert_eq!(
        outcome.vacuous,
        [
            "`b` was never restarted",
            "the check `durable_tip` never ran"
        ]
    );
}

#[test]
fn removing_an_event_leaves_the_draws_of_blocks_as_they_were() {
    // Until the first restart makes a difference, both runs mine the same blocks at the same times.
    let whole = scenario("restart-keeps-tip");
    let mut document = whole.document().clone();
    let at = document
        .events
        .iter()
        .position(|event| event.id.as_deref() == Some("kill b"));
    document.events.remove(at.unwrap());
    let less = Plan::resolve(document, "test").unwrap();
    let mined_by_a = |plan: &Plan| -> Vec<u64> {
        let rows = run(plan, 7, Bug::None).1.into_iter();
        let mined = rows.filter(|row| matches!(row.what, Happening::Mined { .. }));
        mined
            .map(|row| row.at.get())
            .filter(|at| *at < 200_000)
            .collect()
    };
    let (whole, less) = (mined_by_a(&whole), mined_by_a(&less));
    assert!(!whole.is_empty());
    assert_eq!(whole, less);
}
