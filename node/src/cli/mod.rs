//! The `archivas` command: a node, and clients of its API. Each command returns what failed as an
//! exit code and one sentence; nothing here panics because somebody closed a pipe.

mod admin;
mod chain;
mod client;
mod config;
mod db;
mod devnet;
pub(crate) mod exit;
mod genesis;
mod key;
mod miner;
mod node;
mod output;
mod peers;
mod progress;
pub mod report;
mod secret_input;
mod state;
mod teach;
mod tx;
pub mod version;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::config::{ConfigError, Layer, ListenOn, suggestion};

/// A node of the Archivas network, and its tools
#[derive(Debug, Parser)]
#[command(name = "archivas", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
struct Global {
    /// Configuration file (TOML); its keys are the flags of `archivas node`
    #[arg(long, global = true, env = "ARCHIVAS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

impl Global {
    /// The configuration file's layer, empty without a file.
    fn file(&self) -> Result<Layer, ConfigError> {
        self.config
            .as_deref()
            .map_or_else(|| Ok(Layer::default()), Layer::from_file)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Node(node::NodeArgs),
    /// A local network of real nodes
    #[command(subcommand)]
    Devnet(devnet::DevnetCommand),
    /// Blocks, branches, and the operator's word about them
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    /// Whom a node talks to
    #[command(subcommand)]
    Peers(peers::PeersCommand),
    /// Change what a running node logs, or stop it
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Look at, repair and carry away the database of a node
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Encrypted keys of wallets
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Send transfers and follow them
    #[command(subcommand)]
    Tx(tx::TxCommand),
    /// Read the state of the chain from a node
    #[command(subcommand)]
    State(state::StateCommand),
    /// What a node is doing
    Status(NodeUrlArgs),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Mine beside a node, through its API
    Miner(miner::MinerArgs),
    /// Print a completion script for a shell
    Completions(teach::CompletionsArgs),
    /// Write the manual pages
    Man(teach::ManArgs),
    /// What this program is
    Version,
}

/// Where a client finds its node.
#[derive(Clone, Debug, Args)]
struct NodeUrlArgs {
    /// URL of the node's API [default: the address `http` of the configuration file, else
    /// http://127.0.0.1:8080]
    #[arg(long, env = "ARCHIVAS_NODE", value_name = "URL")]
    node: Option<String>,
}

impl NodeUrlArgs {
    fn client(&self, global: &Global) -> Result<client::Client, Failure> {
        let url = match (&self.node, global.file()?.http) {
            (Some(url), _) => url.clone(),
            (None, Some(ListenOn::At(address))) => format!("http://{address}"),
            (None, Some(ListenOn::Off)) => {
                return Err(Failure::usage(
                    "the configuration says `http = \"off\"`: pass --node URL",
                ));
            }
            (None, None) => format!("http://{}", crate::config::HTTP_DEFAULT),
        };
        client::Client::new(&url)
    }
}

/// Runs the program with the process's arguments and environment.
pub fn main() -> ExitCode {
    exit::panics_end_the_process();
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    match refuse_unknown_variables(std::env::vars_os().map(|(name, _)| name))
        .map_err(Failure::from)
        .and_then(|()| run(cli, &output))
    {
        Ok(()) => ExitCode::from(Exit::Done as u8),
        Err(failure) => {
            output::complain(&failure.sentence);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The loop commits to disk on its thread: others go on meanwhile.
        .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().max(2)))
        .enable_all()
        .build()
        .map_err(|error| Failure::disk(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(async {
        match command {
            Command::Node(args) => node::run(args, &global, output).await,
            Command::Devnet(command) => devnet::run(command, output).await,
            Command::Chain(command) => chain::run(command, &global, output).await,
            Command::Peers(command) => peers::run(command, &global, output).await,
            Command::Admin(command) => admin::run(command, &global, output).await,
            Command::Key(command) => key::run(command, output),
            Command::Tx(command) => tx::run(command, &global, output).await,
            Command::State(command) => state::run(command, &global, output).await,
            Command::Status(args) => state::status(&args.client(&global)?, output).await,
            Command::Db(command) => db::run(command, &global, output).await,
            Command::Config(command) => config::run(command, &global, output),
            Command::Miner(args) => miner::run(args, &global, output).await,
            Command::Completions(args) => teach::completions(&args),
            Command::Man(args) => teach::man(&args, output),
            Command::Version => version::run(output),
        }
    });
    // A thread that reads standard input cannot be ended; nothing else is left by now.
    runtime.shutdown_background();
    result
}

/// A misspelt `ARCHIVAS_…` variable would silently do nothing: it is an error like an unknown key.
fn refuse_unknown_variables(names: impl Iterator<Item = OsString>) -> Result<(), ConfigError> {
    let known = variables();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let ours = names.filter_map(|name| name.into_string().ok());
    let mut unknown = ours.filter(|name| name.starts_with("ARCHIVAS_"));
    match unknown.find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(ConfigError(format!(
            "unknown environment variable `{name}`{}",
            suggestion(&name, &known)
        ))),
        None => Ok(()),
    }
}

/// Every `ARCHIVAS_…` variable that means something.
fn variables() -> Vec<String> {
    let mut known = Vec::new();
    collect_variables(&Cli::command(), &mut known);
    // Read by the simulator, and by tests that run this program.
    known.push("ARCHIVAS_BIN".to_owned());
    known.push("ARCHIVAS_REQUIRE".to_owned());
    // Never an argument.
    known.push(secret_input::PASSPHRASE.to_owned());
    known.sort();
    known.dedup();
    known
}

fn collect_variables(command: &clap::Command, into: &mut Vec<String>) {
    let variables = command
        .get_arguments()
        .filter_map(|argument| argument.get_env());
    into.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    command
        .get_subcommands()
        .for_each(|sub| collect_variables(sub, into));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_misspelt_variable_is_refused_with_the_nearest_one() {
        let names = ["PATH", "ARCHIVAS_HTTP", "ARCHIVAS_DATADIR"].map(OsString::from);
        let error = refuse_unknown_variables(names.into_iter()).expect_err("unknown");
        assert_eq!(
            error.0,
            "unknown environment variable `ARCHIVAS_DATADIR` (did you mean `ARCHIVAS_DATA_DIR`?)"
        );
    }
}
