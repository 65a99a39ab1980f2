//! `archivas db snapshot export | import`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use archivas_core::chain::{OpenError, Policy};
use archivas_core::primitives::{BlockId, Height};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{DbArgs, Held, Owner, opening, storage};
use crate::api::database;
use crate::cli::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::progress::Meter;
use crate::live::clock::LiveClock;
use crate::live::snapshot_file;
use crate::ports::Clock;
use crate::snapshot::frames::FrameError;
use crate::snapshot::{ExportError, ImportError, Plan, import};

/// What to do with a snapshot.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Write the accounts after the block of exactly this height, and all headers, into a file
    #[command(
        after_help = "Example:\n  archivas db snapshot export --height 1000 archivas.snapshot"
    )]
    Export {
        /// The height; so far back as blocks can be reverted
        #[arg(long, value_name = "H")]
        height: u64,
        /// The new file
        file: PathBuf,
        #[command(flatten)]
        db: DbArgs,
    },
    /// Begin a new data directory from a file, every byte of which is checked
    #[command(
        after_help = "Example:\n  archivas db snapshot import archivas.snapshot --data-dir new"
    )]
    Import {
        /// The file
        file: PathBuf,
        /// Take it although fewer than 100 blocks stand above its block: you know this block to be
        /// on the best chain
        #[arg(long, value_name = "BLOCK_ID")]
        trust: Option<BlockId>,
        #[command(flatten)]
        db: DbArgs,
    },
}

/// Runs `archivas db snapshot`.
pub async fn run(
    command: SnapshotCommand,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Export { height, file, db } => {
            let height = Height::new(height);
            let value = match db.owner(global)? {
                Owner::Nobody(held) => export(&held, height, &file)?,
                Owner::Node(node) => node.export(height, &file).await?,
            };
            let text = format!(
                "{} accounts after block {} {}, and {} headers: {} bytes in {}",
                value["accounts"],
                value["height"],
                value["hash"].as_str().unwrap_or_default(),
                value["headers"],
                value["bytes"],
                file.display()
            );
            output.print(&value, text)?;
            Ok(())
        }
        SnapshotCommand::Import { file, trust, db } => begin(&file, trust, &db, global, output),
    }
}

fn export(held: &Held, height: Height, file: &Path) -> Result<Value, Failure> {
    drop(held.chain()?);
    let rows = held.store.snapshot().map_err(storage)?;
    let mut meter = Meter::new();
    let mut show = |phase, done, total| meter.show(phase, done, total);
    let done = snapshot_file::write(&rows, height, file, &mut show).map_err(exporting)?;
    Ok(database::told(&done))
}

fn begin(
    path: &Path,
    trust: Option<BlockId>,
    db: &DbArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let file = File::open(path)
        .map_err(|error| Failure::refused(format!("cannot read {}: {error}", path.display())))?;
    let place = db.place(global)?;
    if place.directory.has_store()? {
        return Err(Failure::refused(
            "there is a database already: import into a new directory, with --data-dir",
        ));
    }
    let plan = Plan {
        genesis: place.genesis.clone(),
        minimum_chainwork: Policy::default().minimum_chainwork,
        trust,
        now: LiveClock::start().now().wall,
    };
    let mut meter = Meter::new();
    let done = place.directory.replace_store(|store| {
        let mut show = |phase, done, total| meter.show(phase, done, total);
        import(BufReader::new(file), store, &plan, &mut show).map_err(importing)
    })?;
    drop(meter);
    let value = json!({
        "ok": true, "height": done.height.get(), "hash": done.block.to_string(),
        "accounts": done.accounts, "headers": done.end.get(),
    });
    let text = format!(
        "the node begins at block {} {} with {} accounts; blocks up to there are not kept",
        done.height, done.block, done.accounts
    );
    output.print(&value, text)?;
    Ok(())
}

fn exporting(error: ExportError) -> Failure {
    match error {
        ExportError::Storage(error) => storage(error),
        ExportError::Write(_) => Failure::disk(error.to_string()),
        ExportError::Height { .. } => Failure::refused(error.to_string()),
        ExportError::WrongState(_) => Failure {
            exit: Exit::Damaged,
            sentence: error.to_string(),
        },
    }
}

fn importing(error: ImportError) -> Failure {
    let sentence = error.to_string();
    match error {
        ImportError::Storage(error) => storage(error),
        ImportError::Open(error @ OpenError::Storage(_)) => opening(error),
        ImportError::Frame(FrameError::Io(_)) => Failure::disk(sentence),
        ImportError::OtherGenesis { .. } => Failure {
            exit: Exit::OtherNetwork,
            sentence,
        },
        ImportError::Depth { .. } | ImportError::Trust { .. } | ImportError::Work => {
            Failure::refused(sentence)
        }
        _ => Failure {
            exit: Exit::Damaged,
            sentence,
        },
    }
}
