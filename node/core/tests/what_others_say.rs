//! What has no voice in consensus: the clocks of peers, and other networks.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod workshop;

use std::net::SocketAddr;

use archivas_core::chain::{BlockOutcome, HeaderStop};
use archivas_core::node::{Action, Event, Node, NodeConfig, check};
use archivas_core::p2p::message::{Hello, Message, Response};
use archivas_core::p2p::peer::{Direction, PeerId};
use archivas_core::params::{Genesis, networks};
use archivas_core::primitives::{
    Amount, Block, BoundedString, Height, Instant, Millis, Now, Payment, SignedTransfer, Timestamp,
    Work,
};
use archivas_core::rules::{Invalid, check_block, check_transfer};
use archivas_core::storage::MemoryStorage;
use workshop::*;

/// What a node tells the world while a peer whose clock shows `time` serves it these blocks.
fn told(genesis: &Genesis, blocks: &[Block], time: Timestamp) -> Vec<String> {
    let wall = blocks[0].header.timestamp;
    let now = Now {
        monotonic: Instant::new(0),
        wall,
    };
    let config = NodeConfig::default();
    let store = MemoryStorage::default();
    let mut node = Node::open(store, genesis.clone(), config, [7; 32], now).unwrap();
    let peer = PeerId(1);
    let addr = SocketAddr::from(([10, 0, 0, 1], 9090));
    node.handle_connected(now, peer, addr, Direction::Inbound)
        .unwrap();
    let last = &blocks[blocks.len() - 1];
    let hello = Message::Hello(Hello {
        protocol: 1,
        genesis: genesis.id(),
        best: last.id(),
        height: last.header.height,
        chainwork: Work::from_be_bytes([0x01; 32]),
        oldest_body: Height::GENESIS,
        time,
        user_agent: BoundedString::default(),
        listen_port: 0,
        nonce: 5,
    });
    let headers = blocks.iter().map(|block| block.header).collect();
    let bodies = blocks
        .iter()
        .cloned()
        .map(Response::Block)
        .map(Message::Res);
    let said = [hello, Message::Headers(headers)].into_iter().chain(bodies);
    let mut told = Vec::new();
    for message in said {
        let (kind, payload) = message.encode();
        node.handle_frame(now, peer, kind, &payload).unwrap();
        while let Some(action) = node.poll_action().unwrap() {
            match action {
                Action::Check { id, job } => {
                    let finding = check(job, node.chain().law());
                    node.handle_checked(now, id, finding).unwrap();
                }
                Action::Notify(Event::TipChanged { to, .. }) => told.push(format!("tip {}", to.id)),
                action => told.push(format!("{action:?}")),
            }
        }
    }
    told.push(format!("{:?}", node.tip()));
    told
}

#[test]
fn the_clocks_of_peers_change_nothing() {
    let genesis = network();
    let mut maker = chain(&genesis);
    let blocks: Vec<Block> = (0..3)
        .map(|_| {
            let block = valid(&maker, address(9), &[]);
            take(&mut maker, &block);
            block
        })
        .collect();
    let ours = blocks[0].header.timestamp;
    let honest = told(&genesis, &blocks, ours);
    let tip = format!("tip {}", blocks[2].id());
    assert!(honest.contains(&tip), "{honest:#?}");
    // Zero, the ends of signed and unsigned 64 bits, hours off in both directions.
    let hours = Millis::from_secs(7_200);
    let edges = [0, 1, i64::MAX as u64, 1 << 63, u64::MAX].map(Timestamp::new);
    for time in edges
        .into_iter()
        .chain([ours.plus(hours), ours.minus(hours)])
    {
        assert_eq!(told(&genesis, &blocks, time), honest, "{time}");
    }
}

#[test]
fn a_transfer_of_one_network_is_in_no_block_of_another() {
    let here = network();
    let mut there = network();
    there.network = "elsewhere".into();
    there.domain = "Elsewhere-TxV1".parse().unwrap();
    let transfer = pay(&there, 0, address(1), 500, 0);
    let mut their_chain = chain(&there);
    let theirs = valid(&their_chain, address(9), std::slice::from_ref(&transfer));
    take(&mut their_chain, &theirs);
    // The same key, the same money, the same nonce: everything fits but the domain.
    let mut ours = chain(&here);
    let block = forged(&ours, vec![transfer], theirs.header.state_root);
    let why = check_block(block, ours.law());
    assert_eq!(why, Err(Invalid::BadSignature));
    // And their block has no parent here.
    assert_ne!(here.id(), there.id());
    let headers = ours.accept_headers(LATE, &[theirs.header]).unwrap();
    assert_eq!(headers.stop, Some((0, HeaderStop::Orphan)));
    // A network that differs in its name only shares transfers, but not blocks.
    let mut twin = network();
    twin.network = "twin".into();
    let mut twin = chain(&twin);
    let shared = pay(&here, 0, address(1), 500, 0);
    let block = valid(&twin, address(9), &[shared]);
    take(&mut twin, &block);
    assert_eq!(give(&mut ours, &block).outcome, BlockOutcome::Orphan);
}

#[test]
fn no_domain_but_its_own_makes_a_transfer_valid() {
    let domains = networks::NAMES.map(|name| networks::by_name(name).expect("built in").domain);
    for signed_for in &domains {
        let payment = Payment {
            fee: Amount::new(100),
            ..payment(address(1), 500, 0)
        };
        let transfer = SignedTransfer::sign(&key(0), signed_for, payment);
        for name in networks::NAMES {
            let genesis = networks::by_name(name).expect("built in");
            let verdict = check_transfer(transfer.clone(), &genesis.law());
            assert_eq!(verdict.is_ok(), genesis.domain == *signed_for, "{name}");
        }
    }
}
