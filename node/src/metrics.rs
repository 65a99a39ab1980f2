//! The node's numbers for Prometheus. The node owns one registry (no statics); each metric is set by
//! the code path that it names: events of the driver, requests of the API, the scrape itself.
//!
//! Names that the Go node had are kept, so its board works (interfaces.md §2).

mod api;
mod labelled;
mod traffic;

use std::sync::atomic::AtomicU64;

use archivas_core::mempool::FeeRate;
use archivas_core::node::{Event, Status};
use archivas_core::p2p::peer::Disconnect;
use archivas_core::primitives::{Millis, Timestamp, Work};
use archivas_core::probes::Probes;
use archivas_core::schema::Tip;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::ports::{BuildInfo, DiskSpace};
use labelled::{Labelled, Probed};
pub use traffic::Traffic;

/// The media type of `Metrics::render`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of block times in seconds, around the usual 20.
const BLOCK_SECONDS: [f64; 9] = [1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0];
/// Upper bounds of reorganization depths in blocks; 100 is the largest single transaction.
const REORG_BLOCKS: [f64; 8] = [1.0, 2.0, 3.0, 6.0, 12.0, 50.0, 100.0, 1_000.0];

/// All metrics of one node. Setting one never waits.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tip_height: Gauge,
    tip_age: Gauge,
    difficulty: Gauge,
    chainwork: Gauge<f64, AtomicU64>,
    best_header: Gauge,
    peer_count: Gauge,
    mempool_count: Gauge,
    mempool_bytes: Gauge,
    blocks_in_flight: Gauge,
    blocks: Counter,
    block_duration: Histogram,
    blocks_rejected: Labelled<Counter>,
    reorgs: Counter,
    fork_alarms: Counter,
    fork_suspected: Gauge,
    reorg_depth: Histogram,
    api: api::Api,
    peers_ready: Counter,
    peers_lost: Labelled<Counter>,
    misbehaviour: Labelled<Counter>,
    bans: Counter,
    peers_known: Gauge,
    clock_ahead_ms: Gauge,
    ibd_inflight: Gauge,
    mempool_fee_floor: Gauge,
    database_bytes: Gauge,
    disk_free_bytes: Gauge,
    /// What goes to and comes from peers.
    pub traffic: Traffic,
}

impl Metrics {
    /// The metrics of a node that has done nothing yet.
    pub fn new(build: &BuildInfo, probes: Probes) -> Self {
        let mut names = Names(Registry::with_prefix("archivas"));
        let info = Info::new(vec![
            ("version", build.version.clone()),
            ("commit", build.commit.clone()),
        ]);
        names.0.register("build", "What this program is", info);
        names.0.register(
            "probe",
            "Times that a rare state was reached",
            Probed(probes),
        );
        Self {
            tip_height: names.default("tip_height", "Height of the tip"),
            tip_age: names.default("tip_age_seconds", "Time since the tip's timestamp"),
            difficulty: names.default("difficulty", "Work of the tip block, at most 2^53 - 1"),
            chainwork: names.default("chainwork", "Work of the chain, rounded"),
            best_header: names.default("best_header_height", "Height of the best header chain"),
            peer_count: names.default("peer_count", "Peers that have said Hello"),
            mempool_count: names.default("mempool_transfers", "Transfers that wait for a block"),
            mempool_bytes: names.default("mempool_bytes", "Bytes of the waiting transfers"),
            blocks_in_flight: names.default("blocks_in_flight", "Blocks asked for and not here"),
            blocks: names.default("blocks", "Blocks that joined the best chain"),
            block_duration: names.add(
                "block_duration_seconds",
                "Time between a block and its parent, by their timestamps",
                Histogram::new(BLOCK_SECONDS),
            ),
            blocks_rejected: names.add(
                "blocks_rejected",
                "Blocks that broke a rule",
                Labelled::new("reason", Counter::default),
            ),
            reorgs: names.default("reorgs", "Changes of the tip that left blocks"),
            fork_alarms: names.default(
                "fork_alarms",
                "Heavier branches seen that fork too deep to be followed without the operator",
            ),
            fork_suspected: names
                .default("fork_suspected", "1 while peers may be on another chain"),
            reorg_depth: names.add(
                "reorg_depth_blocks",
                "Blocks left by a change of the tip",
                Histogram::new(REORG_BLOCKS),
            ),
            api: api::Api::new(&mut names),
            peers_ready: names.default("peers_ready", "Peers that said Hello"),
            peers_lost: names.add(
                "peers_lost",
                "Connections to peers that ended, by reason",
                Labelled::new("reason", Counter::default),
            ),
            misbehaviour: names.add(
                "peer_misbehaviour",
                "What peers were blamed for",
                Labelled::new("what", Counter::default),
            ),
            bans: names.default("bans", "Addresses that were banned"),
            peers_known: names.default("peers_known", "Nodes whose address is known"),
            clock_ahead_ms: names.default("clock_ahead_ms", "Our clock less our peers', in ms"),
            ibd_inflight: names.default("ibd_inflight", "The same as blocks_in_flight"),
            mempool_fee_floor: names.default(
                "mempool_fee_floor",
                "Fee rate below which the mempool takes nothing, in base units for 1,024 bytes",
            ),
            database_bytes: names.default("database_bytes", "Size of the database's file"),
            disk_free_bytes: names.default("disk_free_bytes", "Room left on its disk"),
            traffic: Traffic::new(&mut names),
            registry: names.0,
        }
    }

    /// Something happened in the node.
    pub fn observe_event(&self, event: &Event) {
        match event {
            Event::TipChanged {
                from,
                to,
                left_blocks,
                joined_blocks,
                ..
            } => {
                self.blocks.inc_by(*joined_blocks);
                if *left_blocks > 0 {
                    self.reorgs.inc();
                    self.reorg_depth.observe(as_float(*left_blocks));
                } else if *joined_blocks == 1 {
                    let took = to.timestamp.since(from.timestamp);
                    self.block_duration.observe(seconds(took));
                }
            }
            Event::BlockRefused { code, .. } => {
                self.blocks_rejected.of(code).inc();
            }
            Event::BranchHeld { .. } => {
                self.fork_alarms.inc();
            }
            Event::PeerReady { .. } => {
                self.peers_ready.inc();
            }
            Event::PeerLost { reason, .. } => {
                let reason = reason.map_or("closed", Disconnect::code);
                self.peers_lost.of(reason).inc();
            }
            Event::PeerMisbehaved { what, .. } => {
                self.misbehaviour.of(what.code()).inc();
            }
            Event::Banned { .. } => {
                self.bans.inc();
            }
            Event::ForkSuspected { .. } => {
                self.fork_suspected.set(1);
            }
            Event::ForkOver => {
                self.fork_suspected.set(0);
            }
            Event::TransferAdded(_)
            | Event::TransferDropped(_)
            | Event::RowDropped { .. }
            | Event::SavedTransferDropped { .. }
            | Event::OwnTransferDropped { .. } => {}
        }
    }

    /// What the loop says of itself.
    pub fn observe_status(&self, status: &Status) {
        self.best_header.set(as_gauge(status.best_header.get()));
        self.peer_count.set(count(status.peers_ready));
        self.mempool_count.set(count(status.mempool_count));
        self.mempool_bytes.set(count(status.mempool_bytes));
        self.blocks_in_flight.set(count(status.blocks_in_flight));
        self.ibd_inflight.set(count(status.blocks_in_flight));
        self.peers_known.set(count(status.addresses_known));
        self.clock_ahead_ms.set(status.clock_ahead.unwrap_or(0));
    }

    /// What the mempool asks for.
    pub fn observe_fee_floor(&self, floor: FeeRate) {
        self.mempool_fee_floor.set(as_gauge(floor.get()));
    }

    /// What the database takes, and what its disk has left.
    pub fn observe_disk(&self, database: Option<u64>, disk: Option<DiskSpace>) {
        self.database_bytes.set(as_gauge(database.unwrap_or(0)));
        self.disk_free_bytes
            .set(as_gauge(disk.map_or(0, |disk| disk.free)));
    }

    /// The committed tip, and how old it is by the node's calendar.
    pub fn observe_tip(&self, tip: &Tip, now: Timestamp) {
        self.tip_height.set(as_gauge(tip.height.get()));
        self.tip_age
            .set(as_gauge(now.since(tip.header.timestamp).get() / 1_000));
        self.chainwork.set(work_as_float(tip.chainwork));
        if let Ok(target) = tip.header.bits.expand() {
            self.difficulty
                .set(as_gauge(Work::of_target(target).saturating_u53()));
        }
    }

    /// The API answered a request.
    pub fn observe_request(&self, endpoint: &'static str, status: u16, took: Millis) {
        self.api.rpc_requests.of(endpoint).inc();
        if status >= 400 {
            self.api.rpc_errors.of(endpoint).inc();
        }
        self.api.rpc_duration.of(endpoint).observe(seconds(took));
    }

    /// A request came too soon after others of its client.
    pub fn observe_rate_limited(&self) {
        self.api.rate_limited.inc();
    }

    /// There was no room for a connection.
    pub fn observe_turned_away(&self) {
        self.api.turned_away.inc();
    }

    /// A client handed in a transfer.
    pub fn observe_submit_received(&self) {
        self.api.submit_received.inc();
    }

    /// It was taken.
    pub fn observe_submit_accepted(&self) {
        self.api.submit_accepted.inc();
    }

    /// It was not, for the reason with that code.
    pub fn observe_submit_ignored(&self, code: &'static str) {
        self.api.submit_ignored.inc();
        self.api.submit_refused.of(code).inc();
    }

    /// Everything as OpenMetrics text; equal numbers give equal bytes.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }
}

/// A registry in the making.
struct Names(Registry);

impl Names {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn default<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add(name, help, M::default())
    }
}

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "histograms are for people")]
fn as_float(value: u64) -> f64 {
    value as f64
}

fn seconds(span: Millis) -> f64 {
    as_float(span.get()) / 1_000.0
}

/// The number rounded to a float: digits beyond its 53 bits are for nobody's chart.
fn work_as_float(work: Work) -> f64 {
    let digits = |sum: f64, byte: &u8| sum * 256.0 + f64::from(*byte);
    work.to_be_bytes().iter().fold(0.0, digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::{build_info, genesis};
    use archivas_core::node::TipInfo;
    use archivas_core::primitives::{BlockId, CompactTarget, Height};

    fn tip(height: u64, timestamp: u64) -> TipInfo {
        TipInfo {
            id: BlockId::ZERO,
            height: Height::new(height),
            chainwork: Work::ZERO,
            bits: CompactTarget::new(0x207f_ffff),
            timestamp: Timestamp::new(timestamp),
        }
    }

    fn tip_changed(from: TipInfo, to: TipInfo, left_blocks: u64, joined_blocks: u64) -> Event {
        let fork_height = from.height.saturating_sub(left_blocks);
        Event::TipChanged {
            from,
            to,
            fork_height,
            left_blocks,
            joined_blocks,
        }
    }

    fn assert_lines(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.render();
        for line in lines {
            let found = text.lines().any(|found| found == *line);
            assert!(found, "{line} in {text}");
        }
    }

    #[test]
    fn a_new_block_counts_and_its_time_since_the_parent_is_observed() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        metrics.observe_event(&tip_changed(tip(1, 0), tip(2, 15_000), 0, 1));
        metrics.observe_event(&tip_changed(tip(2, 15_000), tip(5, 60_000), 0, 3));
        assert_lines(
            &metrics,
            &[
                "archivas_blocks_total 4",
                "archivas_block_duration_seconds_sum 15.0",
                "archivas_block_duration_seconds_bucket{le=\"10.0\"} 0",
                "archivas_block_duration_seconds_bucket{le=\"20.0\"} 1",
                "archivas_reorgs_total 0",
            ],
        );
    }

    #[test]
    fn a_branch_that_waits_for_the_operator_is_an_alarm() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        let id = BlockId::from_bytes([7; 32]);
        metrics.observe_event(&Event::BranchHeld { id });
        assert_lines(&metrics, &["archivas_fork_alarms_total 1"]);
    }

    #[test]
    fn a_suspected_fork_is_a_gauge_until_it_is_over() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        let (apart, refused) = (2, 0);
        metrics.observe_event(&Event::ForkSuspected { apart, refused });
        assert_lines(&metrics, &["archivas_fork_suspected 1"]);
        metrics.observe_event(&Event::ForkOver);
        assert_lines(&metrics, &["archivas_fork_suspected 0"]);
    }

    #[test]
    fn a_reorganization_counts_with_its_depth() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        metrics.observe_event(&tip_changed(tip(4, 0), tip(5, 0), 3, 4));
        assert_lines(
            &metrics,
            &[
                "archivas_reorgs_total 1",
                "archivas_reorg_depth_blocks_sum 3.0",
                "archivas_reorg_depth_blocks_bucket{le=\"2.0\"} 0",
                "archivas_reorg_depth_blocks_bucket{le=\"3.0\"} 1",
                "archivas_blocks_total 4",
            ],
        );
    }

    #[test]
    fn refused_blocks_count_by_the_rule_that_they_broke() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        for code in ["bad_seal", "bad_bits", "bad_seal"] {
            let id = BlockId::ZERO;
            metrics.observe_event(&Event::BlockRefused { id, code });
        }
        assert_lines(
            &metrics,
            &[
                "archivas_blocks_rejected_total{reason=\"bad_bits\"} 1",
                "archivas_blocks_rejected_total{reason=\"bad_seal\"} 2",
            ],
        );
    }

    #[test]
    fn the_tips_age_is_by_the_nodes_calendar() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        let header = genesis().header();
        let (id, height, chainwork) = (header.id(), header.height, Work::from_be_bytes([1; 32]));
        let tip = Tip {
            id,
            height,
            chainwork,
            header,
        };
        metrics.observe_tip(&tip, header.timestamp.plus(Millis::new(61_999)));
        assert_lines(
            &metrics,
            &["archivas_tip_age_seconds 61", "archivas_difficulty 2"],
        );
        metrics.observe_tip(&tip, Timestamp::new(0));
        assert_lines(&metrics, &["archivas_tip_age_seconds 0"]);
    }

    #[test]
    fn the_names_are_those_that_boards_and_alerts_rely_on() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        let text = metrics.render();
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let golden: Vec<&str> = include_str!("metrics/names.txt").lines().collect();
        assert_eq!(
            names, golden,
            "change node/src/metrics/names.txt with the metrics"
        );
    }

    #[test]
    fn every_metric_is_ours_by_name() {
        let metrics = Metrics::new(&build_info(), Probes::default());
        metrics.observe_request("/", 500, Millis::new(3));
        metrics.observe_submit_ignored("other");
        let text = metrics.render();
        let ours = |line: &str| line.starts_with("archivas_") || line.starts_with('#');
        assert!(text.lines().all(ours), "{text}");
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(text, metrics.render());
    }
}
