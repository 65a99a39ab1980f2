//! A node among peers that say anything, in virtual time. Its caps hold after every step, it always
//! comes to rest, and in the end an honest peer still brings it to the best chain: unpunished,
//! whatever the others did.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::node::{Action, Answer, Job, JobId, Node, NodeConfig, Ticket, check};
use archivas_core::p2p::peer::{Direction, PeerId};
use archivas_core::primitives::{Instant, Millis, Now};
use archivas_core::storage::MemoryStorage;

use crate::reach;
use crate::story::{Saying, hello, story};

/// More steps cost a fuzzer its speed.
const STEPS_MAX: usize = 64;
/// Strangers at a time.
const STRANGERS: u8 = 4;
/// The honest peer, which comes last.
const HONEST: PeerId = PeerId(1_000);
/// Actions of one step, at most: more is a node that does not come to rest.
const ACTIONS_MAX: usize = 20_000;
/// By then an honest peer has brought its chain, whatever is asked of others meanwhile.
const PATIENCE: Millis = Millis::from_secs(30 * 60);

/// What a stranger does, or what happens to the node.
#[derive(Arbitrary, Debug)]
enum Step {
    Connect {
        peer: u8,
        inbound: bool,
    },
    Close {
        peer: u8,
    },
    Hello {
        peer: u8,
        height: u64,
        work: [u8; 32],
        nonce: u64,
    },
    /// Says something of the known world.
    Say {
        peer: u8,
        what: Saying,
        from: u8,
        count: u8,
    },
    /// Says anything.
    Raw {
        peer: u8,
        kind: u8,
        payload: Vec<u8>,
    },
    /// The checker hands in its oldest or newest finding.
    Find {
        newest: bool,
    },
    Submit {
        which: u8,
    },
    Wait {
        ms: u16,
    },
    Congestion {
        peer: u8,
        congested: bool,
    },
}

fn open(now: Now, seed: u8) -> Node<MemoryStorage> {
    let config = NodeConfig {
        user_agent: "target".into(),
        ..NodeConfig::default()
    };
    Node::open(
        MemoryStorage::new(),
        story().genesis.clone(),
        config,
        [seed; 32],
        now,
    )
    .expect("an empty store")
}

/// The node and its time.
struct Session {
    node: Node<MemoryStorage>,
    now: Now,
    jobs: BTreeMap<JobId, Job>,
    /// A peer that holds everything and answers at once, when its time has come.
    honest: Option<Node<MemoryStorage>>,
    /// Numbers of strangers' connections; one is never used twice.
    connections: BTreeMap<u8, PeerId>,
    next: u64,
}

/// Steps of strangers, then an honest peer.
pub fn peer_session(bytes: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let now = Now {
        monotonic: Instant::new(0),
        wall: story().now,
    };
    let mut session = Session {
        node: open(now, 1),
        now,
        jobs: BTreeMap::new(),
        honest: None,
        connections: BTreeMap::new(),
        next: 1,
    };
    for step in steps.iter().take(STEPS_MAX) {
        session.take(step);
        session.settle();
    }
    session.meet_honest_peer();
    reach::node(session.node.probes());
}

impl Session {
    fn take(&mut self, step: &Step) {
        let (node, now) = (&mut self.node, self.now);
        let connections = &self.connections;
        let number = |peer: &u8| {
            connections
                .get(&(peer % STRANGERS))
                .copied()
                .unwrap_or(PeerId(0))
        };
        let done = match step {
            Step::Connect { peer, inbound } => return self.connect(*peer, *inbound),
            Step::Find { newest } => return self.find(*newest),
            Step::Wait { ms } => return self.wait(Millis::new(u64::from(*ms))),
            Step::Close { peer } => node.handle_closed(now, number(peer)),
            Step::Raw {
                peer,
                kind,
                payload,
            } => node.handle_frame(now, number(peer), *kind, payload),
            Step::Hello {
                peer,
                height,
                work,
                nonce,
            } => {
                let (kind, payload) = hello(*height, *work, *nonce).encode();
                node.handle_frame(now, number(peer), kind, &payload)
            }
            Step::Say {
                peer,
                what,
                from,
                count,
            } => {
                let (kind, payload) = what.message(*from, *count).encode();
                node.handle_frame(now, number(peer), kind, &payload)
            }
            Step::Submit { which } => {
                let transfers = &story().transfers;
                let transfer = transfers[usize::from(*which) % transfers.len()].clone();
                node.handle_submit(now, Ticket(u64::from(*which)), transfer)
            }
            Step::Congestion { peer, congested } => {
                node.handle_congestion(number(peer), *congested);
                Ok(())
            }
        };
        done.expect("memory does not fail");
    }

    fn connect(&mut self, peer: u8, inbound: bool) {
        let peer = peer % STRANGERS;
        if let Some(old) = self.connections.remove(&peer) {
            let closed = self.node.handle_closed(self.now, old);
            closed.expect("memory does not fail");
        }
        let number = PeerId(self.next);
        self.next += 1;
        self.connections.insert(peer, number);
        let address = SocketAddr::from(([10, peer, 0, 1], 9_090));
        let direction = match inbound {
            true => Direction::Inbound,
            false => Direction::Outbound,
        };
        let connected = self
            .node
            .handle_connected(self.now, number, address, direction);
        connected.expect("memory does not fail");
    }

    fn find(&mut self, newest: bool) {
        let next = match newest {
            true => self.jobs.pop_last(),
            false => self.jobs.pop_first(),
        };
        if let Some((id, job)) = next {
            let finding = check(job, self.node.chain().law());
            let handled = self.node.handle_checked(self.now, id, finding);
            handled.expect("memory does not fail");
        }
    }

    fn wait(&mut self, time: Millis) {
        self.now.monotonic = self.now.monotonic.plus(time);
        self.now.wall = self.now.wall.plus(time);
        let handled = self.node.handle_timeout(self.now);
        handled.expect("memory does not fail");
    }

    /// Until the node wants nothing more.
    fn settle(&mut self) {
        for _ in 0..ACTIONS_MAX {
            let polled = self.node.poll_action().expect("memory does not fail");
            let Some(action) = polled else {
                self.node.check_invariants();
                return;
            };
            self.act(action);
        }
        panic!("the node does not come to rest");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Check { id, job } => {
                self.jobs.insert(id, job);
            }
            Action::Send {
                peer,
                kind,
                payload,
            } if peer == HONEST => self.ask(kind, &payload),
            Action::Disconnect { peer, reason } => {
                assert_ne!(
                    peer,
                    HONEST,
                    "an honest peer is punished: {}",
                    reason.code()
                );
                self.connections.retain(|_, number| *number != peer);
                let closed = self.node.handle_closed(self.now, peer);
                closed.expect("memory does not fail");
            }
            Action::Answer {
                answer: Answer::Refused { code, sentence },
                ..
            } => {
                assert!(!code.is_empty() && !sentence.is_empty());
            }
            Action::Send { .. }
            | Action::Rest { .. }
            | Action::Dial(_)
            | Action::Answer { .. }
            | Action::Notify(_) => {}
        }
    }

    /// The honest peer reads a message, and its answers are read at once.
    fn ask(&mut self, kind: u8, payload: &[u8]) {
        let Some(honest) = &mut self.honest else {
            return;
        };
        let handled = honest.handle_frame(self.now, HONEST, kind, payload);
        handled.expect("memory does not fail");
        self.listen();
    }

    fn listen(&mut self) {
        let Some(honest) = &mut self.honest else {
            return;
        };
        let mut said = Vec::new();
        while let Some(action) = honest.poll_action().expect("memory does not fail") {
            if let Action::Send { kind, payload, .. } = action {
                said.push((kind, payload));
            }
        }
        for (kind, payload) in said {
            let handled = self.node.handle_frame(self.now, HONEST, kind, &payload);
            handled.expect("memory does not fail");
        }
    }

    fn meet_honest_peer(&mut self) {
        let mut honest = open(self.now, 2);
        for (number, block) in story().blocks.iter().enumerate() {
            honest.handle_block(Ticket(number as u64), block.clone());
            while let Some(action) = honest.poll_action().expect("memory does not fail") {
                if let Action::Check { id, job } = action {
                    let finding = check(job, honest.chain().law());
                    let handled = honest.handle_checked(self.now, id, finding);
                    handled.expect("memory does not fail");
                }
            }
        }
        assert_eq!(honest.tip().id, story().best);
        let address = |last: u8| SocketAddr::from(([10, 200, 0, last], 9_090));
        let inbound = honest.handle_connected(self.now, HONEST, address(1), Direction::Inbound);
        inbound.expect("memory does not fail");
        let outbound =
            self.node
                .handle_connected(self.now, HONEST, address(2), Direction::Outbound);
        outbound.expect("memory does not fail");
        self.honest = Some(honest);
        self.listen();
        self.settle();
        self.wait_for_best_chain();
    }

    fn wait_for_best_chain(&mut self) {
        let end = self.now.monotonic.plus(PATIENCE);
        while self.node.tip().id != story().best {
            assert!(
                self.now.monotonic < end,
                "the honest peer's chain does not arrive"
            );
            while !self.jobs.is_empty() {
                self.find(false);
                self.settle();
            }
            let next = self.node.poll_timeout().unwrap_or(end).min(end);
            let time = Millis::new(next.since(self.now.monotonic).get().max(1));
            self.wait(time);
            if let Some(honest) = &mut self.honest {
                let handled = honest.handle_timeout(self.now);
                handled.expect("memory does not fail");
            }
            self.listen();
            self.settle();
        }
    }
}
