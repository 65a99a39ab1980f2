//! A world without nodes, for testing the player: chains in memory, links that deliver at once, and
//! bugs that can be switched on.

use std::collections::{BTreeMap, BTreeSet};

use archivas_core::params::Genesis;
use archivas_core::primitives::wire::WireTransfer;
use archivas_core::primitives::{
    Account, Address, Amount, Block, BlockId, Header, Height, Millis, SignedTransfer, Timestamp,
    Work,
};
use archivas_core::rules::next_bits;
use serde_json::{Value, json};

use crate::plan::{Plan, producer_key};
use crate::world::{
    Act, Effect, HarnessError, HttpAnswer, HttpRequest, LinkIndex, Mined, Moment, NodeIndex, Tip,
    TipMove, Unreachable, Violation, ViolationKind, World, WorldKind, WorldReport,
};

/// What is wrong with every node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    None,
    /// The first branch wins for ever.
    FirstBranchWins,
    /// The tip is lost at a restart.
    ForgetsTip,
    /// Submitted transfers are acknowledged and dropped.
    SubmitSaysYes,
    /// Transfers are not relayed.
    NoRelay,
    /// The API answers a tip of its own.
    ApiLies,
    /// The reward is paid twice.
    MintsMoney,
    /// Own blocks are refused.
    RefusesOwnBlock,
    /// The branch heard of last wins, whatever its work.
    LastBranchWins,
    /// The node ends by itself at 200 s.
    Panics,
    /// The world breaks at 200 s.
    HarnessBreaks,
}

pub(super) struct TestWorld {
    plan: Plan,
    bug: Bug,
    genesis: Genesis,
    now: Millis,
    blocks: BTreeMap<BlockId, (Block, Work)>,
    nodes: Vec<TestNode>,
    cut: BTreeSet<LinkIndex>,
    moves: Vec<TipMove>,
    panicked: bool,
}

#[derive(Clone)]
struct TestNode {
    up: bool,
    tip: BlockId,
    pool: Vec<SignedTransfer>,
}

impl TestWorld {
    pub(super) fn new(plan: &Plan, bug: Bug) -> Self {
        let genesis = plan.network.genesis(Timestamp::new(1_767_225_600_000), 1);
        let header = genesis.header();
        let id = genesis.id();
        let work = Work::of_target(header.bits.expand().unwrap());
        let block = Block {
            header,
            transfers: Vec::new(),
        };
        let node = TestNode {
            up: false,
            tip: id,
            pool: Vec::new(),
        };
        Self {
            plan: plan.clone(),
            bug,
            genesis,
            now: Millis::ZERO,
            blocks: [(id, (block, work))].into(),
            nodes: vec![node; plan.nodes.len()],
            cut: BTreeSet::new(),
            moves: Vec::new(),
            panicked: false,
        }
    }

    fn tip_of(&self, id: &BlockId) -> Tip {
        let (block, chainwork) = &self.blocks[id];
        let Header {
            height,
            bits,
            timestamp,
            ..
        } = block.header;
        Tip {
            id: *id,
            height,
            chainwork: *chainwork,
            bits,
            timestamp,
        }
    }

    /// From `id` back to genesis.
    fn ancestry(&self, id: &BlockId) -> Vec<BlockId> {
        let mut ids = vec![*id];
        while let Some((block, _)) = self.blocks.get(ids.last().unwrap()) {
            if block.header.height == Height::GENESIS {
                break;
            }
            ids.push(block.header.parent);
        }
        ids
    }

    /// Delivers blocks and transfers along every link that is not cut until nothing changes.
    fn gossip(&mut self) {
        for _ in 0..self.nodes.len() {
            for (at, link) in self.plan.links.clone().into_iter().enumerate() {
                let (a, b) = (link.dialer, link.listener);
                if !self.cut.contains(&LinkIndex(at)) && self.nodes[a.0].up && self.nodes[b.0].up {
                    self.deliver(a, b);
                    self.deliver(b, a);
                }
            }
        }
    }

    fn deliver(&mut self, from: NodeIndex, to: NodeIndex) {
        let sender = self.nodes[from.0].clone();
        if self.bug != Bug::NoRelay {
            for transfer in sender.pool {
                if !self.nodes[to.0].pool.contains(&transfer) {
                    self.nodes[to.0].pool.push(transfer);
                }
            }
        }
        self.consider(to, sender.tip);
    }

    fn consider(&mut self, node: NodeIndex, candidate: BlockId) {
        let (from, to) = (
            self.tip_of(&self.nodes[node.0].tip),
            self.tip_of(&candidate),
        );
        let any = self.bug == Bug::LastBranchWins;
        let better = any && !self.ancestry(&from.id).contains(&to.id);
        if !better && to.chainwork <= from.chainwork {
            return;
        }
        let (old, new) = (self.ancestry(&from.id), self.ancestry(&to.id));
        let keeps = self.bug == Bug::FirstBranchWins && !new.contains(&from.id);
        if !keeps {
            let left = old.iter().filter(|id| !new.contains(id)).count() as u64;
            let joined = new.iter().filter(|id| !old.contains(id)).count() as u64;
            self.moves.push(TipMove {
                at: self.now,
                node,
                from,
                to,
                left,
                joined,
            });
            self.nodes[node.0].tip = candidate;
        }
    }

    /// Accounts by naive replay up to the tip of a node.
    fn accounts(&self, node: NodeIndex) -> BTreeMap<Address, Account> {
        let mut accounts: BTreeMap<Address, Account> = BTreeMap::new();
        for allocation in &self.genesis.allocations {
            accounts.entry(allocation.address).or_default().balance = allocation.amount;
        }
        let add = |account: &mut Account, amount: u64| {
            account.balance = Amount::new(account.balance.get() + amount);
        };
        for id in self.ancestry(&self.nodes[node.0].tip).iter().rev().skip(1) {
            let block = &self.blocks[id].0;
            let times = if self.bug == Bug::MintsMoney { 2 } else { 1 };
            let producer = accounts.entry(block.header.producer).or_default();
            add(producer, self.genesis.rules.reward.get() * times);
            for transfer in &block.transfers {
                let cost = transfer.amount.get() + transfer.fee.get();
                let sender = accounts.entry(transfer.from()).or_default();
                sender.balance = Amount::new(sender.balance.get() - cost);
                sender.nonce = sender.nonce.next().unwrap();
                add(
                    accounts.entry(transfer.to).or_default(),
                    transfer.amount.get(),
                );
                add(
                    accounts.entry(block.header.producer).or_default(),
                    transfer.fee.get(),
                );
            }
        }
        accounts
    }

    /// The block of a node's best chain that holds the transfer named `hash`.
    fn find(&self, node: NodeIndex, hash: &str) -> Option<BlockId> {
        let holds = |id: &BlockId| {
            let transfers = &self.blocks[id].0.transfers;
            transfers
                .iter()
                .any(|tx| tx.id(&self.genesis.domain).to_string() == hash)
        };
        self.ancestry(&self.nodes[node.0].tip)
            .into_iter()
            .find(holds)
    }

    fn answer(&mut self, node: NodeIndex, request: &HttpRequest) -> Option<Value> {
        let tip = self.tip_of(&self.nodes[node.0].tip);
        let path = request.path.split('?').next().unwrap();
        let mut parts = path.trim_matches('/').split('/');
        Some(match (parts.next().unwrap(), parts.next()) {
            ("chainTip", None) => {
                let height = tip.height.get() + u64::from(self.bug == Bug::ApiLies);
                json!({ "height": height.to_string(), "hash": tip.id, "difficulty": "1" })
            }
            ("genesisHash", None) => json!({ "genesisHash": self.genesis.id() }),
            ("blocks", Some("recent")) => json!({ "blocks": [{ "hash": tip.id }] }),
            ("block", Some(height)) => {
                let height = Height::new(height.parse().unwrap());
                let chain = self.ancestry(&tip.id);
                let id = chain
                    .into_iter()
                    .find(|id| self.tip_of(id).height == height)?;
                json!({ "hash": id, "prevHash": self.blocks[&id].0.header.parent })
            }
            ("account", Some(address)) => {
                let address: Address = address.parse().unwrap();
                let account = self.accounts(node).remove(&address).unwrap_or_default();
                let (balance, nonce) = (account.balance.to_string(), account.nonce.to_string());
                json!({ "address": address, "balance": balance, "nonce": nonce })
            }
            ("mempool", None) => {
                let pool = self.nodes[node.0].pool.iter();
                json!(
                    pool.map(|tx| tx.id(&self.genesis.domain))
                        .collect::<Vec<_>>()
                )
            }
            ("tx", Some(hash)) => {
                let block = self.find(node, hash)?;
                json!({ "confirmed": true, "block": { "hash": block } })
            }
            ("submit", None) => {
                let wire = WireTransfer::parse(&request.body).unwrap();
                let signed = wire.into_signed(&self.genesis.domain).unwrap();
                let hash = signed.id(&self.genesis.domain);
                if self.bug != Bug::SubmitSaysYes {
                    self.nodes[node.0].pool.push(signed);
                }
                self.gossip();
                json!({ "ok": true, "hash": hash })
            }
            _ => return None,
        })
    }
}

impl World for TestWorld {
    fn kind(&self) -> WorldKind {
        WorldKind::Sim
    }

    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn now(&self) -> Millis {
        self.now
    }

    async fn sleep_until(&mut self, at: Millis) {
        assert!(at > self.now, "the player waits for something");
        self.now = at;
    }

    async fn act(&mut self, act: &Act) -> Result<Effect, HarnessError> {
        let before = (
            self.cut.len(),
            self.nodes.iter().filter(|node| node.up).count(),
        );
        match act {
            Act::Start(node) => {
                self.nodes[node.0].up = true;
                if self.bug == Bug::ForgetsTip {
                    self.nodes[node.0].tip = self.genesis.id();
                }
            }
            Act::Stop(node) | Act::Kill(node) | Act::PowerLoss(node) => {
                self.nodes[node.0].up = false;
            }
            Act::Cut(links) => self.cut.extend(links),
            Act::Heal(links) => links.iter().for_each(|link| assert!(self.cut.remove(link))),
            Act::Disturb(_) => return Err(HarnessError("not in this world".to_owned())),
        }
        let after = (
            self.cut.len(),
            self.nodes.iter().filter(|node| node.up).count(),
        );
        Ok(if before == after {
            Effect::Nothing
        } else {
            Effect::Fired
        })
    }

    async fn tip(&mut self, node: NodeIndex) -> Result<Option<Tip>, HarnessError> {
        if self.bug == Bug::HarnessBreaks && self.now >= Millis::from_secs(200) {
            return Err(HarnessError("the world broke".to_owned()));
        }
        let up = self.nodes[node.0].up;
        Ok(up.then(|| self.tip_of(&self.nodes[node.0].tip)))
    }

    async fn tip_moves(&mut self) -> Result<Vec<TipMove>, HarnessError> {
        self.gossip();
        Ok(std::mem::take(&mut self.moves))
    }

    async fn mine(&mut self, node: NodeIndex) -> Result<Mined, HarnessError> {
        if !self.nodes[node.0].up {
            return Ok(Mined::Nothing("it is down".to_owned()));
        }
        if self.bug == Bug::RefusesOwnBlock {
            let (code, sentence) = ("bad_state_root".to_owned(), "it differs".to_owned());
            return Ok(Mined::Refused { code, sentence });
        }
        let parent = self.tip_of(&self.nodes[node.0].tip);
        let transfers = std::mem::take(&mut self.nodes[node.0].pool);
        let fresh = transfers.into_iter().filter(|tx| {
            self.find(node, &tx.id(&self.genesis.domain).to_string())
                .is_none()
        });
        let header = Header {
            bits: next_bits(&self.genesis, parent.height, parent.timestamp),
            height: parent.height.next(),
            timestamp: self.genesis.time.plus(self.now),
            parent: parent.id,
            producer: producer_key(self.plan.name_of(node)).address(),
            ..Header::default()
        };
        let block = Block {
            header,
            transfers: fresh.collect(),
        };
        let (id, work) = (block.id(), Work::of_target(header.bits.expand().unwrap()));
        self.blocks
            .insert(id, (block, parent.chainwork.checked_add(work).unwrap()));
        self.consider(node, id);
        Ok(Mined::Block(id))
    }

    async fn http(
        &mut self,
        node: NodeIndex,
        request: HttpRequest,
    ) -> Result<HttpAnswer, Unreachable> {
        if !self.nodes[node.0].up {
            return Err(Unreachable("it is down".to_owned()));
        }
        Ok(match self.answer(node, &request) {
            Some(value) => HttpAnswer {
                status: 200,
                body: value.to_string().into_bytes(),
            },
            None => HttpAnswer {
                status: 404,
                body: br#"{"ok":false}"#.to_vec(),
            },
        })
    }

    async fn judge(&mut self, _moment: Moment) -> Vec<Violation> {
        let panics = self.bug == Bug::Panics && self.now >= Millis::from_secs(200);
        if !panics || self.panicked {
            return Vec::new();
        }
        self.panicked = true;
        vec![Violation {
            check: "no_panic".to_owned(),
            kind: ViolationKind::Panic,
            at_ms: self.now.get(),
            node: Some(NodeIndex(0)),
            sentence: "the node ended by itself".to_owned(),
        }]
    }

    async fn finish(self) -> WorldReport {
        WorldReport::default()
    }
}
