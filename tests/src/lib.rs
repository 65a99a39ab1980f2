//! What tests share: the house's source files as text, for the tests that keep its laws (reads the
//! working tree below the workspace's root; writes nothing), and the node beside its model.

pub mod differential;

use std::fs;
use std::path::{Path, PathBuf};

pub mod documents;
pub mod tools;

/// One Rust file of the workspace.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path from the workspace's root, with `/` between folders.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// The text above the tests at the bottom of the file.
    pub fn without_tests(&self) -> &str {
        match self.text.find("\n#[cfg(test)]\nmod tests {") {
            Some(end) => &self.text[..end],
            None => &self.text,
        }
    }

    /// Whether the file holds tests only.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.ends_with("/tests.rs")
    }

    /// Lines of code with their numbers from 1, comments left out.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.without_tests().lines().enumerate();
        lines
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (index + 1, line))
    }
}

/// The workspace's root folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("the package stands one folder below the root")
        .to_path_buf()
}

/// Every Rust file of the workspace, by path.
///
/// # Panics
/// When a file cannot be read.
pub fn sources() -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for folder in ["node", "sim", "scenarios", "tests", "fuzz"] {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    paths.into_iter().map(|path| read(&root, &path)).collect()
}

fn read(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a source file is readable text");
    let path = path
        .strip_prefix(root)
        .expect("it was found below the root");
    Source {
        path: path.to_string_lossy().replace('\\', "/"),
        text,
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}
