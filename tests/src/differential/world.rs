//! The node's chain and mempool, and the model's, side by side.

use std::collections::BTreeMap;

use archivas_core::chain::{BlockOutcome, Chain, HeaderStop, Policy, WalkVerdict};
use archivas_core::mempool::{DropReason, Dropped, Mempool};
use archivas_core::primitives::{
    Block, BlockId, Header, Instant, SignedTransfer, Timestamp, TxId, Work, decode,
};
use archivas_core::rules::{check_block, check_transfer};
use archivas_core::schema;
use archivas_core::storage::MemoryStorage;
use archivas_model::{Model, Pool};

use super::{Counts, Forge, network};

/// Both sides of one network, and what feeds them.
#[derive(Debug)]
pub struct World {
    /// Where blocks are made.
    pub forge: Forge,
    /// The node's history.
    pub chain: Chain<MemoryStorage>,
    /// The node's mempool.
    pub mempool: Mempool,
    /// The model's history.
    pub model: Model,
    /// The model's mempool.
    pub pool: Pool,
    /// The local clock.
    pub clock_ms: u64,
    /// Time that runs evenly.
    pub even_ms: u64,
    /// What was done so far.
    pub counts: Counts,
    /// A branch that competes with the best chain.
    pub rival: Option<usize>,
    /// Whether reorganizations of several commits may be interrupted. The model judges at once what
    /// the node may then never judge, so only tips and states at rest are compared from there on.
    pub loose: bool,
    /// Whether the tip has moved in more than one commit since both sides were last compared.
    pub walked: bool,
    /// How deep a branch may fork that is followed without the operator, when it is not as deep as
    /// in the release.
    pub window: Option<u64>,
}

/// What an operator can want of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That it be followed, however deep it forks.
    Accept,
    /// That it be left, and not followed.
    SetAside,
    /// That its marks be taken off.
    Reconsider,
}

impl Wish {
    const fn name(self) -> &'static str {
        match self {
            Wish::Accept => "accept",
            Wish::SetAside => "set_aside",
            Wish::Reconsider => "reconsider",
        }
    }
}

/// What the node says to a block.
#[derive(Clone, Debug)]
pub struct NodeAnswer {
    /// The outcome's name, or the rule's.
    pub outcome: &'static str,
    /// Blocks found invalid when their branch was judged, and by which rules.
    pub culprits: Vec<([u8; 32], &'static str)>,
    /// What left the mempool, by id and reason.
    pub left: Vec<([u8; 32], &'static str)>,
}

impl World {
    /// Genesis on both sides; of the variants above 3 each fourth follows only shallow branches.
    pub fn new(variant: u64, loose: bool) -> Self {
        let genesis = network(variant);
        let text = genesis.to_json();
        let chain = Chain::open(MemoryStorage::new(), genesis.clone()).expect("an empty store");
        let mut world = World {
            clock_ms: genesis.time.get() + 3_600_000,
            even_ms: 1_000,
            forge: Forge::new(genesis),
            chain,
            mempool: Mempool::default(),
            model: Model::new(text.as_bytes()).expect("the node wrote it"),
            pool: Pool::default(),
            counts: Counts::default(),
            rival: None,
            loose,
            walked: false,
            window: (variant / 4 % 4 == 1).then_some(12),
        };
        world.set_window();
        world
    }

    /// Gives both sides the depth of the reorg window; the node forgets it with each life.
    fn set_window(&mut self) {
        let Some(reorg_depth_max) = self.window else {
            return;
        };
        let mut minimum_chainwork = [0; 32];
        minimum_chainwork[31] = 100;
        self.model.set_window(reorg_depth_max, &minimum_chainwork);
        self.chain.set_policy(Policy {
            reorg_depth_max,
            minimum_chainwork: Work::from_be_bytes(minimum_chainwork),
            ..Policy::default()
        });
    }

    /// The place of the node's tip among the blocks made.
    pub fn tip(&self) -> usize {
        self.forge.place_of(&self.chain.tip().id)
    }

    /// Gives a made block to both sides, at a time when it is not from the future.
    pub fn deliver(&mut self, place: usize) {
        let block = &self.forge.made[place].block;
        let limit = self.forge.rules.future_limit_ms;
        let bytes = block.encode();
        self.clock_ms = self
            .clock_ms
            .max(block.header.timestamp.get().saturating_sub(limit));
        self.deliver_bytes(&bytes);
    }

    /// Gives any bytes to both sides as a block; gives the outcome.
    pub fn deliver_bytes(&mut self, bytes: &[u8]) -> &'static str {
        self.counts.steps += 1;
        let node = self.node_takes(bytes);
        let verdict = self.model.submit_block(bytes, self.clock_ms);
        self.compare_verdicts(&node, &verdict);
        self.note_verdict(bytes, &node, &verdict);
        node.outcome
    }

    /// Gives the headers of made blocks to both sides, as one list.
    pub fn deliver_headers(&mut self, places: &[usize]) {
        self.counts.steps += 1;
        let of = |place: &usize| self.forge.made[*place].block.header;
        let headers: Vec<Header> = places.iter().map(of).collect();
        let latest = headers.iter().map(|header| header.timestamp.get()).max();
        let limit = self.forge.rules.future_limit_ms;
        self.clock_ms = self.clock_ms.max(latest.unwrap_or(0).saturating_sub(limit));
        let now = Timestamp::new(self.clock_ms);
        let verdict = self.chain.accept_headers(now, &headers).expect("memory");
        let mut expected = None;
        for (index, header) in headers.iter().enumerate() {
            let outcome = self.model.submit_header(&header.encode(), self.clock_ms);
            let name = super::compare::outcome_name(&outcome);
            Counts::note(&mut self.counts.outcomes, name);
            if name != "stored" && name != "duplicate" {
                expected = Some((index, name));
                break;
            }
        }
        let stop = verdict
            .stop
            .as_ref()
            .map(|(index, stop)| (*index, stop_name(stop)));
        let accepted = verdict.accepted.len();
        let taken = expected.map_or(headers.len(), |(index, _)| index);
        self.compare_headers((accepted, stop), (taken, expected));
    }

    /// Closes the node's chain and opens it on the same storage.
    pub fn restart(&mut self) {
        self.counts.steps += 1;
        self.counts.restarts += 1;
        let storage = self.chain.reader().clone();
        let genesis = self.forge.genesis.clone();
        self.chain = Chain::open(storage, genesis).expect("its own rows");
        self.set_window();
        self.compare_rest();
    }

    /// Lets the node finish a reorganization.
    pub fn settle(&mut self) {
        while self.chain.is_walking() {
            self.step();
        }
    }

    /// Lets the node go on with a reorganization by one commit.
    pub fn step(&mut self) {
        self.walked = true;
        let now = Timestamp::new(self.clock_ms);
        self.chain.step(now).expect("memory");
    }

    /// The operator speaks about a block that both sides know.
    pub fn operate(&mut self, wish: Wish, id: &BlockId) {
        self.counts.steps += 1;
        let (now, clock_ms) = (Timestamp::new(self.clock_ms), self.clock_ms);
        let (walk, verdict) = match wish {
            Wish::Accept => (
                self.chain.accept_branch(now, id),
                self.model.accept_branch(id.as_bytes(), clock_ms),
            ),
            Wish::SetAside => (
                self.chain.invalidate(now, id),
                self.model.set_aside(id.as_bytes(), clock_ms),
            ),
            Wish::Reconsider => (
                self.chain.reconsider(now, id),
                self.model.reconsider(id.as_bytes(), clock_ms),
            ),
        };
        let mut answer = NodeAnswer {
            outcome: "stored",
            culprits: Vec::new(),
            left: Vec::new(),
        };
        let walk = walk.expect("memory").expect("the block is known");
        self.node_follows(walk, &mut answer);
        self.compare_walks(&answer, &verdict);
        Counts::note(&mut self.counts.wishes, wish.name());
    }

    fn node_takes(&mut self, bytes: &[u8]) -> NodeAnswer {
        let mut answer = NodeAnswer {
            outcome: "unreadable",
            culprits: Vec::new(),
            left: Vec::new(),
        };
        let Ok(block) = Block::decode(bytes) else {
            return answer;
        };
        let id = block.id();
        let block = match check_block(block, self.chain.law()) {
            Ok(block) => block,
            Err(why) => {
                self.chain.refuse_block(&id, &why).expect("memory");
                answer.outcome = why.code();
                return answer;
            }
        };
        let now = Timestamp::new(self.clock_ms);
        let verdict = self.chain.accept_block(now, block).expect("memory");
        answer.outcome = node_outcome(&verdict.outcome);
        self.node_follows(verdict.walk, &mut answer);
        while self.chain.is_walking() && !self.loose {
            self.walked = true;
            let walk = self.chain.step(now).expect("memory");
            self.node_follows(walk, &mut answer);
        }
        self.walked |= self.chain.is_walking();
        if answer.outcome == "stored" {
            answer.outcome = self.outcome_at_rest(&id, &answer);
        }
        answer
    }

    /// A block that was stored may prove invalid in a later step of the same walk.
    fn outcome_at_rest(&self, id: &BlockId, answer: &NodeAnswer) -> &'static str {
        let known = schema::header(self.chain.reader(), id).expect("memory");
        let own = answer.culprits.iter().find(|(at, _)| at == id.as_bytes());
        match (known.expect("it was stored").status.is_valid(), own) {
            (true, _) => "stored",
            (false, Some((_, rule))) => rule,
            (false, None) => "known_invalid",
        }
    }

    /// As the node's desk does: the mempool follows with each commit.
    fn node_follows(&mut self, walk: WalkVerdict, answer: &mut NodeAnswer) {
        let named = walk.invalid.iter();
        let named = named.map(|(id, why)| (*id.as_bytes(), why.code()));
        answer.culprits.extend(named);
        for _ in &walk.held {
            Counts::note(&mut self.counts.wishes, "held");
        }
        let Some(change) = walk.tip_change else {
            return;
        };
        let mut touched = BTreeMap::new();
        for address in &change.touched {
            let account = schema::account(self.chain.reader(), address).expect("memory");
            touched.insert(*address, account);
        }
        let now = Instant::new(self.even_ms);
        let left = change.left.into_iter().flatten().collect();
        let dropped = self.mempool.follow(now, left, &change.joined, &touched);
        answer.left.extend(named_drops(dropped));
    }

    /// Gives the bytes of a transfer to both mempools.
    pub fn deliver_transfer(&mut self, bytes: &[u8]) {
        self.counts.steps += 1;
        let (node, left) = self.node_pools(bytes);
        let admission = self.pool.submit(&self.model, bytes, self.even_ms);
        Counts::note(&mut self.counts.pool, node);
        for (_, reason) in &left {
            Counts::note(&mut self.counts.pool_left, reason);
        }
        self.compare_admission(node, &left, &admission);
    }

    fn node_pools(&mut self, bytes: &[u8]) -> (&'static str, Vec<([u8; 32], &'static str)>) {
        let Ok(transfer) = decode::<SignedTransfer>(bytes) else {
            return ("unreadable", Vec::new());
        };
        let checked = match check_transfer(transfer, self.chain.law()) {
            Ok(checked) => checked,
            Err(why) => return (why.code(), Vec::new()),
        };
        let account = schema::account(self.chain.reader(), &checked.from()).expect("memory");
        match self
            .mempool
            .admit(Instant::new(self.even_ms), checked, account)
        {
            Ok(admitted) => ("taken", named_drops(admitted.dropped).collect()),
            Err(refusal) => (refusal.code(), Vec::new()),
        }
    }
}

fn named_drops(dropped: Vec<Dropped>) -> impl Iterator<Item = ([u8; 32], &'static str)> {
    let named = |Dropped { id, reason }| -> (TxId, DropReason) { (id, reason) };
    dropped
        .into_iter()
        .map(named)
        .map(|(id, reason)| (*id.as_bytes(), reason.code()))
}

fn node_outcome(outcome: &BlockOutcome) -> &'static str {
    match outcome {
        BlockOutcome::Duplicate => "duplicate",
        BlockOutcome::Stored => "stored",
        BlockOutcome::Invalid(why) => why.code(),
        BlockOutcome::KnownInvalid => "known_invalid",
        BlockOutcome::Orphan => "orphan",
        BlockOutcome::NotYet => "not_yet",
        BlockOutcome::SetAside => "set_aside",
    }
}

fn stop_name(stop: &HeaderStop) -> &'static str {
    match stop {
        HeaderStop::Invalid(why) => why.code(),
        HeaderStop::Orphan => "orphan",
        HeaderStop::NotYet => "not_yet",
        HeaderStop::KnownInvalid => "known_invalid",
        HeaderStop::SetAside => "set_aside",
    }
}
