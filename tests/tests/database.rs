//! `archivas db` on the real program: what it finds, repairs, carries away and refuses; and that a
//! copied directory and an imported snapshot go on where the original was.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::path::Path;
use std::time::{Duration, Instant};

use archivas::live::data_dir::DataDir;
use archivas_core::chain::{Chain, Policy};
use archivas_core::params::networks;
use archivas_core::storage::{Batch, Reader, Scan, Storage, Table};
use program::{Node, PATIENCE, read, run};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

fn scratch() -> TempDir {
    tempdir().expect("a temporary directory")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn db<'a>(words: &[&'a str], dir: &'a Path) -> Vec<&'a str> {
    [&["db"], words, &["--dev", "--data-dir", text(dir)]].concat()
}

/// Lets a development node make so many blocks in `dir`, one of them with a transfer.
fn live(dir: &Path, blocks: u64) {
    let node = Node::paced(dir, "30ms", &[]);
    let to = networks::dev_keys()[1].address().to_string();
    let amount = ["--to", &to, "--amount", "5RCHV", "--node", &node.url];
    let send = [["tx", "send", "--dev-key", "0"].as_slice(), &amount].concat();
    read(&[&send[..], &["--wait"]].concat());
    reach(&node, blocks);
    assert_eq!(node.stop("TERM").0, 0);
}

fn reach(node: &Node, height: u64) {
    let begun = Instant::now();
    while node.get("/healthz")["height"].as_u64() < Some(height) {
        assert!(begun.elapsed() < PATIENCE, "no blocks come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn height(dir: &Path) -> u64 {
    let stats = read(&db(&["stats"], dir));
    stats["tip"]["height"].as_u64().expect("a height")
}

/// Changes the database of a stopped node by hand.
fn meddle(dir: &Path, table: Table, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let dir = DataDir::lock(dir).expect("free");
    let mut store = dir.open_store().expect("there");
    let rows = store.scan(table, &Scan::all()).expect("readable");
    let (key, value) = &rows[rows.len() / 2];
    let mut batch = Batch::new();
    match change(value) {
        Some(changed) => batch.put(table, key.clone(), changed),
        None => batch.delete(table, key.clone()),
    }
    store.commit(batch).expect("room");
}

#[test]
fn what_has_no_database_or_a_running_node_is_refused_with_its_code() {
    let dir = scratch();
    let absent = dir.path().join("absent");
    run(&db(&["check"], &absent)).failed(1, "there is no database");
    assert!(!absent.exists());
    let node = Node::dev(dir.path(), &[]);
    let file = dir.path().join("file");
    for words in [
        &["check"][..],
        &["compact"],
        &["rollback", "--to-height", "0"],
        &["reindex"],
        &["snapshot", "import", text(&dir.path().join("lock"))],
    ] {
        run(&db(words, dir.path())).failed(5, "in use by another archivas process");
    }
    node.stop("TERM");
    let height_beyond = ["snapshot", "export", "--height", "7", text(&file)];
    run(&db(&height_beyond, dir.path())).failed(1, "heights from 1 to 0 can");
    assert!(!file.exists());
    let other = [
        "db",
        "check",
        "--network",
        "testnet",
        "--data-dir",
        text(dir.path()),
    ];
    run(&other).failed(6, "another network");
}

/// What becomes of a row; none is deleted.
type Change = fn(&[u8]) -> Option<Vec<u8>>;

#[test]
fn a_sound_database_is_said_to_be_and_a_damaged_one_is_made_anew_from_its_blocks() {
    let dir = scratch();
    live(dir.path(), 12);
    let sound = read(&db(&["check", "--full"], dir.path()));
    assert_eq!(sound["ok"], true);
    let watched = run(&db(&["check", "--full"], dir.path()));
    let end = format!("blocks: {0} of {0}", sound["height"]);
    assert!(
        watched.stderr.lines().any(|line| line == end),
        "{watched:?}"
    );
    assert_eq!(sound["transfers"], 1);
    let before = read(&db(&["stats"], dir.path()));
    let meddled: [(Table, Change); 4] = [
        (Table::Accounts, |_| Some(vec![1, 0])),
        (Table::Txs, |_| None),
        (Table::AccountTxs, |_| None),
        (Table::Undo, |_| Some(vec![0])),
    ];
    for (table, change) in meddled {
        meddle(dir.path(), table, change);
        let found = run(&db(&["check", "--full"], dir.path()));
        found.failed(4, "archivas db reindex");
        read(&db(&["reindex"], dir.path()));
        assert_eq!(read(&db(&["check", "--full"], dir.path())), sound);
    }
    let compacted = read(&db(&["compact"], dir.path()));
    assert!(compacted["after"].as_u64() <= compacted["before"].as_u64());
    let after = read(&db(&["stats"], dir.path()));
    assert_eq!(
        (&after["rows"], &after["tip"]),
        (&before["rows"], &before["tip"])
    );
    meddle(dir.path(), Table::Bodies, |_| None);
    run(&db(&["check"], dir.path())).failed(4, "without a body");
    run(&db(&["reindex"], dir.path())).failed(4, "the row is missing");
}

#[test]
fn a_node_goes_on_after_a_rollback_and_keeps_off_a_branch_when_told() {
    let dir = scratch();
    live(dir.path(), 12);
    let tip = height(dir.path());
    let beyond = tip.to_string();
    let refused = run(&db(&["rollback", "--to-height", &beyond], dir.path()));
    refused.failed(1, "nothing above");
    let rolled = read(&db(&["rollback", "--to-height", "5"], dir.path()));
    assert_eq!(rolled["height"], 5);
    assert_eq!(height(dir.path()), 5);
    read(&db(&["check", "--full"], dir.path()));
    let node = Node::paced(dir.path(), "30ms", &[]);
    reach(&node, 8);
    node.stop("TERM");
    let kept = read(&db(
        &["rollback", "--to-height", "6", "--keep-off"],
        dir.path(),
    ));
    assert_eq!(kept["height"], 6);
    assert!(kept["keptOff"].is_string());
    read(&db(&["check", "--full"], dir.path()));
    let node = Node::paced(dir.path(), "30ms", &[]);
    reach(&node, 9);
    let seventh = node.get("/block/7");
    assert_ne!(seventh["hash"], kept["keptOff"]);
}

/// Lets go of what lies more than so many blocks below the tip of a stopped node.
fn prune(dir: &Path, undo_blocks: u64) {
    let dir = DataDir::lock(dir).expect("free");
    let store = dir.open_store().expect("there");
    let mut chain = Chain::open(store, networks::dev()).expect("sound");
    chain.set_policy(Policy {
        undo_blocks,
        prune: true,
        ..Policy::default()
    });
    while chain.prune().expect("room") {}
}

#[test]
fn a_rollback_below_what_was_let_go_of_says_how_far_back_there_is_a_way() {
    let dir = scratch();
    live(dir.path(), 12);
    let tip = height(dir.path());
    // The first leaves the state of a node in the middle of what the second lets go of.
    for kept in [8, 4] {
        prune(dir.path(), kept);
        let stats = read(&db(&["stats"], dir.path()));
        let horizon = tip - kept;
        assert_eq!(stats["horizon"], horizon);
        read(&db(&["check", "--full"], dir.path()));
        let below = (horizon - 1).to_string();
        let sentence = format!("leads back to height {horizon} and no further");
        run(&db(&["rollback", "--to-height", &below], dir.path())).failed(1, &sentence);
        assert_eq!(height(dir.path()), tip);
    }
    let last = (tip - 4).to_string();
    let rolled = read(&db(&["rollback", "--to-height", &last], dir.path()));
    assert_eq!(rolled["height"].to_string(), last);
    read(&db(&["check", "--full"], dir.path()));
    read(&db(&["reindex"], dir.path()));
    read(&db(&["check", "--full"], dir.path()));
    let node = Node::paced(dir.path(), "30ms", &[]);
    reach(&node, tip + 1);
}

#[test]
fn a_running_node_tells_what_it_has_and_exports_any_height_while_blocks_come() {
    let (dir, new, files) = (scratch(), scratch(), scratch());
    let node = Node::paced(dir.path(), "20ms", &[]);
    let to = networks::dev_keys()[1].address().to_string();
    let (amount, key) = (["--amount", "5RCHV"], ["--dev-key", "0"]);
    let send = [&["tx", "send", "--to", &to][..], &key, &amount].concat();
    let send = [&send[..], &["--node", &node.url]].concat();
    reach(&node, 30);
    let mut exported = Vec::new();
    for wanted in [7, 20, 29] {
        read(&send);
        let before = height(dir.path());
        let file = files.path().join(format!("{wanted}"));
        let wanted = wanted.to_string();
        let export = ["snapshot", "export", "--height", &wanted, text(&file)];
        let told = read(&db(&export, dir.path()));
        run(&db(&export, dir.path())).failed(7, "there already");
        reach(&node, before + 3);
        let block = node.get(&format!("/block/{wanted}"));
        assert_eq!((&told["hash"], &told["ok"]), (&block["hash"], &json!(true)));
        assert_eq!(told["height"].to_string(), wanted);
        assert!(told["headers"].as_u64() >= Some(before), "{told}");
        exported.push((file, told));
    }
    let far = files.path().join("far");
    let beyond = ["snapshot", "export", "--height", "99999999", text(&far)];
    run(&db(&beyond, dir.path())).failed(1, "cannot be exported");
    let nowhere = files.path().join("no/where");
    let nowhere = ["snapshot", "export", "--height", "7", text(&nowhere)];
    run(&db(&nowhere, dir.path())).failed(7, "cannot write the snapshot");
    assert!(!far.exists());
    assert_eq!(node.stop("TERM").0, 0);
    for (file, told) in exported {
        let hash = told["hash"].as_str().expect("a hash");
        let path = new.path().join(hash);
        let import = ["snapshot", "import", text(&file), "--trust", hash];
        let imported = read(&db(&import, &path));
        assert_eq!(imported["height"], told["height"]);
        assert_eq!(imported["accounts"], told["accounts"]);
        read(&db(&["check", "--full"], &path));
    }
}

#[test]
fn a_node_begins_from_a_snapshot_and_a_copied_directory_is_a_backup() {
    let (dir, fresh, copy) = (scratch(), scratch(), scratch());
    live(dir.path(), 12);
    let file = dir.path().join("archivas.snapshot");
    let export = ["snapshot", "export", "--height", "9", text(&file)];
    let exported = read(&db(&export, dir.path()));
    assert_eq!(exported["height"], 9);
    run(&db(&export, dir.path())).failed(7, "there already");
    let new = fresh.path().join("new");
    let import = ["snapshot", "import", text(&file)];
    run(&db(&import, &new)).failed(1, "blocks stand above");
    let hash = exported["hash"].as_str().expect("a hash");
    let trusted = [&import[..], &["--trust", hash]].concat();
    let zeros = "00".repeat(32);
    let wrong = [&import[..], &["--trust", &zeros]].concat();
    run(&db(&wrong, &new)).failed(1, "not of");
    let mut bytes = std::fs::read(&file).expect("written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = dir.path().join("damaged");
    std::fs::write(&damaged, &bytes).expect("writable");
    let damaged = ["snapshot", "import", text(&damaged), "--trust", hash];
    run(&db(&damaged, &new)).failed(4, "damaged at byte");
    let imported = read(&db(&trusted, &new));
    assert_eq!(
        (&imported["height"], &imported["hash"]),
        (&json!(9), &json!(hash))
    );
    run(&db(&trusted, &new)).failed(1, "a database already");
    read(&db(&["check", "--full"], &new));
    let node = Node::paced(&new, "30ms", &[]);
    reach(&node, 11);
    assert_eq!(node.get("/block/9")["code"], "below_base");
    assert_eq!(node.get("/block/10")["prevHash"], hash);
    let rich = networks::dev_keys()[1].address();
    let account: Value = node.get(&format!("/account/{rich}"));
    assert_ne!(account["balance"], "0");
    node.stop("TERM");
    read(&db(&["check", "--full"], &new));

    let name = "archivas.redb";
    std::fs::copy(dir.path().join(name), copy.path().join(name)).expect("a copy");
    assert_eq!(height(copy.path()), height(dir.path()));
    read(&db(&["check", "--full"], copy.path()));
    let node = Node::paced(copy.path(), "30ms", &[]);
    reach(&node, height(dir.path()) + 2);
}
