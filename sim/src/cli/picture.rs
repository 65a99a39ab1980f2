//! A small picture of the fork in a terminal: the best chain as a line of letters, one for who mined
//! each block, and below it the branches that were left, where they began and when they were left.
//! Made from what the player tells, so that it is the same for both worlds.

use std::collections::{BTreeMap, BTreeSet};

use archivas_core::primitives::{BlockId, Height, Millis};
use archivas_scenarios::observer::{Happening, Row};
use archivas_scenarios::plan::Plan;
use archivas_scenarios::world::{NodeIndex, Tip, TipMove};

use super::spans::clock;

/// Columns for blocks.
const COLUMNS: u64 = 60;
/// The longest branches are drawn, the others counted.
const BRANCHES_MAX: usize = 6;
/// The width of what stands left of the picture.
const MARGIN: usize = 12;

/// A block as far as the story tells of it.
#[derive(Clone, Copy, Debug)]
struct Block {
    parent: Option<BlockId>,
    height: u64,
    miner: Option<NodeIndex>,
    at: Millis,
}

/// The blocks of a run.
#[derive(Debug)]
pub struct Tree {
    blocks: BTreeMap<BlockId, Block>,
    /// Each node's tip, by its last row.
    tips: Vec<Option<(BlockId, u64)>>,
    /// When a node left a branch, by the branch's last block.
    left: BTreeMap<BlockId, (NodeIndex, Millis)>,
    cuts: Vec<(Millis, char)>,
}

/// A branch that is not part of the best chain.
struct Branch {
    /// Its blocks, highest first.
    blocks: Vec<BlockId>,
    /// The height of its lowest block.
    from: u64,
}

impl Tree {
    /// No blocks yet, of so many nodes.
    pub fn new(nodes: usize) -> Self {
        let tips = vec![None; nodes];
        Self {
            blocks: BTreeMap::new(),
            tips,
            left: BTreeMap::new(),
            cuts: Vec::new(),
        }
    }

    /// Takes what a row tells of blocks.
    pub fn note(&mut self, row: &Row) {
        match &row.what {
            Happening::Started {
                node,
                tip: Some(tip),
                ..
            } => self.arrive(*node, tip, row.at),
            Happening::Mined { node, id, height } => {
                self.mined(*node, *id, height.map(Height::get), row.at);
            }
            Happening::TipMoved(moved) => self.moved(moved),
            Happening::Reorganized(moved) => {
                self.left
                    .entry(moved.from.id)
                    .or_insert((moved.node, moved.at));
                self.moved(moved);
            }
            Happening::Cut(_) => self.cuts.push((row.at, 'x')),
            Happening::Healed(_) => self.cuts.push((row.at, '+')),
            _ => {}
        }
    }

    fn mined(&mut self, node: NodeIndex, id: BlockId, height: Option<u64>, at: Millis) {
        let own = self.tips[node.0];
        let height = height.or_else(|| own.map(|(_, height)| height + 1));
        let Some(height) = height else {
            return;
        };
        let parent = own
            .filter(|(_, below)| below + 1 == height)
            .map(|(id, _)| id);
        let parent = parent.or_else(|| self.latest_at(height.checked_sub(1)?));
        self.blocks.insert(
            id,
            Block {
                parent,
                height,
                miner: Some(node),
                at,
            },
        );
        if own.is_none_or(|(_, below)| below < height) {
            self.tips[node.0] = Some((id, height));
        }
    }

    fn moved(&mut self, moved: &TipMove) {
        let next = (moved.left, moved.joined) == (0, 1);
        let parent = next.then_some(moved.from.id);
        self.add_unknown(&moved.to, parent, moved.at);
        self.tips[moved.node.0] = Some((moved.to.id, moved.to.height.get()));
    }

    fn arrive(&mut self, node: NodeIndex, tip: &Tip, at: Millis) {
        let before = self.tips[node.0].filter(|(_, below)| below + 1 == tip.height.get());
        self.add_unknown(tip, before.map(|(id, _)| id), at);
        self.tips[node.0] = Some((tip.id, tip.height.get()));
    }

    fn add_unknown(&mut self, tip: &Tip, parent: Option<BlockId>, at: Millis) {
        let height = tip.height.get();
        let parent = parent.or_else(|| self.latest_at(height.checked_sub(1)?));
        self.blocks.entry(tip.id).or_insert(Block {
            parent,
            height,
            miner: None,
            at,
        });
    }

    fn latest_at(&self, height: u64) -> Option<BlockId> {
        let there = self
            .blocks
            .iter()
            .filter(|(_, block)| block.height == height);
        there.max_by_key(|(_, block)| block.at).map(|(id, _)| *id)
    }

    /// A block and its ancestors, highest first, down to one that `stops`.
    fn down_from(&self, id: BlockId, stops: impl Fn(&BlockId) -> bool) -> Vec<BlockId> {
        let next = |id: &BlockId| self.blocks.get(id)?.parent;
        let known = std::iter::successors(Some(id), next).take_while(|id| !stops(id));
        known.filter(|id| self.blocks.contains_key(id)).collect()
    }

    /// The picture of what led to `tip`, a line each; nothing when there were no blocks.
    pub fn draw(&self, plan: &Plan, tip: BlockId) -> Vec<String> {
        let best = self.down_from(tip, |_| false);
        let Some(top) = best
            .first()
            .map(|id| self.blocks[id].height)
            .filter(|top| *top > 0)
        else {
            return Vec::new();
        };
        let scale = Scale {
            per_column: (top + 1).div_ceil(COLUMNS),
        };
        let letters = letters(plan);
        let mut lines = vec![scale.axis(top)];
        lines.extend(self.draw_cuts(&best, scale));
        lines.push(label("best chain") + &self.draw_blocks(&best, scale, &letters));
        let branches = self.branches(&best);
        for branch in branches.iter().take(BRANCHES_MAX) {
            lines.push(self.draw_branch(branch, plan, scale, &letters));
        }
        if branches.len() > BRANCHES_MAX {
            let more = branches.len() - BRANCHES_MAX;
            lines.push(label("") + &format!("and {more} shorter branches"));
        }
        lines.push(label("") + &legend(plan, scale, &letters));
        lines
    }

    /// The branches off the best chain, the longest first, and among those the lowest.
    fn branches(&self, best: &[BlockId]) -> Vec<Branch> {
        let mut seen: BTreeSet<BlockId> = best.iter().copied().collect();
        let parents: BTreeSet<BlockId> = self
            .blocks
            .values()
            .filter_map(|block| block.parent)
            .collect();
        let mut leaves: Vec<(&BlockId, &Block)> = self
            .blocks
            .iter()
            .filter(|(id, _)| !parents.contains(*id))
            .collect();
        leaves.sort_by_key(|(_, block)| std::cmp::Reverse(block.height));
        let mut branches = Vec::new();
        for (leaf, _) in leaves {
            let blocks = self.down_from(*leaf, |id| seen.contains(id));
            let Some(from) = blocks.last().map(|id| self.blocks[id].height) else {
                continue;
            };
            seen.extend(blocks.iter().copied());
            branches.push(Branch { blocks, from });
        }
        branches.sort_by_key(|branch| (std::cmp::Reverse(branch.blocks.len()), branch.from));
        branches
    }

    /// A letter for each column: who mined its blocks, or a dot when several did.
    fn draw_blocks(&self, ids: &[BlockId], scale: Scale, letters: &[char]) -> String {
        let mut columns: BTreeMap<usize, BTreeSet<Option<NodeIndex>>> = BTreeMap::new();
        for block in ids
            .iter()
            .map(|id| &self.blocks[id])
            .filter(|block| block.height > 0)
        {
            columns
                .entry(scale.column(block.height))
                .or_default()
                .insert(block.miner);
        }
        let Some(last) = columns.keys().next_back() else {
            return String::new();
        };
        let letter = |column: usize| match columns.get(&column) {
            None => ' ',
            Some(miners) if miners.len() > 1 => '.',
            Some(miners) => miners
                .first()
                .copied()
                .flatten()
                .map_or('?', |node| letters[node.0]),
        };
        (0..=*last).map(letter).collect()
    }

    fn draw_branch(&self, branch: &Branch, plan: &Plan, scale: Scale, letters: &[char]) -> String {
        let blocks = self.draw_blocks(&branch.blocks, scale, letters);
        let first = scale.column(branch.from);
        let line: String = blocks.chars().skip(first).collect();
        let count = branch.blocks.len();
        let plural = if count == 1 { "block" } else { "blocks" };
        let left = branch.blocks.iter().find_map(|id| self.left.get(id));
        let fate = match left {
            Some((node, at)) => format!("left by {} at {}", plan.name_of(*node), clock(*at)),
            None => "lost".into(),
        };
        let start = " ".repeat((MARGIN + first).saturating_sub(1));
        format!(
            "{start}\u{2514}{line}  {count} {plural} from height {}, {fate}",
            branch.from
        )
    }

    /// Where on the best chain links were cut and healed.
    fn draw_cuts(&self, best: &[BlockId], scale: Scale) -> Option<String> {
        let mut line: Vec<char> = Vec::new();
        for (at, mark) in &self.cuts {
            let later = best
                .iter()
                .rev()
                .map(|id| &self.blocks[id])
                .find(|block| block.at >= *at);
            let column = scale.column(later.map_or(1, |block| block.height));
            if line.len() <= column {
                line.resize(column + 1, ' ');
            }
            line[column] = *mark;
        }
        (!line.is_empty()).then(|| label("cut x heal +") + &line.into_iter().collect::<String>())
    }
}

/// How heights become columns.
#[derive(Clone, Copy, Debug)]
struct Scale {
    per_column: u64,
}

impl Scale {
    /// The column of a height; genesis and the first blocks share the first.
    fn column(self, height: u64) -> usize {
        usize::try_from(height / self.per_column).expect("at most COLUMNS")
    }

    /// Heights, every ten columns.
    fn axis(self, top: u64) -> String {
        let mut line = label("height");
        for column in (0..=self.column(top)).step_by(10) {
            let height = column as u64 * self.per_column;
            line.push_str(&format!("{height:<10}"));
        }
        line.trim_end().to_owned()
    }
}

fn label(text: &str) -> String {
    format!("{text:<MARGIN$}")
}

/// A letter for each node: the first of its name that no earlier node has, or a capital.
fn letters(plan: &Plan) -> Vec<char> {
    let mut taken = Vec::new();
    for node in &plan.nodes {
        let own = node.name.chars();
        let spare = ('A'..='Z').chain('0'..='9').chain(std::iter::once('#'));
        let free = own
            .chain(spare)
            .find(|letter| *letter == '#' || !taken.contains(letter));
        taken.push(free.expect("the spare letters end in one that is always free"));
    }
    taken
}

fn legend(plan: &Plan, scale: Scale, letters: &[char]) -> String {
    let unlike = |(letter, node): (&char, &archivas_scenarios::plan::Node)| {
        (letter.to_string() != node.name).then(|| format!("{letter} is {}", node.name))
    };
    let mut words = vec!["letters tell who mined".to_owned()];
    if scale.per_column > 1 {
        words.push(format!(
            "{} blocks a column, a dot where several mined",
            scale.per_column
        ));
    }
    words.extend(letters.iter().zip(&plan.nodes).filter_map(unlike));
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use archivas_core::primitives::{CompactTarget, Timestamp, Work};
    use archivas_scenarios::plan::{Overrides, load};

    use super::*;

    fn id(number: u8) -> BlockId {
        BlockId::from_bytes([number; 32])
    }

    fn tip(number: u8, height: u64) -> Tip {
        let (chainwork, timestamp) = (Work::ZERO, Timestamp::new(0));
        let bits = CompactTarget::new(0);
        Tip {
            id: id(number),
            height: Height::new(height),
            chainwork,
            bits,
            timestamp,
        }
    }

    fn tree(rows: Vec<(u64, Happening)>) -> Tree {
        let mut tree = Tree::new(3);
        for node in 0..3 {
            let what = Happening::Started {
                node: NodeIndex(node),
                life: 1,
                tip: Some(tip(0, 0)),
            };
            tree.note(&Row {
                at: Millis::ZERO,
                what,
            });
        }
        for (at, what) in rows {
            tree.note(&Row {
                at: Millis::from_secs(at),
                what,
            });
        }
        tree
    }

    fn mined(node: usize, number: u8, height: u64) -> Happening {
        let height = Some(Height::new(height));
        Happening::Mined {
            node: NodeIndex(node),
            id: id(number),
            height,
        }
    }

    fn moved(node: usize, from: (u8, u64), to: (u8, u64), left: u64, joined: u64) -> TipMove {
        let (from, to) = (tip(from.0, from.1), tip(to.0, to.1));
        TipMove {
            at: Millis::from_secs(99),
            node: NodeIndex(node),
            from,
            to,
            left,
            joined,
        }
    }

    #[test]
    fn a_partition_is_drawn_as_a_branch_below_the_best_chain() {
        let plan = load("partition-heals", Overrides::default()).unwrap();
        let tree = tree(vec![
            (1, mined(0, 1, 1)),
            (2, Happening::TipMoved(moved(1, (0, 0), (1, 1), 0, 1))),
            (2, Happening::TipMoved(moved(2, (0, 0), (1, 1), 0, 1))),
            (3, Happening::Cut(Vec::new())),
            (4, mined(1, 2, 2)),
            (5, Happening::TipMoved(moved(0, (1, 1), (2, 2), 0, 1))),
            (6, mined(2, 12, 2)),
            (7, mined(2, 13, 3)),
            (8, mined(0, 3, 3)),
            (9, mined(0, 4, 4)),
            (10, Happening::Healed(Vec::new())),
            (11, Happening::Reorganized(moved(2, (13, 3), (4, 4), 2, 3))),
            (12, mined(2, 5, 5)),
        ]);
        let picture = tree.draw(&plan, id(5));
        assert_eq!(
            picture,
            [
                "height      0",
                "cut x heal +  x  +",
                "best chain   abaac",
                "             \u{2514}cc  2 blocks from height 2, left by c at 0:01:39.000",
                "            letters tell who mined",
            ]
        );
    }

    #[test]
    fn a_long_chain_is_drawn_with_several_blocks_a_column() {
        let plan = load("three-nodes-agree", Overrides::default()).unwrap();
        let tree = tree(
            (1..=119)
                .map(|n| (u64::from(n), mined(0, n, n.into())))
                .collect(),
        );
        let picture = tree.draw(&plan, id(119));
        assert_eq!(
            picture[0].trim_end(),
            "height      0         20        40        60        80        100"
        );
        assert_eq!(picture[1], format!("best chain  {}", "a".repeat(60)));
        assert!(picture[2].contains("2 blocks a column"));
    }

    #[test]
    fn nothing_is_drawn_of_a_chain_without_blocks() {
        let plan = load("three-nodes-agree", Overrides::default()).unwrap();
        assert!(tree(Vec::new()).draw(&plan, id(0)).is_empty());
    }
}
