//! The chain from rule to test is whole: `node/core/README.md` numbers every rule of consensus, and
//! each names what a breach is called, the function that holds it and the tests that keep it.

use std::collections::BTreeMap;

use archivas_tests::documents::{Row, core_has, document, quoted, rows, tests};
use archivas_tests::{Source, sources};

const RULES: &str = "node/core/README.md";

/// What the columns of a rule say.
struct Rule<'a> {
    line: usize,
    number: usize,
    breach: &'a str,
    law: &'a str,
    tests: &'a str,
}

fn rule(row: &Row) -> Option<Rule<'_>> {
    let [number, _words, breach, law, tests] = row.cells.as_slice() else {
        return None;
    };
    Some(Rule {
        line: row.line,
        number: number.strip_prefix('R')?.parse().ok()?,
        breach,
        law,
        tests,
    })
}

fn variants(sources: &[Source]) -> Vec<String> {
    let file = sources
        .iter()
        .find(|source| source.path == "node/core/src/rules/invalid.rs");
    let text = &file.expect("the rules have an enum of breaches").text;
    let (_, body) = text
        .split_once("pub enum Invalid {\n")
        .expect("so it is called");
    let (body, _) = body.split_once("\n}\n").expect("it ends");
    let names = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let name = line.trim_end_matches([',', ' ', '{']);
        name.starts_with(|c: char| c.is_ascii_uppercase())
            .then(|| name.to_owned())
    });
    names.collect()
}

fn assert_none(law: &str, places: &[String]) {
    assert!(places.is_empty(), "{law}:\n  {}", places.join("\n  "));
}

#[test]
fn rules_are_numbered_without_gaps() {
    let table = rows(&document(RULES));
    let numbers: Vec<usize> = table
        .iter()
        .filter_map(rule)
        .map(|rule| rule.number)
        .collect();
    assert!(numbers.len() > 30, "the rules are there");
    let expected: Vec<usize> = (1..=numbers.len()).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn every_way_to_be_invalid_breaks_exactly_one_rule() {
    let table = rows(&document(RULES));
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for rule in table.iter().filter_map(rule) {
        for name in quoted(rule.breach).filter_map(|name| name.strip_prefix("Invalid::")) {
            *named.entry(name.to_owned()).or_default() += 1;
        }
    }
    let variants = variants(&sources());
    assert!(variants.len() >= 20, "{variants:?}");
    let once = variants.iter().map(|name| (name.clone(), 1)).collect();
    assert_eq!(named, once);
}

#[test]
fn every_rule_names_its_law_and_its_tests() {
    let (sources, table) = (sources(), rows(&document(RULES)));
    let known = tests(&sources);
    let mut places = Vec::new();
    for rule in table.iter().filter_map(rule) {
        let mut missing = |what: &str| places.push(format!("{RULES}:{}: {what}", rule.line));
        for (column, cell) in [
            ("breach", rule.breach),
            ("law", rule.law),
            ("tests", rule.tests),
        ] {
            if quoted(cell).next().is_none() {
                missing(&format!("names nothing in the column {column}"));
            }
        }
        let items = quoted(rule.law).chain(quoted(rule.breach));
        for path in items.filter(|path| !path.starts_with("Invalid::")) {
            if !core_has(&sources, path) {
                missing(&format!("the core has no {path}"));
            }
        }
        for name in quoted(rule.tests).filter(|name| !known.contains(*name)) {
            missing(&format!("there is no test {name}"));
        }
    }
    assert_none(
        "a rule is a paragraph, a breach, a function and a test",
        &places,
    );
}

#[test]
fn signatures_are_verified_in_one_way_in_one_place() {
    let mut places = Vec::new();
    // The reference model in tests/model/ shares no code with the node, and so verifies by itself.
    let node = |source: &&Source| !source.is_test() && !source.path.starts_with("tests/");
    for source in sources().iter().filter(node) {
        for (number, line) in source.code_lines() {
            let strict =
                line.contains("verify_strict") && !source.path.ends_with("primitives/crypto.rs");
            let other = [
                "verify_batch",
                "legacy_compatibility",
                "verify_prehashed",
                "Verifier",
            ];
            if strict || other.iter().any(|word| line.contains(word)) {
                places.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("crypto::verify is the only rule for signatures", &places);
}
