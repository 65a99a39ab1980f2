//! SIGKILL at any moment of load, two nodes at a time: nothing acknowledged is lost, and no database
//! needs a repair by hand. And SIGTERM at any moment leaves a clean one soon.
//!
//! A process that dies keeps the page cache: what this shows is that the files are right whatever
//! has been written of a commit. That power is lost is for the simulated disk.
//!
//! `ARCHIVAS_KILLS=100` (as `ci/kill.sh` sets it) makes it long; `cargo test` kills a few times.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "real processes live in real time, are waited for by threads, and the tally is the point"
)]

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use archivas_core::params::networks;
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Memo, Payment, SignedTransfer, wire::WireTransfer,
};
use program::{Node, PATIENCE, read};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Kills in `cargo test`.
const KILLS_DEFAULT: usize = 6;
/// A commit begins within this time: the first node makes fifty blocks a second.
const AIM: Duration = Duration::from_millis(200);
/// A database is checked row by row after so many kills of its node.
const CHECK_EVERY: usize = 5;
/// Of a hundred kills of two nodes at least so many must fall inside a commit.
const INSIDE_PERCENT_MIN: usize = 20;
/// Where redb's header says which of the two commit slots counts, and the number of each slot's
/// transaction (redb 4, `page_store/header.rs`).
const GOD_BYTE: usize = 9;
const TRANSACTIONS: [usize; 2] = [64 + 104, 192 + 104];

/// A small generator, so that the moments of one run can be drawn again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, from: u64, to: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        from + self.0 % (to - from)
    }
}

/// Whether a killed process left a commit unfinished: it had begun to write the next state into the
/// slot that does not count yet, and not made that count. (A commit that ended in its last fsync
/// cannot be told from a finished one: there were more.)
fn died_inside_a_commit(dir: &Path) -> bool {
    let mut header = [0; 320];
    let mut file = std::fs::File::open(dir.join("archivas.redb")).expect("there");
    file.read_exact(&mut header).expect("a header");
    let number = |at: usize| {
        let bytes = header[at..at + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes)
    };
    let primary = usize::from(header[GOD_BYTE] & 1);
    number(TRANSACTIONS[1 - primary]) > number(TRANSACTIONS[primary])
}

/// Every second kill is aimed: a fast disk commits in so short a time that chance rarely falls into it.
fn await_commit(dir: &Path) {
    let begun = Instant::now();
    while begun.elapsed() < AIM && !died_inside_a_commit(dir) {
        std::hint::spin_loop();
    }
}

/// A node, its directory, and what it has acknowledged.
struct Victim {
    dir: PathBuf,
    arguments: Vec<String>,
    key: usize,
    nonce: u64,
    tip: (u64, String),
    /// The last block that the other one has told about: it is here, if it came from here.
    told_by_other: Option<(u64, String)>,
    /// Transfers that were answered `ok:true`, by nonce.
    accepted: BTreeMap<u64, String>,
}

impl Victim {
    fn start(&self) -> Node {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        Node::start(&arguments)
    }

    /// Hands in transfers and watches the tip, until it is time.
    fn load(&mut self, node: &Node, until: Instant) {
        while Instant::now() < until {
            let hash = self.submit(node);
            if let Some(hash) = hash {
                self.accepted.insert(self.nonce, hash);
                self.nonce += 1;
            }
            self.look(node);
        }
    }

    fn submit(&self, node: &Node) -> Option<String> {
        let domain = networks::dev().domain;
        let payment = Payment {
            to: Address::from_bytes([self.nonce.to_le_bytes()[0]; 20]),
            amount: Amount::new(1),
            fee: Amount::new(1_000),
            nonce: AccountNonce::new(self.nonce),
            memo: Memo::default(),
        };
        let signed = SignedTransfer::sign(&networks::dev_keys()[self.key], &domain, payment);
        let wire = WireTransfer::from_signed(&signed, &domain);
        let answer = patiently(|| node.post("/submit", &wire));
        let accepted = answer["ok"] == true;
        accepted.then(|| answer["hash"].as_str().expect("a hash").to_owned())
    }

    fn look(&mut self, node: &Node) {
        let tip = get(node, "/chainTip");
        self.tip = (
            number(&tip["height"]),
            tip["hash"].as_str().expect("a hash").to_owned(),
        );
    }

    /// What was acknowledged is there: the block that was told as tip, under the tip of now, and every
    /// transfer that was accepted and is not known to be confirmed.
    fn verify(&mut self, node: &Node) {
        let (height, _) = &self.tip;
        let tip = number(&get(node, "/chainTip")["height"]);
        assert!(
            tip >= *height,
            "{}: tip {tip} after {height}",
            self.dir.display()
        );
        for (height, hash) in self.told_by_other.iter().chain([&self.tip]) {
            let block = get(node, &format!("/block/{height}"));
            assert_eq!(block["hash"], **hash, "another block at height {height}");
        }
        let mut confirmed = Vec::new();
        for (nonce, hash) in &self.accepted {
            let found = get(node, &format!("/tx/{hash}"));
            assert_eq!(found["hash"], **hash, "transfer {nonce} is lost: {found}");
            if found["confirmed"] == true && number(&found["height"]) + 10 < tip {
                confirmed.push(*nonce);
            }
        }
        confirmed
            .iter()
            .for_each(|nonce| drop(self.accepted.remove(nonce)));
        let address = networks::dev_keys()[self.key].address();
        let account = get(node, &format!("/account/{address}"));
        self.nonce = number(&account["pendingNonce"]);
    }

    fn check(&self) {
        read(&[
            "db",
            "check",
            "--dev",
            "--data-dir",
            self.dir.to_str().expect("ours"),
        ]);
    }
}

/// Asks until the node does not ask for patience, by which it acknowledges nothing.
fn patiently(ask: impl Fn() -> Value) -> Value {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if answer["code"] != "rate_limited" {
            return answer;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "the node only asks for patience"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(node: &Node, path: &str) -> Value {
    patiently(|| node.get(path))
}

fn number(value: &Value) -> u64 {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.parse()
        .unwrap_or_else(|_| panic!("no number: {value}"))
}

/// Two nodes of one network: the first mines, the second stays connected with it.
fn victims(dir: &TempDir) -> [Victim; 2] {
    let p2p = free_port();
    let of = |name: &str, key: usize, more: &[&str]| {
        let path = dir.path().join(name);
        let usual = ["node", "--json", "--http", "127.0.0.1:0", "--data-dir"];
        let path_text = path.to_str().expect("ours");
        let arguments = [&usual[..], &[path_text, "--network", "dev"], more].concat();
        Victim {
            dir: path.clone(),
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            key,
            nonce: 0,
            tip: (0, networks::dev().id().to_string()),
            told_by_other: None,
            accepted: BTreeMap::new(),
        }
    };
    let miner = networks::dev_keys()[2].address().to_string();
    let mining = ["--mine", &miner, "--block-time", "20ms", "--p2p", &p2p];
    let following = ["--p2p", "127.0.0.1:0", "--connect", &p2p];
    [of("mines", 0, &mining), of("follows", 1, &following)]
}

fn free_port() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    socket.local_addr().expect("bound").to_string()
}

fn together(victims: &mut [Victim; 2], work: impl Fn(&mut Victim) -> Node + Sync) -> Vec<Node> {
    std::thread::scope(|scope| {
        let running: Vec<_> = victims
            .iter_mut()
            .map(|victim| scope.spawn(|| work(victim)))
            .collect();
        running
            .into_iter()
            .map(|one| one.join().expect("its check holds"))
            .collect()
    })
}

fn kills() -> usize {
    let wanted = std::env::var("ARCHIVAS_KILLS").ok();
    wanted.map_or(KILLS_DEFAULT, |kills| {
        kills.parse().expect("a number of kills")
    })
}

#[test]
fn sigkill_at_any_moment_loses_nothing_acknowledged() {
    let (dir, kills) = (tempdir().expect("a temporary directory"), kills());
    let mut dice = Dice(0x5eed_0001);
    let mut victims = victims(&dir);
    let (mut inside, mut acknowledged) = (0, 0);
    for kill in 1..=kills {
        let load = Duration::from_millis(dice.roll(50, 800));
        victims[0].told_by_other = Some(victims[1].tip.clone());
        let mut nodes = together(&mut victims, |victim| {
            let node = victim.start();
            victim.verify(&node);
            victim.load(&node, Instant::now() + load);
            node
        });
        if kill % 2 == 0 {
            await_commit(&victims[kill / 2 % 2].dir);
        }
        nodes.iter_mut().for_each(Node::kill);
        nodes
            .into_iter()
            .for_each(|node| assert_eq!(node.wait().0, -1));
        inside += victims
            .iter()
            .filter(|one| died_inside_a_commit(&one.dir))
            .count();
        acknowledged = victims.iter().map(|one| one.nonce).sum();
        if kill % CHECK_EVERY == 0 || kill == kills {
            victims.iter().for_each(Victim::check);
        }
    }
    for node in together(&mut victims, |victim| {
        let node = victim.start();
        victim.verify(&node);
        node
    }) {
        assert_eq!(node.stop("TERM").0, 0);
    }
    println!(
        "{kills} times two nodes killed, {inside} of {} inside a commit; {acknowledged} transfers, \
         {} blocks, nothing lost",
        2 * kills,
        victims[0].tip.0
    );
    if kills > KILLS_DEFAULT {
        assert!(
            inside * 100 >= kills * INSIDE_PERCENT_MIN,
            "too few fell inside a commit"
        );
    }
}

#[test]
fn sigterm_at_any_moment_leaves_a_clean_database_within_five_seconds() {
    let dir = tempdir().expect("a temporary directory");
    let mut dice = Dice(0x5eed_0002);
    let [mut victim, _] = victims(&dir);
    for _ in 0..4 {
        let node = victim.start();
        victim.verify(&node);
        victim.load(
            &node,
            Instant::now() + Duration::from_millis(dice.roll(0, 400)),
        );
        let (code, took) = node.stop("TERM");
        assert_eq!(code, 0);
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(!died_inside_a_commit(&victim.dir));
        victim.check();
    }
    assert!(victim.tip.0 > 0, "no block came");
}
