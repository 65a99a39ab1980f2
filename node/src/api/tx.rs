//! Transfers: `/tx/<hash>`, confirmed ones from the index of the best chain, others from the
//! mempool. The shape is the SDK's: the transfer's fields and the wire body side by side.

use archivas_core::primitives::wire::WireTransfer;
use archivas_core::primitives::{Address, BadHash, BlockId, Domain, Height, SignedTransfer, TxId};
use archivas_core::schema::{self, TxLocation};
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use crate::ports::{Clock, Command};
use crate::store::Snapshot;

#[derive(Serialize)]
struct TxAnswer {
    confirmed: bool,
    height: Option<u64>,
    hash: TxId,
    tx: TxBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<TxBlock>,
}

#[derive(Serialize)]
struct TxBody {
    #[serde(rename = "type")]
    kind: &'static str,
    from: Address,
    to: Address,
    amount: u64,
    fee: u64,
    nonce: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    memo: String,
    #[serde(flatten)]
    wire: WireTransfer,
}

#[derive(Serialize)]
struct TxBlock {
    height: u64,
    hash: BlockId,
    timestamp: u64,
}

impl TxBody {
    fn new(signed: &SignedTransfer, domain: &Domain) -> Self {
        Self {
            kind: "transfer",
            from: signed.from(),
            to: signed.to,
            amount: signed.amount.get(),
            fee: signed.fee.get(),
            nonce: signed.nonce.get(),
            memo: signed.memo.to_string(),
            wire: WireTransfer::of(signed, domain),
        }
    }
}

pub async fn tx<C: Clock>(text: &str, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let hash: TxId = text
        .parse()
        .map_err(|error: BadHash| ApiError::malformed("malformed_hash", error.to_string()))?;
    if let Some(answer) = confirmed(hash, context)? {
        return Ok(answer);
    }
    let waiting = context
        .ask(ANSWER_TIMEOUT, |place| Command::Waiting(hash, place))
        .await?;
    if let Some(waiting) = waiting {
        let tx = TxBody::new(waiting.signed(), &context.genesis.domain);
        let answer = TxAnswer {
            confirmed: false,
            height: None,
            hash,
            tx,
            block: None,
        };
        return Ok(ApiAnswer::ok(&answer));
    }
    // A block may have taken it out of the mempool between the two looks.
    match confirmed(hash, context)? {
        Some(answer) => Ok(answer),
        None => Err(unknown(&context.snapshot()?)?),
    }
}

/// The answer where it would take the index of transfers, and there is none.
pub fn index_off() -> ApiError {
    let sentence = "this node keeps no index of transfers: ask one without --no-txindex";
    ApiError::new(404, "index_off", sentence)
}

/// What is not found here may stand in a body that is not kept, or be confirmed and in no index.
fn unknown(snapshot: &Snapshot) -> Result<ApiError, ApiError> {
    if !schema::has_tx_index(snapshot)? {
        return Ok(index_off());
    }
    let base = schema::base(snapshot)?;
    let mut sentence = "there is no such transfer in the chain or the mempool".to_owned();
    if base > Height::GENESIS {
        sentence =
            format!("{sentence}, as far as this node knows blocks: from above height {base}");
    }
    Ok(ApiError::unknown(sentence))
}

/// The answer for a transfer on the best chain, all of it from one snapshot.
fn confirmed<C: Clock>(hash: TxId, context: &ApiContext<C>) -> Result<Option<ApiAnswer>, ApiError> {
    let snapshot = context.snapshot()?;
    let Some(location) = schema::tx_location(&snapshot, &hash)? else {
        return Ok(None);
    };
    let header = schema::required_header(&snapshot, &location.block)?.header;
    let signed = stored(&snapshot, &location)?;
    let height = location.height.get();
    let timestamp = header.timestamp.as_secs();
    Ok(Some(ApiAnswer::ok(&TxAnswer {
        confirmed: true,
        height: Some(height),
        hash,
        tx: TxBody::new(&signed, &context.genesis.domain),
        block: Some(TxBlock {
            height,
            hash: location.block,
            timestamp,
        }),
    })))
}

fn stored(snapshot: &Snapshot, location: &TxLocation) -> Result<SignedTransfer, ApiError> {
    let body = schema::body(snapshot, &location.block)?;
    let index = usize::try_from(location.index).expect("an index of 32 bits fits");
    body.and_then(|transfers| transfers.into_iter().nth(index))
        .ok_or_else(|| {
            ApiError::not_ready("storage_failed", "the node's transfer index points nowhere")
        })
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, payment, rich};
    use serde_json::{Value, json};

    #[tokio::test(start_paused = true)]
    async fn a_transfer_is_unconfirmed_until_a_block_holds_it() {
        let node = TestNode::start().await;
        let hash = node.pay(0).await;
        let wire: Value = serde_json::from_str(&payment(0)).unwrap();
        let tx = json!({
            "type": "transfer", "from": rich().address().to_string(),
            "to": "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p",
            "amount": 10, "fee": 1_000, "nonce": 0, "memo": "for \"tea\"",
            "tx": wire["tx"], "pubkey": wire["pubkey"], "sig": wire["sig"], "hash": hash,
        });
        let expected = json!({ "confirmed": false, "height": null, "hash": hash, "tx": tx });
        assert_eq!(node.get(&format!("/tx/{hash}")).await, (200, expected));
        let block = node.mine().await;
        let timestamp = node.genesis.time.get() / 1_000 + 1;
        let block = json!({ "height": 1, "hash": block, "timestamp": timestamp });
        let expected =
            json!({ "confirmed": true, "height": 1, "hash": hash, "tx": tx, "block": block });
        let shouted = hash.to_uppercase();
        assert_eq!(node.get(&format!("/tx/0x{shouted}")).await, (200, expected));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_transfer_is_404_and_a_hash_that_is_none_400() {
        let node = TestNode::start().await;
        let (status, answer) = node.get(&format!("/tx/{}", "ab".repeat(32))).await;
        assert_eq!((status, &answer["code"]), (404, &json!("not_found")));
        for text in ["", "ab", &"ab".repeat(33), &"zz".repeat(32)] {
            let (status, answer) = node.get(&format!("/tx/{text}")).await;
            assert_eq!(
                (status, &answer["code"]),
                (400, &json!("malformed_hash")),
                "{text}"
            );
        }
        node.stop().await;
    }
}
