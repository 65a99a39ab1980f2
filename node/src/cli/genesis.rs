//! Which genesis a command means, by name or by file.

use std::path::Path;

use archivas_core::params::{Genesis, networks};

use crate::cli::exit::Failure;
use crate::config::{Chosen, NetworkName};

/// The genesis of the chosen network.
///
/// # Errors
/// A usage failure when its file cannot be read or is refused.
pub fn load(chosen: &Chosen) -> Result<Genesis, Failure> {
    match chosen {
        Chosen::BuiltIn(NetworkName::Archivas) => Ok(networks::archivas()),
        Chosen::BuiltIn(NetworkName::Testnet) => Ok(networks::testnet()),
        Chosen::BuiltIn(NetworkName::Dev) => Ok(networks::dev()),
        Chosen::File(path) => read(path),
    }
}

fn read(path: &Path) -> Result<Genesis, Failure> {
    let refused = |why: String| {
        Failure::usage(format!(
            "cannot use the genesis file {}: {why}",
            path.display()
        ))
    };
    let text = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    Genesis::parse(&text).map_err(|error| refused(error.to_string()))
}
