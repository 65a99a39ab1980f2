//! Commits that many blocks share, and headers that wait for their bodies.

use super::*;
use crate::params::batch::{BATCH_TIME_MAX, CATCH_UP_BLOCKS};
use crate::schema;

/// A chain of so many blocks, as its maker would serve it.
fn blocks(count: usize) -> Vec<Block> {
    let mut maker = Net::of(1);
    maker.mine(0, count);
    let chain = maker.nodes[0].chain();
    let first = crate::primitives::Height::new(1);
    let ids = schema::best_ids(chain.reader(), first, usize::MAX).expect("memory never fails");
    let block = |id: &BlockId| chain.block(id).expect("memory").expect("on the best chain");
    ids.iter().map(block).collect()
}

/// A node to which a stranger has shown the headers of these blocks.
fn shown(blocks: &[Block]) -> (Net, PeerId) {
    let mut net = Net::of(1);
    net.now.wall = net.now.wall.plus(Millis::from_secs(100));
    let peer = net.stranger(0, 50);
    let headers = blocks.iter().map(|block| block.header).collect();
    net.show(0, peer, headers);
    (net, peer)
}

fn deliver(net: &mut Net, peer: PeerId, blocks: &[Block]) {
    for block in blocks {
        net.say(0, peer, &Message::Res(Response::Block(block.clone())));
    }
}

/// What others can learn of node 0.
fn outside(net: &Net) -> (TipInfo, Status, Hello, MemoryStorage) {
    let node = &net.nodes[0];
    let status = Status {
        blocks_in_flight: 0,
        ..node.status(net.now)
    };
    let hello = node.our_hello(net.now);
    (node.tip(), status, hello, node.chain().reader().clone())
}

/// The heights that a node has told as its tip.
fn tips(net: &Net, of: usize) -> Vec<u64> {
    let tip = |(node, event): &(usize, Event)| match event {
        Event::TipChanged { to, .. } if *node == of => Some(to.height.get()),
        _ => None,
    };
    net.events.iter().filter_map(tip).collect()
}

#[test]
fn while_catching_up_nobody_hears_of_blocks_before_they_are_committed_together() {
    let blocks = blocks(30);
    let (mut net, peer) = shown(&blocks);
    let before = outside(&net);
    assert_eq!(before.0.height.get(), 0);
    deliver(&mut net, peer, &blocks[..10]);
    assert_eq!(net.nodes[0].chain().added().blocks, 10);
    assert_eq!(outside(&net), before);
    net.wait(BATCH_TIME_MAX.get() / 1_000);
    assert_eq!(tips(&net, 0), [10]);
    assert_eq!(net.nodes[0].status(net.now).best_header.get(), 30);
    // A template commits first: nobody builds on a tip that is about to be left.
    deliver(&mut net, peer, &blocks[10..11]);
    let template = net.nodes[0].template(net.now, dev_key().address());
    let template = template.expect("memory").expect("a tip");
    assert_eq!(template.header.parent, blocks[10].id());
}

#[test]
fn many_blocks_share_a_commit_far_from_the_tip_and_none_do_near_it() {
    let mut net = Net::of(2);
    net.mine(0, 30);
    net.connect(1, 0);
    assert!(net.agree());
    let near: Vec<u64> = (30 - CATCH_UP_BLOCKS + 1..=30).collect();
    assert_eq!(tips(&net, 1), near);
}

#[test]
fn a_header_waits_for_its_body_and_not_for_long() {
    let blocks = blocks(1);
    let (mut net, peer) = shown(&[]);
    let before = net.nodes[0].chain().reader().clone();
    net.show(0, peer, vec![blocks[0].header]);
    assert_eq!(*net.nodes[0].chain().reader(), before);
    net.wait(BATCH_TIME_MAX.get() / 1_000);
    let after = net.nodes[0].chain().reader();
    assert_ne!(*after, before, "a body may never come");
    deliver(&mut net, peer, &blocks);
    assert_eq!(tips(&net, 0), [1]);
}

#[test]
fn an_own_block_is_committed_before_it_is_answered_whatever_is_open() {
    let blocks = blocks(20);
    let (mut net, peer) = shown(&blocks);
    deliver(&mut net, peer, &blocks[..1]);
    assert_eq!(net.heights(), [0]);
    // The same block once more, as our own: it is here, but not yet for good.
    net.nodes[0].handle_block(Ticket(3), blocks[0].clone());
    net.pump();
    let answer = Answer::BlockAccepted(blocks[0].id());
    assert_eq!(net.answers, [(Ticket(3), answer)]);
    assert_eq!(net.nodes[0].chain().tip().id, blocks[0].id());
}

#[test]
fn a_node_that_stops_commits_what_is_open() {
    let blocks = blocks(30);
    let (mut net, peer) = shown(&blocks);
    deliver(&mut net, peer, &blocks[..5]);
    assert_eq!(net.heights(), [0]);
    let stopped = net.nodes[0].handle_stop(net.now);
    stopped.expect("memory never fails");
    let storage = net.nodes[0].chain().reader().clone();
    assert_eq!(open(storage, 9, vec![], net.now).tip().height.get(), 5);
}
