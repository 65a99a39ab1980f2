//! Without a fuzzer: every target over its seeds and over each input that once failed.

use std::fs;
use std::path::{Path, PathBuf};

use archivas_targets::TARGETS;

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let Ok(entries) = fs::read_dir(folder.join(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    paths
}

// One test, one thread: memory is counted for the whole process.
#[test]
fn no_target_has_a_finding_in_its_seeds_or_in_what_failed_before() {
    for target in TARGETS {
        let mut seeds = inputs("corpus", target.name);
        // What a fuzzer has added is not ours to keep.
        seeds.retain(|path| path.to_string_lossy().contains("seed-"));
        let kept = seeds
            .iter()
            .map(|path| fs::read(path).expect("a readable file"));
        assert!(
            kept.eq(archivas_targets::seeds::of(target.name)),
            "the seeds of {} are old: run cargo run -p archivas-targets --bin seeds",
            target.name
        );
        for path in seeds.into_iter().chain(inputs("regressions", target.name)) {
            let bytes = fs::read(&path).expect("a readable file");
            let judged = std::panic::catch_unwind(|| (target.proof)(&bytes));
            assert!(
                judged.is_ok(),
                "{} fails on {}",
                target.name,
                path.display()
            );
        }
    }
}

#[test]
fn each_target_has_a_program_and_a_line_in_the_readme() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(fuzz.join(path)).expect(path);
    let (readme, manifest) = (read("README.md"), read("Cargo.toml"));
    for target in TARGETS {
        let program = read(&format!("fuzz_targets/{}.rs", target.name));
        assert!(
            program.contains(&format!("archivas_targets::{}(bytes)", target.name)),
            "{program}"
        );
        assert!(
            manifest.contains(&format!("name = \"{}\"", target.name)),
            "{}",
            target.name
        );
        let line = format!("| `{}` | {} |", target.name, target.proves);
        assert!(readme.contains(&line), "fuzz/README.md lacks: {line}");
    }
}
