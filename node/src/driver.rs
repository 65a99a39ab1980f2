//! The one loop around the core, the same in both worlds: it waits for what happens, hands it to
//! the node, lets the disk catch up, and then does what the node wants done. Only here the logic
//! waits; sends never wait. Names no runtime: time, tasks and streams come from the ports.

mod alarm;
mod stop;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use archivas_core::node::{Action, Answer, Event, Finding, JobId, Ticket, TipInfo};
use archivas_core::p2p::frame::frame;
use archivas_core::p2p::peer::{Direction, PeerId};
use archivas_core::params::peers::CHECKS_MAX;
use archivas_core::primitives::{Instant, Millis};
use archivas_core::rules::Law;
use archivas_core::schema;
use archivas_core::storage::{Storage, StorageError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::connections::{self, NET_EVENTS_MAX, NetEvent, NetSender, Outbox};
use crate::metrics::Metrics;
use crate::ports::{Checker, Clock, Command, Host, Network, Spawner};
use crate::record::Desk;
use alarm::{Alarm, is_over};
pub use stop::{Broken, StopError};

/// Commands on their way to the loop: at most 64 KiB each, but for a miner's block.
pub const COMMANDS_MAX: usize = 64;
/// Events that a slow subscriber may lag behind before it loses the oldest: about 200 B each.
pub const EVENTS_MAX: usize = 1_024;
/// Findings on transfers that one turn of the loop takes: so many own submissions share a commit.
const TURN_TRANSFERS_MAX: usize = 64;
/// Connections at once, ready or not: above it newcomers are dropped unheard. The node's own caps
/// are lower; this one holds even if it never answers.
pub const CONNECTIONS_MAX: usize = 256;

/// What reaches the outside from the loop, all of it committed.
#[derive(Debug)]
pub struct Publishing {
    /// The tip.
    pub tip: watch::Sender<TipInfo>,
    /// Everything that happens.
    pub events: broadcast::Sender<Event>,
    /// What happened, counted.
    pub metrics: Arc<Metrics>,
}

/// What the loop is fed with.
#[derive(Debug)]
pub struct Feeds {
    /// Requests of clients.
    pub commands: mpsc::Receiver<Command>,
    /// Ends the loop gracefully.
    pub stop: CancellationToken,
    /// Set before that by whoever could not read the database: the loop ends with that failure.
    pub broken: Broken,
}

/// One thing that happened.
enum Input<S> {
    Stop,
    Timeout,
    Checked((JobId, Finding)),
    Command(Command),
    Net(NetEvent<S>),
}

/// The stream type of a host.
type StreamOf<H> = <<H as Host>::Network as Network>::Stream;

/// Both ends of a queue into the loop.
type Channel<T> = (mpsc::Sender<T>, mpsc::Receiver<T>);

/// One connection as the loop holds it.
struct Link {
    outbox: Outbox,
    /// What the node was last told about the outbox.
    congested: bool,
}

/// The loop's own state, beside the node's.
pub struct Driver<H: Host, S: Storage> {
    host: H,
    node: Desk<S>,
    law: Arc<Law>,
    magic: [u8; 4],
    links: BTreeMap<PeerId, Link>,
    links_made: u64,
    waiting: BTreeMap<Ticket, oneshot::Sender<Answer>>,
    tickets: u64,
    /// Since when the checker has what it has.
    checking: BTreeMap<JobId, Instant>,
    publishing: Publishing,
    net: Channel<NetEvent<StreamOf<H>>>,
    findings: Channel<(JobId, Finding)>,
    feeds: Feeds,
    alarm: Alarm,
    turn: u64,
}

impl<H: Host, S: Storage> Driver<H, S> {
    /// A loop around `node`, which is of the network with `magic`.
    pub fn new(
        host: H,
        node: Desk<S>,
        magic: [u8; 4],
        feeds: Feeds,
        publishing: Publishing,
    ) -> Self {
        let law = Arc::new(node.chain().law().clone());
        Self {
            host,
            node,
            law,
            magic,
            links: BTreeMap::new(),
            links_made: 0,
            waiting: BTreeMap::new(),
            tickets: 0,
            checking: BTreeMap::new(),
            publishing,
            net: mpsc::channel(NET_EVENTS_MAX),
            findings: mpsc::channel(CHECKS_MAX),
            feeds,
            alarm: Alarm::default(),
            turn: 0,
        }
    }

    /// Where connections report to this loop.
    pub fn net(&self) -> NetSender<H> {
        self.net.0.clone()
    }

    /// Runs until it is told to stop, or storage fails.
    ///
    /// # Errors
    /// Storage's failure; what was promised before is on disk.
    pub async fn run(mut self) -> Result<(), StopError> {
        self.settle().await?;
        loop {
            let input = self.next_input().await;
            if matches!(input, Input::Stop) {
                if let Some(error) = self.feeds.broken.get() {
                    return Err(error.clone().into());
                }
                return Ok(self.node.handle_stop(self.host.clock().now())?);
            }
            let is_transfer = matches!(&input, Input::Checked((_, Finding::Transfer(_))));
            self.handle(input)?;
            if is_transfer {
                self.handle_more_transfers()?;
            }
            if H::CHECKS_INVARIANTS {
                self.node.check_invariants();
            }
            self.settle().await?;
        }
    }

    /// Waits for the next input. Each turn another source is asked first, so that none can starve
    /// the others; the order is the same in every run.
    async fn next_input(&mut self) -> Input<StreamOf<H>> {
        if self.feeds.stop.is_cancelled() {
            return Input::Stop;
        }
        let due = self.node.poll_timeout();
        self.turn += 1;
        let favoured = match self.turn % 4 {
            0 => self.findings.1.try_recv().ok().map(Input::Checked),
            1 => self.feeds.commands.try_recv().ok().map(Input::Command),
            2 => self.net.1.try_recv().ok().map(Input::Net),
            _ => is_over(due, self.host.clock()).then_some(Input::Timeout),
        };
        if let Some(input) = favoured {
            return input;
        }
        let alarm = self.alarm.at(due, self.host.clock());
        tokio::select! {
            biased;
            () = self.feeds.stop.cancelled() => Input::Stop,
            Some(finding) = self.findings.1.recv() => Input::Checked(finding),
            Some(command) = self.feeds.commands.recv() => Input::Command(command),
            Some(event) = self.net.1.recv() => Input::Net(event),
            () = alarm => Input::Timeout,
        }
    }

    /// Takes the findings on transfers that are here already into the same turn, so that own ones
    /// share a commit.
    fn handle_more_transfers(&mut self) -> Result<(), StorageError> {
        for _ in 1..TURN_TRANSFERS_MAX {
            let Ok((id, finding)) = self.findings.1.try_recv() else {
                break;
            };
            let is_transfer = matches!(finding, Finding::Transfer(_));
            self.handle(Input::Checked((id, finding)))?;
            if !is_transfer {
                break;
            }
        }
        Ok(())
    }

    fn handle(&mut self, input: Input<StreamOf<H>>) -> Result<(), StorageError> {
        let now = self.host.clock().now();
        match input {
            Input::Stop => Ok(()),
            Input::Timeout => self.node.handle_timeout(now),
            Input::Checked((id, finding)) => {
                if let Some(begun) = self.checking.remove(&id) {
                    let took = now.monotonic.since(begun);
                    self.publishing
                        .metrics
                        .traffic
                        .observe_check(&finding, took);
                }
                self.node.handle_checked(now, id, finding)
            }
            Input::Command(command) => self.command(command),
            Input::Net(event) => self.net_event(event),
        }
    }

    fn command(&mut self, command: Command) -> Result<(), StorageError> {
        let now = self.host.clock().now();
        // A client that has gone does not want its answer: every failed send below is that.
        match command {
            Command::Submit(transfer, answer) => {
                let ticket = self.ticket(answer);
                self.node.handle_submit(now, ticket, transfer)?;
            }
            Command::SubmitBlock(block, answer) => {
                let ticket = self.ticket(answer);
                self.node.handle_block(now, ticket, block);
            }
            Command::Operate(order, answer) => {
                let ticket = self.ticket(answer);
                self.node.handle_order(now, ticket, order)?;
            }
            Command::Template(producer, answer) => {
                let _ = answer.send(self.node.template(now, producer)?);
            }
            Command::Mempool(answer) => {
                let _ = answer.send(self.node.mempool_entries().collect());
            }
            Command::Waiting(id, answer) => {
                let entry = self.node.mempool().get(&id);
                let _ = answer.send(entry.map(|entry| entry.transfer.clone()));
            }
            Command::NextNonce(address, answer) => {
                let account = schema::account(self.node.chain().reader(), &address)?;
                let _ = answer.send(self.node.mempool().next_nonce(&address, &account));
            }
            Command::FeeFloor(answer) => {
                let _ = answer.send(self.node.mempool().floor(now.monotonic));
            }
            Command::Status(answer) => {
                let _ = answer.send(self.node.status(now));
            }
            Command::Peers(answer) => {
                let _ = answer.send(self.node.peers(now.monotonic).collect());
            }
            Command::KnownAddresses(answer) => {
                let _ = answer.send(self.node.known_addresses());
            }
            Command::Bans(answer) => {
                let _ = answer.send(self.node.bans(now).collect());
            }
        }
        Ok(())
    }

    fn ticket(&mut self, answer: oneshot::Sender<Answer>) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, answer);
        ticket
    }

    fn net_event(&mut self, event: NetEvent<StreamOf<H>>) -> Result<(), StorageError> {
        let now = self.host.clock().now();
        match event {
            NetEvent::Accepted(stream, from) => self.adopt(stream, from, Direction::Inbound)?,
            NetEvent::Dialled(stream, to) => self.adopt(stream, to, Direction::Outbound)?,
            NetEvent::DialFailed(address) => {
                self.publishing.metrics.traffic.observe_dial_failed();
                self.node.handle_dial_failed(now, address);
            }
            NetEvent::Frame {
                peer,
                kind,
                payload,
            } if self.links.contains_key(&peer) => {
                self.publishing
                    .metrics
                    .traffic
                    .observe_received(kind, payload.len());
                self.node.handle_frame(now, peer, kind, &payload)?;
            }
            // What a peer said after we had ended the connection.
            NetEvent::Frame { .. } => {}
            NetEvent::Drained(peer) => self.tell_congestion(peer),
            NetEvent::Closed(peer) => {
                if self.links.remove(&peer).is_some() {
                    self.node.handle_closed(now, peer)?;
                }
            }
        }
        Ok(())
    }

    fn adopt(
        &mut self,
        stream: StreamOf<H>,
        address: SocketAddr,
        direction: Direction,
    ) -> Result<(), StorageError> {
        let now = self.host.clock().now();
        if self.links.len() >= CONNECTIONS_MAX {
            if direction == Direction::Outbound {
                self.node.handle_dial_failed(now, address);
            }
            return Ok(());
        }
        self.links_made += 1;
        let peer = PeerId(self.links_made);
        let outbox = connections::adopt(&self.host, peer, self.magic, stream, &self.net.0);
        self.links.insert(
            peer,
            Link {
                outbox,
                congested: false,
            },
        );
        self.node.handle_connected(now, peer, address, direction)
    }

    /// Does what the node wants, each time after the disk has caught up, until it wants nothing more.
    async fn settle(&mut self) -> Result<(), StorageError> {
        loop {
            let action = self.node.poll_action()?;
            let debt = self.host.storage_debt();
            if debt > Millis::new(0) {
                self.host.clock().sleep(debt).await;
            }
            match action {
                Some(action) => self.perform(action)?,
                None => return Ok(()),
            }
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), StorageError> {
        match action {
            Action::Send {
                peer,
                kind,
                payload,
            } => self.send(peer, kind, &payload)?,
            // Dropping the outbox closes the connection after what is queued.
            Action::Disconnect { peer, .. } => drop(self.links.remove(&peer)),
            Action::Rest { peer, until } => {
                if let Some(link) = self.links.get(&peer) {
                    link.outbox.rest(until);
                }
            }
            Action::Dial(address) => {
                self.publishing.metrics.traffic.observe_dial();
                let dialling = connections::dial(self.host.clone(), address, self.net());
                self.host.spawner().spawn(dialling);
            }
            Action::Check { id, job } => {
                self.checking.insert(id, self.host.clock().now().monotonic);
                let (law, done) = (Arc::clone(&self.law), self.findings.0.clone());
                self.host.checker().check(id, job, law, done);
            }
            Action::Answer { ticket, answer } => {
                let waiting = self.waiting.remove(&ticket);
                let waiting = waiting.expect("each ticket is answered once");
                // The client may have gone meanwhile.
                let _ = waiting.send(answer);
            }
            Action::Notify(event) => self.publish(event),
        }
        Ok(())
    }

    fn send(&mut self, peer: PeerId, kind: u8, payload: &[u8]) -> Result<(), StorageError> {
        let Some(link) = self.links.get(&peer) else {
            return Ok(());
        };
        let traffic = &self.publishing.metrics.traffic;
        traffic.observe_sent(kind, payload.len());
        if link.outbox.send(frame(self.magic, kind, payload)).is_ok() {
            self.tell_congestion(peer);
            return Ok(());
        }
        // It reads more slowly than it asks: it loses the connection, and everything queued.
        if let Some(link) = self.links.remove(&peer) {
            link.outbox.abort();
        }
        self.node.handle_closed(self.host.clock().now(), peer)
    }

    /// Tells the node when a peer's outbox has become congested, or is no longer.
    fn tell_congestion(&mut self, peer: PeerId) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let congested = link.outbox.is_congested();
        if congested != link.congested {
            link.congested = congested;
            let now = self.host.clock().now();
            self.node.handle_congestion(now, peer, congested);
        }
    }

    /// Tells whoever watches; nobody may.
    fn publish(&mut self, event: Event) {
        self.publishing.metrics.observe_event(&event);
        if let Event::TipChanged { to, .. } = &event {
            self.publishing.tip.send_replace(*to);
        }
        let _ = self.publishing.events.send(event);
    }
}
