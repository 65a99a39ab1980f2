//! The real `archivas` program on disks that fail it: a file that may not grow, and files whose bytes
//! are not what was written. It says what is wrong, with the exit code of that, and serves nothing
//! else than the truth.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use archivas_core::params::networks;
use program::{Ended, Node, archivas, finish, read};
use serde_json::Value;
use tempfile::tempdir;

/// The file that holds everything.
const DATABASE: &str = "archivas.redb";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn address(key: usize) -> String {
    networks::dev_keys()[key].address().to_string()
}

/// Sends money from test key 0 to 1 through a node.
fn send(node: &Node, more: &[&str]) -> Value {
    let to = address(1);
    let words = ["tx", "send", "--dev-key", "0", "--to", &to];
    let money = ["--amount", "5RCHV", "--node", &node.url];
    read(&[&words[..], &money, more].concat())
}

/// The same, and waits until it is in a block.
fn pay(node: &Node) {
    assert_eq!(send(node, &["--wait"])["confirmed"], true);
}

fn height(node: &Node) -> u64 {
    let tip = read(&["state", "tip", "--node", &node.url]);
    let height = &tip["height"];
    let digits = height.as_str().and_then(|text| text.parse().ok());
    digits.or(height.as_u64()).expect("a height")
}

/// The highest tip that a node has told in its log.
fn highest_told(ended: &Ended) -> u64 {
    let tips = ended
        .stderr
        .lines()
        .filter_map(|line| line.split("tip ").nth(1));
    let heights = tips.filter_map(|rest| rest.split(' ').next()?.parse().ok());
    heights.max().expect("it told at least one tip")
}

#[test]
fn a_file_that_may_not_grow_stops_the_node_which_goes_on_when_it_may() {
    let dir = tempdir().expect("a temporary directory");
    assert_eq!(Node::dev(dir.path(), &[]).stop("TERM").0, 0);
    let size = std::fs::metadata(dir.path().join(DATABASE))
        .expect("there")
        .len();
    // The shell counts in blocks of 512 bytes.
    let limit = (size + 200_000) / 512;
    let dev = ["node", "--dev", "--http", "off", "--block-time", "10ms"];
    let node = archivas(&[&dev[..], &["--data-dir", text(dir.path())]].concat());
    let mut limited = std::process::Command::new("sh");
    limited
        .arg("-c")
        .arg(format!("ulimit -f {limit}; exec \"$0\" \"$@\""))
        .arg(node.get_program())
        .args(node.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = finish(limited.spawn().expect("a shell"));
    ended.failed(7, "the disk is full");
    ended.failed(7, "make room");
    ended.failed(7, text(dir.path()));
    let told = highest_told(&ended);

    let node = Node::dev(dir.path(), &[]);
    let back = height(&node);
    assert!(back >= told, "came back at {back}, had told {told}");
    pay(&node);
    assert_eq!(height(&node), back + 1);
    assert_eq!(node.stop("TERM").0, 0);
}

/// A node on `dir`, or how it ended before it said where it listens.
fn try_start(dir: &Path) -> Result<(Child, String), Ended> {
    let words = [
        "node",
        "--json",
        "--dev",
        "--block-time",
        "0",
        "--http",
        "127.0.0.1:0",
    ];
    let mut child = archivas(&[&words[..], &["--data-dir", text(dir)]].concat())
        .spawn()
        .expect("the program was built");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).expect("a pipe");
    match serde_json::from_str::<Value>(&line) {
        Ok(announced) => Ok((child, announced["http"].as_str().expect("a URL").to_owned())),
        Err(_) => Err(finish(child)),
    }
}

/// A whole database, what its node tells of three accounts, and its bytes.
fn whole(dir: &Path) -> (Vec<Value>, Vec<u8>) {
    let node = Node::dev(dir, &[]);
    for _ in 0..3 {
        pay(&node);
    }
    let told = (0..3).map(|key| read(&["state", "account", &address(key), "--node", &node.url]));
    let told = told.collect();
    assert_eq!(node.stop("TERM").0, 0);
    (told, std::fs::read(dir.join(DATABASE)).expect("there"))
}

#[test]
fn a_file_that_is_no_database_is_refused_by_its_name_with_the_code_of_damage() {
    let dir = tempdir().expect("a temporary directory");
    let (_, bytes) = whole(dir.path());
    let half = bytes[..bytes.len() / 2].to_vec();
    let mut headless = bytes.clone();
    headless[..512].fill(0x5a);
    let mut gap = bytes.clone();
    gap[4_096..].fill(0);
    for broken in [Vec::new(), half, headless, gap, vec![0x5a; bytes.len()]] {
        let length = broken.len();
        std::fs::write(dir.path().join(DATABASE), &broken).expect("writable");
        match try_start(dir.path()) {
            Err(ended) => ended.failed(4, DATABASE),
            Ok((mut child, _)) => {
                child.kill().expect("our child");
                panic!("it started on {length} broken bytes");
            }
        }
    }
    std::fs::write(dir.path().join(DATABASE), &bytes).expect("writable");
    let node = Node::dev(dir.path(), &[]);
    assert_eq!(height(&node), 3);
}

#[test]
fn with_flipped_bits_a_node_stops_with_the_code_of_damage_or_tells_the_truth() {
    let dir = tempdir().expect("a temporary directory");
    let (truth, bytes) = whole(dir.path());
    // Whatever of the file is in use; most of it is room for more.
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let (mut refused, mut served) = (0, 0);
    for number in 0..24 {
        let mut broken = bytes.clone();
        broken[used[used.len() * number / 24 + number]] ^= 0x08;
        std::fs::write(dir.path().join(DATABASE), &broken).expect("writable");
        let (mut child, url) = match try_start(dir.path()) {
            Ok(running) => running,
            Err(ended) => {
                assert_eq!(ended.code, 4, "flip {number}: {ended:?}");
                refused += 1;
                continue;
            }
        };
        for (key, truth) in truth.iter().enumerate() {
            let told = program::run(&["state", "account", &address(key), "--node", &url, "--json"]);
            if told.code == 0 {
                assert_eq!(told.json(), *truth, "flip {number}");
                served += 1;
            }
        }
        child.kill().expect("our child");
        child.wait().expect("our child");
    }
    assert!(
        refused > 0 && served > 0,
        "{refused} refused, {served} served"
    );
}

#[test]
fn a_database_made_without_an_index_is_not_opened_with_one() {
    let dir = tempdir().expect("a temporary directory");
    let node = Node::dev(dir.path(), &["--no-txindex"]);
    pay_unseen(&node);
    assert_eq!(node.stop("TERM").0, 0);
    let Err(ended) = try_start(dir.path()) else {
        panic!("it started with an index that is not there");
    };
    ended.failed(2, "pass --no-txindex");
    assert_eq!(Node::dev(dir.path(), &["--no-txindex"]).stop("TERM").0, 0);
}

/// Sends money and waits for the block: without an index nobody finds the transfer in it.
fn pay_unseen(node: &Node) {
    send(node, &[]);
    let begun = std::time::Instant::now();
    while height(node) == 0 {
        assert!(begun.elapsed() < program::PATIENCE, "no block came");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
