//! Connections: who is greeted, who is left, and when.

use super::*;

#[test]
fn of_two_connections_between_two_nodes_one_is_kept() {
    let mut net = Net::of(2);
    net.connect(0, 1);
    net.connect(1, 0);
    assert_eq!(net.nodes[0].status(net.now).peers_ready, 1);
    assert_eq!(net.nodes[1].status(net.now).peers_ready, 1);
    net.connect(0, 1);
    assert_eq!(
        [net.links.len(), net.nodes[0].status(net.now).peers_ready],
        [2, 1]
    );
}

#[test]
fn a_node_does_not_peer_with_itself() {
    let mut net = Net::of(1);
    net.connect(0, 0);
    assert_eq!(net.nodes[0].status(net.now).peers_ready, 0);
    assert!(net.links.is_empty());
}

#[test]
fn another_genesis_ends_the_connection_in_one_round_trip() {
    let mut net = Net::of(2);
    let config = NodeConfig::default();
    let other = Node::open(
        MemoryStorage::default(),
        networks::testnet(),
        config,
        [5; 32],
        net.now,
    );
    net.nodes[1] = other.expect("memory never fails");
    net.connect(0, 1);
    assert!(net.links.is_empty());
    let refused = Some(crate::p2p::peer::Disconnect::ForeignGenesis);
    assert!(net.events.iter().any(|(_, event)| {
        matches!(event, Event::PeerLost { reason, .. } if *reason == refused)
    }));
}

#[test]
fn who_says_nothing_is_disconnected() {
    let mut net = Net::of(1);
    net.nodes[0]
        .handle_connected(net.now, PeerId(1), address_of(5), Direction::Inbound)
        .expect("memory never fails");
    net.wait(6);
    assert!(net.nodes[0].peers.is_empty());

    let mut net = Net::of(2);
    let (out, into) = net.connect(0, 1);
    net.links.remove(&(0, out));
    net.links.remove(&(1, into));
    net.wait(95);
    assert!(net.nodes.iter().all(|node| node.peers.is_empty()));
}

#[test]
fn bytes_that_do_not_decode_and_messages_before_hello_end_the_connection() {
    for (kind, payload) in [(1, vec![1, 2, 3]), (2, vec![7]), (99, vec![])] {
        let mut net = Net::of(1);
        net.nodes[0]
            .handle_connected(net.now, PeerId(1), address_of(5), Direction::Inbound)
            .expect("memory never fails");
        let handled = net.nodes[0].handle_frame(net.now, PeerId(1), kind, &payload);
        handled.expect("memory never fails");
        assert!(net.nodes[0].peers.is_empty(), "kind {kind}");
    }
}

#[test]
fn a_peer_whose_pongs_are_stuck_behind_other_messages_is_not_silent() {
    let mut net = Net::of(1);
    let busy = net.stranger(0, 50);
    for _ in 0..12 {
        net.wait(20);
        net.say(0, busy, &Message::Inv(vec![]));
    }
    assert_eq!(net.nodes[0].status(net.now).peers_ready, 1);
    net.wait(95);
    assert_eq!(net.nodes[0].status(net.now).peers_ready, 0);
}

#[test]
fn a_header_of_an_unknown_version_is_refused_without_blame() {
    let mut net = Net::of(1);
    let newer = net.stranger(0, 50);
    let template = net.nodes[0].template(net.now, dev_key().address());
    let mut header = template
        .expect("memory")
        .expect("the clock is right")
        .header;
    header.version += 1;
    net.show(0, newer, vec![header]);
    assert_eq!(net.nodes[0].status(net.now).peers_ready, 1);
    assert_eq!(net.nodes[0].status(net.now).best_header.get(), 0);
    header = Header {
        version: 1,
        reserved: [1; 12],
        ..header
    };
    net.show(0, newer, vec![header]);
    assert_eq!(net.nodes[0].status(net.now).peers_ready, 0);
}

#[test]
fn a_named_peer_is_dialled_again_after_it_was_lost() {
    let mut net = Net::of(2);
    let connect = vec![address_of(1)];
    net.nodes[0] = open(MemoryStorage::default(), 1, connect, net.now);
    net.wait(1);
    assert_eq!(net.dials, [(0, address_of(1))]);
    net.connect(0, 1);
    net.wait(5);
    assert_eq!(net.dials.len(), 1);
    net.cut_all();
    net.wait(2);
    assert_eq!(net.dials.len(), 2);
    net.nodes[0].handle_dial_failed(net.now, address_of(1));
    net.wait(3);
    assert_eq!(net.dials.len(), 3);
}
