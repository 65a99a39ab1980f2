//! Outside miners: `/challenge` gives a header to seal, `/submitBlock` takes the nonce that does it.
//! Farmers of the old proof of space are told so.

use std::sync::Arc;

use archivas_core::node::Answer;
use archivas_core::primitives::header::NONCE_OFFSET;
use archivas_core::primitives::{Address, BlockId, CompactTarget};
use serde::{Deserialize, Serialize};

use super::account;
use super::answer::{ApiAnswer, ApiError, refused};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use super::query::Query;
use super::template::{FRESH, Unsealed};
use crate::ports::{Clock, Command};

/// What a miner works on. `expires_ms` counts from the answer: after that another request may give
/// a template with newer transfers; the old one can be sealed until the tip changes.
#[derive(Serialize)]
struct Challenge {
    template_id: BlockId,
    header: String,
    nonce_offset: usize,
    bits: CompactTarget,
    target: String,
    height: String,
    txs: usize,
    expires_ms: u64,
}

pub async fn challenge<C: Clock>(
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let producer = query.get("producer").ok_or_else(|| {
        ApiError::malformed(
            "producer_missing",
            "name the address to pay: ?producer=arcv1…",
        )
    })?;
    let producer = account::parse(producer)?;
    let template = fresh_template(producer, context).await?;
    let bits = template.header.bits;
    let target = bits.expand().map_err(|error| {
        ApiError::not_ready(
            "no_template",
            format!("the template has no target: {error}"),
        )
    })?;
    let age = context.clock.now().monotonic.since(template.made);
    Ok(ApiAnswer::ok(&Challenge {
        template_id: template.id(),
        header: const_hex::encode(template.header.encode()),
        nonce_offset: NONCE_OFFSET,
        bits,
        target: target.to_string(),
        height: template.header.height.to_string(),
        txs: template.transfers.len(),
        expires_ms: FRESH.get().saturating_sub(age.get()),
    }))
}

/// The cached template for the current tip, or a new one from the loop.
async fn fresh_template<C: Clock>(
    producer: Address,
    context: &ApiContext<C>,
) -> Result<Unsealed, ApiError> {
    let now = context.clock.now().monotonic;
    let (_, tip) = context.snapshot_at_tip()?;
    if let Some(known) = context.templates.fresh(&tip.id, &producer, now) {
        return Ok(known);
    }
    let made = context
        .ask(ANSWER_TIMEOUT, |place| Command::Template(producer, place))
        .await?;
    let made = made.map_err(|reason| ApiError::not_ready("no_template", reason.to_string()))?;
    let transfers = made
        .transfers
        .iter()
        .map(|checked| checked.signed().clone())
        .collect();
    let template = Unsealed {
        header: made.header,
        transfers: Arc::new(transfers),
        made: now,
    };
    context.templates.remember(template.clone());
    Ok(template)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    template_id: String,
    nonce: Nonce,
    timestamp_ms: Option<u64>,
}

/// A number, or decimal text from those whose numbers end at 2^53.
#[derive(Deserialize)]
#[serde(untagged)]
enum Nonce {
    Number(u64),
    Text(String),
}

#[derive(Serialize)]
struct Accepted {
    ok: bool,
    hash: BlockId,
}

pub async fn submit_block<C: Clock>(
    body: &[u8],
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let seal = read_seal(body)?;
    let nonce = match &seal.nonce {
        Nonce::Number(nonce) => Some(*nonce),
        Nonce::Text(digits) => digits.parse().ok().filter(|_| !digits.starts_with('+')),
    };
    let nonce = nonce.ok_or_else(|| malformed("nonce must be a number below 2^64"))?;
    let id = seal.template_id.parse();
    let id: BlockId = id.map_err(|_| malformed("template_id must be 64 hex digits"))?;
    let (_, tip) = context.snapshot_at_tip()?;
    let template = context
        .templates
        .get(&id)
        .filter(|known| known.header.parent == tip.id);
    let Some(template) = template else {
        let sentence = "the template is unknown or built on an older tip: ask for a new challenge";
        return Ok(refused("stale_template", sentence));
    };
    let block = template.seal(nonce, seal.timestamp_ms);
    let ask = |place| Command::SubmitBlock(block, place);
    match context.ask(ANSWER_TIMEOUT, ask).await? {
        Answer::BlockAccepted(hash) => Ok(ApiAnswer::ok(&Accepted { ok: true, hash })),
        Answer::Refused { code, sentence } => Ok(refused(code, &sentence)),
        Answer::Accepted(_) | Answer::Done => {
            unreachable!("a block is never answered as a transfer")
        }
    }
}

fn read_seal(body: &[u8]) -> Result<Seal, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let is_farmer = value.is_some_and(|value| value.get("proof").is_some());
        match is_farmer {
            true => ApiError::malformed(
                "proof_of_space_not_supported",
                "blocks are sealed by SHA3 proof of work here: see /challenge",
            ),
            false => malformed(&format!("the body is not a seal: {error}")),
        }
    })
}

fn malformed(sentence: &str) -> ApiError {
    ApiError::malformed("malformed", sentence)
}

#[cfg(test)]
mod tests {
    use crate::ports::Clock;
    use crate::tests::world::{TestNode, rich};
    use archivas_core::primitives::{BlockId, Header, Millis};
    use serde_json::{Value, json};

    fn challenge() -> String {
        format!("/challenge?producer={}", rich().address())
    }

    #[tokio::test(start_paused = true)]
    async fn a_challenge_is_the_header_of_the_next_block() {
        let node = TestNode::start().await;
        node.pay(0).await;
        let (status, challenge) = node.get(&challenge()).await;
        let bytes = const_hex::decode_to_array(challenge["header"].as_str().unwrap()).unwrap();
        let header = Header::decode(&bytes);
        let expected = json!({
            "template_id": header.id().to_string(),
            "header": challenge["header"],
            "nonce_offset": 24,
            "bits": "0x207fffff",
            "target": format!("7fffff{}", "0".repeat(58)),
            "height": "1",
            "txs": 1,
            "expires_ms": 5_000,
        });
        assert_eq!((status, challenge), (200, expected));
        assert_eq!((header.height.get(), header.nonce), (1, 0));
        assert_eq!(header.parent, node.genesis.id());
        let mut sealed = header;
        sealed.nonce = u64::from_le_bytes(*b"8 bytes!");
        assert_eq!(&sealed.encode()[24..32], b"8 bytes!");
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_challenge_is_the_same_for_a_while_and_then_has_newer_transfers() {
        let node = TestNode::start().await;
        let (_, first) = node.get(&challenge()).await;
        node.pay(0).await;
        node.host.clock.sleep(Millis::new(4_000)).await;
        let (_, second) = node.get(&challenge()).await;
        assert_eq!(second["template_id"], first["template_id"]);
        assert_eq!(second["expires_ms"], 1_000);
        node.host.clock.sleep(Millis::new(1_000)).await;
        let (_, third) = node.get(&challenge()).await;
        assert_eq!((&first["txs"], &third["txs"]), (&json!(0), &json!(1)));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_seal_for_an_older_tip_is_stale() {
        let node = TestNode::start().await;
        let (_, old) = node.get(&challenge()).await;
        node.mine().await;
        for id in [old["template_id"].clone(), json!(BlockId::ZERO.to_string())] {
            let body = json!({ "template_id": id, "nonce": 0 }).to_string();
            let (status, answer) = node.post("/submitBlock", &body).await;
            assert_eq!((status, &answer["code"]), (200, &json!("stale_template")));
            assert_eq!(answer["ok"], false);
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_seal_is_refused_and_a_nonce_may_be_text() {
        let node = TestNode::start().await;
        let (_, challenge) = node.get(&challenge()).await;
        let mut answers = Vec::new();
        for nonce in 0..40 {
            let nonce = nonce.to_string();
            let body = json!({ "template_id": challenge["template_id"], "nonce": nonce });
            let (status, answer) = node.post("/submitBlock", &body.to_string()).await;
            assert_eq!(status, 200);
            answers.push(answer);
        }
        let refused: Vec<&Value> = answers
            .iter()
            .take_while(|answer| answer["ok"] == false)
            .collect();
        let accepted = &answers[refused.len()];
        assert_eq!(accepted["hash"].as_str().unwrap().len(), 64);
        assert!(
            answers[refused.len() + 1..]
                .iter()
                .all(|answer| answer["code"] == "stale_template")
        );
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_make_no_sense_are_400() {
        let node = TestNode::start().await;
        let (status, answer) = node.get("/challenge").await;
        assert_eq!((status, &answer["code"]), (400, &json!("producer_missing")));
        let (status, answer) = node.get("/challenge?producer=me").await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("malformed_address"))
        );
        let id = BlockId::ZERO.to_string();
        for body in [
            String::new(),
            "{}".into(),
            format!("{{\"template_id\":\"{id}\",\"nonce\":-1}}"),
            format!("{{\"template_id\":\"{id}\",\"nonce\":1.5}}"),
            format!("{{\"template_id\":\"{id}\",\"nonce\":\"+1\"}}"),
            format!("{{\"template_id\":\"{id}\",\"nonce\":1,\"other\":1}}"),
            "{\"template_id\":\"x\",\"nonce\":1}".into(),
        ] {
            let (status, answer) = node.post("/submitBlock", &body).await;
            assert_eq!(
                (status, &answer["code"]),
                (400, &json!("malformed")),
                "{body}"
            );
        }
        let farmer = json!({ "proof": { "PlotID": "x" }, "farmerAddr": "arcv1" }).to_string();
        let (status, answer) = node.post("/submitBlock", &farmer).await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("proof_of_space_not_supported"))
        );
        node.stop().await;
    }
}
