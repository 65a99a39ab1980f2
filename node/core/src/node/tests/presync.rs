//! Chains of little work.

use super::*;
use crate::chain::Policy;
use crate::params::ANTI_DOS_BLOCKS;
use crate::params::peers::HEADERS_MAX;
use crate::primitives::Work;

/// Headers that are valid one after another from genesis on; `salt` tells chains apart.
fn headers(count: usize, salt: u8) -> Vec<Header> {
    let mut parent = networks::dev().header();
    let mut headers = Vec::new();
    for _ in 0..count {
        let header = Header {
            parent: parent.id(),
            height: parent.height.next(),
            timestamp: parent.timestamp.plus(Millis::new(1)),
            producer: SecretKey::from_seed([salt; 32]).address(),
            ..parent
        };
        parent = grind(Template {
            header,
            transfers: vec![],
        })
        .header;
        headers.push(parent);
    }
    headers
}

fn work_of(blocks: u64) -> Work {
    let target = networks::dev().bits.expand().expect("valid bits");
    let one = Work::of_target(target);
    (0..blocks).fold(Work::ZERO, |sum, _| sum.checked_add(one).expect("small"))
}

fn knows(net: &Net, header: &Header) -> bool {
    let known = net.nodes[0].chain().header(&header.id());
    known.expect("memory never fails").is_some()
}

/// A node that wants the work of so many blocks, and a stranger.
fn wanting(blocks: u64) -> (Net, PeerId) {
    let mut net = Net::of(1);
    let minimum_chainwork = work_of(blocks);
    net.nodes[0].chain.set_self_checks(None);
    net.nodes[0].chain.set_policy(Policy {
        minimum_chainwork,
        ..Policy::default()
    });
    let stranger = net.stranger(0, 1);
    (net, stranger)
}

#[test]
fn headers_of_a_chain_far_below_our_own_work_are_not_stored_and_nobody_is_blamed() {
    let mut net = Net::of(1);
    net.nodes[0].chain.set_self_checks(None);
    net.mine(0, usize::try_from(ANTI_DOS_BLOCKS).expect("small") + 20);
    let stranger = net.stranger(0, 1);
    let (few, enough) = (headers(15, 1), headers(25, 2));
    net.show(0, stranger, few.clone());
    assert!(!few.iter().any(|header| knows(&net, header)));
    net.show(0, stranger, enough.clone());
    assert!(enough.iter().all(|header| knows(&net, header)));
    assert!(net.nodes[0].peers.contains_key(&stranger));
}

#[test]
fn headers_of_too_little_work_are_not_stored_whatever_follows_them() {
    let chain = headers(20, 1);
    let ends = [
        Header {
            version: 2,
            ..chain[19]
        },
        Header {
            height: chain[19].height.next(),
            ..chain[19]
        },
        headers(2, 2)[1],
    ];
    for end in ends {
        let (mut net, stranger) = wanting(100);
        let mut list = chain[..19].to_vec();
        list.push(end);
        net.show(0, stranger, list);
        assert!(!chain.iter().any(|header| knows(&net, header)), "{end:?}");
        assert!(net.nodes[0].presync.is_none());
    }
}

#[test]
fn a_long_chain_is_stored_only_after_it_has_shown_enough_work() {
    let chain = headers(HEADERS_MAX + 150, 1);
    let (mut net, honest) = wanting(HEADERS_MAX as u64 + 100);
    let (first, rest) = chain.split_at(HEADERS_MAX);
    net.show(0, honest, first.to_vec());
    assert!(!knows(&net, &first[0]) && net.nodes[0].presync.is_some());
    net.show(0, honest, rest.to_vec());
    assert!(!knows(&net, &first[0]));
    net.show(0, honest, first.to_vec());
    assert!(first.iter().all(|header| knows(&net, header)));
    net.show(0, honest, rest.to_vec());
    assert!(rest.iter().all(|header| knows(&net, header)));
    assert!(net.nodes[0].presync.is_none());
    assert!(net.nodes[0].peers.contains_key(&honest));
}

#[test]
fn who_shows_another_chain_the_second_time_has_hardly_anything_stored() {
    let chain = headers(HEADERS_MAX + 150, 1);
    let (mut net, liar) = wanting(HEADERS_MAX as u64 + 100);
    let (first, rest) = chain.split_at(HEADERS_MAX);
    net.show(0, liar, first.to_vec());
    net.show(0, liar, rest.to_vec());
    let other = headers(HEADERS_MAX, 2);
    net.show(0, liar, other.clone());
    let stored = other.iter().filter(|header| knows(&net, header)).count();
    assert!(stored < 40, "{stored} headers of another chain are stored");
    assert!(net.nodes[0].presync.is_none());
}

#[test]
fn a_chain_that_ends_early_or_a_peer_that_falls_silent_leaves_the_place_to_others() {
    let chain = headers(HEADERS_MAX + 1, 1);
    let (first, rest) = chain.split_at(HEADERS_MAX);
    let (mut net, short) = wanting(HEADERS_MAX as u64 + 100);
    net.show(0, short, first.to_vec());
    net.show(0, short, rest.to_vec());
    assert!(net.nodes[0].presync.is_none() && !knows(&net, &first[0]));
    net.show(0, short, first.to_vec());
    assert!(net.nodes[0].presync.is_some());
    net.wait(16);
    assert!(net.nodes[0].presync.is_none());
}
