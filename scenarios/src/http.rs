//! One HTTP request and its whole answer over any byte stream: real bytes through a real client,
//! with no runtime and no clock named, so that both worlds ask their nodes the same way. Deadlines
//! are the caller's.

use std::fmt::Display;
use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::world::{HttpAnswer, HttpRequest, Unreachable};

/// The longest answer that is read: well above the largest block as JSON.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Sends one request to the server called `host` at the other end of `stream`, and reads the whole
/// answer.
///
/// # Errors
/// When no whole answer comes.
pub async fn exchange<S>(
    stream: S,
    host: &str,
    request: HttpRequest,
) -> Result<HttpAnswer, Unreachable>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = build(host, request)?;
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| broken("no HTTP connection", &error))?;
    let answer = async {
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| broken("no answer", &error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| broken("the answer broke off", &error))?;
        Ok(HttpAnswer {
            status,
            body: body.to_bytes().to_vec(),
        })
    };
    let (mut connection, mut answer) = (pin!(connection), pin!(answer));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection has ended; what it brought is still to be taken.
        _ = &mut connection => answer.await,
    }
}

fn build(host: &str, request: HttpRequest) -> Result<hyper::Request<Full<Bytes>>, Unreachable> {
    let mut builder = hyper::Request::builder()
        .method(request.method)
        .uri(&request.path)
        .header(header::HOST, host);
    if !request.body.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(request.body));
    builder
        .body(body)
        .map_err(|error| broken("not an HTTP request", &error))
}

fn broken(what: &str, error: &dyn Display) -> Unreachable {
    Unreachable(format!("{what}: {error}"))
}
