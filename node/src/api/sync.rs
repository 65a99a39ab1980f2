//! How far this node is: `/sync/status`. Measured, never said by rote.

use archivas_core::node::Status;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use crate::ports::{Clock, Command};

/// A node whose best header is further ahead of its tip than this is still syncing. A few blocks
/// behind is what every node is while bodies are on their way.
pub const BEHIND_MAX: u64 = 10;

/// Where the tip and the headers are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncBody {
    synced: bool,
    syncing: bool,
    reorganizing: bool,
    height: u64,
    best_header: u64,
    behind: u64,
    blocks_in_flight: usize,
    peers: usize,
}

impl From<&Status> for SyncBody {
    fn from(status: &Status) -> Self {
        let behind = behind(status);
        Self {
            synced: behind <= BEHIND_MAX,
            syncing: behind > BEHIND_MAX,
            reorganizing: status.walking,
            height: status.tip.height.get(),
            best_header: status.best_header.get(),
            behind,
            blocks_in_flight: status.blocks_in_flight,
            peers: status.peers_ready,
        }
    }
}

/// Blocks between the tip and the best header.
pub fn behind(status: &Status) -> u64 {
    let (best, tip) = (status.best_header.get(), status.tip.height.get());
    best.saturating_sub(tip)
}

pub async fn status<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let status = context.ask(ANSWER_TIMEOUT, Command::Status).await?;
    Ok(ApiAnswer::ok(&SyncBody::from(&status)))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::TestNode;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_node_at_its_best_header_is_synced() {
        let (node, other) = TestNode::start_two().await;
        node.mine().await;
        other.settle().await;
        let expected = json!({
            "synced": true, "syncing": false, "reorganizing": false, "height": 1, "bestHeader": 1,
            "behind": 0, "blocksInFlight": 0, "peers": 1,
        });
        assert_eq!(other.get("/sync/status").await, (200, expected));
        let (status, answer) = node.with_stalled_loop().get("/sync/status").await;
        assert_eq!((status, &answer["code"]), (503, &json!("node_busy")));
    }
}
