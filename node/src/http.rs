//! The HTTP server: hyper over the streams of the Network port, the same in both worlds. It brings
//! requests to `api::handle` and bounds what a client may take from the node: connections, header
//! time, request time, body size, and the time in which an answer must be read.
//!
//! Every time limit runs on the Clock port and every task on the Spawner; hyper's own `Date` header
//! is off, because it would read the system's clock.

mod patience;
mod timer;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use archivas_core::primitives::Millis;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::{self, ApiAnswer, ApiContext, ApiError, ApiRequest, BODY_BYTES_MAX, Method};
use crate::ports::{Clock, Host, Listener, Network, Spawner};
use patience::Patience;
use timer::PortTimer;

/// The most connections at a time; further ones are closed at once. Each may hold a header buffer,
/// a body and an answer: at most about 24 MiB for all, answers of large blocks aside.
pub const CONNECTIONS_MAX: u32 = 256;
/// How long a connection may be idle or its next header take.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take from its header to its answer. Longer than `api` waits for the loop,
/// so what is cut off here is a body that does not come.
pub const REQUEST_TIMEOUT: Millis = Millis::from_secs(30);
/// How long a client may leave an answer unread.
pub const WRITE_TIMEOUT: Millis = Millis::from_secs(30);
/// How long requests under way may take once the node stops.
const STOP_TIMEOUT: Millis = Millis::from_secs(2);
/// The pause after a failed accept: what it lacks (file descriptors) comes back by itself.
const ACCEPT_PAUSE: Millis = Millis::new(100);
/// The most bytes of a request's header.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// The most header lines of a request.
const HEADER_LINES_MAX: usize = 64;

/// The host's listener.
type HostListener<H> = <<H as Host>::Network as Network>::Listener;

/// Serves HTTP until `stop`; returns when every connection has ended or was given up.
pub async fn serve<H: Host>(
    host: H,
    mut listener: HostListener<H>,
    context: Arc<ApiContext<H::Clock>>,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    continue;
                };
                let connection = serve_connection(stream, Arc::clone(&context), stop.clone());
                host.spawner().spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                host.clock().sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        biased;
        _ = slots.acquire_many(CONNECTIONS_MAX) => {}
        () = host.clock().sleep(STOP_TIMEOUT) => {}
    }
}

/// Serves one connection until the client ends it, breaks a limit, or `stop` fires.
pub async fn serve_connection<S, C>(stream: S, context: Arc<ApiContext<C>>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Clock,
{
    let clock = context.clock().clone();
    let stream = TokioIo::new(Patience::new(stream, clock.clone(), WRITE_TIMEOUT));
    let service = service_fn(|request| respond(request, &context));
    let connection = http1::Builder::new()
        .timer(PortTimer::new(clock.clone()))
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADER_LINES_MAX)
        .auto_date_header(false)
        .serve_connection(stream, service);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        ended = connection.as_mut() => return log(ended),
    }
    tokio::select! {
        biased;
        ended = connection => log(ended),
        () = clock.sleep(STOP_TIMEOUT) => {}
    }
}

/// A client's broken connection is its own business.
fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

/// One request, within `REQUEST_TIMEOUT`.
async fn respond<C: Clock>(
    request: Request<Incoming>,
    context: &ApiContext<C>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let answered = async {
        match read(request).await {
            Ok(request) => api::handle(request, context).await,
            Err(error) => context.refuse(error),
        }
    };
    let answer = tokio::select! {
        biased;
        answer = answered => answer,
        () = context.clock().sleep(REQUEST_TIMEOUT) => context.refuse(ApiError::new(
            408,
            "request_timeout",
            "the request did not arrive in time",
        )),
    };
    Ok(response(answer))
}

/// Reads the body, but no more of it than a body may have, and nothing when it says it is larger.
async fn read(request: Request<Incoming>) -> Result<ApiRequest, ApiError> {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let body = Limited::new(body, BODY_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => too_large(),
            false => ApiError::malformed("malformed_body", "the body broke off or is not HTTP"),
        })?;
    let content_type = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    Ok(ApiRequest {
        method: match head.method {
            hyper::Method::GET | hyper::Method::HEAD => Method::Get,
            hyper::Method::POST => Method::Post,
            hyper::Method::OPTIONS => Method::Options,
            _ => Method::Other,
        },
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        content_type: content_type.map(str::to_owned),
        body: body.to_bytes(),
    })
}

fn too_large() -> ApiError {
    let sentence = format!("a body has at most {BODY_BYTES_MAX} bytes");
    ApiError::new(413, "body_too_large", sentence)
}

fn response(answer: ApiAnswer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).expect("the API's statuses are literals");
    let headers = response.headers_mut();
    if !answer.content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    for (name, value) in answer.headers {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}
