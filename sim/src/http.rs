//! The harness as an HTTP client: real requests and answers, byte for byte, over streams of the
//! simulated network, one connection a request.

use archivas::ports::Network;
use archivas_scenarios::world::{HttpAnswer, HttpRequest, Unreachable};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;

use crate::agenda::Agenda;
use crate::network::NodeNetwork;

/// How long a whole request may take, in virtual nanoseconds.
const TIMEOUT_NS: u64 = 30_000_000_000;
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 8 << 20;

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
    let broken =
        |what: &str, error: &dyn std::fmt::Display| Unreachable(format!("{what}: {error}"));
    let stream = network
        .dial(server)
        .await
        .map_err(|e| broken("cannot connect", &e))?;
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|e| broken("no HTTP connection", &e))?;
    let answer = async {
        let request = build(server, request)?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|e| broken("no answer", &e))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body
            .map_err(|e| broken("the answer broke off", &e))?
            .to_bytes();
        Ok(HttpAnswer {
            status,
            body: body.to_vec(),
        })
    };
    let (mut connection, mut answer) = (std::pin::pin!(connection), std::pin::pin!(answer));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection has ended; what it brought is still to be taken.
        _ = &mut connection => answer.await,
    }
}

fn build(
    server: SocketAddr,
    request: HttpRequest,
) -> Result<hyper::Request<Full<Bytes>>, Unreachable> {
    let mut builder = hyper::Request::builder()
        .method(request.method)
        .uri(&request.path)
        .header(hyper::header::HOST, server.to_string());
    if !request.body.is_empty() {
        builder = builder.header(hyper::header::CONTENT_TYPE, "application/json");
    }
    builder
        .body(Full::new(Bytes::from(request.body)))
        .map_err(|error| Unreachable(format!("not an HTTP request: {error}")))
}
