//! Transfers that peers send: what is cheap comes before what is costly, and a bad copy neither costs
//! twice nor hides the good one.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod workshop;

use std::collections::VecDeque;
use std::net::SocketAddr;

use archivas_core::node::{Action, Event, Node, NodeConfig, check};
use archivas_core::p2p::message::{Hello, Item, Message, Response};
use archivas_core::p2p::peer::{Direction, PeerId};
use archivas_core::primitives::{
    BoundedString, Height, Instant, Now, Signature, SignedTransfer, Work,
};
use archivas_core::storage::MemoryStorage;
use workshop::*;

/// A node among peers that a test plays.
struct Desk {
    node: Node<MemoryStorage>,
    now: Now,
    /// Messages to peers that the test has not looked at.
    sent: VecDeque<(PeerId, Message)>,
    disconnected: Vec<PeerId>,
    blamed: Vec<(u64, u32)>,
    /// How many signatures were verified.
    checks: usize,
}

impl Desk {
    fn new(peers: u64) -> Self {
        let genesis = network();
        let now = Now {
            monotonic: Instant::new(0),
            wall: genesis.time,
        };
        let config = NodeConfig::default();
        let store = MemoryStorage::default();
        let id = genesis.id();
        let mut desk = Self {
            node: Node::open(store, genesis, config, [7; 32], now).unwrap(),
            now,
            sent: VecDeque::new(),
            disconnected: Vec::new(),
            blamed: Vec::new(),
            checks: 0,
        };
        for peer in 1..=peers {
            let addr = SocketAddr::from(([10, 0, u8::try_from(peer).unwrap(), 1], 9090));
            let inbound = Direction::Inbound;
            desk.node
                .handle_connected(now, PeerId(peer), addr, inbound)
                .unwrap();
            let hello = Hello {
                protocol: 1,
                genesis: id,
                best: id,
                height: Height::GENESIS,
                chainwork: Work::ZERO,
                oldest_body: Height::GENESIS,
                time: now.wall,
                user_agent: BoundedString::default(),
                listen_port: 0,
                nonce: peer,
            };
            desk.hear(peer, &Message::Hello(hello));
        }
        desk.sent.clear();
        desk
    }

    fn hear(&mut self, peer: u64, message: &Message) {
        let (kind, payload) = message.encode();
        let handled = self
            .node
            .handle_frame(self.now, PeerId(peer), kind, &payload);
        handled.unwrap();
        while let Some(action) = self.node.poll_action().unwrap() {
            match action {
                Action::Send {
                    peer,
                    kind,
                    payload,
                } => {
                    let message = Message::decode(kind, &payload).unwrap();
                    self.sent.push_back((peer, message.unwrap()));
                }
                Action::Disconnect { peer, .. } => self.disconnected.push(peer),
                Action::Notify(Event::PeerMisbehaved { peer, score, .. }) => {
                    self.blamed.push((peer.0, score));
                }
                Action::Check { id, job } => {
                    self.checks += 1;
                    let finding = check(job, self.node.chain().law());
                    self.node.handle_checked(self.now, id, finding).unwrap();
                }
                _ => {}
            }
            self.node.check_invariants();
        }
    }

    fn announce(&mut self, peer: u64, transfer: &SignedTransfer) {
        let id = transfer.id(&network().domain);
        self.hear(peer, &Message::Inv(vec![Item::Transfer(id)]));
    }

    fn send(&mut self, peer: u64, transfer: &SignedTransfer) {
        let response = Response::Transfer(transfer.clone());
        self.hear(peer, &Message::Res(response));
    }

    /// Whether the next thing that was said is a request of this transfer to this peer.
    fn asked(&mut self, peer: u64, transfer: &SignedTransfer) -> bool {
        let id = transfer.id(&network().domain);
        let request = Message::Req(vec![Item::Transfer(id)]);
        self.sent.pop_front() == Some((PeerId(peer), request))
    }
}

fn with_another_signature(transfer: &SignedTransfer) -> SignedTransfer {
    SignedTransfer {
        signature: Signature::from_bytes([1; 64]),
        ..transfer.clone()
    }
}

#[test]
fn what_the_pool_would_refuse_costs_no_look_at_a_signature_and_no_blame() {
    let genesis = network();
    let to = address(1);
    let hopeless = [
        pay(&genesis, 0, to, FUNDS, 0),
        pay(&genesis, 0, to, 1, 65),
        pay(&genesis, 200, to, 1, 0),
    ];
    let mut desk = Desk::new(1);
    for transfer in &hopeless {
        desk.announce(1, transfer);
        assert!(desk.asked(1, transfer));
        desk.send(1, transfer);
        assert_eq!(desk.checks, 0);
        assert!(desk.sent.is_empty());
    }
    assert!(desk.disconnected.is_empty() && desk.blamed.is_empty());
    // It is asked for again when it is announced again: by then it may be welcome.
    desk.announce(1, &hopeless[0]);
    assert!(desk.asked(1, &hopeless[0]));
}

#[test]
fn a_copy_that_proved_invalid_is_not_checked_again_and_hides_no_good_one() {
    let good = pay(&network(), 0, address(1), 500, 0);
    let bad = with_another_signature(&good);
    let mut desk = Desk::new(3);
    for peer in 1..=3 {
        desk.announce(peer, &good);
    }
    assert!(desk.asked(1, &good));
    desk.send(1, &bad);
    assert_eq!((desk.checks, desk.blamed.as_slice()), (1, &[(1, 90)][..]));
    assert!(desk.asked(2, &good));
    desk.send(2, &bad);
    assert_eq!(desk.checks, 1, "the very same bytes were checked before");
    assert_eq!(desk.blamed.len(), 2, "they are as bad as before");
    assert!(desk.asked(3, &good));
    desk.send(3, &good);
    assert_eq!(desk.checks, 2);
    assert!(desk.node.mempool().contains(&good.id(&network().domain)));
}

#[test]
fn what_was_not_asked_for_and_what_comes_twice_is_dropped() {
    let transfer = pay(&network(), 0, address(1), 500, 0);
    let mut desk = Desk::new(2);
    desk.send(1, &transfer);
    assert_eq!((desk.checks, desk.node.mempool().len()), (0, 0));
    desk.announce(1, &transfer);
    assert!(desk.asked(1, &transfer));
    // From another than the one who was asked.
    desk.send(2, &transfer);
    assert_eq!(desk.checks, 0);
    desk.send(1, &transfer);
    desk.send(1, &transfer);
    assert_eq!((desk.checks, desk.node.mempool().len()), (1, 1));
    assert!(desk.disconnected.is_empty());
}
