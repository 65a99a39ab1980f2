//! The harness as an HTTP client: real requests and answers, byte for byte, over streams of the
//! simulated network, one connection a request.

use archivas::ports::Network;
use archivas_scenarios::world::{HttpAnswer, HttpRequest, Unreachable};
use std::net::SocketAddr;

use crate::agenda::Agenda;
use crate::network::NodeNetwork;

/// How long a whole request may take, in virtual nanoseconds.
const TIMEOUT_NS: u64 = 30_000_000_000;

/// Sends one request to `server` and reads the whole answer.
///
/// # Errors
/// When there is no whole answer within half a virtual minute.
pub async fn request(
    network: &NodeNetwork,
    agenda: &Agenda,
    server: SocketAddr,
    request: HttpRequest,
) -> Result<HttpAnswer, Unreachable> {
    tokio::select! {
        biased;
        answer = exchange(network, server, request) => answer,
        () = agenda.sleep(TIMEOUT_NS) => Err(Unreachable("no answer within 30 s".into())),
    }
}

async fn exchange(
    network: &NodeNetwork,
    server: SocketAddr,
    request: HttpRequest,
) -> Result<HttpAnswer, Unreachable> {
    let stream = network.dial(server).await;
    let stream = stream.map_err(|error| Unreachable(format!("cannot connect: {error}")))?;
    archivas_scenarios::http::exchange(stream, &server.to_string(), request).await
}
