//! One node that dies again and again in the middle of writing, and comes back each time with what it
//! had told: the real store and the real database on a disk that loses, tears and keeps at random.

use std::collections::BTreeMap;

use archivas_scenarios::plan::{Format, Plan};
use archivas_sim::runner::run;

/// A life of ten seconds, an end, a minute of darkness, and again.
fn crash_loop(end: &str) -> Plan {
    let mut text = String::from(
        r#"
        version = 1
        name = "crash-loop"
        about = "A node that dies again and again."
        worlds = ["sim"]
        duration_s = 800
        nodes = [{ name = "a", hash_power = 6.0 }, { name = "b", hash_power = 6.0 }]
        [expect]
        agree_within_s = 200
        keeps_tip = ["a"]
        "#,
    );
    for life in 0..8 {
        let (dies, starts) = (30 + life * 90, 60 + life * 90);
        text.push_str(&format!(
            "[[events]]\nat_s = {dies}\nact = \"{end}\"\nnode = \"a\"\n\
             [[events]]\nat_s = {starts}\nact = \"start\"\nnode = \"a\"\n"
        ));
    }
    Plan::parse(&text, Format::Toml, "the crash loop").expect("it is a plan")
}

fn faults_of(plan: &Plan, seeds: u64) -> BTreeMap<String, u64> {
    let mut faults = BTreeMap::new();
    for seed in 0..seeds {
        let outcome = run(plan, seed).outcome;
        assert_eq!(outcome.violations, [], "seed {seed}");
        assert_eq!(
            (outcome.vacuous, outcome.harness),
            (Vec::new(), None),
            "seed {seed}"
        );
        for (name, count) in outcome.faults {
            *faults.entry(name).or_insert(0) += count;
        }
    }
    faults
}

#[test]
fn power_lost_while_writing_loses_nothing_that_was_told() {
    let faults = faults_of(&crash_loop("power_loss"), 12);
    assert_eq!((faults["power_loss"], faults["restart"]), (96, 96));
    assert!(faults["power_loss_while_writing"] > 30, "{faults:?}");
    for outcome in [
        "none_survived",
        "all_survived",
        "prefix_survived",
        "subset_survived",
        "torn",
    ] {
        let count = faults
            .get(&format!("power_loss_{outcome}"))
            .copied()
            .unwrap_or(0);
        assert!(count > 0, "{outcome}: {faults:?}");
    }
}

#[test]
fn a_process_killed_while_writing_loses_nothing_that_was_told() {
    let faults = faults_of(&crash_loop("kill"), 6);
    assert_eq!((faults["kill"], faults["restart"]), (48, 48));
    assert!(faults["kill_while_writing"] > 15, "{faults:?}");
}
