//! `archivas config check | show`: the configuration as a node would take it.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::node::Knobs;
use crate::cli::output::Output;
use crate::cli::{Global, genesis};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a node could run with this configuration
    Check(Knobs),
    /// Print every knob as a node would take it
    Show(Knobs),
}

/// Runs `archivas config`.
pub fn run(command: ConfigCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    let (ConfigCommand::Check(knobs) | ConfigCommand::Show(knobs)) = &command;
    let config = knobs.decide(global)?;
    let genesis = genesis::load(&config.network)?;
    knobs.pace(&config, &genesis)?;
    if matches!(command, ConfigCommand::Check(_)) {
        let file = global
            .config
            .clone()
            .unwrap_or_else(|| PathBuf::from("(no file)"));
        let value = json!({ "ok": true, "file": file, "network": genesis.network });
        let text = format!("ok: {}, network {}", file.display(), genesis.network);
        output.print(&value, text)?;
        return Ok(());
    }
    let layer = config.to_layer();
    let text = toml::to_string(&layer).expect("knobs are plain values");
    output.print(&layer, text.trim_end())?;
    Ok(())
}
