//! What happens, as it happens: `/events`, a stream of server-sent events. Each subscriber has a
//! bounded place in the node's queue of events (`driver::EVENTS_MAX`); one that reads too slowly is
//! told how much it missed and dropped, and never holds up the node.

use std::net::SocketAddr;
use std::sync::Arc;

use archivas_core::node::{Event, TipInfo};
use archivas_core::p2p::peer::{Direction, Disconnect};
use archivas_core::primitives::{BlockId, Millis, TxId};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::answer::{ApiAnswer, ApiError};
use super::context::ApiContext;
use super::shapes::block_work;
use super::{ApiRequest, Door, Method};
use crate::ports::Clock;

/// The most subscribers at a time, a quarter of all HTTP connections; each holds no events itself.
pub const SUBSCRIBERS_MAX: usize = 64;
/// A quiet stream says something this often, so that proxies and clients know that it lives.
const KEEP_ALIVE: Millis = Millis::from_secs(15);
/// What it says then: a comment.
const COMMENT: &str = ": still here\n\n";

/// Where subscriptions come from.
#[derive(Debug)]
pub struct Hub {
    events: broadcast::Sender<Event>,
    slots: Arc<Semaphore>,
}

impl Hub {
    /// A hub for what `events` sends.
    pub fn new(events: broadcast::Sender<Event>) -> Self {
        let slots = Arc::new(Semaphore::new(SUBSCRIBERS_MAX));
        Self { events, slots }
    }
}

/// One subscriber's view of what happens from now on.
#[derive(Debug)]
pub struct Subscription<C> {
    events: broadcast::Receiver<Event>,
    clock: C,
    over: bool,
    _slot: OwnedSemaphorePermit,
}

/// The subscription that a request asks for. `None` when it asks for something else or there are too
/// many: `api::handle` then has the answer.
pub fn subscribe<C: Clock>(
    request: &ApiRequest,
    context: &ApiContext<C>,
) -> Option<Subscription<C>> {
    if request.path != "/events" || request.method != Method::Get || request.door == Door::Metrics {
        return None;
    }
    let slots = Arc::clone(&context.hub.slots);
    let slot = slots.try_acquire_owned().ok()?;
    context
        .metrics
        .observe_request("/events", 200, Millis::ZERO);
    Some(Subscription {
        events: context.hub.events.subscribe(),
        clock: context.clock.clone(),
        over: false,
        _slot: slot,
    })
}

/// What a subscriber gets for whom no place is left.
pub fn too_many() -> ApiError {
    let sentence = "too many clients listen to events: come back later or ask for what you need";
    ApiError {
        header: Some(("retry-after", "10")),
        ..ApiError::not_ready("too_many_subscribers", sentence)
    }
}

impl<C: Clock> Subscription<C> {
    /// The head of the answer whose body the events are.
    pub fn head() -> ApiAnswer {
        let mut answer = ApiAnswer::new(200, "text/event-stream", "");
        answer.headers.push(("cache-control", "no-cache"));
        answer
    }

    /// The next piece of the stream; `None` when it is over.
    pub async fn next(&mut self) -> Option<String> {
        while !self.over {
            let received = tokio::select! {
                biased;
                received = self.events.recv() => received,
                () = self.clock.sleep(KEEP_ALIVE) => return Some(COMMENT.to_owned()),
            };
            let text = match received {
                Ok(event) => text(&event),
                Err(RecvError::Lagged(missed)) => {
                    self.over = true;
                    message("dropped", &Dropped { missed })
                }
                Err(RecvError::Closed) => return None,
            };
            if !text.is_empty() {
                return Some(text);
            }
        }
        None
    }
}

#[derive(Serialize)]
struct Block {
    height: String,
    hash: BlockId,
    difficulty: String,
    work: String,
    timestamp: String,
}

impl From<&TipInfo> for Block {
    fn from(tip: &TipInfo) -> Self {
        Self {
            height: tip.height.to_string(),
            hash: tip.id,
            difficulty: block_work(tip.bits).to_decimal(),
            work: tip.chainwork.to_string(),
            timestamp: tip.timestamp.as_secs().to_string(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reorg {
    from: BlockId,
    to: BlockId,
    fork_height: String,
    left_blocks: String,
    joined_blocks: String,
}

#[derive(Serialize)]
struct Tx {
    hash: TxId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Peer<'a> {
    address: SocketAddr,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Alarm {
    code: &'static str,
    hash: BlockId,
}

/// Peers on another chain, and groups of peers that served what we refuse.
#[derive(Serialize)]
struct Fork {
    code: &'static str,
    apart: usize,
    refused: usize,
}

#[derive(Serialize)]
struct Dropped {
    missed: u64,
}

/// One message; JSON has no line breaks of its own.
fn message(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("events are plain structs with string keys");
    format!("event: {name}\ndata: {data}\n\n")
}

/// The messages of an event; none for what is no subscriber's business.
fn text(event: &Event) -> String {
    match event {
        Event::TipChanged {
            from,
            to,
            fork_height,
            left_blocks,
            joined_blocks,
        } => {
            let block = message("block", &Block::from(to));
            if *left_blocks == 0 {
                return block;
            }
            let reorg = Reorg {
                from: from.id,
                to: to.id,
                fork_height: fork_height.to_string(),
                left_blocks: left_blocks.to_string(),
                joined_blocks: joined_blocks.to_string(),
            };
            message("reorg", &reorg) + &block
        }
        Event::TransferAdded(id) => tx(*id, "added", None),
        Event::TransferDropped(dropped) => tx(dropped.id, "dropped", Some(dropped.reason.code())),
        Event::OwnTransferDropped { id, code } | Event::SavedTransferDropped { id, code } => {
            tx(*id, "dropped", Some(code))
        }
        Event::PeerReady { .. } | Event::PeerLost { .. } => peer(event),
        Event::BranchHeld { id } => {
            let (code, hash) = ("branch_held", *id);
            message("alarm", &Alarm { code, hash })
        }
        Event::ForkSuspected { apart, refused } => fork("fork_suspected", *apart, *refused),
        Event::ForkOver => fork("fork_over", 0, 0),
        Event::BlockRefused { .. }
        | Event::PeerMisbehaved { .. }
        | Event::Banned { .. }
        | Event::RowDropped { .. } => String::new(),
    }
}

/// The message of a peer that came or went.
fn peer(event: &Event) -> String {
    match event {
        Event::PeerReady {
            addr,
            direction,
            user_agent,
            ..
        } => message(
            "peer",
            &Peer {
                address: *addr,
                state: "ready",
                direction: Some(match direction {
                    Direction::Inbound => "inbound",
                    Direction::Outbound => "outbound",
                }),
                agent: Some(user_agent),
                reason: None,
            },
        ),
        Event::PeerLost { addr, reason, .. } => message(
            "peer",
            &Peer {
                address: *addr,
                state: "lost",
                direction: None,
                agent: None,
                reason: reason.map(Disconnect::code),
            },
        ),
        _ => String::new(),
    }
}

fn fork(code: &'static str, apart: usize, refused: usize) -> String {
    let fork = Fork {
        code,
        apart,
        refused,
    };
    message("alarm", &fork)
}

fn tx(hash: TxId, state: &'static str, reason: Option<&'static str>) -> String {
    message(
        "tx",
        &Tx {
            hash,
            state,
            reason,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestNode;
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn request() -> ApiRequest {
        ApiRequest {
            door: crate::api::Door::Public,
            wants_page: false,
            method: Method::Get,
            path: "/events".into(),
            query: String::new(),
            content_type: None,
            body: Bytes::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_subscriber_hears_of_transfers_and_blocks_until_the_node_stops() {
        let node = TestNode::start().await;
        let mut stream = node.connect().await;
        let request = b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        node.settle().await;
        let tx = node.pay(0).await;
        let block = node.mine().await;
        node.host.clock.sleep(Millis::from_secs(20)).await;
        node.stop().await;
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"));
        for piece in [
            format!("event: tx\ndata: {{\"hash\":\"{tx}\",\"state\":\"added\"}}\n\n"),
            format!("event: block\ndata: {{\"height\":\"1\",\"hash\":\"{block}\",\"difficulty\":"),
            format!("{{\"hash\":\"{tx}\",\"state\":\"dropped\",\"reason\":\"confirmed\"}}\n\n"),
            COMMENT.to_owned(),
        ] {
            assert!(heard.contains(&piece), "{piece} in {heard}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_told_what_it_missed_and_dropped() {
        let node = TestNode::start().await;
        let (events, received) = broadcast::channel(2);
        let mut slow = subscribe(&request(), &node.api.context).unwrap();
        slow.events = received;
        let id = node.genesis.id();
        for _ in 0..5 {
            events.send(Event::BranchHeld { id }).unwrap();
        }
        let expected = "event: dropped\ndata: {\"missed\":3}\n\n";
        assert_eq!(slow.next().await.as_deref(), Some(expected));
        assert_eq!(slow.next().await, None);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_bound_on_subscribers_and_a_place_comes_back() {
        let node = TestNode::start().await;
        let subscribe = || subscribe(&request(), &node.api.context);
        let mut held: Vec<_> = (0..SUBSCRIBERS_MAX).map(|_| subscribe().unwrap()).collect();
        assert!(subscribe().is_none());
        let answer = node.answer(Method::Get, "/events", "").await;
        assert_eq!(answer.status, 503);
        assert!(answer.headers.contains(&("retry-after", "10")));
        held.pop();
        assert!(subscribe().is_some());
        node.stop().await;
    }
}
