//! The tables of the house's documents, and the names in them that must exist in the sources.

use std::collections::BTreeSet;
use std::fs;

use crate::{Source, root};

/// A row of a Markdown table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its line in the document, from 1.
    pub line: usize,
    /// Its cells, trimmed.
    pub cells: Vec<String>,
}

/// A document of the repository as text.
///
/// # Panics
/// When it cannot be read.
pub fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All rows of all tables of a document, without the lines under their heads.
pub fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().enumerate();
    let rows = lines.filter_map(|(index, line)| {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<String> = inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        let ruler = cells
            .iter()
            .all(|cell| cell.chars().all(|c| c == '-' || c == ':'));
        let line = index + 1;
        (!ruler).then_some(Row { line, cells })
    });
    rows.collect()
}

/// What stands between backticks.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of all test functions, those of properties included.
pub fn tests(sources: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        let mut marked = false;
        for line in source.text.lines().map(str::trim) {
            if line.starts_with("#[") {
                marked |=
                    line.contains("test]") || line.contains("test(") || line.contains("::test");
            } else if let Some(name) = function_name(line) {
                if marked {
                    names.insert(name.to_owned());
                }
                marked = false;
            }
        }
    }
    names
}

/// The name of the function whose signature begins on this line.
pub fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// Whether the core has the item that a path like `rules::header::check_form` or
/// `primitives::header::Header::id` names. The path says the file; its last part is a function or a
/// type that is defined there.
pub fn core_has(sources: &[Source], path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let module = |part: &&&str| part.starts_with(|c: char| c.is_ascii_lowercase());
    let Some((name, before)) = parts.split_last() else {
        return false;
    };
    let modules: Vec<&str> = before.iter().take_while(module).copied().collect();
    let stem = format!("node/core/src/{}", modules.join("/"));
    let files = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
    let file = sources.iter().find(|source| files.contains(&source.path));
    file.is_some_and(|file| file.text.lines().any(|line| defines(line, name)))
}

fn defines(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let kinds = ["struct", "enum", "trait", "type", "const"];
    let is_type = kinds.iter().any(|kind| {
        let rest = line.split_once(&format!("{kind} ")).map(|(_, rest)| rest);
        rest.is_some_and(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                == Some(name)
        })
    });
    let commented = line.starts_with("//");
    !commented && (is_type || function_name(line) == Some(name))
}
