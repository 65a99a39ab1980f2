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
    if let Ok(floor) = context.ask(HEALTH_TIMEOUT, Command::FeeFloor).await {
        context.metrics.observe_fee_floor(floor);
    }
    if let Some(machine) = &context.machine {
        let (database, disk) = (machine.database_bytes(), machine.disk());
        context.metrics.observe_disk(database, disk);
    }
    match context.snapshot_at_tip() {
        Ok((_, tip)) => context.metrics.observe_tip(&tip, context.clock.now().wall),
        Err(error) => return context.answer_to(error),
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
                "archivas_peers_known 1",
                "archivas_ibd_inflight 0",
                "archivas_mempool_fee_floor 0",
                "archivas_p2p_sent_total{kind=\"hello\"} 1",
                "archivas_p2p_received_total{kind=\"hello\"} 1",
                "archivas_check_seconds_count{what=\"block\"} 2",
                "archivas_build_info{version=\"1.2.3\",commit=\"abc\"} 1",
            ] {
                assert!(text.lines().any(|found| found == line), "{line} in {text}");
            }
        }
        // The one dialled and asked, the other heard of the blocks by announcement.
        let (ours, theirs) = (node.served_metrics().await, other.served_metrics().await);
        assert!(ours.contains("archivas_gossip_dials_total 1\n"), "{ours}");
        assert!(
            theirs.contains("archivas_gossip_msgs_total 2\n"),
            "{theirs}"
        );
        let bytes = "archivas_p2p_received_bytes_total{kind=\"res\"} ";
        assert!(
            theirs.contains(bytes) && !theirs.contains(&format!("{bytes}0")),
            "{theirs}"
        );
        node.stop().await;
        other.stop().await;
    }
}
