//! Whether the node works: `/healthz`. One computation: the loop answers in time and the store can
//! be read. Never a constant, and never an error without the numbers.

use archivas_core::node::Status;
use serde::Serialize;

use super::answer::ApiAnswer;
use super::context::{ApiContext, HEALTH_TIMEOUT};
use super::shapes::block_work;
use crate::ports::{Clock, Command};

#[derive(Serialize)]
struct Healthz {
    ok: bool,
    height: u64,
    difficulty: u64,
    peers: usize,
}

/// 200 when well, 503 when not; the same object in both cases.
pub async fn healthz<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let status: Option<Status> = context.ask(HEALTH_TIMEOUT, Command::Status).await.ok();
    let tip = context.snapshot_at_tip().ok().map(|(_, tip)| tip);
    let ok = status.is_some() && tip.is_some();
    let body = Healthz {
        ok,
        height: tip.as_ref().map_or(0, |tip| tip.height.get()),
        difficulty: tip
            .as_ref()
            .map_or(0, |tip| block_work(tip.header.bits).saturating_u53()),
        peers: status.map_or(0, |status| status.peers_ready),
    };
    ApiAnswer::json(if ok { 200 } else { 503 }, &body)
}
