//! Which `archivas` binary is run, and whether it was built from the code that we are.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use crate::world::HarnessError;

/// The command that builds the binary beside the running program.
const BUILD_COMMAND: &str = if cfg!(debug_assertions) {
    "cargo build -p archivas"
} else {
    "cargo build --release -p archivas"
};

/// What a binary was built from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Build {
    /// The package's version.
    pub version: String,
    /// The commit, 40 hex digits, or `unknown`.
    pub commit: String,
}

/// The binary to run.
///
/// # Errors
/// When it is absent; the sentence says how to build it.
pub(super) fn find(given: Option<&Path>) -> Result<PathBuf, HarnessError> {
    let named = given.map(Path::to_owned);
    let named = named.or_else(|| std::env::var_os("ARCHIVAS_BIN").map(PathBuf::from));
    let path = match named {
        Some(path) => path,
        None => {
            let program = std::env::current_exe();
            let program = program
                .map_err(|error| HarnessError(format!("cannot find this program: {error}")))?;
            program.with_file_name("archivas")
        }
    };
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(HarnessError(format!(
        "there is no node binary at {path}: build it with `{BUILD_COMMAND}`"
    )))
}

/// Asks the binary what it is and refuses another build than `wanted`.
pub(super) async fn check(path: &Path, wanted: &Build) -> Result<(), HarnessError> {
    let broken = |why: String| {
        let path = path.display();
        HarnessError(format!(
            "{path} does not tell its version ({why}): `{BUILD_COMMAND}`"
        ))
    };
    let mut command = Command::new(path);
    command
        .args(["--json", "version"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command
        .output()
        .await
        .map_err(|error| broken(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(broken(said.trim().to_owned()));
    }
    let found: Build =
        serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))?;
    if found == *wanted {
        return Ok(());
    }
    let (path, commit) = (path.display(), &found.commit);
    let (version, ours) = (&found.version, &wanted.commit);
    Err(HarnessError(format!(
        "{path} is version {version} of commit {commit}, but this program is of commit {ours}: \
         build it with `{BUILD_COMMAND}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_binary_is_answered_with_the_command_that_builds_it() {
        let error = find(Some(Path::new("/nowhere/archivas")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no node binary at /nowhere/archivas"),
            "{error}"
        );
        assert!(error.contains("cargo build"), "{error}");
    }

    #[test]
    fn a_binary_of_another_commit_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("archivas");
        let script =
            "#!/bin/sh\necho '{\"version\":\"1.0.0\",\"commit\":\"aa\",\"builtAt\":\"\"}'\n";
        std::fs::write(&path, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let build = |commit: &str| Build {
            version: "1.0.0".into(),
            commit: commit.into(),
        };
        assert_eq!(runtime.block_on(check(&path, &build("aa"))), Ok(()));
        let error = runtime
            .block_on(check(&path, &build("bb")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("of commit aa, but this program is of commit bb"),
            "{error}"
        );
        assert!(error.contains("cargo build"), "{error}");
    }
}
