//! The README's commands work as they stand there. Each is run here, shortened so that it ends soon,
//! with the programs that this build made; or something else that every commit must pass runs it.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for"
)]

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use archivas_tests::documents::{document, tests};
use archivas_tests::{root, sources};
use program::{Ended, Node, run};
use serde_json::Value;

/// Every command of the README, and what runs it: a test, or a script that `.ci/run` calls.
const HELD: [(&str, &str); 14] = [
    (
        "cargo sim run partition-heals --seed 7",
        "the_first_command_shows_a_fork_its_healing_and_a_digest",
    ),
    ("ci/test.sh", "ci/test.sh"),
    (
        "cargo run --release -p archivas -- node --dev",
        "a_development_node_serves_what_the_other_terminal_asks",
    ),
    (
        "cargo run --release -p archivas -- devnet up --nodes 3",
        "a_local_network_agrees",
    ),
    (
        "alias archivas=target/release/archivas",
        "a_development_node_serves_what_the_other_terminal_asks",
    ),
    (
        "archivas tx send --dev-key 0 --to arcv17zjef55h3k5gq0mfvvj75z422pzu7t55emhkn8 \
         --amount 5RCHV --wait",
        "a_development_node_serves_what_the_other_terminal_asks",
    ),
    (
        "archivas status",
        "a_development_node_serves_what_the_other_terminal_asks",
    ),
    (
        "curl http://127.0.0.1:8080/chainTip",
        "a_development_node_serves_what_the_other_terminal_asks",
    ),
    (
        "cargo sim list scenarios",
        "scenarios_are_listed_explored_and_timed",
    ),
    (
        "cargo sim explore partition-heals --count 200",
        "scenarios_are_listed_explored_and_timed",
    ),
    (
        "cargo sim run swarm --seed 7 --html run.html",
        "a_drawn_half_hour_makes_a_page_and_a_disk_is_swept",
    ),
    (
        "cargo sim sweep first-blocks",
        "a_drawn_half_hour_makes_a_page_and_a_disk_is_swept",
    ),
    (
        "cargo sim run restart-keeps-tip --world processes",
        "ci/stories.sh",
    ),
    ("cargo sim bench", "scenarios_are_listed_explored_and_timed"),
];

/// The lines of the README's code blocks, without comments.
fn commands() -> Vec<String> {
    let readme = document("README.md");
    let lines = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = lines.map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned());
    commands.filter(|command| !command.is_empty()).collect()
}

/// The words of one of the README's commands behind `program`.
fn words(command: &str, program: &str) -> Vec<String> {
    assert!(commands().iter().any(|known| known == command), "{command}");
    let arguments = command.strip_prefix(program).expect("its program");
    arguments.split_whitespace().map(str::to_owned).collect()
}

/// Runs `archivas` as a command of the README does, with more arguments.
fn archivas(command: &str, program: &str, more: &[&str]) -> Ended {
    let words = words(command, program);
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.extend(more);
    run(&arguments)
}

/// The simulator of this build, beside the program under test. A test run of the whole workspace has
/// made it; alone, this one makes it when it is absent or older than the sources.
fn simulator() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_archivas-under-test")).with_file_name("archivas-sim");
    let age = |path: &Path| path.metadata().and_then(|file| file.modified());
    let is_fresh = age(&path).is_ok_and(|built| {
        let of_tests = |path: &str| path.starts_with("tests/") || path.contains("/tests/");
        let sources = sources().into_iter().map(|source| source.path);
        let mut ours = sources.filter(|path| !of_tests(path));
        ours.all(|source| age(&root().join(source)).is_ok_and(|changed| changed <= built))
    });
    if is_fresh {
        return path;
    }
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "archivas-sim"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let built = build.current_dir(root()).status().expect("cargo runs");
    assert!(built.success());
    path
}

/// Runs `cargo sim` as the README does, with `from` replaced by `to` in its words and more behind them.
fn sim(command: &str, (from, to): (&str, &str), more: &[&str]) -> String {
    let words = words(command, "cargo sim");
    let words = words
        .iter()
        .map(|word| if word == from { to } else { word });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = Command::new(simulator())
        .args(words)
        .args(more)
        .current_dir(&folder)
        .output()
        .expect("it was built");
    assert!(ended.status.success(), "{command}: {ended:?}");
    String::from_utf8(ended.stdout).expect("text")
}

const AS_IT_STANDS: (&str, &str) = ("", "");

#[test]
fn every_command_of_the_readme_is_held_by_something() {
    let held: BTreeSet<String> = HELD.iter().map(|(command, _)| (*command).into()).collect();
    assert_eq!(commands().into_iter().collect::<BTreeSet<_>>(), held);
    let (tests, ci) = (tests(&sources()), document(".ci/run"));
    for (command, holder) in HELD {
        let called = ci.lines().any(|line| line == holder);
        assert!(tests.contains(holder) || called, "{command}: {holder}");
    }
    let config = document(".cargo/config.toml");
    let alias = "sim = \"run --release --quiet --package archivas-sim --\"";
    assert!(config.lines().any(|line| line == alias), "{config}");
}

#[test]
fn the_first_command_shows_a_fork_its_healing_and_a_digest() {
    let shown = sim("cargo sim run partition-heals --seed 7", AS_IT_STANDS, &[]);
    for word in ["cut ", "heal ", "reorg ", "best chain", "left by"] {
        assert!(shown.contains(word), "no `{word}` in\n{shown}");
    }
    let digest = shown.lines().find_map(|line| line.strip_prefix("digest "));
    assert_eq!(digest.map(str::len), Some(32), "{shown}");
}

#[test]
fn a_development_node_serves_what_the_other_terminal_asks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().to_str().expect("a path of ours");
    let cargo = "cargo run --release -p archivas --";
    let words = words("cargo run --release -p archivas -- node --dev", cargo);
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.extend(["--json", "--data-dir", folder]);
    arguments.extend(["--http", "127.0.0.1:0", "--block-time", "200ms"]);
    let node = Node::start(&arguments);
    let at = ["--json", "--node", &node.url];

    let alias = "alias archivas=target/release/archivas";
    assert!(commands().iter().any(|known| known == alias));
    let (send, _) = HELD[5];
    let sent = archivas(send, "archivas", &at).json();
    assert_eq!(sent["confirmed"], true, "{sent}");
    let status = archivas("archivas status", "archivas", &at).json();
    assert_eq!(status["health"]["ok"], true, "{status}");
    let curl = self::words("curl http://127.0.0.1:8080/chainTip", "curl");
    let path = curl[0].strip_prefix("http://127.0.0.1:8080");
    let tip = node.get(path.expect("the usual address"));
    assert!(tip["height"].is_string(), "{tip}");
    assert_eq!(node.stop("INT").0, 0);
}

#[test]
fn a_local_network_agrees() {
    let command = "cargo run --release -p archivas -- devnet up --nodes 3";
    let short = ["--json", "--block-time", "300ms", "--until-height", "2"];
    let ended = archivas(command, "cargo run --release -p archivas --", &short);
    assert_eq!(ended.code, 0, "{ended:?}");
    let last = ended.stdout.lines().last().expect("rows");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["agree"], true);
}

#[test]
fn scenarios_are_listed_explored_and_timed() {
    let list = sim("cargo sim list scenarios", AS_IT_STANDS, &[]);
    assert!(list.lines().count() >= 4, "{list}");
    let explore = "cargo sim explore partition-heals --count 200";
    let found = sim(explore, ("200", "2"), &["--check-determinism", "50%"]);
    assert!(found.contains("2 seeds in "), "{found}");
    let bench = sim(
        "cargo sim bench",
        AS_IT_STANDS,
        &["--duration", "2m", "--load-s", "120", "--swarm-seeds", "1"],
    );
    assert!(
        bench.contains("simulated seconds per CPU second"),
        "{bench}"
    );
}

#[test]
fn a_drawn_half_hour_makes_a_page_and_a_disk_is_swept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("run.html");
    let page = page.to_str().expect("a path of ours");
    let command = "cargo sim run swarm --seed 7 --html run.html";
    let shown = sim(command, ("run.html", page), &[]);
    assert!(shown.contains("best chain"), "{shown}");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(
        page.contains("<canvas"),
        "no canvas in {} bytes",
        page.len()
    );
    let sweep = "cargo sim sweep first-blocks";
    let swept = sim(sweep, AS_IT_STANDS, &["--budget", "1s"]);
    assert!(swept.contains("PASS"), "{swept}");
}
