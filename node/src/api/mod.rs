//! The HTTP API without HTTP: method, path, query and body in, status and JSON out (interfaces.md
//! §1). No sockets here; `http.rs` brings the requests, tests bring their own.
//!
//! Reads take one snapshot of the store, so one answer is one tip, and never wait for the node's
//! loop. What only the loop knows or does (mempool, peers, submissions, templates) is a `Command`,
//! bounded in time by the `Clock` port.

mod account;
mod accounts;
mod admin;
mod answer;
mod block;
mod chain;
mod context;
pub mod database;
mod events;
mod fees;
mod forks;
mod health;
mod history;
mod mempool;
mod metrics;
mod mining;
mod openapi;
mod page;
mod peers;
mod query;
mod ranges;
mod route;
mod search;
mod shapes;
mod submit;
mod sync;
mod template;
mod tx;

pub use answer::{ApiAnswer, ApiError};
pub use context::{ApiContext, ApiParts};
pub use events::{Subscription, subscribe};

use bytes::Bytes;

use crate::ports::Clock;
use query::Query;
use route::{Route, Takes};

/// The most bytes that a request's body may have. The largest transfer needs under 2,500, a sealed
/// block about 200: the rest is room for white space and long escapes.
pub const BODY_BYTES_MAX: usize = 65_536;

/// What a client wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read; `HEAD` is this too, its body is cut off by whoever writes it.
    Get,
    /// Submit.
    Post,
    /// Ask what would be allowed.
    Options,
    /// Anything else: no route takes it.
    Other,
}

/// Which way a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Over the network: reads and submissions.
    Public,
    /// Over the address that serves metrics only.
    Metrics,
    /// Over the admin socket, which only the operator can open: everything.
    Admin,
}

/// A request, as much of it as any route needs.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// Which way it came in.
    pub door: Door,
    /// What to do.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// What stands behind the question mark, as sent; empty without one.
    pub query: String,
    /// Whether a browser asks for something to show.
    pub wants_page: bool,
    /// The header of that name, if it came.
    pub content_type: Option<String>,
    /// The body, at most `BODY_BYTES_MAX`.
    pub body: Bytes,
}

/// Answers one request, within the time limits of the commands that it needs.
pub async fn handle<C: Clock>(request: ApiRequest, context: &ApiContext<C>) -> ApiAnswer {
    let began = context.clock.now().monotonic;
    let route = Route::find(&request.path, request.door);
    let endpoint = route.as_ref().map_or("other", Route::endpoint);
    let outcome = match route {
        _ if request.method == Method::Options => Ok(ApiAnswer::preflight()),
        Some(route) => answer(route, &request, context).await,
        None => Err(ApiError::unknown("there is no such route")),
    };
    let answer = outcome.unwrap_or_else(|error| context.answer_to(error));
    let took = context.clock.now().monotonic.since(began);
    context
        .metrics
        .observe_request(endpoint, answer.status, took);
    answer
}

async fn answer<C: Clock>(
    route: Route<'_>,
    request: &ApiRequest,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let takes = route.takes();
    match (takes, request.method) {
        (Takes::Get, Method::Get) => {}
        (Takes::Post, Method::Post) => require_json(request)?,
        _ => return Err(ApiError::wrong_method(takes.allow())),
    }
    let query = Query::parse(&request.query)?;
    match route {
        Route::Root if request.wants_page => page::page(context),
        Route::Root => Ok(chain::root(context)),
        Route::Style => Ok(page::style()),
        Route::Script => Ok(page::script()),
        Route::OpenApi => Ok(openapi::openapi(context)),
        Route::Version => Ok(chain::version(context)),
        Route::ChainTip => chain::tip(context),
        Route::GenesisHash => Ok(chain::genesis_hash(context)),
        Route::Healthz => Ok(health::healthz(context).await),
        Route::Livez => Ok(health::livez(context).await),
        Route::Readyz => Ok(health::readyz(context).await),
        Route::Health => Ok(health::health(context).await),
        // Streams are begun by whoever has the connection, while there is a place.
        Route::Events => Err(events::too_many()),
        Route::Ping => Ok(health::ping(context).await),
        Route::Account(text) => account::account(text, context).await,
        Route::AccountTxs(text) => history::account_txs(text, &query, context),
        Route::Accounts => accounts::accounts(&query, context),
        Route::Balance(text) => account::balance(text, context),
        Route::Block(text) => block::block(text, context),
        Route::RecentBlocks => block::recent(&query, context),
        Route::OldRecentBlocks => ranges::recent(&query, context),
        Route::BlocksRange => ranges::range(&query, context),
        Route::BlocksSince(text) => ranges::since(text, &query, context),
        Route::RecentTxs => history::recent(&query, context),
        Route::SyncStatus => sync::status(context).await,
        Route::Forks => forks::forks(context),
        Route::Search => search::search(&query, context).await,
        Route::EstimateFee => fees::estimate(&query, context).await,
        Route::Tx(text) => tx::tx(text, context).await,
        Route::Mempool => mempool::mempool(&query, context).await,
        Route::Submit | Route::Broadcast => submit::submit(&request.body, context).await,
        Route::Peers => peers::peers(&query, context).await,
        Route::Challenge => mining::challenge(&query, context).await,
        Route::SubmitBlock => mining::submit_block(&request.body, context).await,
        Route::Metrics => Ok(metrics::metrics(context).await),
        Route::Admin(act) => admin::answer(act, &request.body, context).await,
    }
}

/// Submissions are JSON and say so; parameters such as a charset are welcome.
fn require_json(request: &ApiRequest) -> Result<(), ApiError> {
    let given = request.content_type.as_deref().unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(answer::JSON) {
        return Ok(());
    }
    let sentence = "the content type must be application/json";
    Err(ApiError::new(415, "unsupported_media_type", sentence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestNode;

    #[tokio::test(start_paused = true)]
    async fn an_unknown_route_is_404_as_json() {
        let node = TestNode::start().await;
        for path in ["/nothing", "/eth", "/validators", "/account/a/b", "/tx/a/b"] {
            let (status, answer) = node.get(path).await;
            assert_eq!(
                (status, answer["code"].as_str()),
                (404, Some("not_found")),
                "{path}"
            );
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_method_is_405_with_what_is_allowed() {
        let node = TestNode::start().await;
        let cases = [
            (Method::Post, "/chainTip", "GET, HEAD, OPTIONS"),
            (Method::Get, "/submit", "POST, OPTIONS"),
            (Method::Other, "/submit", "POST, OPTIONS"),
        ];
        for (method, path, allow) in cases {
            let answer = node.answer(method, path, "").await;
            assert_eq!(answer.status, 405);
            assert!(answer.headers.contains(&("allow", allow)), "{path}");
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_preflight_is_204_everywhere() {
        let node = TestNode::start().await;
        for path in ["/submit", "/chainTip", "/nothing", "*"] {
            let answer = node.answer(Method::Options, path, "").await;
            assert_eq!((answer.status, answer.body.len()), (204, 0));
            assert!(
                answer
                    .headers
                    .contains(&("access-control-max-age", "86400"))
            );
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn submissions_must_be_json_and_reads_need_not_say_what_they_are() {
        let node = TestNode::start().await;
        let request = |path: &str, method, content_type: Option<&str>| ApiRequest {
            door: Door::Public,
            wants_page: false,
            method,
            path: path.into(),
            query: String::new(),
            content_type: content_type.map(str::to_owned),
            body: Bytes::from_static(b"{}"),
        };
        for wrong in [
            None,
            Some("text/plain"),
            Some("application/json5"),
            Some(""),
        ] {
            let answer = handle(request("/submit", Method::Post, wrong), &node.api.context).await;
            assert_eq!(answer.status, 415, "{wrong:?}");
        }
        for right in [
            "application/json",
            "Application/JSON;charset=utf-8",
            "application/json ; x",
        ] {
            let request = request("/submit", Method::Post, Some(right));
            assert_eq!(
                handle(request, &node.api.context).await.status,
                400,
                "{right}"
            );
        }
        let read = request("/chainTip", Method::Get, Some("application/json"));
        assert_eq!(handle(read, &node.api.context).await.status, 200);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn every_request_is_counted_under_its_endpoint() {
        let node = TestNode::start().await;
        node.get("/block/0").await;
        node.get("/block/x").await;
        node.get("/nothing").await;
        let text = node.metrics().await;
        for line in [
            "archivas_rpc_requests_total{endpoint=\"/block\"} 2",
            "archivas_rpc_errors_total{endpoint=\"/block\"} 1",
            "archivas_rpc_requests_total{endpoint=\"other\"} 1",
            "archivas_rpc_duration_seconds_count{endpoint=\"/block\"} 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        node.stop().await;
    }
}
