//! Confirmed transfers in lists, newest first: `/account/<address>/txs` and `/tx/recent`.

use archivas_core::primitives::{Address, BlockId, Domain, Height, SignedTransfer};
use archivas_core::schema::{self, AccountTx};
use archivas_core::storage::Reader;
use serde::Serialize;

use super::account::parse;
use super::answer::{ApiAnswer, ApiError};
use super::block::is_below_base;
use super::context::ApiContext;
use super::query::{Query, malformed};
use super::shapes::PlacedTransfer;
use super::tx::index_off;
use crate::ports::Clock;

/// Transfers of a page when the caller names no number.
const PAGE_DEFAULT: usize = 50;
/// The most transfers of an account's page: at most as many bodies are read for it, in turn.
const PAGE_MAX: usize = 100;
/// The most transfers of `/tx/recent`.
const RECENT_MAX: usize = 200;
/// How many blocks below the tip are searched for recent transfers; older ones are not recent.
const RECENT_BLOCKS_MAX: usize = 1_000;

#[derive(Serialize)]
struct AccountTxs {
    address: Address,
    count: usize,
    txs: Vec<PlacedTransfer>,
    /// What `before` must be for the next page; null on the last one.
    next: Option<String>,
}

/// What an address sent and received. `before` is `next` of the page before, or a height.
pub fn account_txs<C: Clock>(
    text: &str,
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let address = parse(text)?;
    let limit = query.count("limit", PAGE_DEFAULT, PAGE_MAX)?;
    let before = query.get("before").map(place).transpose()?;
    let snapshot = context.snapshot()?;
    if !schema::has_tx_index(&snapshot)? {
        return Err(index_off());
    }
    let mut rows = schema::account_txs(&snapshot, &address, before, limit + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| format!("{}-{}", row.height, row.index));
    let txs = placed(&snapshot, &rows, &context.genesis.domain)?;
    Ok(ApiAnswer::ok(&AccountTxs {
        address,
        count: txs.len(),
        txs,
        next,
    }))
}

/// A height, or a height and an index with `-` between them.
fn place(text: &str) -> Result<(Height, u32), ApiError> {
    let (height, index) = text.split_once('-').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (height.parse(), index.parse()) {
        (Ok(read), Ok(number)) if digits(height) && digits(index) => {
            Ok((Height::new(read), number))
        }
        _ => Err(malformed(
            "before must be a height or what an earlier page gave as next",
        )),
    }
}

/// The transfers of rows of one history; a body that serves several rows is read once.
fn placed(
    rows: &impl Reader,
    found: &[AccountTx],
    domain: &Domain,
) -> Result<Vec<PlacedTransfer>, ApiError> {
    let gap = || ApiError::not_ready("storage_failed", "the node's transfer index points nowhere");
    let mut block: Option<BlockAt> = None;
    let mut txs = Vec::with_capacity(found.len());
    for row in found {
        let at = match block.take().filter(|block| block.height == row.height) {
            Some(same) => same,
            None => BlockAt::read(rows, schema::required_best(rows, row.height)?)?,
        };
        let index = usize::try_from(row.index).expect("an index of 32 bits fits");
        txs.push(at.transfer(index, domain).ok_or_else(gap)?);
        block = Some(at);
    }
    Ok(txs)
}

/// A block of the best chain, as far as lists of transfers need it.
struct BlockAt {
    id: BlockId,
    height: Height,
    timestamp: u64,
    transfers: Vec<SignedTransfer>,
}

impl BlockAt {
    fn read(rows: &impl Reader, id: BlockId) -> Result<Self, ApiError> {
        let gone = || ApiError::not_ready("storage_failed", "the node's block index has a gap");
        let header = schema::required_header(rows, &id)?.header;
        Ok(Self {
            id,
            height: header.height,
            timestamp: header.timestamp.as_secs(),
            transfers: schema::body(rows, &id)?.ok_or_else(gone)?,
        })
    }

    fn transfer(&self, index: usize, domain: &Domain) -> Option<PlacedTransfer> {
        let transfer = self.transfers.get(index)?;
        let block = (self.id, self.height, self.timestamp);
        Some(PlacedTransfer::new(transfer, domain, block, index))
    }
}

#[derive(Serialize)]
struct Recent {
    txs: Vec<PlacedTransfer>,
}

/// The last confirmed transfers.
pub fn recent<C: Clock>(query: &Query, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let limit = query.count("limit", PAGE_DEFAULT, RECENT_MAX)?;
    let (snapshot, tip) = context.snapshot_at_tip()?;
    let mut txs = Vec::new();
    let mut next = Some(tip.height);
    for _ in 0..RECENT_BLOCKS_MAX {
        let Some(height) = next.filter(|_| txs.len() < limit) else {
            break;
        };
        if is_below_base(&snapshot, height)? {
            break;
        }
        let block = BlockAt::read(&snapshot, schema::required_best(&snapshot, height)?)?;
        let newest_first = (0..block.transfers.len()).rev();
        let room = limit - txs.len();
        let domain = &context.genesis.domain;
        txs.extend(
            newest_first
                .take(room)
                .filter_map(|index| block.transfer(index, domain)),
        );
        next = height.parent();
    }
    Ok(ApiAnswer::ok(&Recent { txs }))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, rich};
    use serde_json::{Value, json};

    fn hashes(answer: &Value) -> Vec<String> {
        let txs = answer["txs"].as_array().unwrap().iter();
        txs.map(|tx| tx["hash"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Three transfers in two blocks; their hashes, oldest first.
    async fn three(node: &TestNode) -> Vec<String> {
        let mut hashes = vec![node.pay(0).await, node.pay(1).await];
        node.mine().await;
        hashes.push(node.pay(2).await);
        node.mine().await;
        hashes
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_index_what_takes_one_is_404_index_off_and_the_rest_is_answered() {
        let node = TestNode::start_without_index().await;
        let hash = node.pay(0).await;
        let waiting = node.get(&format!("/tx/{hash}")).await;
        assert_eq!((waiting.0, &waiting.1["confirmed"]), (200, &json!(false)));
        node.mine().await;
        let address = rich().address();
        for path in [format!("/tx/{hash}"), format!("/account/{address}/txs")] {
            let (status, answer) = node.get(&path).await;
            assert_eq!(
                (status, &answer["code"]),
                (404, &json!("index_off")),
                "{path}"
            );
        }
        let (_, recent) = node.get("/tx/recent").await;
        assert_eq!(hashes(&recent), [hash]);
        assert_eq!(node.get(&format!("/account/{address}")).await.0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn an_accounts_history_comes_newest_first_page_by_page() {
        let node = TestNode::start().await;
        let mut expected = three(&node).await;
        expected.reverse();
        let path = format!("/account/{}/txs", rich().address());
        let (status, all) = node.get(&path).await;
        assert_eq!((status, hashes(&all)), (200, expected.clone()));
        assert_eq!((&all["count"], &all["next"]), (&json!(3), &Value::Null));
        let (_, block) = node.get("/block/2").await;
        let first = json!({
            "hash": expected[0], "type": "transfer", "from": rich().address().to_string(),
            "to": "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p", "amount": "10", "fee": "1000",
            "nonce": "2", "memo": "for \"tea\"", "height": "2", "index": 0,
            "blockHash": block["hash"], "timestamp": block["timestamp"],
        });
        assert_eq!(all["txs"][0], first);
        let mut paged = Vec::new();
        let mut before = String::new();
        while paged.len() < 3 {
            let (_, page) = node.get(&format!("{path}?limit=1{before}")).await;
            paged.extend(hashes(&page));
            match page["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        assert_eq!(paged, expected);
        let (_, below) = node.get(&format!("{path}?before=2")).await;
        assert_eq!(hashes(&below), expected[1..]);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_receiver_has_the_same_history_and_a_stranger_an_empty_one() {
        let node = TestNode::start().await;
        let mut expected = three(&node).await;
        expected.reverse();
        let to = "/account/arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p/txs";
        assert_eq!(hashes(&node.get(to).await.1), expected);
        let [_, stranger, ..] = archivas_core::params::networks::dev_keys();
        let address = stranger.address().to_string();
        let empty = json!({ "address": address, "count": 0, "txs": [], "next": null });
        assert_eq!(
            node.get(&format!("/account/{address}/txs")).await,
            (200, empty)
        );
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn pages_out_of_bounds_and_places_that_are_none_are_400() {
        let node = TestNode::start().await;
        let path = format!("/account/{}/txs", rich().address());
        for query in [
            "limit=0",
            "limit=101",
            "before=x",
            "before=1-",
            "before=-1",
            "before=1-4294967296",
            "before=18446744073709551616",
        ] {
            let (status, answer) = node.get(&format!("{path}?{query}")).await;
            assert_eq!(
                (status, &answer["code"]),
                (400, &json!("malformed_query")),
                "{query}"
            );
        }
        let (status, answer) = node.get("/account/x/txs").await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("malformed_address"))
        );
        assert_eq!(node.get("/tx/recent?limit=201").await.0, 400);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn recent_transfers_come_newest_first_with_their_true_hashes() {
        let node = TestNode::start().await;
        assert_eq!(node.get("/tx/recent").await, (200, json!({ "txs": [] })));
        let mut expected = three(&node).await;
        expected.reverse();
        node.mine().await;
        assert_eq!(hashes(&node.get("/tx/recent").await.1), expected);
        let (_, two) = node.get("/tx/recent?limit=2").await;
        assert_eq!(hashes(&two), expected[..2]);
        assert_eq!(two["txs"][1]["height"], "1");
        for hash in &expected {
            assert_eq!(node.get(&format!("/tx/{hash}")).await.0, 200);
        }
        node.stop().await;
    }
}
