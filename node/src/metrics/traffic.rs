//! What goes to and comes from peers, counted by the driver as it hands it on; and how long blocks and
//! transfers are at the checker.

use archivas_core::node::Finding;
use archivas_core::p2p::frame::kind;
use archivas_core::primitives::Millis;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::labelled::Labelled;
use super::{Names, seconds};

/// Upper bounds of checking times in seconds: a transfer takes 0.1 ms, a full block 60 ms.
const CHECK_SECONDS: [f64; 8] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

/// The numbers of one node's connections.
#[derive(Debug)]
pub struct Traffic {
    sent: Labelled<Counter>,
    sent_bytes: Labelled<Counter>,
    received: Labelled<Counter>,
    received_bytes: Labelled<Counter>,
    gossip: Counter,
    dials: Counter,
    dials_failed: Counter,
    batches_asked: Counter,
    batches_received: Counter,
    checks: Labelled<Histogram>,
}

impl Traffic {
    pub(super) fn new(names: &mut Names) -> Self {
        let counters = || Labelled::new("kind", Counter::default);
        let histograms = Labelled::new("what", || Histogram::new(CHECK_SECONDS));
        Self {
            sent: names.add("p2p_sent", "Messages queued for peers", counters()),
            sent_bytes: names.add("p2p_sent_bytes", "Bytes of their payloads", counters()),
            received: names.add("p2p_received", "Messages of peers", counters()),
            received_bytes: names.add("p2p_received_bytes", "Bytes of their payloads", counters()),
            gossip: names.default("gossip_msgs", "Announcements of peers"),
            dials: names.default("gossip_dials", "Connections that were tried"),
            dials_failed: names.default("gossip_dials_failed", "Those that did not come about"),
            batches_asked: names.default("ibd_requested_batches", "Requests for headers"),
            batches_received: names.default("ibd_received_batches", "Answers with headers"),
            checks: names.add(
                "check_seconds",
                "Time from a check's order to its finding",
                histograms,
            ),
        }
    }

    /// A message was queued for a peer.
    pub fn observe_sent(&self, kind: u8, bytes: usize) {
        self.sent.of(name(kind)).inc();
        self.sent_bytes.of(name(kind)).inc_by(bytes as u64);
        if kind == kind::GET_HEADERS {
            self.batches_asked.inc();
        }
    }

    /// A message came.
    pub fn observe_received(&self, kind: u8, bytes: usize) {
        self.received.of(name(kind)).inc();
        self.received_bytes.of(name(kind)).inc_by(bytes as u64);
        match kind {
            kind::HEADERS => drop(self.batches_received.inc()),
            kind::INV => drop(self.gossip.inc()),
            _ => {}
        }
    }

    /// A connection is being tried.
    pub fn observe_dial(&self) {
        self.dials.inc();
    }

    /// It did not come about.
    pub fn observe_dial_failed(&self) {
        self.dials_failed.inc();
    }

    /// The checker is done.
    pub fn observe_check(&self, finding: &Finding, took: Millis) {
        let what = match finding {
            Finding::Block(_) => "block",
            Finding::Transfer(_) => "transfer",
        };
        self.checks.of(what).observe(seconds(took));
    }
}

fn name(kind: u8) -> &'static str {
    match kind {
        kind::HELLO => "hello",
        kind::PING => "ping",
        kind::PONG => "pong",
        kind::GET_HEADERS => "get_headers",
        kind::HEADERS => "headers",
        kind::INV => "inv",
        kind::REQ => "req",
        kind::RES => "res",
        kind::GET_PEERS => "get_peers",
        kind::PEERS => "peers",
        _ => "other",
    }
}
