//! Walking the state from the tip to the best candidate: down to the fork, up the other branch.
//!
//! Every step goes from one block boundary to the next, so the walk may stop anywhere; what it has
//! done so far is always the state of some block.

use alloc::vec::Vec;
use core::fmt::Display;

use super::Chain;
use super::draft::Draft;
use super::queries::fork_height;
use super::verdict::WalkVerdict;
use crate::ledger::{self, Fault};
use crate::primitives::{BlockId, Header, Height, Timestamp};
use crate::rules::{CheckedBlock, Invalid};
use crate::schema::{self, Tip, Walk, write};
use crate::storage::{Reader, Storage, StorageError, Table};

impl<S: Storage> Chain<S> {
    /// Goes on with a reorganization that takes more than one step, by one step in one commit. At
    /// rest it changes nothing.
    ///
    /// # Errors
    /// The machine's only.
    pub fn step(&mut self, now: Timestamp) -> Result<WalkVerdict, StorageError> {
        if !self.is_walking() {
            return Ok(WalkVerdict::default());
        }
        let added = self.take_added();
        let mut draft = self.draft(added, now);
        draft.follow_best()?;
        let finished = draft.finish();
        self.commit(finished)
    }
}

impl<S: Reader> Draft<'_, S> {
    /// Walks to the best candidate, as far as the moves of this change reach. Each block that proves
    /// invalid on the way is marked with its descendants, and the walk goes on from there to the best
    /// of the rest.
    pub fn follow_best(&mut self) -> Result<(), StorageError> {
        self.release_if_catching_up()?;
        loop {
            let best = self.best_candidate()?;
            if best == self.view.tip.id {
                let moved = self.has_left_home()?;
                self.view.walk = None;
                self.forget_kept_word()?;
                if moved {
                    self.release_all()?;
                    continue;
                }
                self.release_outweighed()?;
                self.prune()?;
                return Ok(());
            }
            if !self.may_follow(&best)? {
                self.hold(best)?;
                continue;
            }
            let (home, target) = (self.home()?, best);
            self.view.walk = Some(Walk { home, target });
            if self.moves_left == 0 {
                return Ok(());
            }
            if let Some((at, why)) = self.walk_to(&best)? {
                self.mark_invalid(&at)?;
                self.invalid.push((at, why));
            }
        }
    }

    /// Walks towards a block: until it is reached, or no move is left, or the next block proves
    /// invalid.
    fn walk_to(&mut self, target: &BlockId) -> Result<Option<(BlockId, Invalid)>, StorageError> {
        let (fork, path) = self.route(target)?;
        while self.view.tip.height > fork {
            if !self.take_move() {
                return Ok(None);
            }
            self.revert_tip()?;
        }
        for id in path {
            if !self.take_move() {
                return Ok(None);
            }
            if let Err(why) = self.apply(id)? {
                return Ok(Some((id, why)));
            }
        }
        Ok(None)
    }

    fn take_move(&mut self) -> bool {
        let left = self.moves_left.checked_sub(1);
        self.moves_left = left.unwrap_or(0);
        left.is_some()
    }

    /// The way from the best chain to a block that is not on it: the height of the last shared
    /// block, and the blocks after it, lowest first, or as many of them as there are moves. The
    /// branch is followed down to the best header's chain, where nearly all ways lead; there nothing
    /// is read that this change does not reach.
    fn route(&self, target: &BlockId) -> Result<(Height, Vec<BlockId>), StorageError> {
        let (mut beside, mut id) = (Vec::new(), *target);
        loop {
            let Header { height, parent, .. } = schema::required_header(&self.rows, &id)?.header;
            if schema::best_id(&self.rows, height)? == Some(id) {
                beside.reverse();
                return Ok((height, beside));
            }
            if schema::best_header_id(&self.rows, height)? == Some(id) {
                let fork = fork_height(&self.rows, height.min(self.view.tip.height))?;
                let shared = height.get() - fork.get();
                let most = usize::try_from(self.moves_left.min(shared)).unwrap_or(usize::MAX);
                let mut path = schema::best_header_ids(&self.rows, fork.next(), most)?;
                if shared <= self.moves_left {
                    path.extend(beside.into_iter().rev());
                }
                return Ok((fork, path));
            }
            beside.push(id);
            id = parent;
        }
    }

    pub(super) fn revert_tip(&mut self) -> Result<(), StorageError> {
        let Tip {
            id, height, header, ..
        } = self.view.tip;
        let block = self.load(&id)?;
        let parent = tip_at(&self.rows, header.parent)?;
        let root = &parent.header.state_root;
        ledger::revert_block(&mut self.rows, &mut self.view.lthash, &block, root)?;
        write::set_best(&mut self.rows, height, None);
        self.view.tip = parent;
        match self.joined.last() {
            Some(last) if last.id() == block.id() => drop(self.joined.pop()),
            _ => self.left.push(block),
        }
        Ok(())
    }

    fn apply(&mut self, id: BlockId) -> Result<Result<(), Invalid>, StorageError> {
        let block = self.load(&id)?;
        let rules = &self.genesis.rules;
        match ledger::apply_block(&mut self.rows, &mut self.view.lthash, rules, &block) {
            Ok(()) => {}
            Err(Fault::Invalid(why)) => return Ok(Err(why)),
            Err(Fault::Storage(error)) => return Err(error),
        }
        write::set_best(&mut self.rows, block.header().height, Some(&id));
        self.view.tip = tip_at(&self.rows, id)?;
        match self.left.last() {
            Some(last) if last.id() == id => drop(self.left.pop()),
            _ => self.joined.push(block),
        }
        Ok(Ok(()))
    }

    /// A block that was checked before it was stored.
    pub(super) fn load(&mut self, id: &BlockId) -> Result<CheckedBlock, StorageError> {
        if let Some(fresh) = self.fresh.take_if(|fresh| fresh.id() == *id) {
            return Ok(fresh);
        }
        let damaged = |why: &dyn Display| StorageError::damaged(Table::Bodies, id.as_bytes(), why);
        let block = schema::block(&self.rows, id)?;
        let block = block.ok_or_else(|| damaged(&"the row is missing"))?;
        CheckedBlock::from_store(block, &self.genesis.domain).map_err(|why| damaged(&why))
    }
}

/// The tip that a stored block makes.
fn tip_at(rows: &impl Reader, id: BlockId) -> Result<Tip, StorageError> {
    let record = schema::required_header(rows, &id)?;
    let height = record.header.height;
    Ok(Tip {
        id,
        height,
        chainwork: record.chainwork,
        header: record.header,
    })
}
