//! A node and what reaches it, in virtual time: strangers by small numbers, messages, findings of
//! the checker, the clock. For proofs about one part of a node, which see all that it wants done.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use archivas_core::chain::Policy;
use archivas_core::node::{Action, Job, JobId, Node, NodeConfig, check};
use archivas_core::p2p::frame::kind;
use archivas_core::p2p::message::Message;
use archivas_core::p2p::peer::{Direction, PeerId};
use archivas_core::primitives::{Instant, Millis, Now, Timestamp};
use archivas_core::storage::MemoryStorage;

use crate::reach;
use crate::story::{hello, story};

/// Strangers at a time.
pub const STRANGERS: u8 = 4;
/// The honest peer, which comes last.
pub const HONEST: PeerId = PeerId(1_000);
/// Actions until the node is at rest, at most: more is a node that never rests.
const ACTIONS_MAX: usize = 20_000;

/// A node of the story's network.
pub struct Desk {
    /// The node.
    pub node: Node<MemoryStorage>,
    /// Its time.
    pub now: Now,
    /// What the checker has not found out yet.
    pub jobs: BTreeMap<JobId, Job>,
    connections: BTreeMap<u8, PeerId>,
    next: u64,
}

impl Desk {
    /// Opens a node on what is stored.
    pub fn open(storage: MemoryStorage, policy: Policy, wall: Timestamp) -> Self {
        let config = NodeConfig {
            user_agent: "target".into(),
            policy,
            ..NodeConfig::default()
        };
        let now = Now {
            monotonic: Instant::new(0),
            wall,
        };
        let genesis = story().genesis.clone();
        let node = Node::open(storage, genesis, config, [1; 32], now).expect("its own rows");
        Self {
            node,
            now,
            jobs: BTreeMap::new(),
            connections: BTreeMap::new(),
            next: 1,
        }
    }

    /// The connection of a stranger, or one that never was.
    pub fn number(&self, stranger: u8) -> PeerId {
        let number = self.connections.get(&(stranger % STRANGERS));
        number.copied().unwrap_or(PeerId(0))
    }

    /// A stranger connects anew and says hello; gives what was its connection before.
    pub fn meet(&mut self, stranger: u8) -> Option<PeerId> {
        let stranger = stranger % STRANGERS;
        let old = self.leave(stranger);
        let number = PeerId(self.next);
        self.next += 1;
        self.connections.insert(stranger, number);
        self.connect(number, [10, stranger, 0, 1], Direction::Inbound);
        old
    }

    /// A stranger is gone; gives what was its connection.
    pub fn leave(&mut self, stranger: u8) -> Option<PeerId> {
        let old = self.connections.remove(&(stranger % STRANGERS))?;
        let closed = self.node.handle_closed(self.now, old);
        closed.expect("memory does not fail");
        Some(old)
    }

    /// The honest peer is dialled.
    pub fn meet_honest_peer(&mut self) {
        self.connect(HONEST, [10, 200, 0, 1], Direction::Outbound);
    }

    fn connect(&mut self, number: PeerId, address: [u8; 4], direction: Direction) {
        let address = SocketAddr::from((address, 9_090));
        let connected = self
            .node
            .handle_connected(self.now, number, address, direction);
        connected.expect("memory does not fail");
        // Everybody claims much work, so that he is asked for headers.
        self.hear(number, &hello(1, [1; 32], number.0));
    }

    /// A peer says something.
    pub fn hear(&mut self, peer: PeerId, message: &Message) {
        let (kind, payload) = message.encode();
        let handled = self.node.handle_frame(self.now, peer, kind, &payload);
        handled.expect("memory does not fail");
    }

    /// The checker hands in its oldest finding; false when it has none.
    pub fn find(&mut self) -> bool {
        let Some((id, job)) = self.jobs.pop_first() else {
            return false;
        };
        let finding = check(job, self.node.chain().law());
        let handled = self.node.handle_checked(self.now, id, finding);
        handled.expect("memory does not fail");
        true
    }

    /// Time passes, and what is due is done.
    pub fn wait(&mut self, time: Millis) {
        self.now.monotonic = self.now.monotonic.plus(time);
        self.now.wall = self.now.wall.plus(time);
        let handled = self.node.handle_timeout(self.now);
        handled.expect("memory does not fail");
    }

    /// Time passes until something is due, `end` at the latest; false when that has come.
    pub fn wait_for_next(&mut self, end: Instant) -> bool {
        let next = self.node.poll_timeout().unwrap_or(end).min(end);
        self.wait(Millis::new(next.since(self.now.monotonic).get().max(1)));
        self.now.monotonic < end
    }

    /// What the node wants done until it is at rest. Jobs are put aside, connections that it ends
    /// are ended, and the honest peer answers pings; all of this is reported too.
    ///
    /// # Panics
    /// When an honest peer is turned away, or the node does not come to rest.
    pub fn settle(&mut self) -> Vec<Action> {
        let mut wanted = Vec::new();
        while let Some(action) = self.node.poll_action().expect("memory does not fail") {
            match &action {
                Action::Check { id, job } => drop(self.jobs.insert(*id, job.clone())),
                Action::Send {
                    peer: HONEST,
                    kind: kind::PING,
                    payload,
                } => {
                    let pinged = self
                        .node
                        .handle_frame(self.now, HONEST, kind::PONG, payload);
                    pinged.expect("memory does not fail");
                }
                Action::Disconnect { peer, reason } => {
                    assert_ne!(*peer, HONEST, "an honest peer is punished: {reason:?}");
                    self.connections.retain(|_, number| number != peer);
                    let closed = self.node.handle_closed(self.now, *peer);
                    closed.expect("memory does not fail");
                }
                _ => {}
            }
            wanted.push(action);
            assert!(wanted.len() < ACTIONS_MAX, "the node does not come to rest");
        }
        self.node.check_invariants();
        wanted
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        reach::node(self.node.probes());
    }
}
