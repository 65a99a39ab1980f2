//! Blocks and headers find their way, whatever is lost, late or withheld.

use super::*;

#[test]
fn a_node_that_joins_late_fetches_every_block() {
    let mut net = Net::of(2);
    net.mine(0, 40);
    net.connect(1, 0);
    assert_eq!(net.heights(), [40, 40]);
    assert!(net.agree());
}

#[test]
fn a_block_travels_along_a_line() {
    let mut net = Net::of(4);
    net.connect(0, 1);
    net.connect(2, 1);
    net.connect(2, 3);
    net.mine(0, 3);
    assert_eq!(net.heights(), [3, 3, 3, 3]);
    net.mine(3, 2);
    assert!(net.agree());
}

#[test]
fn the_lighter_side_of_a_fork_reorganizes_and_its_transfers_wait_again() {
    let mut net = Net::of(2);
    net.mine(0, 3);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    net.mine(0, 1);
    assert!(net.nodes[0].mempool().is_empty());
    net.mine(1, 7);
    net.connect(0, 1);
    assert!(net.agree());
    assert_eq!(net.heights(), [7, 7]);
    assert_eq!(net.nodes[0].mempool().len(), 1);
    let (left, fork) = net
        .events
        .iter()
        .find_map(|event| match event {
            (
                0,
                Event::TipChanged {
                    left_blocks,
                    fork_height,
                    ..
                },
            ) if *left_blocks > 0 => Some((*left_blocks, fork_height.get())),
            _ => None,
        })
        .expect("node 0 reorganizes");
    assert_eq!((left, fork), (4, 0));
}

#[test]
fn a_long_reorganization_takes_turns_and_is_announced_once_when_it_is_over() {
    let mut net = Net::of(2);
    net.check_quickly();
    net.mine(0, 150);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    net.mine(0, 60);
    assert!(net.nodes[0].mempool().is_empty());
    net.mine(1, 211);
    net.connect(0, 1);
    assert!(net.nodes[0].chain().is_walking());
    let producer = dev_key().address();
    let template = net.nodes[0].template(net.now, producer);
    assert_eq!(template, Ok(Err(NoTemplate::Walking)));
    let status = net.nodes[0].status(net.now);
    assert!(status.walking, "the node is not ready");
    assert_eq!(status.tip.height.get(), 210, "no tip on the way is told");
    net.wait(1);
    assert!(!net.nodes[0].chain().is_walking());
    assert!(net.agree());
    let told = net.tips_told(0);
    assert_eq!(told.len(), 211);
    assert_eq!(told[210], (210, 211));
    assert_eq!(net.nodes[0].mempool().len(), 1);
}

#[test]
fn what_got_lost_on_the_way_is_asked_again_from_the_only_peer() {
    for lost in [
        kind::INV,
        kind::GET_HEADERS,
        kind::HEADERS,
        kind::REQ,
        kind::RES,
    ] {
        let mut net = Net::of(2);
        net.connect(0, 1);
        net.lost_kind = Some(lost);
        net.mine(0, 2);
        net.wait(20);
        assert_eq!(net.heights(), [2, 0], "kind {lost}");
        net.lost_kind = None;
        net.mine(0, 1);
        net.wait(35);
        assert_eq!(net.heights(), [3, 3], "kind {lost}");
    }
}

#[test]
fn a_block_from_the_future_is_fetched_once_its_time_has_come() {
    let mut net = Net::of(2);
    net.connect(0, 1);
    let early = net.now.wall;
    net.now.wall = early.plus(Millis::from_secs(100));
    let producer = dev_key().address();
    let template = net.nodes[0]
        .template(net.now, producer)
        .expect("memory never fails");
    net.nodes[0].handle_block(Ticket(0), grind(template.expect("the clock is right")));
    // Node 0 accepts by its own clock, and its clock alone is far ahead.
    let check = net.nodes[0]
        .poll_action()
        .expect("memory never fails")
        .expect("a check");
    net.act(0, check);
    net.now.wall = early;
    net.pump();
    assert_eq!(net.heights(), [1, 0]);
    assert_eq!(
        net.nodes[1].status(net.now).peers_ready,
        1,
        "nobody is blamed for a clock"
    );
    // It was told once, and is remembered: nobody needs to tell again.
    net.lost_kind = Some(kind::GET_HEADERS);
    net.wait(59);
    assert_eq!(net.heights(), [1, 0]);
    net.wait(2);
    assert_eq!(net.heights(), [1, 1]);
}

#[test]
fn bodies_wait_while_a_peer_does_not_read() {
    let mut net = Net::of(2);
    net.mine(0, 20);
    net.connections += 1;
    let (out, into) = (PeerId(2), PeerId(3));
    net.links.insert((1, out), (0, into));
    net.links.insert((0, into), (1, out));
    net.nodes[1]
        .handle_connected(net.now, out, address_of(0), Direction::Outbound)
        .expect("memory never fails");
    net.nodes[0]
        .handle_connected(net.now, into, address_of(1), Direction::Inbound)
        .expect("memory never fails");
    net.nodes[0].handle_congestion(into, true);
    net.pump();
    assert_eq!(net.heights(), [20, 0]);
    net.nodes[0].handle_congestion(into, false);
    net.pump();
    assert_eq!(net.heights(), [20, 20]);
}

#[test]
fn a_block_beside_the_best_chain_is_not_served_because_nobody_vouches_for_it() {
    let mut net = Net::of(2);
    net.mine(0, 1);
    let left = net.nodes[0].tip().id;
    net.mine(1, 2);
    let (out, _) = net.connect(0, 1);
    assert!(net.agree());
    let now = net.now;
    for (id, served) in [(left, false), (net.nodes[0].tip().id, true)] {
        net.nodes[0]
            .req(now, out, vec![Item::Block(id)])
            .expect("memory never fails");
        let action = net.nodes[0].poll_action().expect("memory never fails");
        let Some(Action::Send { kind, payload, .. }) = action else {
            panic!("{action:?}")
        };
        let message = Message::decode(kind, &payload).expect("ours");
        let answer = matches!(message, Some(Message::Res(Response::Block(_))));
        assert_eq!(answer, served);
    }
}

#[test]
fn a_block_is_asked_from_everybody_who_announced_it() {
    let mut net = Net::of(2);
    let (out, _) = net.connect(1, 0);
    let stranger = net.stranger(1, 50);
    net.lost_kind = Some(kind::INV);
    net.mine(0, 1);
    net.lost_kind = None;
    let Tip { id, header, .. } = net.nodes[0].chain().tip().clone();
    net.show(1, stranger, vec![header]);
    net.say(1, out, &Message::Inv(vec![Item::Block(id)]));
    assert_eq!(
        net.heights(),
        [1, 0],
        "the stranger was asked, and is silent"
    );
    net.wait(11);
    assert_eq!(net.heights(), [1, 1]);
}

#[test]
fn peers_that_promise_every_block_and_deliver_none_do_not_keep_it_from_an_honest_one() {
    let mut net = Net::of(2);
    let liars = [10, 11, 12, 13].map(|peer| net.stranger(1, peer));
    net.connections = 20;
    let (out, _) = net.connect(1, 0);
    net.lost_kind = Some(kind::INV);
    net.mine(0, 1);
    net.lost_kind = None;
    let Tip { id, header, .. } = net.nodes[0].chain().tip().clone();
    for liar in liars {
        net.show(1, liar, vec![header]);
    }
    net.say(1, out, &Message::Inv(vec![Item::Block(id)]));
    for _ in 0..45 {
        net.wait(1);
        for liar in liars {
            if let Some((number, _)) = net.nodes[1].peers[&liar].ping {
                net.say(1, liar, &Message::Pong(number));
            }
        }
    }
    assert_eq!(net.heights(), [1, 1]);
}

#[test]
fn a_mined_block_is_checked_however_many_transfers_are() {
    let mut net = Net::of(1);
    let template = net.nodes[0].template(net.now, dev_key().address());
    let block = grind(template.expect("memory").expect("the clock is right"));
    for nonce in 0..64 {
        let handled = net.nodes[0].handle_submit(net.now, Ticket(nonce), payment(nonce));
        handled.expect("memory never fails");
    }
    let id = block.id();
    net.nodes[0].handle_block(Ticket(100), block);
    net.pump();
    let answer = net
        .answers
        .iter()
        .find(|(ticket, _)| *ticket == Ticket(100));
    assert_eq!(
        answer.map(|(_, answer)| answer),
        Some(&Answer::BlockAccepted(id))
    );
}

#[test]
fn announcements_beyond_what_a_peer_may_owe_are_asked_for_later() {
    let mut net = Net::of(2);
    let mut rich: Vec<SecretKey> = networks::dev_keys().into();
    // Three more senders, with the reward of a block each.
    for node in [7, 8, 9] {
        let key = SecretKey::from_seed([100 + node; 32]);
        let template = net.nodes[0].template(net.now, key.address());
        let block = grind(template.expect("memory").expect("the clock is right"));
        net.nodes[0].handle_block(Ticket(0), block);
        net.pump();
        net.now.wall = net.now.wall.plus(Millis::from_secs(1));
        rich.push(key);
    }
    for key in &rich {
        for nonce in 0..64 {
            let answer = net.submit(0, payment_of(key, nonce));
            assert!(matches!(answer, Answer::Accepted(_)), "{answer:?}");
        }
    }
    net.connect(1, 0);
    net.wait(2);
    assert_eq!(net.nodes[1].mempool().len(), 6 * 64);
}

#[test]
fn a_best_header_whose_body_is_withheld_does_not_hold_up_an_honest_branch() {
    let mut net = Net::of(3);
    net.connect(1, 0);
    net.mine(0, 2);
    assert_eq!(net.heights(), [2, 2, 0]);
    // An equal block, of which a stranger shows the header to node 1 and no more.
    net.connect(2, 0);
    net.cut_all();
    net.connect(1, 0);
    net.mine(2, 1);
    let withheld = net.nodes[2].chain().tip().clone();
    let stranger = net.stranger(1, 50);
    net.show(1, stranger, vec![withheld.header]);
    assert_eq!(net.nodes[1].chain().best_header().id, withheld.id);
    net.mine(0, 1);
    assert_eq!(net.nodes[1].tip(), net.nodes[0].tip());
}

#[test]
fn a_block_that_comes_later_than_it_should_is_taken_all_the_same() {
    let mut net = Net::of(2);
    net.mine(0, 1);
    let block = net.nodes[0].chain().block(&net.nodes[0].tip().id);
    let block = block.expect("memory never fails").expect("the tip");
    let slow = net.stranger(1, 50);
    net.show(1, slow, vec![block.header]);
    net.wait(12);
    net.say(1, slow, &Message::Res(Response::Block(block)));
    assert_eq!(net.heights(), [1, 1]);
}

#[test]
fn a_walk_that_was_turned_back_is_told_as_the_block_that_it_ended_with() {
    let mut net = Net::of(2);
    net.check_quickly();
    net.mine(0, 210);
    let template = net.nodes[0].template(net.now, dev_key().address());
    let next = grind(template.expect("memory").expect("the clock is right"));
    net.mine(1, 211);
    net.connect(0, 1);
    net.nodes[0].handle_block(Ticket(1), next.clone());
    net.pump();
    assert!(net.nodes[0].chain().is_walking());
    let stop = BlockId::from_bytes([0; 32]);
    let theirs = net.nodes[1].chain().headers_after(&[], &stop, 1);
    let order = Order::Invalidate(theirs.expect("memory")[0].id());
    let handled = net.nodes[0].handle_order(net.now, Ticket(2), order);
    handled.expect("memory never fails");
    net.wait(1);
    assert_eq!(net.nodes[0].tip().id, next.id());
    assert_eq!(net.tips_told(0).last(), Some(&(0, 1)));
}
