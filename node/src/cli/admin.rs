//! `archivas admin log | stop`, and how every command that changes a running node finds its admin
//! socket: in the data directory, as the node itself decides on it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Global;
use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::state::text;
use crate::config::{Config, Layer, NetworkName};

/// Which running node is meant.
#[derive(Clone, Debug, Args)]
pub struct OwnNodeArgs {
    /// Data directory of the running node [default: that of the configuration file, else
    /// ~/.archivas/NETWORK]
    #[arg(long, env = "ARCHIVAS_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Its network, if it is a built-in one [default: archivas]
    #[arg(long, env = "ARCHIVAS_NETWORK")]
    network: Option<NetworkName>,
    /// The node of `archivas node --dev`
    #[arg(long, env = "ARCHIVAS_DEV", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    dev: Option<bool>,
}

impl OwnNodeArgs {
    /// The directory that the node has.
    ///
    /// # Errors
    /// A usage failure when none follows from what was given.
    pub fn data_dir(&self, global: &Global) -> Result<PathBuf, Failure> {
        let chosen = Layer {
            data_dir: self.data_dir.clone(),
            network: self.network,
            dev: self.dev,
            ..Layer::default()
        };
        let home = std::env::var_os("HOME");
        let layers = chosen.over(global.file()?);
        Ok(Config::decide(layers, home.as_deref().map(Path::new))?.data_dir)
    }

    /// A client on the node's admin socket.
    ///
    /// # Errors
    /// As `data_dir`.
    pub fn client(&self, global: &Global) -> Result<Client, Failure> {
        Ok(Client::admin(&self.data_dir(global)?))
    }
}

/// What to do with a running node.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Show or change which log lines it writes
    #[command(
        after_help = "Examples:\n  archivas admin log --dev\n  archivas admin log debug\n  \
        archivas admin log info,archivas::http=debug"
    )]
    Log {
        /// A level (error, warn, info, debug, trace) or directives; without it the present one is
        /// shown
        filter: Option<String>,
        #[command(flatten)]
        node: OwnNodeArgs,
    },
    /// End it, with everything saved
    Stop(OwnNodeArgs),
}

/// Runs `archivas admin`.
pub async fn run(command: AdminCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        AdminCommand::Log { filter, node } => {
            let client = node.client(global)?;
            let answer = match filter {
                None => client.get_ok("/admin/v1/log").await?,
                Some(filter) => {
                    let body = json!({ "filter": filter });
                    client.post_ok("/admin/v1/log/set", &body).await?
                }
            };
            output.print(&answer, text(&answer, "filter"))?;
        }
        AdminCommand::Stop(node) => {
            let client = node.client(global)?;
            let answer = client.post_ok("/admin/v1/stop", &json!({})).await?;
            let place = format!("{} {}", text(&answer, "height"), text(&answer, "hash"));
            output.print(&answer, format!("stopping at tip {place}"))?;
        }
    }
    Ok(())
}
