//! Tools that some tests need and not every machine has. A test whose tool is absent says so and
//! passes, unless `ARCHIVAS_REQUIRE` (a list with commas) names the tool.

use std::path::PathBuf;

/// Where one of `programs` is on the search path; `None` when none is there and nobody demands `tool`.
///
/// # Panics
/// When none is there and `ARCHIVAS_REQUIRE` names `tool`.
#[expect(
    clippy::print_stderr,
    reason = "tests say on standard error what they skip"
)]
pub fn find(tool: &str, programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let places = programs
        .iter()
        .flat_map(|program| folders.iter().map(move |folder| folder.join(program)));
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        let required = std::env::var("ARCHIVAS_REQUIRE").unwrap_or_default();
        let demanded = required.split(',').any(|name| name.trim() == tool);
        assert!(
            !demanded,
            "ARCHIVAS_REQUIRE names {tool}, and none of {programs:?} is there"
        );
        eprintln!("skipped: {tool} is not installed");
    }
    found
}
