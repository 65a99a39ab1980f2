//! A plan: one versioned document for a hand-written scenario, a shrunk failure and a kept
//! regression. `document.rs` is the text's shape, `parse.rs` reads it strictly, `resolve.rs` turns
//! names into indices, `load.rs` finds plans by name or path, `network.rs` makes the genesis. A
//! *scenario* (`scenario.rs`) gives a plan for each seed: its ranges (`ranges.rs`) become draws.

mod document;
mod events;
mod faults;
mod load;
mod network;
mod parse;
mod ranges;
mod resolve;
mod scenario;
mod seconds;
mod tree;

pub use document::{
    ActDoc, Document, EventDoc, ExpectDoc, LinksDoc, MustFireDoc, NetworkDoc, NodeDoc,
    ProcessesDoc, ReorgsDoc, RetargetDoc, ShapeDoc, VERSION,
};
pub use load::{BUILT_IN, BuiltIn, LoadError, Overrides, find, load};
pub use network::{funded_key, producer_key};
pub use parse::{Format, PlanError, parse_document};
pub use scenario::Scenario;
pub use seconds::Seconds;

use archivas_core::primitives::{Amount, Millis};

use crate::disturb::Disturbance;
use crate::world::{Act, LinkIndex, NodeIndex, WorldKind};

/// A plan whose names are resolved and whose promises hold: every index is in range, every event
/// lies within the duration, and events are in the order in which they happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// What the story is.
    pub about: String,
    /// The worlds that can play it.
    pub worlds: Vec<WorldKind>,
    /// How long blocks are mined and events may happen.
    pub duration: Millis,
    /// The parameters of the genesis.
    pub network: Network,
    /// The nodes; `NodeIndex` is the place here.
    pub nodes: Vec<Node>,
    /// The links; `LinkIndex` is the place here. No two link the same two nodes.
    pub links: Vec<Link>,
    /// Whether nodes look for others beside their links.
    pub discover: bool,
    /// What happens, ordered by time, and as written where times are equal.
    pub events: Vec<Event>,
    /// What must hold.
    pub expect: Expect,
    /// Faults that must fire.
    pub must_fire: Vec<MustFire>,
    /// Seconds of plan time in one real second, on real processes; at least 1.
    pub speedup: u32,
    /// The document that all this was made from, with every event's id written out.
    document: Document,
}

/// The parameters of the genesis, in plan time.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Time between blocks that the retarget aims at.
    pub block_time: Millis,
    /// ASERT's half-life.
    pub half_life: Millis,
    /// How targets follow the hash rate.
    pub retarget: RetargetDoc,
    /// Hashes that the first block takes on the average.
    pub start_hashes: u64,
    /// How many test keys have funds.
    pub funded_keys: usize,
    /// The funds of each.
    pub funds: Amount,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, the subject of its draws.
    pub name: String,
    /// Hashes per second of plan time: finite, not negative.
    pub hash_power: f64,
    /// How far its wall clock is off, in milliseconds; `None` = drawn, within a second.
    pub offset_ms: Option<i64>,
    /// How much faster its clocks run, in parts per million; `None` = drawn, within 100.
    pub drift_ppm: Option<i32>,
    /// Whether it is up from the beginning.
    pub starts: bool,
}

/// A link between two different nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The node that dials.
    pub dialer: NodeIndex,
    /// The node that listens.
    pub listener: NodeIndex,
    /// Least and greatest latency of a segment in one direction.
    pub latency: (Millis, Millis),
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique in the plan; the subject of the event's draws.
    pub id: String,
    /// When, since the run began.
    pub at: Millis,
    /// In which worlds.
    pub worlds: Vec<WorldKind>,
    /// Whether it only ends what another event of the plan began.
    pub undoes: bool,
    /// What.
    pub what: What,
}

/// What an event does.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Something is done to the world.
    Act(Act),
    /// Heals every link that is cut at the time.
    HealAll,
    /// A node mines blocks at once.
    Mine {
        /// Which node.
        node: NodeIndex,
        /// How many blocks.
        count: u64,
    },
    /// Transfers enter through a node's API.
    Transfer(Workload),
}

/// Transfers from one funded key to another, with successive nonces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The node whose API they enter by.
    pub node: NodeIndex,
    /// The number of the key that pays.
    pub from: usize,
    /// The number of the key that is paid; it need not have funds at genesis.
    pub to: usize,
    /// Paid by each.
    pub amount: Amount,
    /// Fee of each.
    pub fee: Amount,
    /// Memo of each; empty = none.
    pub memo: String,
    /// How many.
    pub count: u64,
    /// How the nonces are chosen.
    pub nonces: Nonces,
}

/// How the nonces of a workload's transfers are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonces {
    /// Each the next of its key: a valid transfer, which must be taken.
    Successive,
    /// From so far above the account's own on; whether it is taken is the node's business.
    Wild {
        /// How far above.
        ahead: u64,
        /// Whether each takes all that is on the account.
        empties: bool,
    },
}

/// What must hold, and by when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// All nodes share a tip within this time after the last event, and again after the end.
    pub agree_within: Millis,
    /// The nodes of phase two, in the order of the plan; empty = there is one phase, for all.
    pub core: Vec<NodeIndex>,
    /// Whether events may change nothing.
    pub may_miss: bool,
    /// The height that the chain must have reached at the end.
    pub min_height: Option<u64>,
    /// Reorganizations without which the story has not been told: how many, on which nodes.
    pub reorgs: Option<(u64, Vec<NodeIndex>)>,
    /// Nodes that must come back with their tip at least once.
    pub keeps_tip: Vec<NodeIndex>,
    /// Every transfer is known to every node within this time.
    pub relayed_within: Option<Millis>,
    /// Every transfer is confirmed on every node within this time.
    pub confirmed_within: Option<Millis>,
}

/// A fault that must fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MustFire {
    /// Its name.
    pub fault: String,
    /// How often at least.
    pub at_least: u64,
    /// In which worlds.
    pub worlds: Vec<WorldKind>,
}

impl Plan {
    /// Reads a plan from text. `origin` is how messages call it (a path, a scenario's name).
    ///
    /// # Errors
    /// The first thing wrong, in one sentence with line and column.
    pub fn parse(text: &str, format: Format, origin: &str) -> Result<Self, PlanError> {
        let document = parse_document(text, format, origin)?;
        resolve::resolve(document).map_err(|flaw| parse::locate(flaw, text, format, origin))
    }

    /// Checks and resolves a document that was changed or made by a program.
    ///
    /// # Errors
    /// The first thing wrong, in one sentence that names the place by its keys.
    pub fn resolve(document: Document, origin: &str) -> Result<Self, PlanError> {
        resolve::resolve(document).map_err(|flaw| parse::unlocated(&flaw, origin))
    }

    /// The document behind this plan, with every event's id written out.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// The plan as JSON, which parses to the same plan.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.document)
            .expect("a document has string keys and finite numbers only");
        text.push('\n');
        text
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Option<NodeIndex> {
        self.nodes
            .iter()
            .position(|node| node.name == name)
            .map(NodeIndex)
    }

    /// All node indices, in the order of the plan.
    pub fn node_indices(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.nodes.len()).map(NodeIndex)
    }

    /// Whether a node has all blocks: no event lets it go of them or begin without them.
    pub fn keeps_all(&self, node: NodeIndex) -> bool {
        !self.events.iter().any(|event| match &event.what {
            What::Act(Act::Disturb(
                Disturbance::Prune(short, _) | Disturbance::Import { node: short, .. },
            )) => *short == node,
            _ => false,
        })
    }

    /// The name of a node of this plan.
    pub fn name_of(&self, node: NodeIndex) -> &str {
        &self.nodes[node.0].name
    }

    /// How many keys the plan knows, with funds at genesis or without.
    pub fn keys(&self) -> usize {
        let workloads = self.events.iter().filter_map(|event| match &event.what {
            What::Transfer(workload) => Some(workload.from.max(workload.to) + 1),
            _ => None,
        });
        workloads.max().unwrap_or(0).max(self.network.funded_keys)
    }

    /// The two ends of a link by name, dialer first.
    pub fn link_name(&self, link: LinkIndex) -> String {
        let link = &self.links[link.0];
        format!(
            "{}-{}",
            self.name_of(link.dialer),
            self.name_of(link.listener)
        )
    }

    /// When the last event of this world happens: from here on nothing more is done to the nodes.
    pub fn last_event(&self, world: WorldKind) -> Millis {
        let here = self
            .events
            .iter()
            .filter(|event| event.worlds.contains(&world));
        here.map(|event| event.at).max().unwrap_or(Millis::new(0))
    }
}
