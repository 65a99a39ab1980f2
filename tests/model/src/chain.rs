//! The model itself: headers and blocks come in, the best chain follows (protocol §3).

use std::collections::BTreeSet;

use num_bigint::BigUint;

use crate::block::{Block, judge_form, judge_seal};
use crate::bytes::Unreadable;
use crate::genesis::Genesis;
use crate::hash::Hash;
use crate::header::Header;
use crate::rule::Rule;
use crate::target;
use crate::transfer::Transfer;
use crate::tree::{Entry, Mark, Tree};
use crate::verdict::{BlockVerdict, Outcome, TipMove};
use crate::window::Window;

/// A chain in memory.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) genesis: Genesis,
    pub(crate) genesis_id: Hash,
    pub(crate) tree: Tree,
    pub(crate) tip: Hash,
    pub(crate) window: Window,
}

impl Model {
    /// A chain of genesis alone, from its file.
    ///
    /// # Errors
    /// A sentence about the file.
    pub fn new(genesis_json: &[u8]) -> Result<Self, String> {
        let genesis = Genesis::parse(genesis_json)?;
        let header = genesis.header();
        let (id, target) = (header.id(), target::expand(header.bits));
        let entry = Entry {
            chainwork: target::work(&target.expect("the file was checked")),
            body: Some(Vec::new()),
            arrival: Some(0),
            mark: None,
            accounts: Some(genesis.accounts()),
            header,
        };
        Ok(Model {
            genesis,
            genesis_id: id,
            tree: Tree::new(id, entry),
            tip: id,
            window: Window::default(),
        })
    }

    /// Takes 160 bytes of header. `now_ms` is the local clock.
    pub fn submit_header(&mut self, bytes: &[u8], now_ms: u64) -> Outcome {
        match Header::parse(bytes) {
            Ok(header) => self.take_header(&header, now_ms),
            Err(why) => Outcome::Unreadable(why),
        }
    }

    /// Takes a block, and its header if it is new, and moves to the best chain. What needs neither
    /// parent nor accounts is judged first, as only such blocks ever reach a node's chain.
    pub fn submit_block(&mut self, bytes: &[u8], now_ms: u64) -> BlockVerdict {
        let block = match Block::parse(bytes) {
            Ok(block) => block,
            Err(why) => return Outcome::Unreadable(why).into(),
        };
        let id = block.header.id();
        if let Err(rule) = block.judge(&self.genesis) {
            let waits = |entry: &Entry| entry.body.is_none();
            if rule.marks() && self.tree.entries.get(&id).is_some_and(waits) {
                self.tree.mark(&id, Mark::Invalid);
            }
            return Outcome::Refused(rule).into();
        }
        match self.take_header(&block.header, now_ms) {
            Outcome::Duplicate | Outcome::Stored => self.take_body(&id, block.transfers, now_ms),
            outcome => outcome.into(),
        }
    }

    /// Puts a header into the tree unjudged, with this much work (32 bytes, big-endian) from genesis
    /// to it. For tests at the ends of heights and work, which no chain reaches.
    ///
    /// # Errors
    /// When the bytes are no header.
    pub fn plant_header(&mut self, bytes: &[u8], chainwork: &Hash) -> Result<(), Unreadable> {
        let header = Header::parse(bytes)?;
        let chainwork = BigUint::from_bytes_be(chainwork);
        let entry = Entry::new(header.clone(), chainwork);
        self.tree.entries.insert(header.id(), entry);
        Ok(())
    }

    fn take_header(&mut self, header: &Header, now_ms: u64) -> Outcome {
        let id = header.id();
        if let Some(known) = self.tree.entries.get(&id) {
            return known.mark.map_or(Outcome::Duplicate, Outcome::from);
        }
        let Some(parent) = self.tree.entries.get(&header.parent) else {
            return Outcome::Orphan;
        };
        if let Some(mark) = parent.mark {
            return mark.into();
        }
        let chainwork = match self.judge_header(header, parent) {
            Ok(chainwork) => chainwork,
            Err(rule) => return Outcome::Refused(rule),
        };
        if header.timestamp_ms > now_ms.saturating_add(self.genesis.future_limit_ms) {
            return Outcome::NotYet;
        }
        let entry = Entry::new(header.clone(), chainwork);
        self.tree.entries.insert(id, entry);
        Outcome::Stored
    }

    /// The rules of a header in the page's order; gives its chain's work.
    fn judge_header(&self, header: &Header, parent: &Entry) -> Result<BigUint, Rule> {
        judge_form(header)?;
        if header.height != parent.header.height + 1 {
            return Err(Rule::WrongHeight);
        }
        if header.height >= 1 << 32 {
            return Err(Rule::HeightBeyondEnd);
        }
        if header.bits != self.genesis.next_bits(&parent.header) {
            return Err(Rule::WrongBits);
        }
        judge_seal(header)?;
        if header.timestamp_ms <= self.tree.median_time_past(&header.parent) {
            return Err(Rule::TooEarly);
        }
        let target = target::expand(header.bits).expect("the seal was judged by it");
        let chainwork = &parent.chainwork + target::work(&target);
        match chainwork.bits() <= 256 {
            true => Ok(chainwork),
            false => Err(Rule::ChainworkOverflow),
        }
    }

    fn take_body(&mut self, id: &Hash, body: Vec<Transfer>, now_ms: u64) -> BlockVerdict {
        let entry = self.tree.entries.get_mut(id).expect("its header was taken");
        if entry.body.is_some() {
            return Outcome::Duplicate.into();
        }
        entry.body = Some(body);
        self.tree.connect(id);
        let mut verdict = self.find_best(now_ms);
        let own = verdict.culprits.iter().find(|(at, _)| at == id);
        verdict.outcome = match (own, self.tree.at(id).mark) {
            (Some((_, rule)), _) => Outcome::Refused(*rule),
            (None, Some(mark)) => mark.into(),
            (None, None) => Outcome::Stored,
        };
        verdict
    }

    /// Judges the best branch that may be followed, and moves there if it holds, until there is no
    /// better one; gives the blocks that did not hold, and the movement.
    pub(crate) fn find_best(&mut self, now_ms: u64) -> BlockVerdict {
        let mut culprits = Vec::new();
        let from = self.tip;
        loop {
            let best = self.best_to_follow(now_ms);
            match self.judge_branch(&best) {
                Ok(()) => {
                    let moves = best != self.tip;
                    self.tip = best;
                    self.keep_word();
                    if !moves {
                        break;
                    }
                }
                Err((at, rule)) => {
                    self.tree.mark(&at, Mark::Invalid);
                    culprits.push((at, rule));
                }
            }
        }
        BlockVerdict {
            outcome: Outcome::Stored,
            culprits,
            moved: (from != self.tip).then(|| self.movement(&from)),
        }
    }

    /// Judges all blocks up to this one that were not judged yet, lowest first.
    fn judge_branch(&mut self, id: &Hash) -> Result<(), (Hash, Rule)> {
        let mut unjudged = Vec::new();
        let mut next = *id;
        while self.tree.at(&next).accounts.is_none() {
            unjudged.push(next);
            next = self.tree.at(&next).header.parent;
        }
        for id in unjudged.into_iter().rev() {
            let entry = self.tree.at(&id);
            let before = self.tree.at(&entry.header.parent).accounts.as_ref();
            let block = self.block(&id).expect("the branch is complete");
            let accounts = before
                .expect("parents are judged first")
                .after(&block, &self.genesis)
                .map_err(|rule| (id, rule))?;
            if accounts.root() != block.header.state_root {
                return Err((id, Rule::WrongStateRoot));
            }
            let entry = self.tree.entries.get_mut(&id).expect("it was found");
            entry.accounts = Some(accounts);
        }
        Ok(())
    }

    fn movement(&self, from: &Hash) -> TipMove {
        let (old, new) = (self.tree.branch(from), self.tree.branch(&self.tip));
        let bodies = |branch: &[Hash], other: &[Hash]| {
            let other: BTreeSet<&Hash> = other.iter().collect();
            let own = branch.iter().rev().filter(|id| !other.contains(id));
            own.map(|id| self.block(id).expect("it was the best chain").transfers)
                .collect()
        };
        TipMove {
            from: *from,
            to: self.tip,
            left: bodies(&old, &new),
            joined: bodies(&new, &old),
        }
    }
}
