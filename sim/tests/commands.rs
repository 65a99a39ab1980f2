//! The command line as people and scripts use it: exit codes, one sentence for each mistake, failure
//! files that reproduce, output that nobody needs to read to its end.

use std::path::Path;
use std::process::{Command, Output, Stdio};

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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A plan whose chain cannot become as long as it demands.
const IMPOSSIBLE: &str = r#"
version = 1
name = "impossible"
about = "Nobody mines a thousand blocks in two minutes."
worlds = ["sim"]
duration_s = 120
nodes = [{ name = "a", hash_power = 6.0 }, { name = "b", hash_power = 6.0 }]
[expect]
agree_within_s = 60
min_height = 1000
"#;

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("it can be written");
    path.to_str().expect("a plain path").to_owned()
}

#[test]
fn mistakes_on_the_command_line_are_two_and_name_what_there_is() {
    let cases: [(&[&str], &str); 7] = [
        (&["run", "partition-heels"], "partition-heals"),
        (&["run", "partition-heals", "--sneed", "7"], "--sneed"),
        (&["run", "partition-heals", "--seed", "x"], "is no seed"),
        (
            &["run", "partition-heals", "--duration", "5w"],
            "no span of time",
        ),
        (&["run", "/nowhere.toml"], "cannot read /nowhere.toml"),
        (&["replay", "/nowhere.json"], "cannot read /nowhere.json"),
        (&["explore"], "SCENARIOS"),
    ];
    for (arguments, word) in cases {
        let output = sim(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(
            text(&output.stderr).contains(word),
            "{arguments:?}: {output:?}"
        );
        assert!(!text(&output.stderr).contains("panicked"), "{output:?}");
    }
}

#[test]
fn a_plan_that_does_not_parse_is_three_and_an_empty_campaign_four() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bad = write(
        folder.path(),
        "bad.toml",
        &format!("{IMPOSSIBLE}\nsurprise = 1\n"),
    );
    let output = sim(&["run", &bad]);
    assert_eq!(code(&output), 3);
    assert!(text(&output.stderr).contains("line "), "{output:?}");
    let not_json = write(folder.path(), "failure.json", "{}");
    assert_eq!(code(&sim(&["replay", &not_json])), 3);
    assert_eq!(
        code(&sim(&["explore", "three-nodes-agree", "--count", "0"])),
        4
    );
}

#[test]
fn a_failure_is_written_and_its_repro_line_shows_it_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = write(folder.path(), "impossible.toml", IMPOSSIBLE);
    let out = folder.path().join("it's out");
    let out = out.to_str().expect("a plain path");
    let output = sim(&["run", &plan, "--seed", "5", "--out", out]);
    let stdout = text(&output.stdout);
    assert_eq!(code(&output), 11, "{stdout}");
    assert!(
        stdout.contains("FAILED: liveness missed: progress"),
        "{stdout}"
    );
    let repro = stdout
        .lines()
        .find_map(|line| line.strip_prefix("REPRO  cargo sim "));
    let repro = repro.expect("a REPRO line");
    let program = env!("CARGO_BIN_EXE_archivas-sim");
    let again = Command::new("sh")
        .args(["-c", &format!("{program} {repro}")])
        .output();
    let again = again.expect("a shell");
    assert_eq!(code(&again), 11, "{again:?}");
    assert!(text(&again.stdout).contains("reproduced"), "{again:?}");

    let file = stdout
        .lines()
        .find_map(|line| line.strip_prefix("FILES  "))
        .expect("a FILES line");
    let wrong = sim(&["replay", file, "--expect", &"0".repeat(32)]);
    assert_eq!(code(&wrong), 16, "{wrong:?}");
    let wrong = sim(&["replay", file, "--json", "--expect", &"0".repeat(32)]);
    let json: Value = serde_json::from_slice(&wrong.stdout).expect("JSON");
    assert!(json["not_reproduced"].is_string(), "{json}");
    let mut failure: Value =
        serde_json::from_slice(&std::fs::read(file).expect("it is there")).expect("JSON");
    assert_eq!(failure["check"], "progress");
    assert_eq!(failure["seed"], "0x0000000000000005");

    // Another build, another run: both are said.
    failure["build"]["commit"] = "another".into();
    failure["digest"] = "0".repeat(32).into();
    let other = write(folder.path(), "other.json", &failure.to_string());
    let output = sim(&["replay", &other]);
    assert_eq!(code(&output), 11, "{output:?}");
    assert!(text(&output.stderr).contains(", was another"), "{output:?}");
    assert!(
        text(&output.stdout).contains("reproduced by another run"),
        "{output:?}"
    );
}

#[test]
fn a_campaign_groups_its_failures_and_leaves_its_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = write(folder.path(), "impossible.toml", IMPOSSIBLE);
    let out = folder.path().join("out");
    let junit = folder.path().join("junit.xml");
    let (out, junit) = (out.to_str().expect("plain"), junit.to_str().expect("plain"));
    let arguments = [
        "explore", &plan, "--seeds", "3..6", "--out", out, "--junit", junit,
    ];
    let output = sim(&arguments);
    let stdout = text(&output.stdout);
    assert_eq!(code(&output), 11, "{stdout}");
    assert_eq!(stdout.matches("FAILED").count(), 1, "{stdout}");
    assert_eq!(stdout.matches("REPRO").count(), 3, "{stdout}");
    let results = std::fs::read_to_string(Path::new(out).join("results.jsonl")).expect("written");
    assert_eq!(results.lines().count(), 3);
    let first: Value = serde_json::from_str(results.lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        (&first["seed"], &first["exit"]),
        (&"0x0000000000000003".into(), &11.into())
    );
    let junit = std::fs::read_to_string(junit).expect("written");
    assert!(junit.contains("tests=\"3\" failures=\"3\""), "{junit}");
}

#[test]
fn a_run_is_told_in_rows_with_a_picture_and_a_digest() {
    let output = sim(&[
        "run",
        "partition-heals",
        "--seed",
        "7",
        "--twice",
        "--color",
        "never",
    ]);
    let stdout = text(&output.stdout);
    assert_eq!(code(&output), 0, "{stdout}");
    for word in [
        "cut ",
        "heal ",
        "reorg ",
        "best chain",
        "checks made, 0 failed",
        "digest ",
        "twice",
        "passed",
    ] {
        assert!(stdout.contains(word), "no `{word}` in\n{stdout}");
    }
    assert!(!stdout.contains('\u{1b}'), "colours in\n{stdout}");
}

#[test]
fn a_trace_that_cannot_be_written_to_its_end_is_said() {
    let output = sim(&[
        "run",
        "three-nodes-agree",
        "--duration",
        "30s",
        "--trace",
        "/dev/full",
    ]);
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(text(&output.stderr).contains("/dev/full"), "{output:?}");
}

#[test]
fn a_verdict_is_told_even_if_its_file_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = write(folder.path(), "impossible.toml", IMPOSSIBLE);
    let output = sim(&["run", &plan, "--out", "/dev/null/out"]);
    assert_eq!(code(&output), 11, "{output:?}");
    assert!(text(&output.stdout).contains("FAILED"), "{output:?}");
    assert!(text(&output.stderr).contains("cannot write"), "{output:?}");
    let output = sim(&["explore", &plan, "--count", "1", "--out", "/dev/null/out"]);
    assert_eq!((code(&output), text(&output.stdout)), (1, String::new()));
    let junit = ["--junit", "/dev/null/out/junit.xml", "--jobs", "100000"];
    let out = folder.path().to_str().expect("plain");
    let explore = ["explore", &plan, "--count", "2", "--out", out];
    let output = sim(&[&explore, junit.as_slice()].concat());
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(text(&output.stdout).contains("on 2 threads"), "{output:?}");
    assert!(text(&output.stdout).contains("FAILED"), "{output:?}");
}

#[test]
fn as_many_seeds_as_there_are_overflow_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = write(folder.path(), "impossible.toml", IMPOSSIBLE);
    let (out, all) = (folder.path().to_str().expect("plain"), u64::MAX.to_string());
    let output = sim(&[
        "explore",
        &plan,
        &plan,
        "--count",
        &all,
        "--out",
        out,
        "--jobs",
        "1",
        "--fail-fast",
    ]);
    assert_eq!(code(&output), 11, "{output:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_archivas-sim"))
        .args(["run", "three-nodes-agree"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 0);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn lists_name_everything_once() {
    for what in ["scenarios", "checks", "faults"] {
        let output = sim(&["list", what, "--json"]);
        assert_eq!(code(&output), 0);
        let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let names = list
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| entry["name"].to_string());
        let mut names: Vec<String> = names.collect();
        let count = names.len();
        assert!(count >= 4, "{what}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{what}");
    }
}
