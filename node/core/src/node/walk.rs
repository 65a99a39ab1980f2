//! What a new tip sets in motion; and long reorganizations, which take one step a turn of the loop
//! and are spoken of only when they are over.

use super::{Event, Node, Timer};
use crate::chain::{TipChange, WalkVerdict};
use crate::mempool::{DropReason, Dropped};
use crate::p2p::message::{Item, Message};
use crate::params::pool::POOL_RETURN_BLOCKS_MAX;
use crate::primitives::{BlockId, Millis, Now, TxId};
use crate::probes::probe;
use crate::rules::CheckedTransfer;
use crate::schema::{self, Tip};
use crate::storage::{Storage, StorageError};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Until the next step: the shortest time that lets everything else have its turn.
const STEP_PAUSE: Millis = Millis::new(1);

/// How the best chain has changed since a tip was last announced.
#[derive(Debug)]
pub(super) struct Unannounced {
    /// The tip that was announced last.
    from: Tip,
    /// Blocks that the walk has left, newest first.
    left_blocks: u64,
}

impl<S: Storage> Node<S> {
    /// Goes on with a long reorganization.
    pub(super) fn walk(&mut self, now: Now) -> Result<(), StorageError> {
        let walk = self.chain.step(now.wall)?;
        self.follow_chain(now, walk)
    }

    /// The chain has changed, and that is committed: the pool follows, and when the chain is at
    /// rest everybody hears of the tip.
    pub(super) fn follow_chain(&mut self, now: Now, walk: WalkVerdict) -> Result<(), StorageError> {
        let WalkVerdict {
            invalid,
            held,
            tip_change,
        } = walk;
        for (id, why) in invalid {
            let code = why.code();
            self.notify(Event::BlockRefused { id, code });
            self.blame_deliverer(now, &id)?;
        }
        for id in held {
            probe!(self.probes, "branch.held");
            self.notify(Event::BranchHeld { id });
        }
        if let Some(change) = tip_change {
            self.follow_tip(now, change)?;
        }
        match self.chain.is_walking() {
            true => {
                probe!(self.probes, "walk.goes_on_later");
                self.timers.set(Timer::Walk, now.monotonic.plus(STEP_PAUSE));
            }
            false => self.announce_tip()?,
        }
        match self.own.loaded || self.chain.is_walking() {
            true => Ok(()),
            false => self.reload(now),
        }
    }

    /// Brings the transfers of earlier lives back into the pool.
    pub(super) fn reload(&mut self, now: Now) -> Result<(), StorageError> {
        self.reload_own(now)?;
        self.reload_pool(now)
    }

    fn follow_tip(&mut self, now: Now, change: TipChange) -> Result<(), StorageError> {
        let mut touched = BTreeMap::new();
        for address in &change.touched {
            touched.insert(*address, schema::account(self.chain.reader(), address)?);
        }
        let earlier = self.unannounced.take();
        let left_before = earlier.as_ref().map_or(0, |earlier| earlier.left_blocks);
        let left = self.returning(now, left_before, change.left);
        let freed: Vec<TxId> = left.iter().map(CheckedTransfer::id).collect();
        let dropped = self
            .mempool
            .follow(now.monotonic, left, &change.joined, &touched);
        self.note_dropped(now, dropped);
        self.announce_returned(now, freed);
        self.pool_grew(now);
        self.unannounced = Some(match earlier {
            Some(earlier) => Unannounced {
                left_blocks: left_before + change.left_blocks,
                from: earlier.from,
            },
            None => Unannounced {
                from: change.from,
                left_blocks: change.left_blocks,
            },
        });
        Ok(())
    }

    /// Transfers that came back are told to everybody: those who never were on the left branch have
    /// not heard of them, and this node may not mine.
    fn announce_returned(&mut self, now: Now, freed: Vec<TxId>) {
        for id in freed {
            if self.mempool.contains(&id) {
                probe!(self.probes, "pool.returned_by_a_reorg");
                self.announce_transfer(now, id, None);
            }
        }
    }

    /// The transfers of left blocks that are offered to the pool again, oldest first: those of the
    /// newest blocks, which are left first. The others are lost with a recorded reason.
    fn returning(
        &mut self,
        now: Now,
        left_before: u64,
        mut left: Vec<Vec<CheckedTransfer>>,
    ) -> Vec<CheckedTransfer> {
        let room = POOL_RETURN_BLOCKS_MAX.saturating_sub(left_before);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let near = left.split_off(left.len().saturating_sub(room));
        let reason = DropReason::DeepReorg;
        let deep = left.iter().flatten().map(|transfer| Dropped {
            id: transfer.id(),
            reason,
        });
        self.note_dropped(now, deep.collect());
        near.into_iter().flatten().collect()
    }

    /// The tip that others are told: while a long reorganization walks, the one before it.
    pub(super) fn announced_tip(&self) -> &Tip {
        match &self.unannounced {
            Some(walk) => &walk.from,
            None => self.chain.tip(),
        }
    }

    fn announce_tip(&mut self) -> Result<(), StorageError> {
        let Some(Unannounced { from, .. }) = self.unannounced.take() else {
            return Ok(());
        };
        let to = self.chain.tip().clone();
        if from.id == to.id {
            probe!(self.probes, "reorg.came_back_to_the_same_tip");
            return Ok(());
        }
        // A walk may have come down deeper than that before it turned.
        let fork_height = self.chain.shared_height(&from.id)?;
        self.probes
            .reorganized(from.height.get() - fork_height.get());
        self.notify(Event::TipChanged {
            from: (&from).into(),
            to: (&to).into(),
            fork_height,
            left_blocks: from.height.get() - fork_height.get(),
            joined_blocks: to.height.get() - fork_height.get(),
        });
        self.announce_block(to.id);
        Ok(())
    }

    /// Blocks are announced at once, to everybody who is not known to have them.
    fn announce_block(&mut self, id: BlockId) {
        let item = Item::Block(id);
        let mut told = Vec::new();
        for (peer, state) in &mut self.peers {
            if state.is_ready() && state.known.insert(item) {
                told.push(*peer);
            }
        }
        for peer in told {
            self.send(peer, &Message::Inv(alloc::vec![item]));
        }
    }
}
