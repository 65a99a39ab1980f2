//! The HTTP server: hyper over the streams of the Network port, the same in both worlds. It brings
//! requests to `api::handle` and bounds what a client may take from the node: connections, header
//! time, request time, body size, and the time in which an answer must be read.
//!
//! Every time limit runs on the Clock port and every task on the Spawner; hyper's own `Date` header
//! is off, because it would read the system's clock.

mod gate;
mod patience;
mod stream;
mod timer;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use archivas_core::primitives::Millis;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::{
    self, ApiAnswer, ApiContext, ApiError, ApiRequest, BODY_BYTES_MAX, Door, Method, Subscription,
};
use crate::ports::{Clock, Host, Listener, Spawner};
pub use gate::{Gate, Limits};
use patience::Patience;
use stream::EventBody;
use timer::PortTimer;

/// The most connections at a time; further ones are closed at once. Each may hold a header buffer,
/// a body and an answer: at most about 96 MiB for all, answers of large blocks aside.
pub const CONNECTIONS_MAX: u32 = 1_024;
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

/// The body of an answer: whole, or a stream of events.
type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// What a server serves, and to whom.
#[derive(Debug)]
pub struct Front<C> {
    /// The API.
    pub context: Arc<ApiContext<C>>,
    /// By which door its clients come in.
    pub door: Door,
    /// Who keeps the door; none where the operator's own programs come in.
    pub gate: Option<Arc<Gate>>,
}

impl<C> Clone for Front<C> {
    fn clone(&self) -> Self {
        Self {
            context: Arc::clone(&self.context),
            door: self.door,
            gate: self.gate.clone(),
        }
    }
}

/// Serves HTTP until `stop`; returns when every connection has ended or was given up.
pub async fn serve<H: Host, L: Listener>(
    host: H,
    mut listener: L,
    front: Front<H::Clock>,
    stop: CancellationToken,
) where
    L::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                let place = front.gate.as_ref().map(|gate| gate.connect(from.ip()));
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    front.context.count_turned_away();
                    continue;
                };
                if matches!(place, Some(None)) {
                    front.context.count_turned_away();
                    continue;
                }
                let connection = serve_connection(stream, from.ip(), front.clone(), stop.clone());
                host.spawner().spawn(async move {
                    connection.await;
                    drop((slot, place));
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
pub async fn serve_connection<S, C>(
    stream: S,
    from: IpAddr,
    front: Front<C>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Clock,
{
    let clock = front.context.clock().clone();
    let stream = TokioIo::new(Patience::new(stream, clock.clone(), WRITE_TIMEOUT));
    let service = service_fn(|request| respond(request, from, &front, &stop));
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
    from: IpAddr,
    front: &Front<C>,
    stop: &CancellationToken,
) -> Result<Response<AnswerBody>, Infallible> {
    let context = front.context.as_ref();
    if !may_ask(&request, from, front) {
        return Ok(whole(context.refuse_hasty()));
    }
    let answered = async {
        let request = match read(request, front.door).await {
            Ok(request) => request,
            Err(error) => return whole(context.refuse(error)),
        };
        match api::subscribe(&request, context) {
            Some(events) => {
                let body = EventBody::new(events, stop.clone());
                response(Subscription::<C>::head(), body.boxed_unsync())
            }
            None => whole(api::handle(request, context).await),
        }
    };
    let answer = tokio::select! {
        biased;
        answer = answered => answer,
        () = context.clock().sleep(REQUEST_TIMEOUT) => whole(context.refuse(ApiError::new(
            408,
            "request_timeout",
            "the request did not arrive in time",
        ))),
    };
    Ok(answer)
}

/// Whether the client has not asked too much lately.
fn may_ask<C: Clock>(request: &Request<Incoming>, from: IpAddr, front: &Front<C>) -> bool {
    let Some(gate) = &front.gate else {
        return true;
    };
    let forwarded = request.headers().get("x-forwarded-for");
    let forwarded = forwarded.and_then(|value| value.to_str().ok());
    gate.admit(from, forwarded, front.context.clock().now().monotonic)
}

/// Reads the body, but no more of it than a body may have, and nothing when it says it is larger.
async fn read(request: Request<Incoming>, door: Door) -> Result<ApiRequest, ApiError> {
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
    let accept = head
        .headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    let wants_page = accept.is_some_and(|accept| accept.contains("text/html"));
    Ok(ApiRequest {
        door,
        wants_page,
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

/// An answer that is there as a whole.
fn whole(mut answer: ApiAnswer) -> Response<AnswerBody> {
    let body = Full::new(std::mem::take(&mut answer.body));
    response(answer, body.boxed_unsync())
}

fn response(answer: ApiAnswer, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::{TestNode, payment};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// Writes `request` and reads until the server closes.
    async fn exchange(stream: &mut DuplexStream, request: &[u8]) -> String {
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn get(node: &TestNode, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        exchange(&mut node.connect().await, request.as_bytes()).await
    }

    /// Reads one answer whose body has `length` bytes and leaves the connection open.
    async fn read_answer(stream: &mut DuplexStream) -> String {
        let mut answer = String::new();
        while !answer.ends_with("\r\n\r\n") {
            answer.push(char::from(stream.read_u8().await.unwrap()));
        }
        let length = answer.split_once("content-length: ").unwrap().1;
        let length: usize = length.split_once("\r\n").unwrap().0.parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        answer + &String::from_utf8(body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_type_length_and_cors_but_no_date() {
        let node = TestNode::start().await;
        let answer = get(&node, "/genesisHash").await;
        let body = format!("{{\"genesisHash\":\"{}\"}}", node.genesis.id());
        let expected = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
             access-control-allow-origin: *\r\n\
             access-control-allow-methods: GET, POST, OPTIONS\r\n\
             access-control-allow-headers: Content-Type\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(answer, expected);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_serves_many_requests_and_a_head_without_its_body() {
        let node = TestNode::start().await;
        let mut stream = node.connect().await;
        for _ in 0..3 {
            stream
                .write_all(b"GET /chainTip HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .unwrap();
            assert!(read_answer(&mut stream).await.contains("\"height\":\"0\""));
        }
        let head = b"HEAD /chainTip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = exchange(&mut stream, head).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_posted_in_pieces_is_accepted() {
        let node = TestNode::start().await;
        let body = payment(0);
        let head = format!(
            "POST /submit HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let (mut stream, request) = (node.connect().await, head + &body);
        for piece in request.as_bytes().chunks(7) {
            stream.write_all(piece).await.unwrap();
            node.host.clock().sleep(Millis::new(100)).await;
        }
        let answer = exchange(&mut stream, b"").await;
        assert!(answer.contains("{\"ok\":true,\"hash\":"), "{answer}");
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_sent_header_is_given_up_in_time() {
        let node = TestNode::start().await;
        for half in [&b""[..], b"GE", b"GET /chainTip HTTP/1.1\r\nhost: x\r\n"] {
            let began = node.host.clock.now().monotonic;
            let mut stream = node.connect().await;
            let answer = exchange(&mut stream, half).await;
            let took = node.host.clock.now().monotonic.since(began);
            assert_eq!(took, Millis::from_secs(10));
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
                "{answer}"
            );
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_sent_body_is_408_in_time() {
        let node = TestNode::start().await;
        let began = node.host.clock.now().monotonic;
        let request = b"POST /submit HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf";
        let answer = exchange(&mut node.connect().await, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with("\"code\":\"request_timeout\"}"));
        let took = node.host.clock.now().monotonic.since(began);
        assert_eq!(took, REQUEST_TIMEOUT);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_says_it_is_huge_is_413_unread() {
        let node = TestNode::start().await;
        let began = node.host.clock.now().monotonic;
        for length in ["65537", "1073741824", "18446744073709551613"] {
            let request = format!(
                "POST /submit HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n"
            );
            let answer = exchange(&mut node.connect().await, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
            assert!(answer.ends_with("\"code\":\"body_too_large\"}"));
        }
        assert_eq!(node.host.clock.now().monotonic, began);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_a_length_is_cut_off_at_the_bound() {
        let node = TestNode::start().await;
        let mut stream = node.connect().await;
        let head = b"POST /submit HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
        let (mut reading, mut writing) = tokio::io::split(stream);
        let write = async {
            // The server stops reading somewhere behind the bound.
            for _ in 0..1_000 {
                if writing.write_all(chunk.as_bytes()).await.is_err() {
                    break;
                }
            }
        };
        let read = async {
            let mut answer = vec![0; 16];
            reading.read_exact(&mut answer).await.unwrap();
            answer
        };
        let ((), answer) = tokio::join!(write, read);
        assert_eq!(answer, b"HTTP/1.1 413 Pay");
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_is_400_and_the_server_lives_on() {
        let node = TestNode::start().await;
        let long = [b"GET /".as_slice(), &[b'a'; 40_000], b" HTTP/1.1\r\n\r\n"].concat();
        for garbage in [
            b"\0\x01\x02\xff\xfe\r\n\r\n".as_slice(),
            b"nonsense\r\n\r\n",
            &long,
        ] {
            let mut stream = node.connect().await;
            // The server may close before all of it is written.
            let _ = stream.write_all(garbage).await;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(
                answer.starts_with(b"HTTP/1.1 4"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
        assert!(get(&node, "/healthz").await.contains("\"ok\":true"));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn connections_over_the_cap_are_closed_and_room_comes_back() {
        let node = TestNode::start().await;
        let mut held = Vec::new();
        for _ in 0..gate::CONNECTIONS_PER_CLIENT_MAX {
            held.push(node.connect().await);
        }
        let began = node.host.clock.now().monotonic;
        let mut refused = node.connect().await;
        assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(node.host.clock.now().monotonic, began);
        held.clear();
        node.settle().await;
        assert!(get(&node, "/healthz").await.contains("\"ok\":true"));
        let metrics = node.served_metrics().await;
        assert!(
            metrics.contains("archivas_http_turned_away_total 1\n"),
            "{metrics}"
        );
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_in_haste_is_429_with_when_to_come_back() {
        let node = TestNode::start().await;
        let mut stream = node.connect().await;
        let request = b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut answer = String::new();
        for _ in 0..1_001 {
            stream.write_all(request).await.unwrap();
            answer = read_answer(&mut stream).await;
        }
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(answer.ends_with("\"code\":\"rate_limited\"}"), "{answer}");
        node.host.clock.sleep(Millis::from_secs(1)).await;
        let metrics = node.served_metrics().await;
        assert!(
            metrics.contains("archivas_http_rate_limited_total 1\n"),
            "{metrics}"
        );
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_closes_idle_connections() {
        let node = TestNode::start().await;
        let mut stream = node.connect().await;
        stream
            .write_all(b"GET /chainTip HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        read_answer(&mut stream).await;
        let began = node.host.clock.now().monotonic;
        let clock = node.host.clock;
        node.stop().await;
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        assert!(clock.now().monotonic.since(began) < Millis::from_secs(1));
    }
}
