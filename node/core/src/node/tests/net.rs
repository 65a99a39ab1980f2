//! A network in memory: messages arrive at once and in order, time moves when a test moves it.

use super::*;

/// One end of a connection: which node, and how that node calls it.
pub(super) type End = (usize, PeerId);

pub(super) struct Net {
    pub(super) nodes: Vec<Node<MemoryStorage>>,
    pub(super) links: BTreeMap<End, End>,
    pub(super) connections: u64,
    pub(super) now: Now,
    pub(super) answers: Vec<(Ticket, Answer)>,
    pub(super) events: Vec<(usize, Event)>,
    pub(super) dials: Vec<(usize, SocketAddr)>,
    pub(super) rests: Vec<(usize, PeerId, Instant)>,
    /// Messages of this kind get lost.
    pub(super) lost_kind: Option<u8>,
}

pub(super) fn address_of(node: usize) -> SocketAddr {
    SocketAddr::from(([10, u8::try_from(node + 1).expect("few nodes"), 0, 1], 9090))
}

pub(super) fn open(
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
    pub(super) fn of(count: usize) -> Self {
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
    pub(super) fn connect(&mut self, from: usize, to: usize) -> (PeerId, PeerId) {
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
    pub(super) fn stranger(&mut self, node: usize, peer: u64) -> PeerId {
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
    pub(super) fn say(&mut self, node: usize, peer: PeerId, message: &Message) {
        let (kind, payload) = message.encode();
        let handled = self.nodes[node].handle_frame(self.now, peer, kind, &payload);
        handled.expect("memory never fails");
        self.pump();
    }

    /// A peer of a node shows headers as if it had been asked for them.
    pub(super) fn show(&mut self, node: usize, peer: PeerId, headers: Vec<Header>) {
        let state = self.nodes[node].peers.get_mut(&peer);
        state.expect("connected").headers_owed += 1;
        self.say(node, peer, &Message::Headers(headers));
    }

    pub(super) fn cut_all(&mut self) {
        for (node, peer) in core::mem::take(&mut self.links).into_keys() {
            self.nodes[node]
                .handle_closed(self.now, peer)
                .expect("memory never fails");
        }
        self.pump();
    }

    /// Does what the nodes want until none wants anything.
    pub(super) fn pump(&mut self) {
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

    pub(super) fn act(&mut self, node: usize, action: Action) {
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
    pub(super) fn wait(&mut self, seconds: u64) {
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

    pub(super) fn mine(&mut self, node: usize, blocks: usize) {
        let seed = [100 + u8::try_from(node).expect("few"); 32];
        self.mine_for(&SecretKey::from_seed(seed), node, blocks);
    }

    pub(super) fn mine_for(&mut self, key: &SecretKey, node: usize, blocks: usize) {
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

    pub(super) fn submit(&mut self, node: usize, transfer: SignedTransfer) -> Answer {
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
    pub(super) fn tips_told(&self, node: usize) -> Vec<(u64, u64)> {
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

    pub(super) fn check_quickly(&mut self) {
        for node in &mut self.nodes {
            let quick = crate::chain::Thoroughness::Quick;
            node.chain.set_self_checks(Some(quick));
        }
    }

    pub(super) fn heights(&self) -> Vec<u64> {
        self.nodes
            .iter()
            .map(|node| node.tip().height.get())
            .collect()
    }

    pub(super) fn agree(&self) -> bool {
        self.nodes
            .iter()
            .all(|node| node.tip() == self.nodes[0].tip())
    }
}

pub(super) fn grind(template: Template) -> Block {
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

pub(super) fn dev_key() -> SecretKey {
    networks::dev_keys()[0].clone()
}

pub(super) fn payment(nonce: u64) -> SignedTransfer {
    payment_of(&dev_key(), nonce)
}

pub(super) fn payment_of(key: &SecretKey, nonce: u64) -> SignedTransfer {
    let payment = Payment {
        to: SecretKey::from_seed([9; 32]).address(),
        amount: Amount::new(5),
        fee: Amount::new(100_000),
        nonce: AccountNonce::new(nonce),
        memo: Memo::default(),
    };
    SignedTransfer::sign(key, &networks::dev().domain, payment)
}
