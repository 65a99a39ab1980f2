//! Runs of blocks under their old names and in their old shapes, ours added: `/recentBlocks`,
//! `/blocks/range` and `/blocks/since/<height>`. A page ends early when its bodies exceed
//! `PAGE_BYTES`; its last height tells where to go on.

use archivas_core::primitives::{Address, BlockId, Domain, Height, SignedTransfer};
use archivas_core::schema;
use archivas_core::storage::Reader;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::block::{RecentBody, below_base, is_below_base, recent_body};
use super::context::ApiContext;
use super::query::Query;
use super::shapes::{NumberTransfer, block_work};
use crate::ports::Clock;

/// Blocks of `/recentBlocks` when the caller names no number.
const RECENT_DEFAULT: usize = 10;
/// The most blocks of `/recentBlocks`.
const RECENT_MAX: usize = 100;
/// Blocks of the other routes when the caller names no number.
const PAGE_DEFAULT: usize = 512;
/// The most blocks of the other routes.
const PAGE_MAX: usize = 1_000;
/// Bytes of transfers after which a page takes no further block: about 16 MiB of JSON.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockBody {
    height: u64,
    hash: BlockId,
    prev_hash: BlockId,
    timestamp: u64,
    difficulty: u64,
    farmer_addr: Address,
    farmer: Address,
    miner: Address,
    tx_count: usize,
    txs: Vec<NumberTransfer>,
}

/// The block of that height on the best chain, and the bytes of its transfers.
fn block_body(
    rows: &impl Reader,
    height: Height,
    domain: &Domain,
) -> Result<(BlockBody, usize), ApiError> {
    let gone = || ApiError::not_ready("storage_failed", "the node's block index has a gap");
    let hash = schema::required_best(rows, height)?;
    if is_below_base(rows, height)? {
        return Err(below_base(rows)?);
    }
    let header = schema::required_header(rows, &hash)?.header;
    let transfers = schema::body(rows, &hash)?.ok_or_else(gone)?;
    let bytes = transfers.iter().map(SignedTransfer::size).sum();
    let txs = transfers
        .iter()
        .map(|transfer| NumberTransfer::new(transfer, domain))
        .collect();
    let body = BlockBody {
        height: height.get(),
        hash,
        prev_hash: header.parent,
        timestamp: header.timestamp.as_secs(),
        difficulty: block_work(header.bits).saturating_u53(),
        farmer_addr: header.producer,
        farmer: header.producer,
        miner: header.producer,
        tx_count: transfers.len(),
        txs,
    };
    Ok((body, bytes))
}

/// The blocks of those heights, in their order, until a page is full.
fn page(
    rows: &impl Reader,
    heights: impl Iterator<Item = u64>,
    domain: &Domain,
) -> Result<Vec<BlockBody>, ApiError> {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for height in heights {
        if bytes > PAGE_BYTES {
            break;
        }
        let (block, more) = block_body(rows, Height::new(height), domain)?;
        blocks.push(block);
        bytes += more;
    }
    Ok(blocks)
}

#[derive(Serialize)]
struct Recent {
    blocks: Vec<BlockBody>,
    count: usize,
}

/// The last blocks, oldest first.
pub fn recent<C: Clock>(query: &Query, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let count = query.count("count", RECENT_DEFAULT, RECENT_MAX)?;
    let (snapshot, tip) = context.snapshot_at_tip()?;
    let base = schema::base(&snapshot)?.get();
    let oldest = if base == 0 { 0 } else { base + 1 };
    let newest_first = (oldest..=tip.height.get()).rev().take(count);
    let mut blocks = page(&snapshot, newest_first, &context.genesis.domain)?;
    blocks.reverse();
    let count = blocks.len();
    Ok(ApiAnswer::ok(&Recent { blocks, count }))
}

#[derive(Serialize)]
struct Range {
    from: u64,
    /// The last height of the page; below `from` when the page is empty.
    to: u64,
    blocks: Vec<BlockBody>,
    tip: u64,
}

/// Blocks from a height on, lowest first.
pub fn range<C: Clock>(query: &Query, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let from = query.number("from")?.unwrap_or(0);
    let limit = query.count("limit", PAGE_DEFAULT, PAGE_MAX)?;
    let (snapshot, tip) = context.snapshot_at_tip()?;
    let tip = tip.height.get();
    let heights = (from..=tip).take(limit);
    let blocks = page(&snapshot, heights, &context.genesis.domain)?;
    let to = blocks.last().map_or(tip, |block| block.height);
    Ok(ApiAnswer::ok(&Range {
        from,
        to,
        blocks,
        tip,
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Since {
    tip_height: String,
    blocks: Vec<RecentBody>,
}

/// The blocks above a height, lowest first, in the shape of `/blocks/recent`.
pub fn since<C: Clock>(
    text: &str,
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let above = text.parse().ok().filter(|_| digits);
    let above: u64 = above
        .ok_or_else(|| ApiError::malformed("malformed_height", "a height is a decimal number"))?;
    let limit = query.count("limit", PAGE_DEFAULT, PAGE_MAX)?;
    let (snapshot, tip) = context.snapshot_at_tip()?;
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for height in (above..=tip.height.get()).skip(1).take(limit) {
        if bytes > PAGE_BYTES {
            break;
        }
        let (block, more) = recent_body(&snapshot, Height::new(height))?;
        blocks.push(block);
        bytes += more;
    }
    Ok(ApiAnswer::ok(&Since {
        tip_height: tip.height.to_string(),
        blocks,
    }))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, rich};
    use serde_json::{Value, json};

    fn heights(answer: &Value) -> Vec<Value> {
        let blocks = answer["blocks"].as_array().unwrap().iter();
        blocks.map(|block| block["height"].clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn recent_blocks_under_the_old_name_are_numbers_and_oldest_first() {
        let node = TestNode::start().await;
        let tx = node.pay(0).await;
        let hash = node.mine().await;
        node.mine().await;
        let (status, answer) = node.get("/recentBlocks").await;
        assert_eq!(
            (status, heights(&answer)),
            (200, vec![json!(0), json!(1), json!(2)])
        );
        assert_eq!(answer["count"], 3);
        let producer = rich().address().to_string();
        let expected = json!({
            "height": 1, "hash": hash, "prevHash": node.genesis.id().to_string(),
            "timestamp": node.genesis.time.get() / 1_000 + 1, "difficulty": 2,
            "farmerAddr": producer, "farmer": producer, "miner": producer, "txCount": 1,
            "txs": [{
                "hash": tx, "type": "transfer", "from": producer,
                "to": "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p",
                "amount": 10, "fee": 1000, "nonce": 0, "memo": "for \"tea\"",
            }],
        });
        assert_eq!(answer["blocks"][1], expected);
        let (_, answer) = node.get("/recentBlocks?count=2").await;
        assert_eq!(heights(&answer), [json!(1), json!(2)]);
        for count in ["0", "-1", "101"] {
            assert_eq!(
                node.get(&format!("/recentBlocks?count={count}")).await.0,
                400
            );
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_range_says_where_it_begins_and_ends() {
        let node = TestNode::start().await;
        for _ in 0..3 {
            node.mine().await;
        }
        let (status, answer) = node.get("/blocks/range?from=1&limit=2").await;
        assert_eq!((status, heights(&answer)), (200, vec![json!(1), json!(2)]));
        let ends = (&answer["from"], &answer["to"], &answer["tip"]);
        assert_eq!(ends, (&json!(1), &json!(2), &json!(3)));
        let (_, all) = node.get("/blocks/range").await;
        assert_eq!(heights(&all).len(), 4);
        let (_, none) = node.get("/blocks/range?from=18446744073709551615").await;
        let expected = json!({ "from": u64::MAX, "to": 3, "blocks": [], "tip": 3 });
        assert_eq!(none, expected);
        for query in ["from=x", "from=-1", "limit=0", "limit=1001", "from="] {
            let (status, _) = node.get(&format!("/blocks/range?{query}")).await;
            assert_eq!(status, 400, "{query}");
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn blocks_since_a_height_are_those_above_it_as_text() {
        let node = TestNode::start().await;
        for _ in 0..3 {
            node.mine().await;
        }
        let (status, answer) = node.get("/blocks/since/1").await;
        assert_eq!(
            (status, heights(&answer)),
            (200, vec![json!("2"), json!("3")])
        );
        assert_eq!(answer["tipHeight"], "3");
        let (_, recent) = node.get("/blocks/recent?limit=1").await;
        assert_eq!(answer["blocks"][1], recent["blocks"][0]);
        let (_, one) = node.get("/blocks/since/0?limit=1").await;
        assert_eq!(heights(&one), [json!("1")]);
        for above in ["3", "4", "18446744073709551615"] {
            let (_, none) = node.get(&format!("/blocks/since/{above}")).await;
            assert_eq!(none, json!({ "tipHeight": "3", "blocks": [] }), "{above}");
        }
        for above in ["", "x", "-1", "+1", "18446744073709551616"] {
            let (status, _) = node.get(&format!("/blocks/since/{above}")).await;
            assert_eq!(status, 400, "{above}");
        }
        node.stop().await;
    }
}
