//! The laws of the house that no compiler checks: floors, names of foreign crates, sizes, headers.
//!
//! Each test lists every place that breaks its law, with the line.

use std::collections::BTreeSet;

use archivas_tests::documents::{function_name, quoted, rows, tests};
use archivas_tests::{Source, sources};

/// Floors of the core, lowest first; a module imports only from its own floor and those below.
const FLOORS: [&[&str]; 8] = [
    &["primitives"],
    &["params"],
    &["rules"],
    &["storage"],
    &["ledger", "schema"],
    &["chain"],
    &["mempool", "p2p"],
    &["node"],
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const ARGUMENTS_MAX: usize = 5;

fn assert_none(law: &str, places: &[String]) {
    assert!(places.is_empty(), "{law}:\n  {}", places.join("\n  "));
}

/// Places in code, outside tests, where one of `words` stands in a file that `allowed` does not
/// name.
fn places_of(words: &[&str], allowed: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !source.is_test() && !allowed(source))
    {
        for (number, line) in source.code_lines() {
            if words.iter().any(|word| line.contains(word)) {
                places.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    places
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn the_core_knows_no_operating_system() {
    let sources = sources();
    let lib = sources
        .iter()
        .find(|source| source.path == "node/core/src/lib.rs");
    assert!(
        lib.expect("the core has a root")
            .text
            .contains("#![no_std]")
    );
    let places = places_of(&["std::"], |source| {
        !source.path.starts_with("node/core/src/")
    });
    let places: Vec<String> = places
        .into_iter()
        .filter(|line| !line.contains("no_std"))
        .collect();
    assert_none("the core is no_std", &places);
}

#[test]
fn a_module_of_the_core_imports_only_from_its_floor_and_below() {
    let mut places = Vec::new();
    for source in sources() {
        let Some(inner) = source.path.strip_prefix("node/core/src/") else {
            continue;
        };
        let module = inner.split(['/', '.']).next().unwrap_or_default();
        let Some(floor) = floor_of(module) else {
            continue;
        };
        for (number, line) in source.code_lines() {
            for part in line.split("crate::").skip(1) {
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if floor_of(&name).is_some_and(|other| other > floor) {
                    places.push(format!("{}:{number}: imports {name}", source.path));
                }
            }
        }
    }
    assert_none("a module imports only from floors below it", &places);
}

#[test]
fn the_tokio_runtime_is_named_only_by_adapters() {
    let runtime = [
        "tokio::net",
        "tokio::time",
        "tokio::spawn",
        "tokio::fs",
        "tokio::signal",
        "tokio::runtime",
        "tokio::task",
        "tokio::process",
        "tokio::main",
        "std::thread",
        "std::net::Tcp",
        "std::process::Command",
    ];
    let places = places_of(&runtime, |source| {
        [
            "node/build.rs",
            "node/src/live/",
            "node/src/cli/",
            "node/src/main.rs",
            "scenarios/src/process/",
            // A fresh thread a run, and what watches it.
            "sim/src/thread.rs",
            "sim/src/explore.rs",
            "sim/src/sweep/",
            "sim/src/why.rs",
            "sim/src/panics.rs",
            "sim/src/spawner.rs",
            "sim/src/cli/",
            "sim/build.rs",
            // The time and the tasks of a whole node under a fuzzer.
            "fuzz/targets/src/host.rs",
            "tests/",
        ]
        .iter()
        .any(|adapter| source.path.starts_with(adapter))
    });
    assert_none(
        "the runtime is named only in live/, cli/ and process/",
        &places,
    );
}

#[test]
fn madsim_is_named_only_in_the_simulator() {
    let places = places_of(&["madsim::", "use madsim", "cfg(madsim)"], |source| {
        source.path.starts_with("sim/") || source.path.starts_with("tests/")
    });
    assert_none("madsim is named only in sim/", &places);
}

#[test]
fn redb_is_named_only_by_the_store_and_the_disks() {
    let places = places_of(&["redb::"], |source| {
        source.path == "node/src/store.rs"
            || source.path.starts_with("node/src/store/")
            || source.path.starts_with("node/src/live/")
            || source.path.starts_with("sim/src/disk")
            || source.path == "fuzz/targets/src/store.rs"
            || source.path == "fuzz/targets/src/host.rs"
    });
    assert_none(
        "redb is named only in store, live/ and the disks of simulator and fuzzer",
        &places,
    );
}

#[test]
fn the_model_depends_on_no_crate_of_ours() {
    let path = archivas_tests::root().join("tests/model/Cargo.toml");
    let manifest = std::fs::read_to_string(path).expect("the model's manifest");
    let (_, after) = manifest.split_once("[dependencies]").expect("a list");
    let ours = after.lines().filter(|line| line.contains("archivas"));
    let places: Vec<String> = ours.map(str::to_owned).collect();
    assert_none("the model shares no mistake with the node", &places);
}

#[test]
fn every_select_is_biased() {
    let mut places = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let opens = line.contains("select! {") && !line.trim_start().starts_with("//");
            let biased = |next: &&str| next.trim() == "biased;";
            if opens
                && !source.path.starts_with("tests/")
                && !lines.get(index + 1).is_some_and(biased)
            {
                places.push(format!("{}:{}", source.path, index + 1));
            }
        }
    }
    assert_none("select! starts with biased;", &places);
}

#[test]
fn nothing_that_the_simulator_runs_waits_on_a_watch() {
    // tokio wakes those who wait on one in an order that it draws from the process, not from the seed.
    let waits = [".changed()", ".wait_for("];
    let places = places_of(&waits, |source| {
        ["node/src/live/", "node/src/cli/", "scenarios/src/process/"]
            .iter()
            .any(|adapter| source.path.starts_with(adapter))
    });
    assert_none("watch channels are looked at, not waited on", &places);
}

#[test]
fn no_code_outside_tests_unwraps() {
    let places = places_of(&[".unwrap()"], |_| false);
    assert_none("say with expect() why it holds", &places);
}

/// `cargo run` hands what a build script sets to the program, and the node refuses settings that it does
/// not know.
#[test]
fn no_build_script_sets_what_the_node_reads_as_a_setting() {
    let places = places_of(&["rustc-env=ARCHIVAS"], |_| false);
    assert_none(
        "settings begin with ARCHIVAS_, build stamps do not",
        &places,
    );
}

#[test]
fn every_file_says_what_lives_in_it() {
    let sources = sources();
    let silent = sources
        .iter()
        .filter(|source| !source.text.starts_with("//!"));
    let places: Vec<String> = silent.map(|source| source.path.clone()).collect();
    assert_none("a file begins with //!", &places);
}

#[test]
fn files_hold_one_idea() {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let lines = source.without_tests().lines().count();
        if lines > FILE_LINES_MAX {
            places.push(format!("{}: {lines} lines", source.path));
        }
    }
    assert_none("a file has at most 500 lines without its tests", &places);
}

#[test]
fn functions_are_short_and_take_few_arguments() {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let lines: Vec<&str> = source.without_tests().lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else {
                continue;
            };
            let indent = &line[..line.len() - line.trim_start().len()];
            let body = &lines[index..];
            let end = body
                .iter()
                .position(|line| *line == format!("{indent}}}"))
                .unwrap_or(0);
            if end > FUNCTION_LINES_MAX {
                places.push(format!(
                    "{}:{}: {name} has {end} lines",
                    source.path,
                    index + 1
                ));
            }
            let arguments = arguments(&body.join(" "));
            if arguments > ARGUMENTS_MAX {
                let place = format!("{}:{}", source.path, index + 1);
                places.push(format!("{place}: {name} takes {arguments} arguments"));
            }
        }
    }
    assert_none(
        "a function has at most 70 lines and 5 arguments beside self",
        &places,
    );
}

/// Arguments of the function that `text` begins with, beside `self`.
fn arguments(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut angle = 0_usize;
    let mut count = 0;
    let mut current = String::new();
    let mut previous = ' ';
    for c in text.chars() {
        match c {
            '<' => angle += 1,
            '>' if previous != '-' => angle = angle.saturating_sub(1),
            '(' | '[' if depth > 0 || angle == 0 => depth += 1,
            ')' | ']' if depth == 1 => break,
            ')' | ']' if depth > 0 => depth -= 1,
            ',' if depth == 1 && angle == 0 => {
                count += usize::from(is_argument(&current));
                current.clear();
            }
            c if depth > 0 => current.push(c),
            _ => {}
        }
        previous = c;
    }
    count + usize::from(is_argument(&current))
}

fn is_argument(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && !text.ends_with("self")
}

/// Bounds of `params::peers` on what strangers can make us hold.
fn bounds_of_peers(sources: &[Source]) -> Vec<String> {
    let path = "node/core/src/params/peers.rs";
    let peers = sources.iter().find(|source| source.path == path);
    let text = &peers.expect("the bounds have a file").text;
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    let bounds = lines.filter_map(|line| line.split_once(": usize"));
    let bounds = bounds.map(|(name, _)| name.to_owned());
    bounds.filter(|name| name.ends_with("_MAX")).collect()
}

#[test]
fn every_bound_on_strangers_stands_in_the_table_of_resources_with_a_test_that_reaches_it() {
    let sources = sources();
    let module = sources
        .iter()
        .find(|source| source.path == "node/core/src/p2p.rs");
    let text = module.expect("p2p has a module").text.replace("//! ", "");
    let table = rows(&text);
    let table: Vec<_> = table.iter().filter(|row| row.cells.len() == 4).collect();
    let tests = tests(&sources);
    let constants = |cell: &str| -> Vec<String> {
        let words = quoted(cell).filter(|word| word.chars().all(|c| c.is_uppercase() || c == '_'));
        words.map(str::to_owned).collect()
    };
    let exists = |name: &str| {
        let head = format!("const {name}: ");
        sources.iter().any(|source| source.text.contains(&head))
    };
    let (mut places, mut named) = (Vec::new(), BTreeSet::new());
    for row in table.iter().filter(|row| row.cells[0] != "what") {
        let what = &row.cells[0];
        let missing = constants(&row.cells[1])
            .into_iter()
            .filter(|name| !exists(name));
        places.extend(missing.map(|name| format!("{what}: there is no constant {name}")));
        named.extend(constants(&row.cells[1]));
        let reaching: Vec<&str> = quoted(&row.cells[3]).collect();
        if reaching.is_empty() {
            places.push(format!("{what}: no test reaches the bound"));
        }
        let missing = reaching.iter().filter(|name| !tests.contains(**name));
        places.extend(missing.map(|name| format!("{what}: there is no test {name}")));
    }
    let left_out = bounds_of_peers(&sources).into_iter();
    let left_out = left_out.filter(|name| !named.contains(name));
    places.extend(left_out.map(|name| format!("{name} is not in the table")));
    assert!(table.len() > 20, "the table of p2p.rs was read");
    assert_none(
        "the table of resources in p2p.rs is whole and true",
        &places,
    );
}
