//! `/metrics`: the node's numbers as Prometheus reads them. Gauges of the chain and the loop are
//! taken at the moment of the scrape; when the loop does not answer, its last ones stand.

use super::answer::ApiAnswer;
use super::context::{ApiContext, HEALTH_TIMEOUT};
use crate::metrics::CONTENT_TYPE;
use crate::ports::{Clock, Command};

pub async fn metrics<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    if let Ok(status) = context.ask(HEALTH_TIMEOUT, Command::Status).await {
        context.metrics.observe_status(&status);
    }
    if let Ok((_, tip)) = context.snapshot_at_tip() {
        context.metrics.observe_tip(&tip, context.clock.now().wall);
    }
    ApiAnswer::new(200, CONTENT_TYPE, context.metrics.render())
}

#[cfg(test)]
mod tests {
    use crate::tests::world::TestNode;

    #[tokio::test(start_paused = true)]
    async fn a_scrape_shows_the_tip_and_counts_what_happened() {
        let (node, other) = TestNode::start_two().await;
        node.mine().await;
        node.mine().await;
        other.settle().await;
        for text in [node.served_metrics().await, other.served_metrics().await] {
            for line in [
                "archivas_tip_height 2",
                "archivas_difficulty 2",
                "archivas_chainwork 6.0",
                "archivas_best_header_height 2",
                "archivas_peer_count 1",
                "archivas_blocks_total 2",
                "archivas_block_duration_seconds_count 2",
                "archivas_reorgs_total 0",
                "archivas_peers_ready_total 1",
                "archivas_build_info{version=\"1.2.3\",commit=\"abc\"} 1",
            ] {
                assert!(text.lines().any(|found| found == line), "{line} in {text}");
            }
        }
        node.stop().await;
        other.stop().await;
    }
}
