//! The real `archivas` program: what it does, how it fails, and what it never loses.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

#[expect(dead_code, reason = "shared with the other tests of the program")]
mod program;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use archivas_core::params::{Genesis, networks};
use program::{Node, PATIENCE, archivas, finish, read, run};
use tempfile::{TempDir, tempdir};

fn scratch() -> TempDir {
    tempdir().expect("a temporary directory")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn address(key: usize) -> String {
    networks::dev_keys()[key].address().to_string()
}

/// Arguments of a transfer of 5 RCHV from test key 0 to 1.
fn send<'a>(url: &'a str, to: &'a str) -> [&'a str; 10] {
    [
        "tx",
        "send",
        "--dev-key",
        "0",
        "--to",
        to,
        "--amount",
        "5RCHV",
        "--node",
        url,
    ]
}

/// Words of a command about the node whose data is in `dir`.
fn of<'a>(dir: &'a TempDir, words: &[&'a str]) -> Vec<&'a str> {
    [words, &["--data-dir", text(dir.path())]].concat()
}

#[test]
fn a_confirmed_transfer_survives_kill_9() {
    let (dir, to) = (scratch(), address(1));
    let node = Node::dev(dir.path(), &[]);
    let before = read(&["state", "account", &to, "--node", &node.url]);
    let sent = read(&[&send(&node.url, &to), ["--wait"].as_slice()].concat());
    assert_eq!(sent["confirmed"], true);
    assert_eq!(sent["height"], 1);
    let hash = sent["hash"].as_str().expect("a hash").to_owned();
    let tip = read(&["state", "tip", "--node", &node.url]);
    let after = read(&["state", "account", &to, "--node", &node.url]);
    let units = |account: &serde_json::Value| -> u64 {
        account["balance"]
            .as_str()
            .and_then(|balance| balance.parse().ok())
            .expect("digits")
    };
    assert_eq!(units(&after) - units(&before), 500_000_000);
    assert_eq!(node.stop("KILL").0, -1);

    let node = Node::dev(dir.path(), &[]);
    assert_eq!(read(&["state", "tip", "--node", &node.url]), tip);
    assert_eq!(read(&["state", "account", &to, "--node", &node.url]), after);
    let status = read(&["tx", "status", &hash, "--node", &node.url]);
    assert_eq!(status["confirmed"], true);
    let (code, took) = node.stop("TERM");
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_accepted_transfer_survives_kill_9_and_is_confirmed_in_the_next_life() {
    let (dir, to) = (scratch(), address(1));
    let node = Node::paced(dir.path(), "1000s", &[]);
    let sent = read(&send(&node.url, &to));
    assert_eq!(sent["confirmed"], false);
    assert_eq!(node.get("/mempool"), serde_json::json!([sent["hash"]]));
    node.stop("KILL");

    let node = Node::dev(dir.path(), &[]);
    let path = format!("/tx/{}", sent["hash"].as_str().expect("a hash"));
    let begun = Instant::now();
    while node.get(&path)["confirmed"] != true {
        assert!(begun.elapsed() < PATIENCE, "the transfer was lost");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_development_chain_mines_by_itself_and_ctrl_c_leaves_at_once() {
    let dir = scratch();
    let node = Node::paced(dir.path(), "50ms", &[]);
    let keys = node.announced["devKeys"]
        .as_array()
        .expect("three keys")
        .clone();
    assert_eq!(keys, [0, 1, 2].map(address));
    let begun = Instant::now();
    while node.get("/healthz")["height"].as_u64() < Some(3) {
        assert!(begun.elapsed() < PATIENCE, "no blocks come");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(read(&["status", "--node", &node.url])["health"]["ok"], true);
    let (code, took) = node.stop("INT");
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_node_stops_with_its_input_when_asked_to() {
    let dir = scratch();
    let mut node = Node::dev(dir.path(), &["--stop-on-eof"]);
    node.end_input();
    assert_eq!(node.wait().0, 0);
}

#[test]
fn a_directory_in_use_is_5_and_data_of_another_network_is_6() {
    let dir = scratch();
    let node = Node::dev(dir.path(), &[]);
    let usual = [
        "node",
        "--http",
        "127.0.0.1:0",
        "--p2p",
        "off",
        "--data-dir",
        text(dir.path()),
    ];
    run(&[&usual, ["--dev"].as_slice()].concat()).failed(5, "in use");
    node.stop("TERM");

    let foreign = Genesis {
        nonce: 1,
        ..networks::dev()
    };
    let file = dir.path().join("genesis.json");
    std::fs::write(&file, foreign.to_json()).expect("writable");
    let ended = run(&[&usual, ["--genesis", text(&file)].as_slice()].concat());
    ended.failed(6, "genesis");
}

#[test]
fn damaged_data_is_4_and_an_unusable_directory_7() {
    let dir = scratch();
    std::fs::write(dir.path().join("archivas.redb"), [7; 5_000]).expect("writable");
    let usual = ["node", "--dev", "--http", "127.0.0.1:0", "--data-dir"];
    run(&[&usual, [text(dir.path())].as_slice()].concat()).failed(4, "archivas.redb");
    let file = dir.path().join("archivas.redb");
    run(&[&usual, [text(&file)].as_slice()].concat()).failed(7, "archivas.redb");
}

#[test]
fn what_cannot_be_understood_is_2_and_says_what_was_meant() {
    let dir = scratch();
    let file = dir.path().join("archivas.toml");
    std::fs::write(&file, "dev = true\nhtpp = '127.0.0.1:0'\n").expect("writable");
    run(&["--config", text(&file), "config", "check"]).failed(2, "did you mean `http`?");
    run(&["node", "--config", text(&file)]).failed(2, "did you mean `http`?");

    let misspelt = archivas(&["version"])
        .env("ARCHIVAS_DATADIR", "x")
        .spawn()
        .expect("built");
    finish(misspelt).failed(2, "did you mean `ARCHIVAS_DATA_DIR`?");
    run(&["node", "--genesis", text(&file)]).failed(2, "--data-dir");
    run(&["config", "check", "--dev", "--network", "testnet"]).failed(2, "give one of them");
    run(&[
        "config",
        "check",
        "--mine",
        &address(0),
        "--block-time",
        "2s",
    ])
    .failed(2, "work alone");
    run(&["status", "--node", "ftp://x"]).failed(2, "http://HOST:PORT");
    let genesis = [
        "config",
        "check",
        "--data-dir",
        "x",
        "--genesis",
        text(&file),
    ];
    run(&genesis).failed(2, "genesis file");
    for bad in [
        ["nod", "-v"],
        ["node", "--frobnicate"],
        ["tx", "send"],
        ["node", "--http=here"],
    ] {
        assert_eq!(run(&bad).code, 2, "{bad:?}");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let dir = scratch();
    let file = dir.path().join("archivas.toml");
    let knobs = "dev = true\nhttp = '127.0.0.1:1'\np2p = '127.0.0.1:2'\nlog = 'warn'\n";
    std::fs::write(&file, knobs).expect("writable");
    let shown = archivas(&["config", "show", "--json", "--http", "127.0.0.1:5"])
        .env("ARCHIVAS_CONFIG", &file)
        .env("ARCHIVAS_HTTP", "127.0.0.1:3")
        .env("ARCHIVAS_P2P", "127.0.0.1:4")
        .spawn();
    let shown = finish(shown.expect("built")).json();
    assert_eq!(shown["http"], "127.0.0.1:5");
    assert_eq!(shown["p2p"], "127.0.0.1:4");
    assert_eq!(shown["log"], "warn");
    assert_eq!(shown["log-json"], false);
}

#[test]
fn no_node_is_3_and_a_refused_transfer_1() {
    let dir = scratch();
    let node = Node::dev(dir.path(), &[]);
    let (url, to) = (node.url.clone(), address(1));
    let much = [
        "tx",
        "send",
        "--dev-key",
        "0",
        "--to",
        &to,
        "--amount",
        "100000000RCHV",
    ];
    run(&[&much, ["--node", &url].as_slice()].concat()).failed(1, "balance");
    node.stop("TERM");
    run(&["status", "--node", &url]).failed(3, "archivas node");
}

#[test]
fn a_reader_that_goes_away_is_no_bug() {
    let mut child = archivas(&["config", "show", "--dev"])
        .spawn()
        .expect("built");
    drop(child.stdout.take());
    let ended = finish(child);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));

    let dir = scratch();
    let mut child = archivas(&["node", "--dev", "--http", "127.0.0.1:0", "--data-dir"])
        .args([text(dir.path()), "--stop-on-eof"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("built");
    drop((child.stdout.take(), child.stderr.take()));
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        child.try_wait().expect("our child").is_none(),
        "the node goes on unread"
    );
    drop(child.stdin.take());
    assert_eq!(finish(child).code, 0);
}

#[test]
fn a_garbage_frame_costs_its_sender_the_connection_and_nothing_else() {
    let dir = scratch();
    let node = Node::dev(dir.path(), &["--p2p", "127.0.0.1:0"]);
    let peers = node.announced["p2p"].as_str().expect("listening");
    let mut stream = TcpStream::connect(peers).expect("the node listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(&[0xff; 100]).expect("open");
    let mut hello = Vec::new();
    // The node's own Hello, then the end (or a reset: it does not read our garbage to the end).
    let _ = stream.read_to_end(&mut hello);
    assert_eq!(node.get("/healthz")["height"], 0);
    assert_eq!(node.stop("TERM").0, 0);
}

#[test]
fn a_local_network_of_three_processes_agrees() {
    let ended = run(&[
        "devnet",
        "up",
        "--json",
        "--nodes",
        "3",
        "--block-time",
        "300ms",
        "--until-height",
        "3",
    ]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let rows: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|row| serde_json::from_str(row).expect("JSON"))
        .collect();
    assert_eq!(rows[0]["nodes"].as_array().map(Vec::len), Some(3));
    let last = rows.last().expect("rows");
    assert_eq!(last["agree"], true);
    assert_eq!(last["heights"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_program_knows_which_commit_it_is() {
    let version = read(&["version"]);
    let commit = version["commit"].as_str().expect("a string");
    assert!(commit == "unknown" || commit.len() == 40, "{commit}");
}

#[test]
fn the_operator_mines_sets_blocks_aside_names_peers_and_stops_the_node() {
    let dir = scratch();
    let node = Node::paced(dir.path(), "1000s", &["--p2p", "127.0.0.1:0"]);
    let mined = run(&of(&dir, &["chain", "mine", "--count", "3", "--json"]));
    assert_eq!(
        (mined.code, mined.stdout.lines().count()),
        (0, 3),
        "{mined:?}"
    );
    let tip = read(&["state", "tip", "--node", &node.url]);
    assert_eq!(tip["height"], "3");
    let hash = tip["hash"].as_str().expect("a hash");
    assert_eq!(
        read(&of(&dir, &["chain", "invalidate", hash]))["height"],
        "2"
    );
    let forks = read(&["chain", "forks", "--node", &node.url]);
    assert_eq!(forks["tip"]["height"], "2");
    assert_eq!(
        read(&of(&dir, &["chain", "reconsider", hash]))["hash"],
        hash
    );
    let stranger = "ab".repeat(32);
    run(&of(&dir, &["chain", "accept-branch", &stranger])).failed(1, "no block with that id");

    read(&of(&dir, &["peers", "add", "127.0.0.1:1"]));
    run(&of(&dir, &["peers", "add", "127.0.0.1:1"])).failed(1, "already");
    read(&of(&dir, &["peers", "remove", "127.0.0.1:1"]));
    assert_eq!(
        read(&of(&dir, &["peers", "list"]))["connected"],
        serde_json::json!([])
    );

    assert_eq!(read(&of(&dir, &["admin", "log"]))["filter"], "info");
    assert_eq!(read(&of(&dir, &["admin", "log", "warn"]))["filter"], "warn");
    run(&of(&dir, &["admin", "log", "archivas=loud"])).failed(1, "give a level");
    read(&of(&dir, &["admin", "stop"]));
    assert_eq!(node.wait().0, 0);
    run(&of(&dir, &["peers", "list"])).failed(3, "admin.sock");
}

#[test]
fn a_configuration_says_where_each_value_comes_from() {
    let dir = scratch();
    let file = dir.path().join("archivas.toml");
    std::fs::write(&file, "dev = true\nhttp = '127.0.0.1:1'\nlog = 'warn'\n").expect("writable");
    let shown = archivas(&["config", "show", "--json", "--http-rate", "7", "-v"])
        .env("ARCHIVAS_CONFIG", &file)
        .env("ARCHIVAS_HTTP", "127.0.0.1:3")
        .spawn();
    let shown = finish(shown.expect("built")).json();
    let origins = &shown["origins"];
    assert_eq!(origins["http-rate"], "flag --http-rate");
    assert_eq!(origins["http"], "environment ARCHIVAS_HTTP");
    assert_eq!(origins["dev"], format!("file {}", file.display()));
    assert_eq!(origins["log"], "flag -v or -q");
    assert_eq!(origins["p2p"], "default");
    let text = run(&["config", "show", "--dev"]).stdout;
    let line = text.lines().find(|line| line.starts_with("dev = true"));
    assert!(
        line.is_some_and(|line| line.ends_with("# flag --dev")),
        "{text}"
    );
}

#[test]
fn a_miner_beside_the_node_mines_for_whom_it_is_told() {
    let dir = scratch();
    let node = Node::paced(dir.path(), "1000s", &[]);
    let (to, url) = (address(1), node.url.clone());
    let mine = [
        "miner", "--to", &to, "--count", "2", "--json", "--node", &url,
    ];
    let ended = run(&mine);
    assert_eq!(
        (ended.code, ended.stdout.lines().count()),
        (0, 2),
        "{ended:?}"
    );
    assert_eq!(node.get("/block/2")["miner"], to);
    node.stop("TERM");
    run(&mine).failed(3, "archivas node");
}

#[test]
fn limits_proxies_and_the_address_for_metrics_have_their_effect() {
    let dir = scratch();
    let options = [
        "--http-rate",
        "1",
        "--trusted-proxy",
        "127.0.0.1",
        "--metrics",
        "127.0.0.1:0",
    ];
    let node = Node::dev(dir.path(), &options);
    let codes = |forwarded: &str, times: usize| -> Vec<String> {
        (0..times)
            .map(|_| status(&node.url, "/ping", forwarded))
            .collect()
    };
    let mine = codes("1.2.3.4", 11);
    assert_eq!(
        mine.iter().filter(|code| *code == "200").count(),
        10,
        "{mine:?}"
    );
    assert_eq!(mine[10], "429");
    assert_eq!(codes("1.2.3.5", 1), ["200"], "another client");
    let metrics = node.announced["metrics"].as_str().expect("a URL");
    let base = metrics.strip_suffix("/metrics").expect("its path");
    assert_eq!(status(base, "/metrics", "9.9.9.9"), "200");
    assert_eq!(status(base, "/chainTip", "9.9.9.9"), "404");
}

/// The status of a GET that a proxy passes on for somebody.
fn status(url: &str, path: &str, forwarded: &str) -> String {
    let authority = url.strip_prefix("http://").expect("a URL");
    let mut stream = TcpStream::connect(authority).expect("the node listens");
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {forwarded}\r\n");
    write!(stream, "{head}connection: close\r\n\r\n").expect("open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn shells_and_people_can_learn_every_command() {
    let dir = scratch();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(
            script.code == 0 && script.stdout.contains("accept-branch"),
            "{shell}"
        );
    }
    let pages = read(&["man", text(dir.path())])["pages"].as_u64();
    assert!(pages >= Some(30), "{pages:?}");
    let page = std::fs::read_to_string(dir.path().join("archivas-tx-send.1")).expect("written");
    assert!(
        page.contains("passphrase") && page.contains("Examples"),
        "{page}"
    );
    let help = run(&["tx", "send", "--help"]).stdout;
    assert!(help.contains("archivas tx send --key savings"), "{help}");
}
