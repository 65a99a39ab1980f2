//! The tree of blocks, and what can be read off it: medians, work, branches, who came first
//! (protocol §3).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use num_bigint::BigUint;

use crate::accounts::Accounts;
use crate::hash::Hash;
use crate::header::Header;
use crate::transfer::Transfer;

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
    /// Whether it, or an ancestor, broke a rule.
    pub invalid: bool,
    /// The accounts after it, once it was judged and found valid.
    pub accounts: Option<Accounts>,
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

    /// The best block: of those that are here with all their ancestors and are not known to be
    /// invalid the one with the most work, among equals the one that came first.
    pub fn best(&self) -> Hash {
        let candidates = self.entries.iter().filter(|(_, entry)| !entry.invalid);
        let arrived = candidates.filter_map(|(id, entry)| Some((id, entry, entry.arrival?)));
        let best = arrived.max_by_key(|(_, entry, arrival)| (&entry.chainwork, Reverse(*arrival)));
        let (id, ..) = best.expect("genesis is always here");
        *id
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
            let waits = |entry: &Entry| {
                level.contains(&entry.header.parent) && entry.body.is_some() && !entry.invalid
            };
            let ready = self.entries.iter().filter(|(_, entry)| waits(entry));
            level = ready.map(|(id, _)| *id).collect();
        }
    }

    /// Remembers a block and all its descendants as invalid.
    pub fn mark(&mut self, id: &Hash) {
        let mut level = vec![*id];
        while !level.is_empty() {
            for id in &level {
                self.entries.get_mut(id).expect("it was found").invalid = true;
            }
            let falls = |entry: &Entry| level.contains(&entry.header.parent) && !entry.invalid;
            let fallen = self.entries.iter().filter(|(_, entry)| falls(entry));
            level = fallen.map(|(id, _)| *id).collect();
        }
    }
}
