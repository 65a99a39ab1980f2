//! The database for its operator, while the node runs: what is in it, and snapshots of it. Both read
//! one committed state, and import goes on meanwhile.

use std::path::PathBuf;

use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, Height};
use archivas_core::schema::{self, meta};
use archivas_core::storage::{StorageError, Table};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{ApiAnswer, ApiError};
use super::context::ApiContext;
use crate::ports::{Clock, Export, Machine};
use crate::snapshot::{ExportError, Exported};
use crate::store::Snapshot;

/// A wish for a snapshot.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Of exactly this height.
    height: u64,
    /// A new file, by its whole path.
    file: PathBuf,
}

/// Heights, size in bytes, and the rows of every table.
///
/// # Errors
/// The machine's only.
pub fn stats(rows: &Snapshot, genesis: &Genesis, bytes: u64) -> Result<Value, StorageError> {
    let mut tables = Map::new();
    for table in Table::ALL {
        tables.insert(table.name().to_owned(), rows.count(table)?.into());
    }
    let tip = schema::tip(rows)?;
    let best: Option<BlockId> = schema::meta_row(rows, meta::BEST_HEADER)?;
    let best = best.unwrap_or(tip.id);
    let best_height = schema::required_header(rows, &best)?.header.height;
    let (base, horizon) = (schema::base(rows)?, schema::horizon(rows)?);
    Ok(json!({
        "network": genesis.network,
        "genesisHash": genesis.id().to_string(),
        "tip": { "height": tip.height.get(), "hash": tip.id.to_string() },
        "bestHeader": { "height": best_height.get(), "hash": best.to_string() },
        "base": base.get(),
        "horizon": horizon.get(),
        "bytes": bytes,
        "rows": tables,
    }))
}

/// What a snapshot holds, as programs read it.
pub fn told(done: &Exported) -> Value {
    json!({
        "ok": true, "height": done.height.get(), "hash": done.block.to_string(),
        "accounts": done.accounts, "headers": done.end.get(), "bytes": done.bytes,
    })
}

pub(super) fn answer_stats<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let machine = machine(context)?;
    let bytes = machine.database_bytes().unwrap_or(0);
    let rows = context.snapshot()?;
    Ok(ApiAnswer::ok(&stats(&rows, &context.genesis, bytes)?))
}

/// Begins to write a snapshot; `progress` tells how far it is.
pub(super) fn begin<C: Clock>(wish: &Wish, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    if !wish.file.is_absolute() {
        let sentence = "the file must be named by its whole path: the node runs elsewhere";
        return Err(ApiError::malformed("relative_path", sentence));
    }
    let rows = context.snapshot()?;
    let height = Height::new(wish.height);
    match machine(context)?.export(rows, height, &wish.file) {
        true => progress(context),
        false => Err(ApiError::new(
            409,
            "exporting",
            "a snapshot is being written already: wait until it is there",
        )),
    }
}

/// How far the last snapshot is that was begun.
pub(super) fn progress<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let Some(export) = machine(context)?.exported() else {
        let sentence = "no snapshot was begun since the node started";
        return Err(ApiError::new(409, "no_export", sentence));
    };
    let Export {
        phase,
        done,
        total,
        end,
    } = export;
    let Some(end) = end else {
        let now =
            json!({ "ok": true, "running": true, "phase": phase, "done": done, "total": total });
        return Ok(ApiAnswer::ok(&now));
    };
    let code = match &*end {
        Ok(done) => return Ok(ApiAnswer::ok(&told(done))),
        Err(ExportError::Storage(error)) => return Err(error.clone().into()),
        Err(ExportError::Height { .. }) => "height",
        Err(ExportError::Write(_)) => "file",
        Err(ExportError::WrongState(_)) => "damaged",
    };
    let sentence = end.as_ref().as_ref().err().map(ToString::to_string);
    Err(ApiError::new(409, code, sentence.unwrap_or_default()))
}

fn machine<C: Clock>(context: &ApiContext<C>) -> Result<&dyn Machine, ApiError> {
    context
        .machine
        .as_deref()
        .ok_or_else(super::admin::no_machine)
}
