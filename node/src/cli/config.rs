//! `archivas config check | show`: the configuration as a node would take it.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::node::Knobs;
use crate::cli::output::Output;
use crate::cli::{Global, genesis};
use crate::config::KEYS;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a node could run with this configuration
    Check(Knobs),
    /// Print every knob as a node would take it, and where each value comes from
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
    let table = toml::Table::try_from(&layer).expect("knobs are plain values");
    let origins = knobs.origins(global)?;
    let mut value = serde_json::to_value(&layer).expect("knobs are plain values");
    value["origins"] = json!(origins);
    let text = KEYS.iter().filter_map(|key| {
        let line = toml::to_string(&toml::Table::from_iter([(
            (*key).to_owned(),
            table.get(*key)?.clone(),
        )]));
        let line = line.expect("a plain value");
        Some(format!("{:50} # {}", line.trim_end(), origins.get(*key)?))
    });
    output.print(&value, text.collect::<Vec<_>>().join("\n"))?;
    Ok(())
}
