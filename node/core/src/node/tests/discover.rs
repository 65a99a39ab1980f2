//! Nodes that look for others, and strangers who tell them addresses.

use super::*;
use crate::p2p::address::ToldAddress;
use crate::p2p::place::Group;
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{ADDRESSES_A_DAY, OUTBOUND_MAX, PEERS_MAX};
use alloc::collections::BTreeSet;

fn looking(storage: MemoryStorage, connect: Vec<SocketAddr>, now: Now) -> Node<MemoryStorage> {
    let config = NodeConfig {
        user_agent: "/looks/".into(),
        listen_port: 9090,
        connect,
        discover: true,
        policy: Policy::default(),
    };
    Node::open(storage, networks::dev(), config, [77; 32], now).expect("memory never fails")
}

fn far(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([40 + a, b, c, 1], 9090))
}

impl Net {
    /// One node that looks for others.
    fn one_looking() -> Self {
        let mut net = Self::of(1);
        net.nodes[0] = looking(MemoryStorage::default(), vec![], net.now);
        net
    }

    /// A peer that the node connected with and that has said `Hello`.
    fn reached(&mut self, peer: u64, addr: SocketAddr) -> PeerId {
        let hello = Hello {
            nonce: 5_000 + peer,
            ..self.nodes[0].our_hello(self.now)
        };
        let peer = PeerId(peer);
        self.nodes[0]
            .handle_connected(self.now, peer, addr, Direction::Outbound)
            .expect("memory never fails");
        self.say(0, peer, &Message::Hello(hello));
        peer
    }

    fn tell(&mut self, peer: PeerId, addrs: impl IntoIterator<Item = SocketAddr>) {
        let seen = self.now.wall;
        let told = addrs.into_iter().map(|addr| ToldAddress {
            address: addr.into(),
            seen,
        });
        self.say(0, peer, &Message::Peers(told.collect()));
    }

    fn dialled(&mut self) -> BTreeSet<SocketAddr> {
        let dials = core::mem::take(&mut self.dials);
        dials.into_iter().map(|(_, addr)| addr).collect()
    }

    fn known(&self) -> usize {
        self.nodes[0].known_addresses().len()
    }
}

#[test]
fn a_node_asks_whom_it_reached_and_connects_with_eight_of_eight_groups() {
    let mut net = Net::one_looking();
    let seed = net.reached(1, far(1));
    assert_eq!(net.nodes[0].peers[&seed].addresses_owed, 1);
    // Two hundred addresses of twenty groups.
    net.tell(
        seed,
        (0..200).map(|n| SocketAddr::from(([60, 1 + n % 20, n, 1], 9090))),
    );
    for step in 0..40 {
        net.wait(1);
        let dials = net.dialled();
        for (at, addr) in dials.into_iter().enumerate() {
            net.reached(100 + step * 10 + at as u64, addr);
        }
    }
    let chosen: Vec<SocketAddr> = net.nodes[0].peers.values().map(|peer| peer.addr).collect();
    assert_eq!(chosen.len(), 1 + OUTBOUND_MAX);
    let groups: BTreeSet<Group> = chosen
        .iter()
        .map(|addr| Group::outbound(addr.ip()))
        .collect();
    assert_eq!(groups.len(), chosen.len());
}

#[test]
fn a_node_that_only_connects_with_named_peers_dials_nobody_else_whatever_it_is_told() {
    let mut net = Net::of(1);
    let named = far(1);
    net.nodes[0] = open(MemoryStorage::default(), 1, vec![named], net.now);
    let seed = net.reached(1, named);
    net.tell(seed, (2..50).map(far));
    assert_eq!(net.blames(), [Misbehaviour::Unrequested]);
    net.nodes[0]
        .peers
        .get_mut(&seed)
        .expect("one lapse is forgiven")
        .addresses_owed = 1;
    net.tell(seed, (2..50).map(far));
    net.stranger(0, 3);
    net.wait(600);
    assert_eq!(net.dialled(), BTreeSet::from([named]));
}

impl Net {
    fn blames(&self) -> Vec<Misbehaviour> {
        let events = self.events.iter();
        let blames = events.filter_map(|(_, event)| match event {
            Event::PeerMisbehaved { what, .. } => Some(*what),
            _ => None,
        });
        blames.collect()
    }
}

#[test]
fn a_peer_tells_so_many_addresses_a_day_and_no_more() {
    let mut net = Net::one_looking();
    let seed = net.reached(1, far(0));
    let most = u32::try_from(PEERS_MAX).expect("small");
    for batch in 0..8 {
        net.nodes[0]
            .peers
            .get_mut(&seed)
            .expect("connected")
            .addresses_owed = 1;
        net.tell(seed, (1..=most).map(|n| far((batch * most + n) * 300)));
    }
    let known = net.known();
    assert!(known <= ADDRESSES_A_DAY as usize + 1, "{known}");
    assert!(known > ADDRESSES_A_DAY as usize / 2, "{known}");
    assert!(net.blames().is_empty());
}

#[test]
fn addresses_are_told_to_who_asks_but_not_all_the_time_and_come_from_hellos_too() {
    let mut net = Net::of(3);
    net.nodes[0] = looking(MemoryStorage::default(), vec![], net.now);
    net.nodes[2] = looking(MemoryStorage::default(), vec![], net.now);
    net.nodes[2].nonce = 2;
    net.connect(1, 0);
    assert_eq!(net.nodes[0].known_addresses(), [address_of(1)]);
    net.connect(2, 0);
    assert!(net.nodes[2].known_addresses().contains(&address_of(1)));
    let asker = net.stranger(0, 7);
    for _ in 0..3 {
        net.say(0, asker, &Message::GetPeers);
    }
    let asked_too_often = |(name, _): &(&str, u64)| *name == "address.asked_too_often";
    let hits = net.nodes[0].probes().hits().find(asked_too_often);
    assert_eq!(hits.map(|(_, count)| count), Some(2));
    assert!(net.blames().is_empty());
}

#[test]
fn a_feeler_leaves_after_hello_and_who_has_another_genesis_is_forgotten() {
    let mut net = Net::one_looking();
    let seed = net.reached(1, far(1));
    net.tell(seed, [far(600_000), far(1_200_000)]);
    net.wait(2);
    let mut chosen = net.dialled().into_iter();
    let (stays, foreign) = (chosen.next().expect("two"), chosen.next().expect("two"));
    net.reached(10, stays);
    let peer = PeerId(11);
    net.nodes[0]
        .handle_connected(net.now, peer, foreign, Direction::Outbound)
        .expect("memory never fails");
    let hello = Hello {
        nonce: 99,
        genesis: BlockId::from_bytes([3; 32]),
        ..net.nodes[0].our_hello(net.now)
    };
    net.say(0, peer, &Message::Hello(hello));
    assert!(!net.nodes[0].known_addresses().contains(&foreign));
    // With no free place only feelers go out.
    for number in 0..7 {
        net.tell_owed(seed, far(2_000_000 + 70_000 * number));
        net.wait(2);
        for addr in net.dialled() {
            net.reached(20 + u64::from(number), addr);
        }
    }
    net.tell_owed(seed, far(9_000_000));
    for _ in 0..7 {
        net.wait(20);
        let peers: Vec<PeerId> = net.nodes[0].peers.keys().copied().collect();
        for peer in peers {
            net.say(0, peer, &Message::Pong(0));
        }
    }
    assert_eq!(net.dialled(), BTreeSet::from([far(9_000_000)]));
    net.reached(40, far(9_000_000));
    assert!(!net.nodes[0].peers.contains_key(&PeerId(40)));
    assert!(net.nodes[0].known_addresses().contains(&far(9_000_000)));
}

impl Net {
    fn tell_owed(&mut self, peer: PeerId, addr: SocketAddr) {
        self.nodes[0]
            .peers
            .get_mut(&peer)
            .expect("connected")
            .addresses_owed = 1;
        self.tell(peer, [addr]);
    }
}

#[test]
fn after_a_restart_the_peers_of_longest_standing_are_dialled_first() {
    let mut net = Net::one_looking();
    let seed = net.reached(1, far(1));
    net.tell(seed, (1..30).map(|n| far(n * 70_000)));
    let mut met = Vec::new();
    for at in 0..6 {
        net.wait(1);
        for addr in net.dialled() {
            net.reached(10 + at, addr);
            met.push(addr);
        }
    }
    net.nodes[0]
        .handle_stop(net.now)
        .expect("memory never fails");
    let known = net.known();
    let storage = net.nodes[0].chain.reader().clone();
    net.nodes[0] = looking(storage, vec![], net.now);
    net.links.clear();
    assert_eq!(net.known(), known - 1, "the seed was named by nobody");
    net.wait(1);
    net.pump();
    net.wait(1);
    let first: BTreeSet<SocketAddr> = net.dialled();
    assert!(
        met[..2].iter().all(|anchor| first.contains(anchor)),
        "{first:?} {met:?}"
    );
}

#[test]
fn our_clock_is_compared_with_the_middle_of_three_peers_and_its_later_jumps_too() {
    let mut net = Net::of(1);
    net.nodes[0].chain.set_self_checks(None);
    let right = net.now;
    for (peer, ahead) in [(1, 0), (2, 3_600), (3, 30)] {
        assert_eq!(net.nodes[0].status(net.now).clock_ahead, None);
        net.now.wall = right.wall.plus(Millis::from_secs(ahead));
        let peer = net.stranger(0, peer);
        assert!(net.nodes[0].peers[&peer].is_ready());
        net.now = right;
    }
    // One liar moves the middle no further than to another peer.
    assert_eq!(net.nodes[0].status(net.now).clock_ahead, Some(-30_000));
    net.now.monotonic = net.now.monotonic.plus(Millis::from_secs(10));
    net.now.wall = net.now.wall.plus(Millis::from_secs(70));
    assert_eq!(net.nodes[0].status(net.now).clock_ahead, Some(30_000));
}
