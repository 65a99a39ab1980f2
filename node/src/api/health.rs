//! Whether the node works: `/healthz`. One computation: the loop answers in time, no long
//! reorganization is under way, and the store can be read. Never a constant, and never an error without the numbers.

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
    let ready = status.as_ref().is_some_and(|status| !status.walking);
    let ok = ready && tip.is_some();
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

#[cfg(test)]
mod tests {
    use crate::ports::Clock;
    use crate::tests::world::TestNode;
    use archivas_core::primitives::Millis;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_answers_is_well() {
        let node = TestNode::start().await;
        node.mine().await;
        let expected = json!({ "ok": true, "height": 1, "difficulty": 2, "peers": 0 });
        assert_eq!(node.get("/healthz").await, (200, expected));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_unwell_after_two_seconds() {
        let node = TestNode::start().await;
        let stalled = node.with_stalled_loop();
        let began = node.host.clock.now().monotonic;
        let expected = json!({ "ok": false, "height": 0, "difficulty": 2, "peers": 0 });
        assert_eq!(stalled.get("/healthz").await, (503, expected));
        assert_eq!(
            node.host.clock.now().monotonic.since(began),
            Millis::from_secs(2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_node_is_unwell_at_once() {
        let node = TestNode::start().await;
        let api = node.api.clone();
        node.stop().await;
        assert_eq!(api.get("/healthz").await.0, 503);
        let (status, answer) = api.get("/mempool").await;
        assert_eq!((status, &answer["code"]), (503, &json!("node_stopping")));
    }
}
