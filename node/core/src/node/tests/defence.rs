//! Strangers who misbehave, and honest peers who look as if they did.

use super::*;
use crate::p2p::place::Place;
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{BAN_TIME, INBOUND_GROUP_MAX, INBOUND_MAX, RATES};

impl Net {
    fn one() -> Self {
        let mut net = Self::of(1);
        net.nodes[0].chain.set_self_checks(None);
        net
    }

    fn knock(&mut self, peer: u64, from: &str) -> bool {
        let from = from.parse().expect("an address");
        self.nodes[0]
            .handle_connected(self.now, PeerId(peer), from, Direction::Inbound)
            .expect("memory never fails");
        self.pump();
        self.nodes[0].peers.contains_key(&PeerId(peer))
    }

    fn greet(&mut self, peer: u64, from: &str) -> bool {
        let hello = Hello {
            nonce: 1_000 + peer,
            ..self.nodes[0].our_hello(self.now)
        };
        self.knock(peer, from) && {
            self.say(0, PeerId(peer), &Message::Hello(hello));
            self.is_here(peer)
        }
    }

    fn is_here(&self, peer: u64) -> bool {
        self.nodes[0].peers.contains_key(&PeerId(peer))
    }

    fn blamed(&self) -> Vec<(u64, Misbehaviour)> {
        let events = self.events.iter();
        let blames = events.filter_map(|(_, event)| match event {
            Event::PeerMisbehaved { peer, what, .. } => Some((peer.0, *what)),
            _ => None,
        });
        blames.collect()
    }

    /// The node asks this peer for this block, and gets it.
    fn deliver(&mut self, peer: u64, block: &Block) {
        let peer = PeerId(peer);
        self.show(0, peer, vec![block.header]);
        self.say(0, peer, &Message::Res(Response::Block(block.clone())));
    }

    /// A block on the tip that claims another state.
    fn false_block(&mut self) -> Block {
        self.now.wall = self.now.wall.plus(Millis::from_secs(1));
        let template = self.nodes[0].template(self.now, dev_key().address());
        let mut template = template.expect("memory").expect("the clock is right");
        template.header.state_root = crate::primitives::StateRoot::from_bytes([9; 32]);
        grind(template)
    }
}

#[test]
fn who_delivers_an_invalid_block_is_banned_by_address_whatever_he_writes_it_like() {
    let mut net = Net::one();
    assert!(net.greet(1, "203.0.113.5:1000"));
    let block = net.false_block();
    net.deliver(1, &block);
    assert_eq!(net.blamed(), [(1, Misbehaviour::InvalidBlock)]);
    assert!(!net.is_here(1));
    assert!(!net.knock(2, "203.0.113.5:2000"));
    assert!(!net.knock(3, "[::ffff:203.0.113.5]:9090"));
    assert!(net.knock(4, "203.0.113.6:1000"));
    let banned = Event::PeerLost {
        peer: PeerId(2),
        addr: "203.0.113.5:2000".parse().expect("an address"),
        reason: Some(Disconnect::Banned),
    };
    assert!(net.events.iter().any(|(_, event)| *event == banned));
}

#[test]
fn a_ban_outlasts_a_restart_and_ends() {
    let mut net = Net::one();
    assert!(net.greet(1, "203.0.113.5:1000"));
    let block = net.false_block();
    net.deliver(1, &block);
    net.wait(11);
    let storage = net.nodes.remove(0).chain().reader().clone();
    net.now.monotonic = Instant::new(0);
    net.nodes.push(open(storage, 1, vec![], net.now));
    assert!(!net.knock(2, "203.0.113.5:1000"));
    let place = Place::of("203.0.113.5".parse().expect("an address"));
    let bans: Vec<_> = net.nodes[0].bans(net.now).collect();
    assert_eq!((bans.len(), bans[0].0), (1, place));
    assert_eq!(bans[0].1.reason.as_str(), "invalid_block");
    net.now.monotonic = net.now.monotonic.plus(BAN_TIME);
    assert!(net.knock(3, "203.0.113.5:1000"));
}

#[test]
fn the_blame_is_on_who_delivered_the_invalid_block_not_on_who_made_it_come_to_light() {
    let mut net = Net::one();
    assert!(net.greet(1, "198.51.100.1:1000") && net.greet(2, "203.0.113.5:1000"));
    let bad = net.false_block();
    let mut header = bad.header;
    header.parent = bad.id();
    header.height = header.height.next();
    header.timestamp = header.timestamp.plus(Millis::new(1));
    let child = grind(Template {
        header,
        transfers: vec![],
    });
    for peer in [PeerId(1), PeerId(2)] {
        net.show(0, peer, vec![bad.header, child.header]);
    }
    let lacking = Response::NotFound(Item::Block(child.id()));
    net.say(0, PeerId(1), &Message::Res(lacking));
    net.say(0, PeerId(2), &Message::Res(Response::Block(child)));
    assert!(net.blamed().is_empty());
    net.say(0, PeerId(1), &Message::Res(Response::Block(bad)));
    assert_eq!(net.blamed(), [(1, Misbehaviour::InvalidBlock)]);
    assert!(net.is_here(2) && !net.is_here(1));
}

#[test]
fn what_nobody_asked_for_costs_a_tenth_and_ten_times_of_it_a_ban() {
    let mut net = Net::one();
    assert!(net.greet(1, "203.0.113.5:1000"));
    let nothing = Message::Res(Response::NotFound(Item::Block(BlockId::from_bytes(
        [1; 32],
    ))));
    for _ in 0..9 {
        net.say(0, PeerId(1), &nothing);
    }
    assert!(net.is_here(1));
    net.say(0, PeerId(1), &nothing);
    assert!(!net.is_here(1) && !net.knock(2, "203.0.113.5:1000"));
}

#[test]
fn this_machine_and_whom_the_operator_named_are_disconnected_and_never_banned() {
    let named: SocketAddr = "203.0.113.5:9090".parse().expect("an address");
    let mut net = Net::one();
    let ordered = net.nodes[0].handle_order(net.now, Ticket(1), Order::AddPeer(named));
    ordered.expect("memory never fails");
    for (peer, from) in [(1, "203.0.113.5:77"), (2, "127.0.0.1:77"), (3, "[::1]:77")] {
        assert!(net.greet(peer, from));
        net.say(0, PeerId(peer), &Message::Headers(vec![]));
        let handled = net.nodes[0].handle_frame(net.now, PeerId(peer), kind::INV, &[9, 9]);
        handled.expect("memory never fails");
        assert!(!net.is_here(peer));
        assert!(net.greet(peer + 10, from));
    }
    assert_eq!(net.nodes[0].bans(net.now).count(), 0);
}

#[test]
fn of_a_subnet_few_may_connect_and_a_flood_of_subnets_evicts_no_useful_peer() {
    let mut net = Net::one();
    for host in 0..10 {
        let entered = net.greet(host, &format!("203.0.113.{host}:1000"));
        assert_eq!(entered, host < INBOUND_GROUP_MAX as u64);
    }
    let useful = PeerId(0);
    let state = net.nodes[0].peers.get_mut(&useful).expect("here");
    state.last_block = Some(net.now.monotonic);
    for peer in 100..400 {
        net.now.monotonic = net.now.monotonic.plus(Millis::new(10));
        net.greet(peer, &format!("10.{}.{}.1:1000", peer / 100, peer % 100));
        assert!(net.is_here(useful.0));
    }
    assert_eq!(net.nodes[0].peers.len(), INBOUND_MAX);
}

#[test]
fn who_says_too_much_is_not_read_for_a_while_and_answers_are_free() {
    let mut net = Net::one();
    assert!(net.greet(1, "203.0.113.5:1000"));
    let rate = &RATES[0];
    for _ in 0..=rate.burst_messages {
        net.say(0, PeerId(1), &Message::Ping(1));
    }
    assert!(!net.rests.is_empty());
    net.rests.clear();
    let owed = &mut net.nodes[0]
        .peers
        .get_mut(&PeerId(1))
        .expect("here")
        .items_owed;
    *owed = 100_000;
    let nothing = Message::Res(Response::NotFound(Item::Block(BlockId::from_bytes(
        [1; 32],
    ))));
    for _ in 0..2 * RATES[1].burst_messages {
        net.say(0, PeerId(1), &nothing);
    }
    assert!(net.rests.is_empty() && net.blamed().is_empty());
}

#[test]
fn a_hello_of_another_version_that_does_not_decode_is_nobodys_fault() {
    let mut net = Net::one();
    assert!(net.knock(1, "203.0.113.5:1000"));
    let payload = [2, 1, 2, 3];
    let handled = net.nodes[0].handle_frame(net.now, PeerId(1), kind::HELLO, &payload);
    handled.expect("memory never fails");
    net.pump();
    assert!(!net.is_here(1) && net.blamed().is_empty());
    assert!(net.knock(2, "203.0.113.5:1000"));
}

#[test]
fn a_block_that_is_withheld_at_the_tip_is_soon_asked_from_the_next() {
    let mut net = Net::one();
    assert!(net.greet(1, "198.51.100.1:1000") && net.greet(2, "203.0.113.5:1000"));
    let block = net.false_block();
    let id = block.id();
    for peer in [PeerId(1), PeerId(2)] {
        net.show(0, peer, vec![block.header]);
    }
    assert_eq!(net.nodes[0].downloads.get(&id), Some(&PeerId(1)));
    net.wait(3);
    assert_eq!(net.nodes[0].downloads.get(&id), Some(&PeerId(2)));
    assert!(net.blamed().is_empty());
}
