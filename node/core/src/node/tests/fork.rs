//! The fork alarm, with nodes that an operator has parted from the others.

use super::*;
use crate::primitives::Height;

fn is_suspected(net: &Net, node: usize) -> bool {
    net.nodes[node].status(net.now).fork_suspected
}

/// The alarms of a node, on and off, in their order.
fn alarms(net: &Net, node: usize) -> Vec<Event> {
    let told = net.events.iter().filter(|(of, _)| *of == node);
    told.filter(|(_, event)| matches!(event, Event::ForkSuspected { .. } | Event::ForkOver))
        .map(|(_, event)| event.clone())
        .collect()
}

fn order(net: &mut Net, order: Order) {
    let handled = net.nodes[0].handle_order(net.now, Ticket(2), order);
    handled.expect("memory never fails");
    net.pump();
}

#[test]
fn peers_who_go_on_with_another_chain_for_ten_minutes_are_an_alarm_until_we_follow_them() {
    let mut net = Net::of(3);
    for (from, to) in [(1, 0), (2, 0), (1, 2)] {
        net.connect(from, to);
    }
    net.mine(1, 20);
    assert_eq!(net.heights(), [20, 20, 20]);
    let chain = net.nodes[1].chain();
    let third = crate::schema::best_id(chain.reader(), Height::new(3));
    let third = third.expect("memory").expect("it is that high");
    order(&mut net, Order::Invalidate(third));
    net.mine(0, 4);
    assert_eq!(net.heights(), [6, 20, 20], "four blocks part by chance");
    net.wait(700);
    assert!(!is_suspected(&net, 0));
    net.mine(0, 2);
    net.wait(590);
    assert!(!is_suspected(&net, 0), "not before ten minutes");
    net.wait(60);
    assert!(is_suspected(&net, 0));
    let (apart, refused) = (2, 0);
    assert_eq!(
        alarms(&net, 0),
        [Event::ForkSuspected { apart, refused }],
        "it is told once"
    );
    for node in [1, 2] {
        assert!(!is_suspected(&net, node), "one apart is nobody's alarm");
        assert_eq!(net.nodes[node].status(net.now).peers_ready, 2, "no blame");
    }
    order(&mut net, Order::Reconsider(third));
    net.wait(60);
    assert!(net.agree() && !is_suspected(&net, 0));
    assert_eq!(alarms(&net, 0).last(), Some(&Event::ForkOver));
}

#[test]
fn a_peer_that_came_over_in_silence_is_not_taken_for_one_on_another_chain() {
    let mut net = Net::of(2);
    net.mine(0, 9);
    net.mine(1, 8);
    let (_, peer) = net.connect(1, 0);
    assert!(net.agree());
    assert!(net.nodes[0].peers[&peer].claim.is_some());
    net.wait(31);
    let state = &net.nodes[0].peers[&peer];
    assert_eq!((state.claim, state.apart), (None, false));
}

#[test]
fn chosen_peers_of_three_groups_that_serve_what_we_refuse_are_an_alarm_and_strangers_are_none() {
    let mut net = Net::of(1);
    let template = net.nodes[0].template(net.now, dev_key().address());
    let mut bad = template
        .expect("memory")
        .expect("the clock is right")
        .header;
    bad.reserved = [1; 12];
    for stranger in 20..24 {
        let peer = net.stranger(0, stranger);
        net.show(0, peer, vec![bad]);
    }
    assert!(!is_suspected(&net, 0));
    for chosen in 1..=3 {
        assert!(!is_suspected(&net, 0));
        let (peer, now) = (PeerId(u64::from(chosen)), net.now);
        let hello = Hello {
            nonce: peer.0,
            ..net.nodes[0].our_hello(now)
        };
        let addr = SocketAddr::from(([10, 50 + chosen, 1, 1], 9090));
        net.nodes[0]
            .handle_connected(now, peer, addr, Direction::Outbound)
            .expect("memory never fails");
        net.say(0, peer, &Message::Hello(hello));
        net.show(0, peer, vec![bad]);
    }
    assert!(is_suspected(&net, 0));
    let (apart, refused) = (0, 3);
    assert_eq!(alarms(&net, 0), [Event::ForkSuspected { apart, refused }]);
}
