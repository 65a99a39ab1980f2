//! Keys on the command line: encrypted, opened by their passphrase only, never shown unasked, and good
//! for payments.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use program::{Ended, Node, archivas, finish};
use tempfile::{TempDir, tempdir};

/// The first published example of the SDK.
const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon about";
const ADDRESS: &str = "arcv14xetj9vk5dd7ty4uy4k9hgctvgy4v85xuu54l7";
const PASSPHRASE: &str = "correct horse battery";

/// Runs a command on the keys in `dir`, with the passphrase in the environment and words on standard
/// input.
fn with(dir: &TempDir, passphrase: &str, words: &[&str], input: &str) -> Ended {
    let mut child = archivas(words)
        .env("ARCHIVAS_KEYS", dir.path().join("keys"))
        .env("ARCHIVAS_PASSPHRASE", passphrase)
        .stdin(Stdio::piped())
        .spawn()
        .expect("built");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that reads no input may have ended.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    finish(child)
}

fn key(dir: &TempDir, words: &[&str]) -> Ended {
    with(dir, PASSPHRASE, words, "")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

#[test]
fn a_key_is_imported_listed_backed_up_and_opens_with_its_passphrase_only() {
    let dir = tempdir().expect("a temporary directory");
    let taken = with(&dir, PASSPHRASE, &["key", "import", "old", "--json"], WORDS);
    assert_eq!(
        (taken.code, &taken.json()["address"]),
        (0, &ADDRESS.into()),
        "{taken:?}"
    );
    with(&dir, PASSPHRASE, &["key", "import", "old"], WORDS).failed(1, "already");
    with(&dir, PASSPHRASE, &["key", "import", "x"], "abandon ability").failed(1, "BIP39");
    with(&dir, "short", &["key", "new", "x"], "").failed(2, "at least 8");

    let made = key(&dir, &["key", "new", "fresh", "--words", "12", "--json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let list = key(&dir, &["key", "list", "--json"]).json();
    assert_eq!(list["keys"][1]["address"], ADDRESS);
    assert_eq!(list["keys"][0]["address"], made.json()["address"]);
    let shown = key(&dir, &["key", "show", "old", "--json"]).json();
    assert_eq!(shown["address"], ADDRESS);
    key(&dir, &["key", "show", "nobody"]).failed(1, "archivas key list");

    assert_eq!(
        key(&dir, &["key", "export", "old", "--json"]).json()["backup"],
        WORDS
    );
    let file = dir.path().join("words.txt");
    let written = key(&dir, &["key", "export", "fresh", "--to-file", text(&file)]);
    assert_eq!(written.code, 0, "{written:?}");
    let words = std::fs::read_to_string(&file).expect("written");
    let again = with(
        &dir,
        PASSPHRASE,
        &["key", "import", "again", "--json"],
        &words,
    );
    assert_eq!(again.json()["address"], made.json()["address"]);

    let wrong = with(&dir, "wrong horse battery", &["key", "export", "old"], "");
    wrong.failed(8, "wrong passphrase");
    let said = format!("{taken:?}{made:?}{list}{shown}{written:?}{again:?}{wrong:?}");
    assert!(
        !said.contains("abandon") && !said.contains(words.trim()),
        "{said}"
    );
    assert!(!said.contains("horse"), "{said}");
}

#[test]
fn a_secret_is_never_an_argument() {
    let dir = tempdir().expect("a temporary directory");
    for words in [
        ["key", "new", "x", "--passphrase", "correct horse battery"].as_slice(),
        &["key", "import", "x", WORDS],
        &["tx", "sign", "--secret", "00"],
    ] {
        assert_eq!(key(&dir, words).code, 2, "{words:?}");
    }
    let mut nobody = archivas(&["key", "new", "x"]);
    nobody.env("ARCHIVAS_KEYS", dir.path());
    // A session of its own has no terminal to ask on.
    let mut detached = std::process::Command::new("setsid");
    detached.arg(nobody.get_program()).args(nobody.get_args());
    detached
        .env_remove("ARCHIVAS_PASSPHRASE")
        .env("ARCHIVAS_KEYS", dir.path());
    detached
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = finish(detached.arg("--json").spawn().expect("setsid exists"));
    ended.failed(2, "--passphrase-file");
}

#[test]
fn a_key_pays_signs_without_a_node_and_pays_a_whole_file() {
    let dir = tempdir().expect("a temporary directory");
    let node = Node::dev(dir.path(), &[]);
    let at = ["--node", node.url.as_str()];
    let run = |words: &[&str], input: &str| {
        let ended = with(&dir, PASSPHRASE, words, input);
        assert_eq!(ended.code, 0, "{words:?}: {ended:?}");
        ended
    };
    run(&["key", "import", "own"], WORDS);
    let fund = [
        "tx",
        "send",
        "--dev-key",
        "0",
        "--to",
        ADDRESS,
        "--amount",
        "50RCHV",
        "--wait",
    ];
    run(&[fund.as_slice(), &at].concat(), "");
    let to = archivas_core::params::networks::dev_keys()[1]
        .address()
        .to_string();

    let send = [
        "tx", "send", "--key", "own", "--to", &to, "--amount", "1RCHV", "--wait", "--json",
    ];
    let sent = run(&[send.as_slice(), &at].concat(), "").json();
    assert_eq!(sent["confirmed"], true);

    let sign = [
        "tx", "sign", "--key", "own", "--to", &to, "--amount", "1RCHV", "--nonce", "1",
    ];
    let signed = run(&[sign.as_slice(), &["--network", "dev"]].concat(), "").stdout;
    let submit = ["tx", "submit", "-", "--wait", "--json"];
    let sent = run(&[submit.as_slice(), &at].concat(), &signed).json();
    assert_eq!(sent["confirmed"], true);
    let sign = [
        "tx", "sign", "--key", "own", "--to", &to, "--amount", "1RCHV", "--nonce", "2",
    ];
    let signed = run(&[sign.as_slice(), &["--network", "testnet"]].concat(), "").stdout;
    let refused = with(
        &dir,
        PASSPHRASE,
        &[["tx", "submit", "-"].as_slice(), &at].concat(),
        &signed,
    );
    refused.failed(1, "network");

    let file = dir.path().join("payments.csv");
    let lines: String = (0..30).map(|_| format!("{to},1000\n")).collect();
    std::fs::write(&file, lines).expect("writable");
    let batch = [
        "tx",
        "batch",
        text(&file),
        "--key",
        "own",
        "--wait",
        "--json",
    ];
    let rows = run(&[batch.as_slice(), &at].concat(), "").stdout;
    assert_eq!(rows.lines().count(), 31);
    let account = node.get(&format!("/account/{ADDRESS}"));
    assert_eq!(account["nonce"], "32");
    std::fs::write(&file, format!("{to},1000\n{to},99999999RCHV\n")).expect("writable");
    let batch = ["tx", "batch", text(&file), "--key", "own"];
    let ended = with(&dir, PASSPHRASE, &[batch.as_slice(), &at].concat(), "");
    ended.failed(1, "--from-line 2");
    let wrong = with(
        &dir,
        "wrong horse battery",
        &[send.as_slice(), &at].concat(),
        "",
    );
    wrong.failed(8, "wrong passphrase");
}
