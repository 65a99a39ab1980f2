//! Records which commit is built, and its time. Both come from git, so that two builds of one commit
//! are the same bytes; a source tree without git says `unknown`.

use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "HEAD"]);
    let time = git(&["log", "-1", "--format=%cI"]);
    println!(
        "cargo:rustc-env=BUILD_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
    println!(
        "cargo:rustc-env=BUILD_TIME={}",
        time.as_deref().unwrap_or("unknown")
    );
    println!("cargo:rerun-if-changed=build.rs");
    // The log of HEAD grows with every commit, checkout and rebase.
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--path-format=absolute", "--git-path", path])
            .filter(|path| std::path::Path::new(path).exists())
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// The first line that git prints, if it succeeds.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
