//! The published wallets work against this node: a script with the libraries of their SDK derives,
//! signs, submits and reads back. Needs Node.js (`node` and `npm`).

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use archivas_core::params::{Genesis, networks};
use archivas_tests::{root, tools};
use program::Node;
use tempfile::tempdir;

/// One test at a time installs.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Runs the script against a node, where Node.js is there.
fn script(network: &str, url: &str) {
    let Some(node) = tools::find("node", &["node"]) else {
        return;
    };
    let folder = root().join("tests/sdk");
    install(&folder);
    let ended = Command::new(node)
        .args(["run.mjs", network, url])
        .current_dir(&folder)
        .output()
        .expect("node runs");
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// The libraries, as the lock file pins them.
fn install(folder: &Path) {
    let _one = INSTALLING.lock().expect("nobody panics with it");
    if folder.join("node_modules/.package-lock.json").exists() {
        return;
    }
    let npm = tools::find("node", &["npm"]).expect("npm comes with Node.js");
    let ended = Command::new(npm)
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(folder)
        .output()
        .expect("npm runs");
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[test]
fn a_wallet_of_the_sdk_pays_and_reads_back() {
    let dir = tempdir().expect("a temporary directory");
    let node = Node::dev(dir.path(), &[]);
    script("same", &node.url);
}

#[test]
fn what_the_sdk_signs_is_refused_by_a_network_with_another_domain() {
    let dir = tempdir().expect("a temporary directory");
    let genesis = Genesis {
        domain: "Archivas-Elsewhere".parse().expect("a domain"),
        ..networks::dev()
    };
    let file = dir.path().join("genesis.json");
    std::fs::write(&file, genesis.to_json()).expect("writable");
    let text = |path: &Path| path.to_str().expect("a path of ours").to_owned();
    let (file, data) = (text(&file), text(&dir.path().join("data")));
    let node = Node::start(&[
        "node",
        "--json",
        "--genesis",
        &file,
        "--data-dir",
        &data,
        "--http",
        "127.0.0.1:0",
        "--p2p",
        "off",
    ]);
    script("other", &node.url);
}
