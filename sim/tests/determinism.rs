//! The promise that everything else stands on: a seed is a run. The same digest twice in one process,
//! beside other runs, in two processes; another seed another. Debug and release agree through
//! `ci/golden.sh`.

use archivas_core::primitives::Millis;
use archivas_scenarios::plan::{Overrides, Plan, load};
use archivas_sim::runner::run;
use archivas_sim::trace::Digest;
use std::process::Command;

/// A story with cuts, kills, power losses, a stop, restarts, transfers and API answers.
fn story() -> Plan {
    load("restart-keeps-tip", Overrides::default()).expect("it is built in")
}

fn digest(plan: &Plan, seed: u64) -> Digest {
    let report = run(plan, seed);
    assert_eq!(report.outcome.violations, [], "seed {seed}");
    assert_eq!(report.outcome.harness, None, "seed {seed}");
    report.digest
}

#[test]
fn one_seed_is_one_run_twice_in_a_process_and_another_seed_is_another() {
    let plan = story();
    let first = digest(&plan, 7);
    let other = digest(&plan, 8);
    assert_eq!(digest(&plan, 7), first);
    assert_ne!(other, first);
}

#[test]
fn runs_beside_one_another_do_not_meet() {
    let plan = story();
    let alone = digest(&plan, 3);
    let beside: Vec<Digest> = std::thread::scope(|scope| {
        let run = |seed| scope.spawn(move || digest(&story(), seed));
        let runs: Vec<_> = [3, 4, 3].into_iter().map(run).collect();
        runs.into_iter()
            .map(|run| run.join().expect("it does not panic"))
            .collect()
    });
    assert_eq!((beside[0], beside[2]), (alone, alone));
    assert_ne!(beside[1], alone);
}

#[test]
fn two_processes_give_one_digest() {
    let digest_of_process = || {
        let output = Command::new(env!("CARGO_BIN_EXE_archivas-sim"))
            .args(["run", "mempool-broadcast", "--seed", "0x7", "--json"])
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("one JSON document");
        report["digest"].as_str().expect("a digest").to_owned()
    };
    let first = digest_of_process();
    assert_eq!(digest_of_process(), first);
    let plan = load("mempool-broadcast", Overrides::default()).expect("it is built in");
    assert_eq!(digest(&plan, 7).to_string(), first);
}

#[test]
fn taking_the_trace_changes_nothing() {
    let short = Overrides {
        nodes: None,
        duration: Some(Millis::from_secs(300)),
    };
    let plan = load("three-nodes-agree", short).expect("it is built in");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("trace");
    let file = std::fs::File::create(&path).expect("it can be written");
    let options = archivas_sim::runner::Options {
        lines: Some(Box::new(file)),
        ..Default::default()
    };
    let traced = archivas_sim::runner::run_with(&plan, 1, &mut (), options);
    assert_eq!(traced.digest, run(&plan, 1).digest);
    let lines = std::fs::read_to_string(&path).expect("it was written");
    assert_eq!(lines.lines().count() as u64, traced.events);
}
