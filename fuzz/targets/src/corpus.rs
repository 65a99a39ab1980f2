//! The committed corpus: `corpus/TARGET/seed-NN`, made from real things by a command, and `kept-NN`,
//! found by a fuzzer and kept because they reach what no other input does.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a target's inputs lie.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../corpus")
        .join(target)
}

/// Whether it was made by the command.
pub fn is_seed(path: &Path) -> bool {
    begins(path, "seed-")
}

/// Whether a fuzzer found it, and it is to stay.
pub fn is_kept(path: &Path) -> bool {
    begins(path, "kept-")
}

fn begins(path: &Path, with: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(with))
}

/// The files of a folder that `wanted` wants, in the order of their names; none if there is no such
/// folder.
pub fn files(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| wanted(path));
    paths.sort();
    paths
}

fn contents(target: &str, wanted: impl Fn(&Path) -> bool) -> Vec<Vec<u8>> {
    let paths = files(&folder(target), wanted);
    paths.iter().flat_map(fs::read).collect()
}

/// The seeds of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    contents(target, is_seed)
}

/// All that is committed for a target.
pub fn read(target: &str) -> Vec<Vec<u8>> {
    contents(target, |path| is_seed(path) || is_kept(path))
}
