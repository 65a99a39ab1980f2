//! All blocks that were mined in a world of processes, by their headers: since every block of such a
//! world is mined through it, chainwork and fork points are computed here, apart from the nodes.

use std::collections::BTreeMap;

use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, Header, Work};

use crate::world::Tip;

/// The headers known, each with the work of its chain.
pub(super) struct Tree {
    blocks: BTreeMap<BlockId, (Header, Work)>,
}

/// The work of one block; `None` for bits that are no target.
fn work(header: &Header) -> Option<Work> {
    header.bits.expand().ok().map(Work::of_target)
}

impl Tree {
    /// A tree of genesis alone.
    pub(super) fn new(genesis: &Genesis) -> Self {
        let header = genesis.header();
        let work = work(&header).expect("a checked genesis has a first target");
        Self {
            blocks: [(genesis.id(), (header, work))].into(),
        }
    }

    /// Adds a block on a known parent; false when its parent or its bits are not what they must be.
    pub(super) fn add(&mut self, header: Header) -> bool {
        let parent = self.blocks.get(&header.parent).map(|(_, work)| *work);
        let sum = parent
            .zip(work(&header))
            .and_then(|(parent, own)| parent.checked_add(own));
        match sum {
            Some(sum) => {
                self.blocks.insert(header.id(), (header, sum));
                true
            }
            None => false,
        }
    }

    /// The tip that a known block is.
    pub(super) fn tip(&self, id: &BlockId) -> Option<Tip> {
        let (header, chainwork) = self.blocks.get(id)?;
        Some(Tip {
            id: *id,
            height: header.height,
            chainwork: *chainwork,
            bits: header.bits,
            timestamp: header.timestamp,
        })
    }

    /// How many blocks leave and join when a known tip moves from one to another.
    pub(super) fn distance(&self, from: &BlockId, to: &BlockId) -> (u64, u64) {
        let (mut from, mut to, mut left, mut joined) = (*from, *to, 0, 0);
        while from != to {
            let (old, new) = (&self.blocks[&from].0, &self.blocks[&to].0);
            if old.height >= new.height {
                (from, left) = (old.parent, left + 1);
            }
            if new.height >= old.height {
                (to, joined) = (new.parent, joined + 1);
            }
        }
        (left, joined)
    }
}

#[cfg(test)]
mod tests {
    use archivas_core::primitives::Timestamp;

    use super::*;
    use crate::plan::{Overrides, load};

    #[test]
    fn chainwork_sums_up_and_distances_count_to_the_fork_point() {
        let plan = load("three-nodes-agree", Overrides::default()).unwrap();
        let genesis = plan.network.genesis(Timestamp::new(1_767_225_600_000), 1);
        let mut tree = Tree::new(&genesis);
        let mut grow = |parent: &Header, nonce: u64| {
            let header = Header {
                parent: parent.id(),
                height: parent.height.next(),
                nonce,
                ..genesis.header()
            };
            assert!(tree.add(header));
            header
        };
        let root = genesis.header();
        let a1 = grow(&root, 1);
        let (a2, b2) = (grow(&a1, 1), grow(&a1, 2));
        let b3 = grow(&b2, 1);
        assert_eq!(tree.distance(&a2.id(), &b3.id()), (1, 2));
        assert_eq!(tree.distance(&root.id(), &a2.id()), (0, 2));
        assert_eq!(tree.distance(&a1.id(), &a1.id()), (0, 0));
        let unit = tree.tip(&root.id()).unwrap().chainwork;
        assert_eq!(
            tree.tip(&b3.id()).unwrap().chainwork,
            unit.saturating_mul(4)
        );
        assert!(!tree.add(Header {
            parent: BlockId::from_bytes([9; 32]),
            ..root
        }));
    }
}
