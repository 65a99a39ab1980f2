//! One node, two worlds: a real process is recorded under load, with a peer beside it, and the
//! simulator plays its lives to the same tip and root after each block.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use archivas::live::data_dir::DATABASE;
use archivas::record::{Mark, PlayError, Played};
use archivas_sim::recording::replay;
use serde_json::Value;

const ARCHIVAS: &str = env!("CARGO_BIN_EXE_archivas-recorded");
const PATIENCE: Duration = Duration::from_secs(60);
/// Transfers of the load.
const TRANSFERS: usize = 150;

/// A running process; killed when it is dropped.
struct Node {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    told: Value,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    /// One that mines with this pause, and is reached at a port of its own.
    fn start(dir: &Path, pause: &str, more: &[&str]) -> Self {
        let mut command = Command::new(ARCHIVAS);
        command.args(["node", "--json", "--dev", "--block-time", pause]);
        command.args(["--http", "127.0.0.1:0", "--p2p", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(dir).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("it was built");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe");
        let told = serde_json::from_str(&line).expect("the node announces itself");
        Self {
            child,
            _stdout: stdout,
            told,
        }
    }

    fn url(&self) -> &str {
        self.told["http"].as_str().expect("a URL")
    }

    fn peers_at(&self) -> &str {
        self.told["p2p"].as_str().expect("an address")
    }

    fn ask(&self, arguments: &[&str]) -> Value {
        let ended = archivas(&[arguments, &["--json", "--node", self.url()]].concat());
        serde_json::from_slice(&ended.stdout)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr)))
    }

    fn height(&self) -> u64 {
        text(&self.ask(&["state", "tip"])["height"])
            .parse()
            .expect("digits")
    }

    fn wait_for(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} never came");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill exists").success());
        self.child.wait().expect("our child");
    }
}

fn archivas(arguments: &[&str]) -> Output {
    let mut command = Command::new(ARCHIVAS);
    command.args(arguments).output().expect("it was built")
}

/// A string or a number, as text.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Payments to another test key, one after the other.
fn load(node: &Node, folder: &Path) {
    let to = node.told["devKeys"][1].as_str().expect("an address");
    let file = folder.join("payments");
    fs::write(&file, format!("{to},1000\n").repeat(TRANSFERS)).expect("room");
    let file = file.to_str().expect("a path of ours");
    let ended = archivas(&["tx", "batch", file, "--dev-key", "0", "--node", node.url()]);
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// Plays a recording; every tip that it came to, and what it was.
fn play(file: &Path, database: Option<Vec<u8>>) -> (Vec<Mark>, Result<Played, PlayError>) {
    let recording = fs::read(file).expect("it was recorded");
    let mut tips = Vec::new();
    let played = replay(&recording, database, &mut |mark| tips.push(*mark));
    (tips, played)
}

#[test]
fn the_recorded_lives_of_a_process_under_load_come_to_the_same_tips_and_roots_in_the_simulator() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| scratch.path().join(name);
    let records = |name: &str| place(name).to_str().expect("a path of ours").to_owned();

    // The first life: no data, a peer that mines against it, transfers, and kill -9 in the midst.
    let (first, second) = (records("first.rec"), records("second.rec"));
    let node = Node::start(&place("a"), "300ms", &["--record", &first]);
    let meet = ["--connect", node.peers_at()];
    let other = Node::start(&place("b"), "400ms", &meet);
    load(&node, scratch.path());
    node.wait_for("blocks", |node| node.height() >= 8);
    node.end("KILL");

    // The second life: on what the first has left, which is copied before.
    let copy = fs::read(place("a").join(DATABASE)).expect("a database");
    let again = ["--record", &second, "--connect", other.peers_at()];
    let node = Node::start(&place("a"), "300ms", &again);
    let before = node.height();
    load(&other, scratch.path());
    node.wait_for("blocks", |node| node.height() >= before + 8);
    let told = node.ask(&["state", "tip"]);
    node.end("TERM");
    other.end("TERM");

    let (tips, played) = play(&place("first.rec"), None);
    let played = played.expect("the same node");
    assert!(!played.stopped && tips.len() >= 8, "{played:?}");
    assert!(played.calls > TRANSFERS as u64 * 2, "{played:?}");

    let (tips, played) = play(&place("second.rec"), Some(copy.clone()));
    let played = played.expect("the same node");
    assert!(
        played.stopped && usize::try_from(played.tips) == Ok(tips.len()),
        "{played:?}"
    );
    assert!(
        tips.iter()
            .any(|mark| mark.tip.to_string() == text(&told["hash"]))
    );

    // The command says the same, by its exit code too.
    fs::create_dir(place("copy")).expect("room");
    fs::write(place("copy").join(DATABASE), &copy).expect("room");
    let mut command = Command::new(env!("CARGO_BIN_EXE_archivas-sim"));
    command.args(["replay", "--json", &second, "--data-dir"]);
    let replayed = command.arg(place("copy")).output().expect("it was built");
    let said: Value = serde_json::from_slice(&replayed.stdout).expect("JSON");
    assert!(
        replayed.status.success() && said["stopped"] == true,
        "{said}"
    );
    assert_eq!(
        fs::read(place("copy").join(DATABASE)).expect("left as it was"),
        copy
    );

    // What belongs to the replay of a failure is refused, not ignored.
    let mut command = Command::new(env!("CARGO_BIN_EXE_archivas-sim"));
    command.args(["replay", &second, "--expect", &"0".repeat(32)]);
    let refused = command.output().expect("it was built");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");

    // Another database is refused.
    let (_, refused) = play(&place("second.rec"), None);
    assert!(
        matches!(refused, Err(PlayError::OtherRows { .. })),
        "{refused:?}"
    );
}
