//! Requests to a node, well formed or not: each connection is answered or ended in time, answers are
//! whole and true to their type, what is accepted is there, and the node lives on.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use archivas::api::{ApiContext, BODY_BYTES_MAX, Door};
use archivas::http::{Front, serve_connection};
use archivas::ports::{Clock as _, Spawner as _};
use archivas_core::primitives::{Millis, WireTransfer};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, split};
use tokio_util::sync::CancellationToken;

use crate::host::{Alone, Paused, in_time, node, run};
use crate::reach;
use crate::story::story;

/// More requests find nothing that fewer do not.
const STEPS_MAX: usize = 8;
/// The server ends every connection by then, but for streams of events.
const PATIENCE: Millis = Millis::from_secs(120);

#[derive(Arbitrary, Debug)]
enum Step {
    Ask(Ask),
    /// Any bytes; then the client waits, or has nothing more to say.
    Raw {
        bytes: Vec<u8>,
        ends: bool,
    },
    /// A good request, cut off.
    Cut {
        ask: Ask,
        at: u16,
        ends: bool,
    },
    Wait {
        seconds: u8,
    },
}

#[derive(Arbitrary, Debug)]
struct Ask {
    method: u8,
    route: u8,
    part: Part,
    query: Vec<(u8, Part)>,
    html: bool,
    metrics_door: bool,
    body: Option<Body>,
}

/// Something in a path or a query.
#[derive(Arbitrary, Debug)]
enum Part {
    Number(u64),
    Height(u8),
    Block(u8),
    Transfer(u8),
    Address(u8),
    Text(String),
}

#[derive(Arbitrary, Debug)]
enum Body {
    Transfer {
        which: u8,
        damage: Option<(u16, u8)>,
    },
    Json(String),
    Null,
    /// A sealed block's answer to a challenge that may not exist.
    Seal {
        template: String,
        nonce: u64,
    },
    /// So many spaces beyond, or below, what is allowed.
    Long(i8),
    /// Says to be longer than memory.
    Huge,
}

const METHODS: [&str; 6] = ["GET", "POST", "HEAD", "OPTIONS", "DELETE", "BREW"];
const ROUTES: [&str; 30] = [
    "/",
    "/explorer.css",
    "/openapi.json",
    "/version",
    "/chainTip",
    "/genesisHash",
    "/healthz",
    "/livez",
    "/readyz",
    "/health",
    "/ping",
    "/events",
    "/accounts",
    "/blocks/recent",
    "/recentBlocks",
    "/blocks/range",
    "/tx/recent",
    "/sync/status",
    "/forks",
    "/search",
    "/estimateFee",
    "/mempool",
    "/submit",
    "/broadcast",
    "/peers",
    "/challenge",
    "/submitBlock",
    "/metrics",
    "/blocks/since/",
    "/account/",
];
/// Routes that end in what they are about.
const OPEN: [&str; 6] = [
    "/blocks/since/",
    "/account/",
    "/balance/",
    "/block/",
    "/tx/",
    "/",
];
const KEYS: [&str; 12] = [
    "limit", "from", "to", "before", "after", "q", "bytes", "count", "producer", "verbose",
    "since", "",
];

/// A node, and requests to it one after the other.
pub fn http_api(bytes: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    run(async move {
        let (host, mut running, context) = node().await;
        let client = Client { host, context };
        for step in steps.iter().take(STEPS_MAX) {
            client.take(step).await;
        }
        for path in ["/livez", "/chainTip", "/mempool"] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, 200, "the node lives on: {path}");
        }
        assert!(running.done.try_recv().is_err(), "the node has stopped");
        running.stop.cancel();
        let ended = in_time(PATIENCE, running.done).await;
        reach::node(&running.probes);
        let ended = ended.expect("a node stops in time").expect("and says so");
        ended.expect("memory does not fail");
    });
}

struct Client {
    host: Alone,
    context: Arc<ApiContext<Paused>>,
}

/// One answer, or a connection that was ended without.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    json: Option<Value>,
}

impl Client {
    async fn take(&self, step: &Step) {
        match step {
            Step::Wait { seconds } => {
                let time = Millis::from_secs((*seconds).into());
                self.context.clock().sleep(time).await;
            }
            Step::Raw { bytes, ends } => drop(self.exchange(bytes, *ends, Door::Public).await),
            Step::Cut { ask, at, ends } => {
                let mut request = ask.bytes();
                request.truncate(usize::from(*at) % (request.len() + 1));
                self.exchange(&request, *ends, ask.door()).await;
            }
            Step::Ask(ask) => {
                let answer = self.exchange(&ask.bytes(), false, ask.door()).await;
                let accepted = answer.json.as_ref().filter(|json| json["ok"] == true);
                let hash = accepted.and_then(|json| json["hash"].as_str());
                if let Some(hash) = hash.filter(|_| matches!(ask.body, Some(Body::Transfer { .. })))
                {
                    let there = self.get(&format!("/tx/{hash}")).await;
                    assert_eq!(there.status, 200, "accepted, and not there");
                }
            }
        }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        self.exchange(request.as_bytes(), false, Door::Public).await
    }

    /// Says something on a connection of its own, and reads until the server ends it.
    async fn exchange(&self, request: &[u8], ends: bool, door: Door) -> Answer {
        let (ours, theirs) = duplex(16_384);
        let front = Front {
            context: Arc::clone(&self.context),
            door,
            gate: None,
        };
        let stop = CancellationToken::new();
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let serving = serve_connection(theirs, from, front, stop.clone());
        self.host.spawn(serving);
        let (mut reading, mut writing) = split(ours);
        let mut said = Vec::new();
        let write = async {
            // A server that has heard enough need not read the rest.
            let _ = writing.write_all(request).await;
            if ends {
                let _ = writing.shutdown().await;
            }
        };
        let read = reading.read_to_end(&mut said);
        let talk = async { tokio::join!(write, read).1 };
        let ended = in_time(PATIENCE, talk).await;
        let text = String::from_utf8_lossy(&said);
        let stream = text.contains("text/event-stream");
        assert!(
            ended.is_some() || stream,
            "a connection is not ended: {text}"
        );
        stop.cancel();
        if stream {
            Answer::default()
        } else {
            answer(&said)
        }
    }
}

/// The first answer of what a server said: whole, and true to its type.
fn answer(said: &[u8]) -> Answer {
    if said.is_empty() {
        return Answer::default();
    }
    let end = said.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.expect("an answer has a whole header");
    let head = std::str::from_utf8(&said[..end]).expect("our headers are ASCII");
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .or(head.strip_prefix("HTTP/1.0 "));
    let status = status
        .and_then(|rest| rest.get(..3))
        .expect("a status line");
    let status: u16 = status.parse().expect("a status");
    assert!(status < 500 || status == 503, "{head}");
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .next()
    };
    let length: usize = header("content-length").map_or(0, |text| text.parse().expect("a number"));
    let body = &said[end + 4..];
    let body = &body[..length.min(body.len())];
    // HEAD has a type and a length, and no body.
    if header("content-type") != Some("application/json") || body.is_empty() {
        return Answer { status, json: None };
    }
    assert_eq!(body.len(), length, "a body is cut off");
    let json: Value = serde_json::from_slice(body).expect("JSON is JSON");
    if status >= 400 && status != 503 {
        let text = |key: &str| json[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(text("code") && text("error"), "{json}");
    }
    Answer {
        status,
        json: Some(json),
    }
}

impl Ask {
    const fn door(&self) -> Door {
        match self.metrics_door {
            true => Door::Metrics,
            false => Door::Public,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let route = usize::from(self.route) % (ROUTES.len() + OPEN.len());
        let mut path = match ROUTES.get(route) {
            Some(whole) => (*whole).to_owned(),
            None => OPEN[route - ROUTES.len()].to_owned() + &self.part.text(),
        };
        for (number, (key, value)) in self.query.iter().take(4).enumerate() {
            path.push(if number == 0 { '?' } else { '&' });
            path += KEYS[usize::from(*key) % KEYS.len()];
            path.push('=');
            path += &value.text();
        }
        let method = METHODS[usize::from(self.method) % METHODS.len()];
        let accept = if self.html {
            "accept: text/html\r\n"
        } else {
            ""
        };
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{accept}")
                .into_bytes();
        if let Some(body) = &self.body {
            let (bytes, length) = body.bytes();
            let head = format!("content-type: application/json\r\ncontent-length: {length}\r\n");
            request.extend(head.as_bytes());
            request.extend(b"\r\n");
            request.extend(bytes);
        } else {
            request.extend(b"\r\n");
        }
        request
    }
}

impl Part {
    /// As it stands in a path: what cannot stand there is escaped.
    fn text(&self) -> String {
        let (blocks, transfers) = (&story().blocks, &story().transfers);
        let transfer = |which: &u8| &transfers[usize::from(*which) % transfers.len()];
        match self {
            Self::Number(number) => number.to_string(),
            Self::Height(height) => height.to_string(),
            Self::Block(which) => blocks[usize::from(*which) % blocks.len()].id().to_string(),
            Self::Transfer(which) => transfer(which).id(&story().genesis.domain).to_string(),
            Self::Address(which) => transfer(which).from().to_string(),
            Self::Text(text) => text.bytes().map(escaped).collect(),
        }
    }
}

fn escaped(byte: u8) -> String {
    match byte.is_ascii_graphic() && byte != b'#' {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    }
}

impl Body {
    /// The bytes, and how many it says there are.
    fn bytes(&self) -> (Vec<u8>, u64) {
        let bytes = match self {
            Self::Transfer { which, damage } => {
                let known = &story().transfers;
                let known = &known[usize::from(*which) % known.len()];
                let text = WireTransfer::from_signed(known, &story().genesis.domain);
                let mut text = text.into_bytes();
                if let Some((at, byte)) = damage {
                    let at = usize::from(*at) % text.len();
                    text[at] = *byte;
                }
                text
            }
            Self::Json(text) => text.clone().into_bytes(),
            Self::Null => b"null".to_vec(),
            Self::Seal { template, nonce } => {
                serde_json::json!({ "template_id": template, "nonce": nonce })
                    .to_string()
                    .into_bytes()
            }
            Self::Long(by) => vec![b' '; BODY_BYTES_MAX.saturating_add_signed((*by).into())],
            Self::Huge => return (b"{".to_vec(), 1 << 40),
        };
        let length = bytes.len() as u64;
        (bytes, length)
    }
}
