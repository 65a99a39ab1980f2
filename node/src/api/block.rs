//! Blocks: `/block/<height or id>` and `/blocks/recent`.

use archivas_core::primitives::{
    Address, BlockId, CompactTarget, Header, Height, SignedTransfer, StateRoot,
};
use archivas_core::schema::{self, Status};
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
    let transfers = match schema::body(&snapshot, &id)? {
        Some(transfers) => transfers,
        None if record.status == Status::Pruned => return Err(below_base(&snapshot)?),
        None => return Err(unknown()),
    };
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

/// What is answered for what stood in bodies that are not kept.
pub fn below_base(rows: &impl Reader) -> Result<ApiError, ApiError> {
    let base = schema::base(rows)?;
    let sentence = format!("this node keeps no bodies of blocks up to height {base}: ask another");
    Ok(ApiError::new(404, "below_base", sentence))
}

/// Whether the best chain's body of that height is not kept.
pub fn is_below_base(rows: &impl Reader, height: Height) -> Result<bool, ApiError> {
    Ok(height > Height::GENESIS && height <= schema::base(rows)?)
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

/// A block of a list, as text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentBody {
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
        if is_below_base(&snapshot, height)? {
            break;
        }
        blocks.push(recent_body(&snapshot, height)?.0);
        next = height.parent();
    }
    Ok(ApiAnswer::ok(&Recent { blocks }))
}

/// The block of that height on the best chain, and the bytes of its transfers.
pub fn recent_body(rows: &impl Reader, height: Height) -> Result<(RecentBody, usize), ApiError> {
    let gone = || ApiError::not_ready("storage_failed", "the node's block index has a gap");
    if is_below_base(rows, height)? {
        return Err(below_base(rows)?);
    }
    let hash = schema::best_id(rows, height)?.ok_or_else(gone)?;
    let header = schema::required_header(rows, &hash)?.header;
    let transfers = schema::body(rows, &hash)?.ok_or_else(gone)?;
    let body = RecentBody {
        height: height.to_string(),
        hash,
        timestamp: header.timestamp.as_secs().to_string(),
        farmer: header.producer,
        miner: header.producer,
        tx_count: transfers.len(),
        difficulty: block_work(header.bits).to_decimal(),
    };
    let bytes = transfers.iter().map(SignedTransfer::size).sum();
    Ok((body, bytes))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, rich};
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_block_is_the_same_by_height_and_by_hash() {
        let node = TestNode::start().await;
        let tx = node.pay(0).await;
        let hash = node.mine().await;
        let (status, block) = node.get("/block/1").await;
        let producer = rich().address().to_string();
        let expected = json!({
            "height": "1",
            "hash": hash,
            "prevHash": node.genesis.id().to_string(),
            "timestamp": (node.genesis.time.get() / 1_000 + 1).to_string(),
            "difficulty": "2",
            "bits": "0x207fffff",
            "work": format!("{:064x}", 4),
            "farmer": producer,
            "miner": producer,
            "stateRoot": block["stateRoot"],
            "txCount": 1,
            "txs": [{
                "hash": tx, "type": "transfer", "from": producer,
                "to": "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p",
                "amount": "10", "fee": "1000", "nonce": "0", "memo": "for \"tea\"",
            }],
        });
        assert_eq!((status, &block), (200, &expected));
        assert_eq!(block["stateRoot"].as_str().unwrap().len(), 64);
        for name in [hash.clone(), format!("0x{}", hash.to_uppercase())] {
            assert_eq!(
                node.get(&format!("/block/{name}")).await,
                (200, expected.clone())
            );
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_kept_is_404_and_said_to_be_below_the_base_and_lists_end_above_it() {
        let node = TestNode::start_pruning(2).await;
        let tx = node.pay(0).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(node.mine().await);
        }
        for gone in [
            "/block/1",
            "/block/2",
            "/blocks/range?from=1",
            "/blocks/since/0",
        ] {
            let (status, answer) = node.get(gone).await;
            assert_eq!(
                (status, &answer["code"]),
                (404, &json!("below_base")),
                "{gone}"
            );
        }
        let (status, answer) = node.get(&format!("/block/{}", ids[0])).await;
        assert_eq!((status, &answer["code"]), (404, &json!("below_base")));
        assert_eq!(node.get("/block/0").await.0, 200);
        assert_eq!(node.get("/block/3").await.0, 200);
        let (_, recent) = node.get("/blocks/recent").await;
        let listed = recent["blocks"].as_array().unwrap().iter();
        let listed: Vec<_> = listed
            .map(|block| block["hash"].as_str().unwrap())
            .collect();
        assert_eq!(listed, [&ids[3], &ids[2]]);
        assert_eq!(node.get("/recentBlocks").await.1["count"], 2);
        assert_eq!(node.get("/tx/recent").await, (200, json!({ "txs": [] })));
        let (status, answer) = node.get(&format!("/tx/{tx}")).await;
        let sentence = answer["error"].as_str().unwrap();
        assert_eq!(status, 404);
        assert!(sentence.ends_with("from above height 2"), "{sentence}");
        let history = format!("/account/{}/txs", rich().address());
        assert_eq!(node.get(&history).await.1["txs"], json!([]));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_that_is_not_there_is_404_and_a_name_that_is_none_400() {
        let node = TestNode::start().await;
        let zeros = "0".repeat(64);
        for name in ["1", "18446744073709551615", &zeros] {
            let (status, answer) = node.get(&format!("/block/{name}")).await;
            assert_eq!(
                (status, &answer["code"]),
                (404, &json!("not_found")),
                "{name}"
            );
        }
        for name in ["", "-1", "+1", "1.0", "18446744073709551616", "abc", "0x1"] {
            let (status, answer) = node.get(&format!("/block/{name}")).await;
            assert_eq!(
                (status, &answer["code"]),
                (400, &json!("malformed_block")),
                "{name}"
            );
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn recent_blocks_come_newest_first_down_to_genesis() {
        let node = TestNode::start().await;
        let hashes = [node.mine().await, node.mine().await];
        let (status, all) = node.get("/blocks/recent").await;
        let heights: Vec<_> = all["blocks"].as_array().unwrap().iter().collect();
        let heights: Vec<_> = heights
            .iter()
            .map(|block| block["height"].clone())
            .collect();
        assert_eq!(
            (status, heights),
            (200, vec![json!("2"), json!("1"), json!("0")])
        );
        let producer = rich().address().to_string();
        let (_, last) = node.get("/blocks/recent?limit=1").await;
        let timestamp = &last["blocks"][0]["timestamp"];
        let expected = json!({ "blocks": [{
            "height": "2", "hash": hashes[1], "timestamp": timestamp, "farmer": producer,
            "miner": producer, "txCount": 0, "difficulty": "2",
        }]});
        assert_eq!(last, expected);
        for limit in ["0", "101", "x"] {
            let (status, _) = node.get(&format!("/blocks/recent?limit={limit}")).await;
            assert_eq!(status, 400);
        }
        node.stop().await;
    }
}
