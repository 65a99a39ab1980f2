//! Campaigns and failures as files: shards and interruptions change no result, a failing plan becomes
//! small and stays a plan, two traces are compared, a page tells of a run.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_archivas-sim"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn show(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}\n{err}")
}

/// A plan whose chain cannot become as long as it demands, with much in it that has no part in that.
fn impossible() -> String {
    let mut text = String::from(
        r#"
version = 1
name = "impossible"
about = "Nobody mines a thousand blocks in ten minutes."
worlds = ["sim"]
duration_s = 600
nodes = [{ name = "a", hash_power = 6.0 }, { name = "b", hash_power = 6.0 }, { name = "c" }]
[expect]
agree_within_s = 60
min_height = 1000
"#,
    );
    for at in 1..=12 {
        let (cut, heal) = (at * 30, at * 30 + 5);
        text.push_str(&format!(
            "[[events]]\nat_s = {cut}\nact = \"cut\"\ngroups = [[\"c\"]]\n\
             [[events]]\nat_s = {heal}\nact = \"heal\"\n\
             [[events]]\nat_s = {heal}\nact = \"transfer\"\nnode = \"b\"\nfrom = 0\nto = 1\n\
             amount = 1000\ncount = 3\n"
        ));
    }
    text
}

/// A short plan that passes.
const QUICK: &str = r#"
version = 1
name = "quick"
about = "Two nodes mine for three minutes."
worlds = ["sim"]
duration_s = 180
nodes = [{ name = "a", hash_power = 6.0 }, { name = "b", hash_power = 6.0 }]
[expect]
agree_within_s = 60
"#;

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("it can be written");
    path.to_str().expect("a plain path").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).expect("it was written")
}

fn path(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    path.to_str().expect("a plain path").to_owned()
}

#[test]
fn a_failing_plan_becomes_small_and_fails_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path(), "plan.toml", &impossible());
    let out = path(folder.path(), "out");
    let output = sim(&["run", &plan, "--seed", "5", "--out", &out]);
    assert_eq!(code(&output), 11, "{}", show(&output));
    let failure = format!("{out}/impossible-0x0000000000000005/failure.json");
    let small = path(folder.path(), "small.json");
    let output = sim(&[
        "--json", "shrink", &failure, "--budget", "240s", "--out", &small,
    ]);
    assert_eq!(code(&output), 0, "{}", show(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["from"]["events"], 36);
    assert_eq!(told["to"]["events"], 0, "{told}");
    assert_eq!(told["to"]["nodes"], 1, "{told}");
    let output = sim(&["run", &small, "--seed", "5", "--out", &out]);
    assert_eq!(code(&output), 11, "{}", show(&output));
    assert!(show(&output).contains("FAILED: liveness missed: progress"));
}

#[test]
fn what_does_not_fail_here_is_not_shrunk() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path(), "plan.toml", &impossible());
    let out = path(folder.path(), "out");
    sim(&["run", &plan, "--out", &out]);
    let failure = format!("{out}/impossible-0x0000000000000000/failure.json");
    let other = read(&failure).replace("\"progress\"", "\"supply\"");
    let other = write(folder.path(), "other.json", &other);
    assert_eq!(code(&sim(&["shrink", &other])), 16);
    assert_eq!(code(&sim(&["why", &other])), 16);
}

#[test]
fn a_campaign_goes_on_where_it_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path(), "quick.toml", QUICK);
    let whole = path(folder.path(), "whole");
    let explore = ["explore", &plan, "--count", "5", "--out"];
    let output = sim(&[&explore[..], &[&whole]].concat());
    assert_eq!(code(&output), 0, "{}", show(&output));
    let results = read(format!("{whole}/results.jsonl"));
    assert_eq!(results.lines().count(), 5);
    // Two seeds were done, and the third was being written.
    let two: String = results.split_inclusive('\n').take(2).collect();
    std::fs::write(format!("{whole}/results.jsonl"), two + "{\"scen").unwrap();
    let output = sim(&[&explore[..], &[&whole, "--resume", "--json"]].concat());
    assert_eq!(code(&output), 0, "{}", show(&output));
    assert_eq!(read(format!("{whole}/results.jsonl")), results);
    let other = [
        "explore", &plan, "--count", "6", "--resume", "--out", &whole,
    ];
    let output = sim(&other);
    assert_eq!(code(&output), 2, "{}", show(&output));
    for file in [
        "campaign.json",
        "summary.json",
        "summary.md",
        "timings.jsonl",
    ] {
        assert!(!read(format!("{whole}/{file}")).is_empty(), "{file}");
    }
}

#[test]
fn each_campaign_has_a_planted_bug_that_its_checks_notice() {
    let output = sim(&["explore", "three-nodes-agree", "--count", "1", "--json"]);
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(summary["canary"].is_string(), "{}", show(&output));
    assert_eq!(code(&output), 0, "{}", show(&output));
}

#[test]
fn shards_put_together_are_the_whole_campaign() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path(), "quick.toml", QUICK);
    let at = |name| path(folder.path(), name);
    let explore = |out: &str, more: &[&str]| {
        let usual = ["explore", &plan, "--count", "5", "--out", out];
        let output = sim(&[&usual[..], more].concat());
        assert_eq!(code(&output), 0, "{}", show(&output));
    };
    explore(&at("whole"), &[]);
    explore(&at("a"), &["--shard", "0/2"]);
    explore(&at("b"), &["--shard", "1/2"]);
    let output = sim(&["merge", &at("both"), &at("a"), &at("b")]);
    assert_eq!(code(&output), 0, "{}", show(&output));
    let results = |name| read(format!("{}/results.jsonl", at(name)));
    assert_eq!(results("both"), results("whole"));
    // The same seed with another digest.
    let line = results("b").lines().next().unwrap().to_owned();
    let digest = serde_json::from_str::<Value>(&line).unwrap()["digest"].clone();
    let other = results("whole").replace(digest.as_str().unwrap(), &"0".repeat(32));
    std::fs::write(format!("{}/results.jsonl", at("whole")), other).unwrap();
    let output = sim(&["merge", &at("three"), &at("whole"), &at("b")]);
    assert_eq!(code(&output), 13, "{}", show(&output));
    let half = sim(&["explore", &plan, "--shard", "auto"]);
    assert_eq!(code(&half), 2, "{}", show(&half));
}

#[test]
fn an_interrupted_campaign_says_so_and_can_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path(), "quick.toml", QUICK);
    let out = path(folder.path(), "out");
    let child = Command::new(env!("CARGO_BIN_EXE_archivas-sim"))
        .args(["explore", &plan, "--count", "1000000", "--out", &out, "-q"])
        .spawn()
        .expect("the program starts");
    let results = format!("{out}/results.jsonl");
    while std::fs::read_to_string(&results).map_or(0, |text| text.lines().count()) < 2 {
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 75, "{}", show(&output));
    assert!(read(&results).lines().count() >= 2);
}

#[test]
fn two_traces_are_compared_to_the_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path(), "quick.toml", QUICK);
    let trace = |name: &str, seed: &str| {
        let file = path(folder.path(), name);
        let output = sim(&["run", &plan, "--seed", seed, "--trace", &file, "-q"]);
        assert_eq!(code(&output), 0, "{}", show(&output));
        file
    };
    let (a, same, other) = (trace("a", "1"), trace("same", "1"), trace("other", "2"));
    assert_eq!(code(&sim(&["diff", &a, &same])), 0);
    let output = sim(&["diff", &a, &other]);
    assert_eq!(code(&output), 13);
    let text = show(&output);
    assert!(text.contains("\n- ") && text.contains("\n+ "), "{text}");
    let stats = show(&sim(&["trace", "stats", &a]));
    assert!(
        stats.contains("disk.write") && stats.contains("sent"),
        "{stats}"
    );
    let grep = show(&sim(&["trace", "grep", "msg=inv", &a]));
    assert!(grep.contains("to="), "{grep}");
    assert_eq!(code(&sim(&["trace", "grep", "no such word", &a])), 4);
    let json = path(folder.path(), "perfetto.json");
    assert_eq!(
        code(&sim(&["trace", "convert", &a, "--perfetto", &json])),
        0
    );
    let json: Value = serde_json::from_str(&read(&json)).unwrap();
    assert!(json["traceEvents"].as_array().unwrap().len() > 100);
}

#[test]
fn a_node_logs_with_virtual_time_and_that_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plan = write(folder.path(), "quick.toml", QUICK);
    let digest = |more: &[&str]| {
        let output = sim(&[&["run", &plan, "-q"], more].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find(|line| line.starts_with("digest"))
            .unwrap()
            .to_owned();
        (line, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (plain, silent) = digest(&[]);
    let (logged, log) = digest(&["--log", "b=info"]);
    assert_eq!((plain, silent.as_str()), (logged, ""));
    assert!(log.lines().count() > 2, "{log}");
    assert!(
        log.lines()
            .all(|line| line.starts_with("0:0") && line.contains(" b ")),
        "{log}"
    );
    let output = sim(&["run", &plan, "--log", "z=info"]);
    assert_eq!(code(&output), 2);
}
