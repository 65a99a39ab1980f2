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
        Answer::Accepted(_) => unreachable!("a block is never answered as a transfer"),
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
