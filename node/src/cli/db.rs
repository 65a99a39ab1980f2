//! `archivas db`: the database of a node, looked at, repaired, carried away and begun from a file.
//! What changes or reads it as a whole wants a stopped node, and takes the data directory's lock; what
//! only reads one state of it is done by a running node itself.

mod repair;
mod running;
mod snapshot;
mod stats;

use std::path::{Path, PathBuf};

use archivas_core::chain::{Chain, OpenError};
use archivas_core::params::Genesis;
use archivas_core::primitives::Height;
use archivas_core::storage::StorageError;
use clap::{Args, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::{Global, genesis};
use crate::config::{Config, Layer, NetworkName};
use crate::live::data_dir::DataDir;
use crate::service::StartError;
use crate::store::Store;
use running::RunningNode;

/// Which database is meant.
#[derive(Clone, Debug, Args)]
pub struct DbArgs {
    /// Data directory [default: that of the configuration file, else ~/.archivas/NETWORK]
    #[arg(long, env = "ARCHIVAS_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Its network, if it is a built-in one [default: archivas]
    #[arg(long, env = "ARCHIVAS_NETWORK")]
    network: Option<NetworkName>,
    /// Genesis file of a network that is not built in
    #[arg(long, env = "ARCHIVAS_GENESIS", value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The database of `archivas node --dev`
    #[arg(long, env = "ARCHIVAS_DEV", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    dev: Option<bool>,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// What is in it: heights and rows
    Stats(DbArgs),
    /// Check links, work, indexes and the state root
    #[command(after_help = "Exit codes: 0 sound, 4 damaged, 5 in use by a running node")]
    Check {
        /// Execute every block again and compare, with every signature
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        db: DbArgs,
    },
    /// Give space that is not used back to the disk
    Compact(DbArgs),
    /// Forget all blocks above a height; their headers stay, and the blocks are fetched again
    Rollback {
        /// The height of the new tip, unless another branch has more work up to there
        #[arg(long, value_name = "H")]
        to_height: u64,
        /// Keep off the branch: set its first block above the height aside, until
        /// `archivas chain reconsider`
        #[arg(long)]
        keep_off: bool,
        #[command(flatten)]
        db: DbArgs,
    },
    /// Make accounts, undo, transaction index and account histories anew from the blocks
    Reindex(DbArgs),
    /// Files from which a node begins without replaying the chain
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
}

/// Runs `archivas db`.
pub async fn run(command: DbCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        DbCommand::Stats(db) => stats::run(&db, global, output).await,
        DbCommand::Check { full, db } => repair::check(&db.open(global)?, full, output),
        DbCommand::Compact(db) => repair::compact(db.open(global)?, output),
        DbCommand::Rollback {
            to_height,
            keep_off,
            db,
        } => repair::rollback(db.open(global)?, Height::new(to_height), keep_off, output),
        DbCommand::Reindex(db) => repair::reindex(db.open(global)?, output),
        DbCommand::Snapshot(command) => snapshot::run(command, global, output).await,
    }
}

/// The place of a database and the network that it should be of.
#[derive(Debug)]
struct Place {
    directory: DataDir,
    genesis: Genesis,
}

/// A database of a stopped node, held.
#[derive(Debug)]
struct Held {
    place: Place,
    store: Store,
}

/// Who has a database.
#[derive(Debug)]
enum Owner {
    /// Nobody had: it is held now.
    Nobody(Held),
    /// A running node, perhaps.
    Node(RunningNode),
}

impl DbArgs {
    fn config(&self, global: &Global) -> Result<Config, Failure> {
        let chosen = Layer {
            data_dir: self.data_dir.clone(),
            network: self.network,
            genesis: self.genesis.clone(),
            dev: self.dev,
            ..Layer::default()
        };
        let home = std::env::var_os("HOME");
        let layers = chosen.over(global.file()?);
        Ok(Config::decide(layers, home.as_deref().map(Path::new))?)
    }

    fn place(&self, global: &Global) -> Result<Place, Failure> {
        let config = self.config(global)?;
        let genesis = genesis::load(&config.network)?;
        let directory = DataDir::lock(&config.data_dir)?;
        Ok(Place { directory, genesis })
    }

    /// The database, or the node that has it.
    fn owner(&self, global: &Global) -> Result<Owner, Failure> {
        match self.open(global) {
            Ok(held) => Ok(Owner::Nobody(held)),
            Err(in_use) if in_use.exit == Exit::InUse => {
                let path = self.config(global)?.data_dir;
                Ok(Owner::Node(RunningNode::new(&path, in_use)))
            }
            Err(other) => Err(other),
        }
    }

    fn open(&self, global: &Global) -> Result<Held, Failure> {
        let path = self.config(global)?.data_dir;
        // Looking must not create.
        if !path.is_dir() {
            return Err(nothing_there(&path));
        }
        let place = self.place(global)?;
        if !place.directory.has_store()? {
            return Err(nothing_there(&path));
        }
        let store = place.directory.open_store()?;
        Ok(Held { place, store })
    }
}

fn nothing_there(path: &Path) -> Failure {
    Failure::refused(format!(
        "there is no database in {}: pass --data-dir, or the --network or --dev that the node has",
        path.display()
    ))
}

impl Held {
    /// The chain in it.
    fn chain(&self) -> Result<Chain<Store>, Failure> {
        let genesis = self.place.genesis.clone();
        Chain::open(self.store.clone(), genesis).map_err(opening)
    }
}

fn opening(error: OpenError) -> Failure {
    StartError::Open(error).into()
}

fn storage(error: StorageError) -> Failure {
    opening(error.into())
}
