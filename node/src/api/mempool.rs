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
