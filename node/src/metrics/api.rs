//! What clients of the API ask for and get, counted by the HTTP server and the API.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::Names;
use super::labelled::Labelled;

/// Upper bounds of request times in seconds, up to the time limit of commands.
const REQUEST_SECONDS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0];

/// The numbers of one node's API.
#[derive(Debug)]
pub(super) struct Api {
    pub rpc_requests: Labelled<Counter>,
    pub rpc_errors: Labelled<Counter>,
    pub rpc_duration: Labelled<Histogram>,
    pub rate_limited: Counter,
    pub turned_away: Counter,
    pub submit_received: Counter,
    pub submit_accepted: Counter,
    pub submit_ignored: Counter,
    pub submit_refused: Labelled<Counter>,
}

impl Api {
    pub(super) fn new(names: &mut Names) -> Self {
        let by_endpoint = || Labelled::new("endpoint", Counter::default);
        let times = Labelled::new("endpoint", || Histogram::new(REQUEST_SECONDS));
        let by_reason = Labelled::new("reason", Counter::default);
        Self {
            rpc_requests: names.add("rpc_requests", "Requests to the API", by_endpoint()),
            rpc_errors: names.add(
                "rpc_errors",
                "Requests answered with a status of 400 or more",
                by_endpoint(),
            ),
            rpc_duration: names.add(
                "rpc_duration_seconds",
                "Time from a whole request to its answer",
                times,
            ),
            rate_limited: names.default(
                "http_rate_limited",
                "Requests refused because their client asks too much",
            ),
            turned_away: names.default(
                "http_turned_away",
                "Connections closed unheard because there was no room for them",
            ),
            submit_received: names.default("submit_received", "Transfers handed to the API"),
            submit_accepted: names.default("submit_accepted", "Transfers taken into the mempool"),
            submit_ignored: names.default("submit_ignored", "Transfers not taken"),
            submit_refused: names.add(
                "submit_refused",
                "Transfers not taken, by reason",
                by_reason,
            ),
        }
    }
}
