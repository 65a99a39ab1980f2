//! `archivas db stats`, of a stopped node or a running one.

use super::{DbArgs, Owner, storage};
use crate::api::database;
use crate::cli::Global;
use crate::cli::exit::Failure;
use crate::cli::output::Output;

/// Runs `archivas db stats`.
pub async fn run(db: &DbArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let value = match db.owner(global)? {
        Owner::Nobody(held) => {
            drop(held.chain()?);
            let rows = held.store.snapshot().map_err(storage)?;
            let bytes = held.place.directory.store_bytes()?;
            database::stats(&rows, &held.place.genesis, bytes).map_err(storage)?
        }
        Owner::Node(node) => node.get("/admin/v1/db").await?,
    };
    let heights = |key: &str| {
        let (height, hash) = (&value[key]["height"], &value[key]["hash"]);
        format!("{height} {}", hash.as_str().unwrap_or_default())
    };
    let base = value["base"].as_u64().unwrap_or_default();
    let oldest = if base == 0 { 0 } else { base + 1 };
    let mut text = format!(
        "network      {}\ntip          {}\nbest header  {}\nbodies from  {oldest}\nundo above   \
         {}\nbytes        {}",
        value["network"].as_str().unwrap_or_default(),
        heights("tip"),
        heights("bestHeader"),
        value["horizon"],
        value["bytes"],
    );
    for (table, count) in value["rows"].as_object().into_iter().flatten() {
        text.push_str(&format!("\n{table:<13}{count}"));
    }
    output.print(&value, text)?;
    Ok(())
}
