//! `docs/bugs.md` is complete and true: every bug that chains have really had has its row, and what
//! is said to notice it exists.

use std::collections::BTreeSet;

use archivas_tests::documents::{core_has, document, quoted, rows, tests};
use archivas_tests::{Source, root, sources};

const BUGS: &str = "docs/bugs.md";

/// Bugs of other chains, by the number that they have always had here.
const NUMBERED: [u16; 74] = [
    1, 2, 3, 6, 7, 10, 11, 12, 14, 16, 18, 19, 21, 22, 25, 26, 27, 28, 30, 32, 34, 36, 37, 40, 41,
    43, 45, 47, 49, 50, 52, 53, 54, 55, 57, 58, 59, 61, 62, 63, 64, 66, 67, 69, 70, 72, 73, 75, 79,
    80, 81, 83, 84, 87, 90, 91, 92, 93, 98, 99, 101, 103, 104, 105, 107, 109, 110, 111, 112, 113,
    114, 116, 119, 120,
];

/// Bugs of the node that this one replaces, by name.
const NAMED: [&str; 31] = [
    "foreign-key-spend",
    "unsigned-import",
    "amount-wrap",
    "proofless-block",
    "id-too-small",
    "empty-genesis",
    "followers-without-balances",
    "fork-never-heals",
    "spliced-chain",
    "easy-work-wins",
    "retarget-backwards",
    "difficulty-per-process",
    "null-proof-deadlock",
    "one-line-kill",
    "unbounded-input",
    "tip-before-block",
    "chain-in-memory",
    "one-big-lock",
    "mempool-forgets",
    "tip-zero",
    "sync-gives-up",
    "line-topology",
    "quiet-chain",
    "isolation-leaks",
    "keystore-cannot-open",
    "submit-says-yes",
    "health-is-a-constant",
    "no-shutdown",
    "snapshot-lies",
    "one-seed-starves",
    "dead-options",
];

#[test]
fn every_bug_has_its_row() {
    let table = rows(&document(BUGS));
    let bugs = table
        .iter()
        .filter(|row| row.cells.len() == 4 && row.cells[0] != "row");
    let found: Vec<String> = bugs.map(|row| row.cells[0].clone()).collect();
    let numbered = NUMBERED.iter().map(u16::to_string);
    let expected: BTreeSet<String> = numbered.chain(NAMED.map(str::to_owned)).collect();
    let unique: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(unique, expected);
    assert_eq!(found.len(), expected.len(), "each bug has one row");
}

#[test]
fn what_is_said_to_notice_a_bug_exists() {
    let sources = sources();
    let known = Known::new(&sources);
    let mut places = Vec::new();
    for row in rows(&document(BUGS)) {
        let [name, _, mistake, notice] = row.cells.as_slice() else {
            continue;
        };
        if name == "row" {
            continue;
        }
        let mut complain =
            |what: String| places.push(format!("{BUGS}:{}: {name}: {what}", row.line));
        if mistake.is_empty() {
            complain("says no mistake of ours".to_owned());
        }
        for part in notice.split(';') {
            if let Err(what) = known.judge(part.trim()) {
                complain(what);
            }
        }
    }
    assert!(places.is_empty(), "{}", places.join("\n"));
}

#[test]
fn redb_is_of_a_version_that_survives_a_crash_during_recovery() {
    let lock = document("Cargo.lock");
    let (_, entry) = lock
        .split_once("name = \"redb\"\n")
        .expect("the store is redb");
    let version = entry.split('"').nth(1).expect("an entry has a version");
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().expect("a number"));
    let version = (parts.next(), parts.next());
    assert!(version >= (Some(4), Some(5)), "{version:?}");
}

/// What can be named as noticing a bug.
struct Known<'a> {
    sources: &'a [Source],
    tests: BTreeSet<String>,
}

impl<'a> Known<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let tests = tests(sources);
        Self { sources, tests }
    }

    /// One part of the last column: a kind, and names of that kind.
    fn judge(&self, part: &str) -> Result<(), String> {
        let (kind, rest) = part.split_once(':').ok_or(format!("no kind in {part:?}"))?;
        if kind == "to be held by" {
            return match rest.trim() {
                "" => Err("to be held by nobody".to_owned()),
                _ => Ok(()),
            };
        }
        if quoted(rest).next().is_none() {
            return Err(format!("{kind} names nothing"));
        }
        let missing = quoted(rest).find(|name| !self.has(kind, name));
        missing.map_or(Ok(()), |name| Err(format!("there is no {kind} {name}")))
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        match kind {
            "test" => self.tests.contains(name),
            "fuzz" => root()
                .join(format!("fuzz/fuzz_targets/{name}.rs"))
                .is_file(),
            "scenario" => self.has_scenario(name),
            "check" => {
                let players = document("scenarios/src/checks.rs");
                let worlds = document("sim/src/judges.rs");
                players.contains(&format!("= \"{name}\", "))
                    || worlds.contains(&format!("name: \"{name}\""))
            }
            "law" => !name.contains("::") || core_has(self.sources, name),
            _ => false,
        }
    }

    fn has_scenario(&self, name: &str) -> bool {
        root().join(format!("scenarios/{name}.toml")).is_file()
    }
}
