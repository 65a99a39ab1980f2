//! What peers and clients can make the desk hold at a time; and that every place comes back.

use super::*;
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{
    BLOCKS_OUTSTANDING_MAX, REQ_BLOCKS_MAX, REQ_TRANSFERS_MAX, TRANSFERS_OUTSTANDING_MAX,
};

fn blames(net: &Net) -> Vec<Misbehaviour> {
    let blames = net.events.iter().filter_map(|(_, event)| match event {
        Event::PeerMisbehaved { what, .. } => Some(*what),
        _ => None,
    });
    blames.collect()
}

fn unknown(number: usize) -> TxId {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    TxId::from_bytes(bytes)
}

/// A node to which strangers have shown the headers of so many blocks of another.
fn knowing_headers(blocks: usize, strangers: u64) -> (Net, Vec<Header>) {
    let mut net = Net::of(2);
    net.check_quickly();
    net.mine(1, blocks);
    let stop = BlockId::from_bytes([0; 32]);
    let headers = net.nodes[1].chain().headers_after(&[], &stop, blocks);
    let headers = headers.expect("memory never fails");
    for number in 0..strangers {
        let stranger = net.stranger(0, 50 + number);
        net.show(0, stranger, headers.clone());
    }
    (net, headers)
}

#[test]
fn a_timeout_gives_every_place_back_and_what_nobody_asked_for_takes_none() {
    let (mut net, headers) = knowing_headers(40, 1);
    let stranger = PeerId(50);
    let owed = |net: &Net| {
        let state = &net.nodes[0].peers[&stranger];
        (state.blocks_owed.len(), state.transfers_owed.len())
    };
    assert_eq!(owed(&net), (BLOCKS_OUTSTANDING_MAX, 0));
    let ids = (0..TRANSFERS_OUTSTANDING_MAX + 50).map(|number| Item::Transfer(unknown(number)));
    net.say(0, stranger, &Message::Inv(ids.collect()));
    let full = (BLOCKS_OUTSTANDING_MAX, TRANSFERS_OUTSTANDING_MAX);
    assert_eq!(owed(&net), full);
    assert_eq!(net.nodes[0].peers[&stranger].postponed.len(), 50);
    // What was not asked for of it, in the name of what was: it takes no place at the checker.
    let template = net.nodes[1].template(net.now, dev_key().address());
    let unasked = grind(template.expect("memory").expect("the clock is right"));
    for _ in 0..20 {
        for response in [
            Response::Block(unasked.clone()),
            Response::Transfer(payment(0)),
        ] {
            net.say(0, stranger, &Message::Res(response));
        }
        assert_eq!(net.nodes[0].block_checks.len(), 0);
        assert_eq!(net.nodes[0].transfer_checks.len(), 0);
        assert!(net.nodes[0].mempool().is_empty());
    }
    assert_eq!(owed(&net), full, "nothing was settled by it");
    net.wait(6);
    assert_eq!(owed(&net).1, 50, "those put off have the places now");
    net.wait(19);
    assert_eq!(owed(&net), (0, 0), "everything was late");
    assert!(net.nodes[0].wanted.is_empty() && net.nodes[0].downloads.is_empty());
    net.nodes[0].check_invariants();
    // And an honest peer is asked for all of it.
    assert_eq!(headers.len(), 40);
    net.connect(0, 1);
    net.wait(60);
    assert_eq!(net.heights(), [40, 40]);
    assert_eq!(blames(&net), []);
}

#[test]
fn the_checker_gets_so_many_blocks_and_transfers_and_the_rest_waits_with_its_peers() {
    let strangers = BLOCK_CHECKS_MAX / BLOCKS_OUTSTANDING_MAX + 1;
    let (mut net, _) = knowing_headers(100, strangers as u64);
    assert_eq!(net.nodes[0].blocks_under_way(), BLOCK_CHECKS_MAX);
    // From here on nobody takes what the node wants done: its checker stands still.
    net.now.wall = net.now.wall.plus(Millis::from_secs(1));
    for number in 0..=OWN_BLOCK_CHECKS_MAX {
        let producer = SecretKey::from_seed([u8::try_from(number).expect("few"); 32]);
        let template = net.nodes[0].template(net.now, producer.address());
        let block = grind(template.expect("memory").expect("the clock is right"));
        net.nodes[0].handle_block(Ticket(number as u64), block);
    }
    assert_eq!(net.nodes[0].own_block_checks(), OWN_BLOCK_CHECKS_MAX);
    for number in 0..=TRANSFER_CHECKS_MAX as u64 {
        let payment = Payment {
            to: SecretKey::from_seed([9; 32]).address(),
            amount: Amount::new(1 + number),
            fee: Amount::new(100_000),
            nonce: AccountNonce::new(0),
            memo: Memo::default(),
        };
        let transfer = SignedTransfer::sign(&dev_key(), &networks::dev().domain, payment);
        let ticket = Ticket(1_000 + number);
        let handled = net.nodes[0].handle_submit(net.now, ticket, transfer);
        handled.expect("memory never fails");
    }
    assert_eq!(net.nodes[0].transfer_checks.len(), TRANSFER_CHECKS_MAX);
    net.nodes[0].check_invariants();
    net.pump();
    let refused = |ticket: u64| {
        let answer = net.answers.iter().find(|(of, _)| *of == Ticket(ticket));
        matches!(answer, Some((_, Answer::Refused { code: "busy", .. })))
    };
    assert!(refused(OWN_BLOCK_CHECKS_MAX as u64) && !refused(0));
    assert!(refused(1_000 + TRANSFER_CHECKS_MAX as u64) && !refused(1_000));
}

#[test]
fn a_request_for_too_much_costs_points_and_is_not_served() {
    let mut net = Net::of(1);
    let stranger = net.stranger(0, 50);
    let block = Item::Block(networks::dev().id());
    let transfer = Item::Transfer(unknown(1));
    for (item, most) in [(block, REQ_BLOCKS_MAX), (transfer, REQ_TRANSFERS_MAX)] {
        net.say(0, stranger, &Message::Req(vec![item; most]));
        assert_eq!(blames(&net), []);
    }
    for (item, most) in [(block, REQ_BLOCKS_MAX), (transfer, REQ_TRANSFERS_MAX)] {
        net.say(0, stranger, &Message::Req(vec![item; most + 1]));
        assert!(net.nodes[0].peers[&stranger].serve.is_empty());
    }
    assert_eq!(blames(&net), [Misbehaviour::Protocol; 2]);
}
