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
use crate::tree::{Entry, Tree};

/// A chain in memory.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) genesis: Genesis,
    pub(crate) genesis_id: Hash,
    pub(crate) tree: Tree,
    pub(crate) tip: Hash,
}

/// What became of a header or of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The bytes are none.
    Unreadable(Unreadable),
    /// It was here before.
    Duplicate,
    /// It is kept now.
    Stored,
    /// It breaks a rule itself.
    Refused(Rule),
    /// It, or an ancestor, is remembered as invalid.
    KnownInvalid,
    /// Its parent's header is not known.
    Orphan,
    /// Its timestamp lies too far ahead of the clock. Says nothing about it.
    NotYet,
}

/// The answer to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockVerdict {
    /// What became of the block itself.
    pub outcome: Outcome,
    /// The blocks that proved invalid while the best chain was sought, in the order of discovery.
    pub culprits: Vec<(Hash, Rule)>,
    /// How the best chain moved.
    pub moved: Option<TipMove>,
}

/// How the best chain moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipMove {
    /// The tip before.
    pub from: Hash,
    /// The tip now.
    pub to: Hash,
    /// The transfers of the blocks that left it, one list a block, lowest first.
    pub left: Vec<Vec<Transfer>>,
    /// The transfers of the blocks that joined it, one list a block, lowest first.
    pub joined: Vec<Vec<Transfer>>,
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
            invalid: false,
            accounts: Some(genesis.accounts()),
            header,
        };
        Ok(Model {
            genesis,
            genesis_id: id,
            tree: Tree::new(id, entry),
            tip: id,
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
                self.tree.mark(&id);
            }
            return Outcome::Refused(rule).into();
        }
        match self.take_header(&block.header, now_ms) {
            Outcome::Duplicate | Outcome::Stored => self.take_body(&id, block.transfers),
            outcome => outcome.into(),
        }
    }

    fn take_header(&mut self, header: &Header, now_ms: u64) -> Outcome {
        let id = header.id();
        if let Some(known) = self.tree.entries.get(&id) {
            return match known.invalid {
                true => Outcome::KnownInvalid,
                false => Outcome::Duplicate,
            };
        }
        let Some(parent) = self.tree.entries.get(&header.parent) else {
            return Outcome::Orphan;
        };
        if parent.invalid {
            return Outcome::KnownInvalid;
        }
        let chainwork = match self.judge_header(header, parent) {
            Ok(chainwork) => chainwork,
            Err(rule) => return Outcome::Refused(rule),
        };
        if header.timestamp_ms > now_ms.saturating_add(self.genesis.future_limit_ms) {
            return Outcome::NotYet;
        }
        let entry = Entry {
            header: header.clone(),
            chainwork,
            body: None,
            arrival: None,
            invalid: false,
            accounts: None,
        };
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

    fn take_body(&mut self, id: &Hash, body: Vec<Transfer>) -> BlockVerdict {
        let entry = self.tree.entries.get_mut(id).expect("its header was taken");
        if entry.body.is_some() {
            return Outcome::Duplicate.into();
        }
        entry.body = Some(body);
        self.tree.connect(id);
        let culprits = self.find_best();
        let from = self.tip;
        self.tip = self.tree.best();
        let own = culprits.iter().find(|(at, _)| at == id);
        let outcome = match own {
            Some((_, rule)) => Outcome::Refused(*rule),
            None if self.tree.at(id).invalid => Outcome::KnownInvalid,
            None => Outcome::Stored,
        };
        BlockVerdict {
            outcome,
            culprits,
            moved: (from != self.tip).then(|| self.movement(&from)),
        }
    }

    /// Judges the best branch until one holds; gives the blocks that did not.
    fn find_best(&mut self) -> Vec<(Hash, Rule)> {
        let mut culprits = Vec::new();
        while let Err((at, rule)) = self.judge_branch(&self.tree.best()) {
            self.tree.mark(&at);
            culprits.push((at, rule));
        }
        culprits
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

impl From<Outcome> for BlockVerdict {
    fn from(outcome: Outcome) -> Self {
        BlockVerdict {
            outcome,
            culprits: Vec::new(),
            moved: None,
        }
    }
}
