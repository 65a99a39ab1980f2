//! Prints what the committed corpus reaches. With `--keep` it first looks through what a fuzzer has
//! found here and keeps, for each name that anything reaches, the smallest input that does.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use archivas_targets::{TARGETS, Target, corpus, reach};

fn main() -> io::Result<()> {
    if env::args().any(|argument| argument == "--keep") {
        TARGETS.into_iter().try_for_each(keep)?;
    }
    io::Write::write_all(&mut io::stdout(), reach::table(corpus::read).as_bytes())
}

/// The smallest of all inputs of a target that together reach what all of them do, beyond its seeds.
fn keep(target: Target) -> io::Result<()> {
    let mut files: Vec<(usize, PathBuf)> = Vec::new();
    for entry in fs::read_dir(corpus::folder(target.name))? {
        let path = entry?.path();
        if !corpus::is_seed(&path) {
            files.push((
                fs::metadata(&path)?.len().try_into().unwrap_or(usize::MAX),
                path,
            ));
        }
    }
    files.sort();
    let reached = |inputs: Vec<Vec<u8>>| reach::reached(target.proof, inputs.into_iter());
    let mut known = reached(corpus::seeds(target.name));
    let mut kept = Vec::new();
    for (_, path) in files {
        let bytes = fs::read(&path)?;
        let names = reached(vec![bytes.clone()]);
        if names.keys().any(|name| !known.contains_key(name)) {
            known.extend(names);
            kept.push(bytes);
        }
        if corpus::is_kept(&path) {
            fs::remove_file(path)?;
        }
    }
    for (number, bytes) in kept.into_iter().enumerate() {
        let name = format!("kept-{number:02}");
        fs::write(Path::new(&corpus::folder(target.name)).join(name), bytes)?;
    }
    Ok(())
}
