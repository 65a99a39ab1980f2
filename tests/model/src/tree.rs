//! The tree of blocks, and what can be read off it: medians, work, branches, who came first
//! (protocol §3).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigUint;

use crate::accounts::Accounts;
use crate::hash::Hash;
use crate::header::Header;
use crate::transfer::Transfer;

/// Why a block is not to be followed, nor anything that descends from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It, or an ancestor, broke a rule.
    Invalid,
    /// The operator set it, or an ancestor, aside.
    SetAside,
}

/// A header that is known, and what is known of its block.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The header.
    pub header: Header,
    /// The work of the chain from genesis to here.
    pub chainwork: BigUint,
    /// The transfers, once they are here.
    pub body: Option<Vec<Transfer>>,
    /// The place among all blocks that ever were here with all their ancestors.
    pub arrival: Option<u64>,
    /// Whether it is not to be followed.
    pub mark: Option<Mark>,
    /// The accounts after it, once it was judged and found valid.
    pub accounts: Option<Accounts>,
}

impl Entry {
    /// A header of which nothing more is known.
    pub fn new(header: Header, chainwork: BigUint) -> Self {
        Entry {
            header,
            chainwork,
            body: None,
            arrival: None,
            mark: None,
            accounts: None,
        }
    }
}

/// All headers that are known, by id.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The entries.
    pub entries: BTreeMap<Hash, Entry>,
    /// The last arrival number that was given.
    arrivals: u64,
}

impl Tree {
    /// A tree of genesis alone.
    pub fn new(id: Hash, genesis: Entry) -> Self {
        Tree {
            entries: [(id, genesis)].into(),
            arrivals: 0,
        }
    }

    /// An entry that is known to be there.
    pub fn at(&self, id: &Hash) -> &Entry {
        &self.entries[id]
    }

    /// The ids from a block down to genesis.
    pub fn branch(&self, id: &Hash) -> Vec<Hash> {
        let mut ids = vec![*id];
        let mut parent = self.at(id).header.parent;
        while let Some(entry) = self.entries.get(&parent) {
            ids.push(parent);
            parent = entry.header.parent;
        }
        ids
    }

    /// The median of the timestamps of this block and up to ten before it.
    pub fn median_time_past(&self, id: &Hash) -> u64 {
        let mut times = Vec::new();
        let mut next = self.entries.get(id);
        while let (Some(entry), true) = (next, times.len() < 11) {
            times.push(entry.header.timestamp_ms);
            next = self.entries.get(&entry.header.parent);
        }
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// The best block of those that are here with all their ancestors, have no mark and are not
    /// left out: the one with the most work, among equals the one that came first.
    pub fn best_but(&self, left_out: &BTreeSet<Hash>) -> Option<Hash> {
        let all = self.entries.iter();
        let unmarked = all.filter(|(id, entry)| entry.mark.is_none() && !left_out.contains(*id));
        let arrived = unmarked.filter_map(|(id, entry)| Some((id, entry, entry.arrival?)));
        let best = arrived.max_by_key(|(_, entry, arrival)| (&entry.chainwork, Reverse(*arrival)));
        best.map(|(id, ..)| *id)
    }

    /// Whether the first block is the second or comes after it.
    pub fn descends(&self, id: &Hash, from: &Hash) -> bool {
        self.branch(id).contains(from)
    }

    /// The last block that two branches share.
    pub fn fork(&self, one: &Hash, other: &Hash) -> Hash {
        let (mut one, mut other) = (*one, *other);
        while one != other {
            let (upper, lower) = (self.at(&one).header.height, self.at(&other).header.height);
            if upper < lower {
                (one, other) = (other, one);
            }
            one = self.at(&one).header.parent;
        }
        one
    }

    /// Gives arrival numbers to a block whose body has come and to all that waited for it: parents
    /// first, then by id. Nothing happens while an ancestor's body is missing.
    pub fn connect(&mut self, id: &Hash) {
        let parent = self.at(&self.at(id).header.parent);
        if parent.arrival.is_none() {
            return;
        }
        let mut level = vec![*id];
        while !level.is_empty() {
            for id in &level {
                self.arrivals += 1;
                let entry = self.entries.get_mut(id).expect("it was found");
                entry.arrival = Some(self.arrivals);
            }
            let waits =
                |entry: &Entry| level.contains(&entry.header.parent) && entry.body.is_some();
            let ready = self.entries.iter().filter(|(_, entry)| waits(entry));
            level = ready.map(|(id, _)| *id).collect();
        }
    }

    /// Marks a block and all its descendants that have no mark yet.
    pub fn mark(&mut self, id: &Hash, mark: Mark) {
        self.change_marks(id, |old| old.or(Some(mark)));
    }

    /// Takes the marks off a block, its ancestors, and all that descends from those that had one.
    pub fn unmark(&mut self, id: &Hash) {
        let marked = self.branch(id).into_iter();
        let first = marked.take_while(|id| self.at(id).mark.is_some()).last();
        if let Some(first) = first {
            self.change_marks(&first, |_| None);
        }
    }

    fn change_marks(&mut self, id: &Hash, change: impl Fn(Option<Mark>) -> Option<Mark>) {
        let mut level = vec![*id];
        while !level.is_empty() {
            for id in &level {
                let entry = self.entries.get_mut(id).expect("it was found");
                entry.mark = change(entry.mark);
            }
            let below = |entry: &Entry| level.contains(&entry.header.parent);
            let children = self.entries.iter().filter(|(_, entry)| below(entry));
            level = children.map(|(id, _)| *id).collect();
        }
    }
}
