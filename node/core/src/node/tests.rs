//! Whole nodes that talk to each other in memory, without a shell: messages arrive at once and in
//! order, time stands still unless a test moves it.

mod batches;
mod saved;

use super::*;
use crate::chain::Policy;
use crate::mempool::{DropReason, Dropped};
use crate::p2p::frame::kind;
use crate::p2p::message::{Hello, Item, Response};
use crate::p2p::peer::Direction;
use crate::params::networks;
use crate::params::pool::POOL_EXPIRY;
use crate::primitives::SignedTransfer;
use crate::primitives::{AccountNonce, Amount, Block, Header, Memo, Millis, Payment, SecretKey};
use crate::rules::CheckedTransfer;
use crate::schema::Tip;
use crate::storage::MemoryStorage;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

mod defence;
mod discover;
mod presync;

/// One end of a connection: which node, and how that node calls it.
type End = (usize, PeerId);

struct Net {
    nodes: Vec<Node<MemoryStorage>>,
    links: BTreeMap<End, End>,
    connections: u64,
    now: Now,
    answers: Vec<(Ticket, Answer)>,
    events: Vec<(usize, Event)>,
    dials: Vec<(usize, SocketAddr)>,
    rests: Vec<(usize, PeerId, Instant)>,
    /// Messages of this kind get lost.
    lost_kind: Option<u8>,
}

fn address_of(node: usize) -> SocketAddr {
    SocketAddr::from(([10, u8::try_from(node + 1).expect("few nodes"), 0, 1], 9090))
}

fn open(
    storage: MemoryStorage,
    number: u8,
    connect: Vec<SocketAddr>,
    now: Now,
) -> Node<MemoryStorage> {
    let config = NodeConfig {
        user_agent: format!("/test:{number}/"),
        listen_port: 9090,
        connect,
        discover: false,
        policy: Policy::default(),
    };
    Node::open(storage, networks::dev(), config, [number; 32], now).expect("memory never fails")
}

impl Net {
    fn of(count: usize) -> Self {
        let wall = networks::dev().time.plus(Millis::from_secs(1_000));
        let now = Now {
            monotonic: Instant::new(0),
            wall,
        };
        let number = |index: usize| u8::try_from(index + 1).expect("few nodes");
        let nodes = (0..count)
            .map(|n| open(MemoryStorage::default(), number(n), vec![], now))
            .collect();
        Self {
            nodes,
            links: BTreeMap::new(),
            connections: 0,
            now,
            answers: Vec::new(),
            events: Vec::new(),
            dials: Vec::new(),
            rests: Vec::new(),
            lost_kind: None,
        }
    }

    /// Connects `from` to `to` and lets both talk until they fall silent.
    fn connect(&mut self, from: usize, to: usize) -> (PeerId, PeerId) {
        self.connections += 1;
        let (out, into) = (
            PeerId(self.connections * 2),
            PeerId(self.connections * 2 + 1),
        );
        self.links.insert((from, out), (to, into));
        self.links.insert((to, into), (from, out));
        self.nodes[from]
            .handle_connected(self.now, out, address_of(to), Direction::Outbound)
            .expect("memory never fails");
        self.nodes[to]
            .handle_connected(self.now, into, address_of(from), Direction::Inbound)
            .expect("memory never fails");
        self.pump();
        (out, into)
    }

    /// Connects a stranger to a node, who has said `Hello` and says what the test has it say.
    fn stranger(&mut self, node: usize, peer: u64) -> PeerId {
        let (peer, now) = (PeerId(peer), self.now);
        let hello = Hello {
            nonce: peer.0,
            ..self.nodes[node].our_hello(now)
        };
        let from = SocketAddr::from((
            [10, 100, u8::try_from(peer.0 % 200).expect("small"), 1],
            9090,
        ));
        self.nodes[node]
            .handle_connected(now, peer, from, Direction::Inbound)
            .expect("memory never fails");
        self.say(node, peer, &Message::Hello(hello));
        peer
    }

    /// A peer of a node says something; what it is answered gets lost.
    fn say(&mut self, node: usize, peer: PeerId, message: &Message) {
        let (kind, payload) = message.encode();
        let handled = self.nodes[node].handle_frame(self.now, peer, kind, &payload);
        handled.expect("memory never fails");
        self.pump();
    }

    /// A peer of a node shows headers as if it had been asked for them.
    fn show(&mut self, node: usize, peer: PeerId, headers: Vec<Header>) {
        let state = self.nodes[node].peers.get_mut(&peer);
        state.expect("connected").headers_owed += 1;
        self.say(node, peer, &Message::Headers(headers));
    }

    fn cut_all(&mut self) {
        for (node, peer) in core::mem::take(&mut self.links).into_keys() {
            self.nodes[node]
                .handle_closed(self.now, peer)
                .expect("memory never fails");
        }
        self.pump();
    }

    /// Does what the nodes want until none wants anything.
    fn pump(&mut self) {
        loop {
            let mut idle = true;
            for node in 0..self.nodes.len() {
                while let Some(action) = self.nodes[node].poll_action().expect("memory never fails")
                {
                    idle = false;
                    self.act(node, action);
                    self.nodes[node].check_invariants();
                }
            }
            if idle {
                return;
            }
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Send { kind, .. } if Some(kind) == self.lost_kind => {}
            Action::Send {
                peer,
                kind,
                payload,
            } => {
                if let Some((to, from)) = self.links.get(&(node, peer)).copied() {
                    let received = self.nodes[to].handle_frame(self.now, from, kind, &payload);
                    received.expect("memory never fails");
                }
            }
            Action::Disconnect { peer, .. } => {
                if let Some((to, from)) = self.links.remove(&(node, peer)) {
                    self.links.remove(&(to, from));
                    self.nodes[to]
                        .handle_closed(self.now, from)
                        .expect("memory never fails");
                }
            }
            Action::Check { id, job } => {
                let finding = check(job, self.nodes[node].chain().law());
                let handled = self.nodes[node].handle_checked(self.now, id, finding);
                handled.expect("memory never fails");
            }
            Action::Rest { peer, until } => self.rests.push((node, peer, until)),
            Action::Dial(addr) => self.dials.push((node, addr)),
            Action::Answer { ticket, answer } => self.answers.push((ticket, answer)),
            Action::Notify(event) => self.events.push((node, event)),
        }
    }

    /// Moves time in steps of a tenth of a second.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            let step = Millis::new(100);
            self.now.monotonic = self.now.monotonic.plus(step);
            self.now.wall = self.now.wall.plus(step);
            for node in &mut self.nodes {
                node.handle_timeout(self.now).expect("memory never fails");
            }
            self.pump();
        }
    }

    fn mine(&mut self, node: usize, blocks: usize) {
        let seed = [100 + u8::try_from(node).expect("few"); 32];
        self.mine_for(&SecretKey::from_seed(seed), node, blocks);
    }

    fn mine_for(&mut self, key: &SecretKey, node: usize, blocks: usize) {
        let producer = key.address();
        for _ in 0..blocks {
            self.now.wall = self.now.wall.plus(Millis::from_secs(1));
            let template = self.nodes[node].template(self.now, producer);
            let template = template
                .expect("memory never fails")
                .expect("the clock is right");
            let block = grind(template);
            self.nodes[node].handle_block(Ticket(0), block);
            self.pump();
        }
    }

    fn submit(&mut self, node: usize, transfer: SignedTransfer) -> Answer {
        let handled = self.nodes[node].handle_submit(self.now, Ticket(7), transfer);
        handled.expect("memory never fails");
        self.pump();
        let last = self
            .answers
            .iter()
            .rev()
            .find(|(ticket, _)| *ticket == Ticket(7));
        last.expect("a submission is answered").1.clone()
    }

    /// Of each change of the tip that a node told: the blocks left and the blocks joined.
    fn tips_told(&self, node: usize) -> Vec<(u64, u64)> {
        let told = self.events.iter().filter(|(of, _)| *of == node);
        told.filter_map(|(_, event)| match event {
            Event::TipChanged {
                left_blocks,
                joined_blocks,
                ..
            } => Some((*left_blocks, *joined_blocks)),
            _ => None,
        })
        .collect()
    }

    fn check_quickly(&mut self) {
        for node in &mut self.nodes {
            let quick = crate::chain::Thoroughness::Quick;
            node.chain.set_self_checks(Some(quick));
        }
    }

    fn heights(&self) -> Vec<u64> {
        self.nodes
            .iter()
            .map(|node| node.tip().height.get())
            .collect()
    }

    fn agree(&self) -> bool {
        self.nodes
            .iter()
            .all(|node| node.tip() == self.nodes[0].tip())
    }
}

fn grind(template: Template) -> Block {
    let transfers = template
        .transfers
        .iter()
        .map(CheckedTransfer::signed)
        .cloned()
        .collect();
    let mut block = Block {
        header: template.header,
        transfers,
    };
    let target = block
        .header
        .bits
        .expand()
        .expect("a template's bits are valid");
    while !target.is_met_by(&block.id()) {
        block.header.nonce += 1;
    }
    block
}

fn dev_key() -> SecretKey {
    networks::dev_keys()[0].clone()
}

fn payment(nonce: u64) -> SignedTransfer {
    payment_of(&dev_key(), nonce)
}

fn payment_of(key: &SecretKey, nonce: u64) -> SignedTransfer {
    let payment = Payment {
        to: SecretKey::from_seed([9; 32]).address(),
        amount: Amount::new(5),
        fee: Amount::new(100_000),
        nonce: AccountNonce::new(nonce),
        memo: Memo::default(),
    };
    SignedTransfer::sign(key, &networks::dev().domain, payment)
}

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
fn a_submitted_transfer_reaches_everybody_and_is_mined_by_another() {
    let mut net = Net::of(3);
    net.connect(0, 1);
    net.connect(1, 2);
    for nonce in [2, 0, 1] {
        assert!(matches!(net.submit(0, payment(nonce)), Answer::Accepted(_)));
    }
    net.wait(2);
    assert_eq!(net.nodes[2].mempool().len(), 3);
    net.mine(2, 1);
    assert!(net.agree());
    assert!(net.nodes.iter().all(|node| node.mempool().is_empty()));
}

#[test]
fn an_accepted_submission_survives_a_crash_and_stays_until_no_reorganization_returns_it() {
    let mut net = Net::of(1);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    let storage = net.nodes[0].chain().reader().clone();
    net.nodes[0] = open(storage, 9, vec![], net.now);
    assert_eq!(net.nodes[0].mempool().len(), 1);
    let rows = |net: &Net| {
        net.nodes[0]
            .chain()
            .reader()
            .count(crate::storage::Table::OwnTxs)
    };
    net.mine(0, 100);
    net.wait(40);
    assert_eq!((net.nodes[0].mempool().len(), rows(&net)), (0, 1));
    net.mine(0, 1);
    net.wait(40);
    assert_eq!(rows(&net), 0);
}

#[test]
fn the_same_transfer_can_be_submitted_twice_and_a_used_nonce_cannot() {
    let mut net = Net::of(1);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    net.mine(0, 1);
    let refused = net.submit(0, payment(0));
    assert!(
        matches!(
            refused,
            Answer::Refused {
                code: "nonce_too_low",
                ..
            }
        ),
        "{refused:?}"
    );
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
    let config = NodeConfig {
        user_agent: String::new(),
        listen_port: 0,
        connect: vec![],
        discover: false,
        policy: Policy::default(),
    };
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
fn own_transfers_of_an_earlier_life_expire_like_all_others() {
    let mut net = Net::of(1);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    let storage = net.nodes[0].chain().reader().clone();
    net.nodes[0] = open(storage, 9, vec![], net.now);
    net.now.monotonic = net.now.monotonic.plus(POOL_EXPIRY);
    net.wait(1);
    assert!(net.nodes[0].mempool().is_empty());
}

#[test]
fn a_crash_in_the_midst_of_a_long_reorganization_loses_no_accepted_submission() {
    let mut net = Net::of(2);
    net.check_quickly();
    // The sender has its money from the blocks themselves, on both branches.
    let key = SecretKey::from_seed([100; 32]);
    net.mine_for(&key, 0, 210);
    let payment = Payment {
        to: dev_key().address(),
        amount: Amount::new(100 * 2_000_000_000),
        fee: Amount::new(100_000),
        nonce: AccountNonce::new(0),
        memo: Memo::default(),
    };
    let transfer = SignedTransfer::sign(&key, &networks::dev().domain, payment);
    assert!(matches!(net.submit(0, transfer), Answer::Accepted(_)));
    // Another has it from the beginning.
    assert!(matches!(
        net.submit(0, self::payment(0)),
        Answer::Accepted(_)
    ));
    net.mine_for(&key, 1, 211);
    net.connect(0, 1);
    assert!(net.nodes[0].chain().is_walking());
    let storage = net.nodes[0].chain().reader().clone();
    net.nodes[0] = open(storage, 9, vec![], net.now);
    assert!(matches!(
        net.submit(0, self::payment(0)),
        Answer::Accepted(_)
    ));
    net.wait(60);
    assert!(net.agree());
    assert_eq!(net.nodes[0].mempool().len(), 2);
    let lost = |(_, event): &_| matches!(event, Event::OwnTransferDropped { .. });
    assert!(!net.events.iter().any(lost));
}

#[test]
fn of_a_long_reorganization_the_transfers_of_the_newest_hundred_left_blocks_come_back() {
    let mut net = Net::of(2);
    net.check_quickly();
    net.mine(0, 109);
    let keys = networks::dev_keys();
    let [deep, near] = [&keys[0], &keys[1]].map(|key| payment_of(key, 0));
    for transfer in [&deep, &near] {
        assert!(matches!(
            net.submit(0, transfer.clone()),
            Answer::Accepted(_)
        ));
        net.mine(0, 1);
    }
    net.mine(0, 99);
    net.mine(1, 211);
    net.connect(0, 1);
    net.wait(1);
    assert!(net.agree());
    let domain = networks::dev().domain;
    let waiting = net.nodes[0].mempool().entries();
    let waiting: Vec<_> = waiting.map(|(entry, _)| entry.transfer.id()).collect();
    assert_eq!(waiting, [near.id(&domain)]);
    let dropped = Event::TransferDropped(Dropped {
        id: deep.id(&domain),
        reason: DropReason::DeepReorg,
    });
    assert!(net.events.contains(&(0, dropped)));
}

#[test]
fn transfers_that_come_back_are_told_to_peers_that_were_never_on_the_left_branch() {
    let mut net = Net::of(2);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    net.mine(0, 1);
    net.mine(1, 2);
    assert!(net.nodes[0].mempool().is_empty());
    net.connect(0, 1);
    net.wait(10);
    assert!(net.agree());
    assert_eq!([0, 1].map(|node| net.nodes[node].mempool().len()), [1, 1]);
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
