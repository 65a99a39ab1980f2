//! What waits for a block: `/mempool`.

use archivas_core::node::MempoolEntry;
use archivas_core::primitives::TxId;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use super::query::Query;
use super::shapes::TransferBody;
use crate::ports::{Clock, Command};

#[derive(Serialize)]
struct EntryBody {
    #[serde(flatten)]
    transfer: TransferBody,
    size: usize,
    pending: bool,
}

pub async fn mempool<C: Clock>(
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let entries = context.ask(ANSWER_TIMEOUT, Command::Mempool).await?;
    if !query.flag("verbose") {
        let hashes: Vec<TxId> = entries.iter().map(|entry| entry.transfer.id()).collect();
        return Ok(ApiAnswer::ok(&hashes));
    }
    let domain = &context.genesis.domain;
    let body = |entry: &MempoolEntry| EntryBody {
        transfer: TransferBody::new(entry.transfer.signed(), domain),
        size: entry.transfer.size(),
        pending: entry.pending,
    };
    let bodies: Vec<EntryBody> = entries.iter().map(body).collect();
    Ok(ApiAnswer::ok(&bodies))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, rich};
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn the_mempool_lists_hashes_or_whole_entries() {
        let node = TestNode::start().await;
        assert_eq!(node.get("/mempool").await, (200, json!([])));
        let first = node.pay(0).await;
        let gap = node.pay(2).await;
        assert_eq!(node.get("/mempool").await, (200, json!([first, gap])));
        let (_, verbose) = node.get("/mempool?verbose=1").await;
        let expected = json!({
            "hash": first, "type": "transfer", "from": rich().address().to_string(),
            "to": "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p",
            "amount": "10", "fee": "1000", "nonce": "0", "memo": "for \"tea\"",
            "size": verbose[0]["size"], "pending": true,
        });
        assert_eq!(verbose[0], expected);
        assert_eq!(verbose[1]["pending"], false);
        node.mine().await;
        assert_eq!(node.get("/mempool").await, (200, json!([gap])));
        node.stop().await;
    }
}
