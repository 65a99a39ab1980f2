//! Blocks: `/block/<height or id>` and `/blocks/recent`.

use archivas_core::primitives::{Address, BlockId, CompactTarget, Header, Height, StateRoot};
use archivas_core::schema;
use archivas_core::storage::Reader;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::ApiContext;
use super::query::Query;
use super::shapes::{TransferBody, block_work};
use crate::ports::Clock;

/// Blocks of `/blocks/recent` when the caller names no number.
const RECENT_DEFAULT: usize = 20;
/// The most blocks of `/blocks/recent`: 100 bodies are read for it, at most 100 MiB in turn.
const RECENT_MAX: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockBody {
    height: String,
    hash: BlockId,
    prev_hash: BlockId,
    timestamp: String,
    difficulty: String,
    bits: CompactTarget,
    work: String,
    farmer: Address,
    miner: Address,
    state_root: StateRoot,
    tx_count: usize,
    txs: Vec<TransferBody>,
}

/// A stored block; by id also one that is not on the best chain.
pub fn block<C: Clock>(text: &str, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let snapshot = context.snapshot()?;
    let id = find(&snapshot, text)?;
    let unknown = || ApiError::unknown("there is no such block");
    let record = schema::header(&snapshot, &id)?.ok_or_else(unknown)?;
    let transfers = schema::body(&snapshot, &id)?.ok_or_else(unknown)?;
    let header: Header = record.header;
    let domain = &context.genesis.domain;
    Ok(ApiAnswer::ok(&BlockBody {
        height: header.height.to_string(),
        hash: id,
        prev_hash: header.parent,
        timestamp: header.timestamp.as_secs().to_string(),
        difficulty: block_work(header.bits).to_decimal(),
        bits: header.bits,
        work: record.chainwork.to_string(),
        farmer: header.producer,
        miner: header.producer,
        state_root: header.state_root,
        tx_count: transfers.len(),
        txs: transfers
            .iter()
            .map(|transfer| TransferBody::new(transfer, domain))
            .collect(),
    }))
}

/// A block id (64 hex digits) or the height of a block on the best chain (decimal).
fn find(rows: &impl Reader, text: &str) -> Result<BlockId, ApiError> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(height) if digits => schema::best_id(rows, Height::new(height))?
            .ok_or_else(|| ApiError::unknown("there is no block of that height")),
        _ => Err(ApiError::malformed(
            "malformed_block",
            "a block is named by its height or by its hash of 64 hex digits",
        )),
    }
}

#[derive(Serialize)]
struct Recent {
    blocks: Vec<RecentBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentBody {
    height: String,
    hash: BlockId,
    timestamp: String,
    farmer: Address,
    miner: Address,
    tx_count: usize,
    difficulty: String,
}

/// The last blocks of the best chain, newest first.
pub fn recent<C: Clock>(query: &Query, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let limit = query.count("limit", RECENT_DEFAULT, RECENT_MAX)?;
    let (snapshot, tip) = context.snapshot_at_tip()?;
    let mut blocks = Vec::with_capacity(limit);
    let mut next = Some(tip.height);
    while let Some(height) = next.filter(|_| blocks.len() < limit) {
        blocks.push(recent_body(&snapshot, height)?);
        next = height.parent();
    }
    Ok(ApiAnswer::ok(&Recent { blocks }))
}

fn recent_body(rows: &impl Reader, height: Height) -> Result<RecentBody, ApiError> {
    let gone = || ApiError::not_ready("storage_failed", "the node's block index has a gap");
    let hash = schema::best_id(rows, height)?.ok_or_else(gone)?;
    let header = schema::required_header(rows, &hash)?.header;
    let tx_count = schema::body(rows, &hash)?.ok_or_else(gone)?.len();
    Ok(RecentBody {
        height: height.to_string(),
        hash,
        timestamp: header.timestamp.as_secs().to_string(),
        farmer: header.producer,
        miner: header.producer,
        tx_count,
        difficulty: block_work(header.bits).to_decimal(),
    })
}
