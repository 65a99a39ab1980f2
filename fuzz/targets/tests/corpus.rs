//! Without a fuzzer: every target over its seeds and over each input that once failed.

use std::fs;
use std::path::Path;

use archivas_targets::{TARGETS, corpus, reach, seeds};

// One test, one thread: memory, and what is reached, are counted for the whole process.
#[test]
fn no_target_has_a_finding_in_its_corpus_or_in_what_failed_before_and_the_readme_tells_its_reach() {
    for target in TARGETS {
        assert_eq!(
            corpus::seeds(target.name),
            seeds::of(target.name),
            "the seeds of {} are old: run cargo run -p archivas-targets --bin seeds",
            target.name
        );
        let failed_before = corpus::folder("../regressions").join(target.name);
        let regressions = corpus::files(&failed_before, |_| true);
        // What a fuzzer has added here and nobody kept is not judged.
        let committed = corpus::files(&corpus::folder(target.name), |path| {
            corpus::is_seed(path) || corpus::is_kept(path)
        });
        for path in committed.into_iter().chain(regressions) {
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
    what_the_readme_says_of_the_corpus_is_so();
}

fn what_the_readme_says_of_the_corpus_is_so() {
    let readme = fs::read_to_string(corpus::folder("../README.md")).expect("fuzz/README.md");
    assert!(
        readme.contains(&reach::table(corpus::read)),
        "fuzz/README.md shows another table than cargo run -p archivas-targets --bin reach"
    );
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
