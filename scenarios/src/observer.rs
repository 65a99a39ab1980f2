//! What is worth knowing while a story is played: one row per event, for terminals, traces and
//! reports. The player emits rows; who listens decides how they look.

use archivas_core::primitives::{BlockId, Height, Millis, TxId};

use crate::plan::Plan;
use crate::world::{LinkIndex, NodeIndex, Tip, TipMove, Violation};

/// Something worth a row, and when it was noticed, since the run began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub at: Millis,
    /// What.
    pub what: Happening,
}

/// What a row can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A node is up.
    Started {
        /// Which.
        node: NodeIndex,
        /// Its how-manieth life, from 1.
        life: u64,
        /// The tip that it came up with.
        tip: Option<Tip>,
    },
    /// A node was asked to stop, and has.
    Stopped(NodeIndex),
    /// A node was killed.
    Killed(NodeIndex),
    /// A node lost power.
    PowerLost(NodeIndex),
    /// Links were cut.
    Cut(Vec<LinkIndex>),
    /// Links were healed.
    Healed(Vec<LinkIndex>),
    /// A node has ended because its disk failed.
    Fell(NodeIndex),
    /// Something else was done to the world; its name, and the nodes concerned.
    Disturbed(&'static str, Vec<NodeIndex>),
    /// The nodes cannot be asked to agree, and why.
    Excused(String),
    /// An event of the plan changed nothing; the name of its act.
    Nothing(&'static str),
    /// A node mined a block.
    Mined {
        /// Which.
        node: NodeIndex,
        /// The block.
        id: BlockId,
        /// The height of its tip afterwards.
        height: Option<Height>,
    },
    /// A node's turn to mine came, and no block came of it.
    NotMined {
        /// Which.
        node: NodeIndex,
        /// Why.
        why: String,
    },
    /// A tip moved to a descendant, by a block that others mined.
    TipMoved(TipMove),
    /// A tip moved to another branch.
    Reorganized(TipMove),
    /// A transfer was accepted by a node's API.
    Submitted {
        /// The node.
        node: NodeIndex,
        /// The transfer.
        id: TxId,
    },
    /// A transfer did not enter; it is tried again.
    NotSubmitted {
        /// The node.
        node: NodeIndex,
        /// Why.
        why: String,
    },
    /// Every node that is up knows a transfer.
    Relayed(TxId),
    /// Every node that is up has a transfer in its best chain.
    Confirmed(TxId),
    /// All nodes that are up share this tip again.
    Agreed(Tip),
    /// Blocks are no longer mined; the network settles.
    Quiet,
    /// A check failed.
    Violated(Violation),
    /// The end.
    Ended,
}

/// A node as the player sees it at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// Whether it is up.
    pub up: bool,
    /// Its last known tip, kept while it is down.
    pub tip: Option<Tip>,
    /// How often it was started.
    pub lives: u64,
    /// Blocks that it mined.
    pub mined: u64,
    /// Reorganizations that it made.
    pub reorgs: u64,
    /// The most blocks that left its best chain at once.
    pub deepest_reorg: u64,
}

/// Listens to a run.
pub trait Observer {
    /// Something happened; `nodes` is how the nodes look right after it, in the plan's order.
    fn row(&mut self, row: &Row, nodes: &[NodeView]);
}

/// Listens to nothing.
impl Observer for () {
    fn row(&mut self, _row: &Row, _nodes: &[NodeView]) {}
}

/// Keeps every row.
impl Observer for Vec<Row> {
    fn row(&mut self, row: &Row, _nodes: &[NodeView]) {
        self.push(row.clone());
    }
}

impl Row {
    /// The row in words, without its time.
    pub fn describe(&self, plan: &Plan) -> String {
        let name = |node: &NodeIndex| plan.name_of(*node);
        let links = |links: &[LinkIndex]| {
            links
                .iter()
                .map(|link| plan.link_name(*link))
                .collect::<Vec<_>>()
                .join(" ")
        };
        match &self.what {
            Happening::Started { node, life: 1, .. } => format!("start {}", name(node)),
            Happening::Started { node, life, tip } => {
                let at = tip.map_or_else(|| "no tip".to_owned(), |tip| at_height(&tip));
                format!("restart {}, life {life}, {at}", name(node))
            }
            Happening::Stopped(node) => format!("stop {}", name(node)),
            Happening::Killed(node) => format!("kill {}", name(node)),
            Happening::PowerLost(node) => format!("power loss {}", name(node)),
            Happening::Cut(cut) => format!("cut {}", links(cut)),
            Happening::Healed(healed) => format!("heal {}", links(healed)),
            Happening::Fell(node) => format!("{} fell: its disk failed", name(node)),
            Happening::Disturbed(act, nodes) => {
                let names: Vec<&str> = nodes.iter().map(name).collect();
                format!("{act} {}", names.join(" "))
            }
            Happening::Excused(why) => format!("excused: {why}"),
            Happening::Nothing(act) => format!("{act} changed nothing"),
            Happening::Mined { node, id, height } => match height {
                Some(height) => format!("{} mined {} at {height}", name(node), short(id)),
                None => format!("{} mined {}", name(node), short(id)),
            },
            Happening::NotMined { node, why } => format!("{} mined nothing: {why}", name(node)),
            Happening::TipMoved(moved) => {
                format!("{} follows to {}", name(&moved.node), at_height(&moved.to))
            }
            Happening::Reorganized(moved) => format!(
                "reorg {}: -{} +{} to {}",
                name(&moved.node),
                moved.left,
                moved.joined,
                at_height(&moved.to)
            ),
            Happening::Submitted { node, id } => format!("{} accepted tx {}", name(node), tx(id)),
            Happening::NotSubmitted { node, why } => {
                format!("{} did not take a transfer: {why}", name(node))
            }
            Happening::Relayed(id) => format!("tx {} is known everywhere", tx(id)),
            Happening::Confirmed(id) => format!("tx {} is confirmed everywhere", tx(id)),
            Happening::Agreed(tip) => format!("all agree on {}", at_height(tip)),
            Happening::Quiet => "quiet: no more mining".to_owned(),
            Happening::Violated(violation) => {
                format!("VIOLATION {}: {}", violation.check, violation.sentence)
            }
            Happening::Ended => "end".to_owned(),
        }
    }
}

/// A tip in words: height and the beginning of its id.
pub fn at_height(tip: &Tip) -> String {
    format!("{} {}", tip.height, short(&tip.id))
}

/// The beginning of an id, enough to tell blocks of one run apart.
pub fn short(id: &BlockId) -> String {
    id.to_string().chars().take(8).collect()
}

fn tx(id: &TxId) -> String {
    id.to_string().chars().take(8).collect()
}
