//! `archivas version`, and the build identity that the node is given.

use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::ports::BuildInfo;

/// What this binary is, as recorded when it was built (`build.rs`).
pub fn build_info() -> BuildInfo {
    let version = env!("CARGO_PKG_VERSION");
    BuildInfo {
        version: version.to_owned(),
        commit: env!("BUILD_COMMIT").to_owned(),
        built_at: env!("BUILD_TIME").to_owned(),
        agent: format!("archivas/{version}"),
    }
}

/// Prints it.
pub fn run(output: &Output) -> Result<(), Failure> {
    let build = build_info();
    let value = json!({
        "version": build.version, "commit": build.commit, "builtAt": build.built_at,
    });
    let text = format!(
        "archivas {} ({}, {})",
        build.version, build.commit, build.built_at
    );
    output.print(&value, text)?;
    Ok(())
}
