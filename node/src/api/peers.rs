//! Whom the node talks to: `/peers`.

use archivas_core::node::PeerInfo;
use archivas_core::p2p::peer::Direction;
use archivas_core::primitives::Millis;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use super::query::Query;
use crate::ports::{Clock, Command};

/// Addresses in one answer: 25 kB.
const KNOWN_MAX: usize = 1_000;

#[derive(Serialize)]
struct Peers<T> {
    connected: Vec<T>,
    known: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerBody {
    address: String,
    direction: &'static str,
    agent: String,
    height: u64,
    score: u32,
    connected_seconds: u64,
    latency_ms: Option<u64>,
    bytes_in: u64,
    bytes_out: u64,
}

impl From<&PeerInfo> for PeerBody {
    fn from(peer: &PeerInfo) -> Self {
        Self {
            address: peer.addr.to_string(),
            direction: match peer.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            agent: peer.user_agent.clone(),
            height: peer.height.get(),
            score: peer.score,
            connected_seconds: peer.connected.get() / 1_000,
            latency_ms: peer.latency.map(Millis::get),
            bytes_in: peer.bytes_in,
            bytes_out: peer.bytes_out,
        }
    }
}

pub async fn peers<C: Clock>(
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let peers = context.ask(ANSWER_TIMEOUT, Command::Peers).await?;
    let known = context.ask(ANSWER_TIMEOUT, Command::KnownAddresses).await?;
    let known = known.iter().take(KNOWN_MAX).map(ToString::to_string);
    let known = known.collect();
    if query.flag("verbose") {
        let connected: Vec<PeerBody> = peers.iter().map(PeerBody::from).collect();
        return Ok(ApiAnswer::ok(&Peers { connected, known }));
    }
    let connected: Vec<String> = peers.iter().map(|peer| peer.addr.to_string()).collect();
    Ok(ApiAnswer::ok(&Peers { connected, known }))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::TestNode;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_lonely_node_knows_nobody() {
        let node = TestNode::start().await;
        let expected = json!({ "connected": [], "known": [] });
        assert_eq!(node.get("/peers").await, (200, expected.clone()));
        assert_eq!(node.get("/peers?verbose=1").await, (200, expected));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn connected_peers_are_named_with_what_they_said_of_themselves() {
        let (node, _other) = TestNode::start_two().await;
        let (status, mut answer) = node.get("/peers?verbose=1").await;
        let measured = answer["connected"][0].as_object_mut().expect("an object");
        for bytes in ["bytesIn", "bytesOut"] {
            let bytes = measured.remove(bytes).and_then(|bytes| bytes.as_u64());
            assert!(
                bytes.is_some_and(|bytes| (100..1_000).contains(&bytes)),
                "{bytes:?}"
            );
        }
        let peer = json!({
            "address": "10.0.0.1:9090",
            "direction": "outbound",
            "agent": "archivas/1.2.3",
            "height": 0,
            "score": 100,
            "connectedSeconds": 10,
            "latencyMs": null,
        });
        let expected = json!({ "connected": [peer], "known": ["10.0.0.1:9090"] });
        assert_eq!((status, answer), (200, expected));
        let expected = json!({ "connected": ["10.0.0.1:9090"], "known": ["10.0.0.1:9090"] });
        assert_eq!(node.get("/peers").await, (200, expected));
        node.stop().await;
    }
}
