//! A whole story on real processes: partition, kill, restart, transfers, judged by the player that
//! judges the simulator; and nothing is left over.

use std::path::PathBuf;

use archivas_scenarios::observer::{Happening, Row};
use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::{Format, Plan};
use archivas_scenarios::process::{Build, Options, run};

/// Three minutes at thirty times the speed of life.
const STORY: &str = r#"
version = 1
name = "everything-once"
about = "A cut, a kill, a stop, restarts and a transfer in three minutes."
duration_s = 240
nodes = [{ name = "a", hash_power = 6 }, { name = "b", hash_power = 6 }]
events = [
    { at_s = 15, act = "cut", groups = [["b"]] },
    { at_s = 20, act = "mine", node = "a", count = 3 },
    { at_s = 20, act = "mine", node = "b" },
    { at_s = 60, act = "heal" },
    { at_s = 80, act = "transfer", node = "b", from = 0, to = 1, amount = 5 },
    { at_s = 85, act = "kill", node = "b" },
    { at_s = 90, act = "start", node = "b" },
    { at_s = 100, act = "stop", node = "a" },
    { at_s = 110, act = "start", node = "a" },
    { at_s = 120, act = "mine", node = "b" },
]
[expect]
agree_within_s = 300
keeps_tip = ["a", "b"]
confirmed_within_s = 160
[[must_fire]]
fault = "cut"
at_least = 1
[processes]
speedup = 30
"#;

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_archivas-under-test"))
}

/// The processes whose parent we are.
fn children() -> usize {
    let ours = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let parent = |stat: &String| {
        let after_name = stat.rsplit(')').next().unwrap_or_default().to_owned();
        after_name.split_whitespace().nth(1) == Some(ours.as_str())
    };
    stats.filter(parent).count()
}

#[test]
fn a_story_is_told_on_real_processes_and_leaves_none_behind() {
    let plan = Plan::parse(STORY, Format::Toml, "everything-once").expect("a plan");
    let options = Options {
        bin: Some(binary()),
        build: None,
    };
    let mut rows: Vec<Row> = Vec::new();
    let outcome = run(&plan, 7, &options, &mut rows);
    let told: Vec<String> = rows.iter().map(|row| row.describe(&plan)).collect();
    assert_eq!(
        outcome.verdict(),
        Verdict::Pass,
        "{:?} {:?} {:?}\n{}",
        outcome.violations,
        outcome.vacuous,
        outcome.harness,
        told.join("\n")
    );
    assert_eq!((outcome.faults["kill"], outcome.faults["stop"]), (1, 1));
    assert_eq!(outcome.checks["durable_tip"].ran, 2);
    assert_eq!(outcome.checks["clean_stop"].ran, 1);
    assert!(
        rows.iter()
            .any(|row| matches!(row.what, Happening::Confirmed(_)))
    );
    assert_eq!(children(), 0);
}

#[test]
fn a_binary_of_another_commit_is_refused_before_anything_starts() {
    let plan = Plan::parse(STORY, Format::Toml, "everything-once").expect("a plan");
    let build = Build {
        version: "0.0.0".to_owned(),
        commit: "0".repeat(40),
    };
    let options = Options {
        bin: Some(binary()),
        build: Some(build),
    };
    let outcome = run(&plan, 7, &options, &mut ());
    assert_eq!(outcome.verdict().exit_code(), 1);
    let sentence = outcome.harness.expect("a harness error").to_string();
    assert!(
        sentence.contains("build it with `cargo build"),
        "{sentence}"
    );
}
