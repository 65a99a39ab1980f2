//! One change of the chain in the making: the rows to be written, and what memory will hold once
//! they are. Nothing of it is true before the commit.

use alloc::vec::Vec;

use super::added::Added;
use super::verdict::{HeaderPoint, TipChange, WalkVerdict};
use super::window::Policy;
use crate::params::Genesis;
use crate::primitives::{Address, BlockId, Height, LtHash, Timestamp};
use crate::rules::{CheckedBlock, CheckedTransfer, Invalid};
use crate::schema::{Arrival, Tip, Walk, meta, write};
use crate::storage::{Batch, Overlay, Reader, Table};

/// What the chain keeps in memory of the last commit; all of it can be derived from storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The end of the best chain; the account rows are the state after it.
    pub tip: Tip,
    /// The valid header with the most chainwork.
    pub best_header: HeaderPoint,
    /// The LtHash of the account rows.
    pub lthash: LtHash,
    /// The number for the next block that becomes connectable.
    pub next_arrival: Arrival,
    /// Where a reorganization is walking that takes more than one step; `None` at rest. While
    /// walking the tip is some block on the way, not the one with the most work.
    pub walk: Option<Walk>,
    /// On the best header's chain the bodies of all blocks below this height are here, or were.
    pub missing_from: Height,
    /// No block up to this height can be reverted.
    pub horizon: Height,
    /// Bodies begin above this height; never above the horizon.
    pub base: Height,
}

/// A change in the making.
pub(super) struct Draft<'a, S> {
    /// The rows as they will be.
    pub rows: Overlay<'a, S>,
    /// The memory as it will be.
    pub view: View,
    /// The memory as the last commit left it.
    pub before: &'a View,
    /// The network's genesis.
    pub genesis: &'a Genesis,
    /// What is followed without the operator.
    pub policy: Policy,
    /// The wall clock, for nothing but the age of the tip; headers are judged by their own callers.
    pub now: Timestamp,
    /// How many more blocks this change may revert and apply.
    pub moves_left: u64,
    /// The block that this change is about, so that it is not read back and hashed again.
    pub fresh: Option<CheckedBlock>,
    /// The blocks that left the best chain so far, newest first.
    pub left: Vec<CheckedBlock>,
    /// The blocks that joined it so far, oldest first.
    pub joined: Vec<CheckedBlock>,
    /// Ends of branches that were held.
    pub held: Vec<BlockId>,
    /// Blocks that proved invalid, each with the rule that it breaks, in the order of discovery.
    pub invalid: Vec<(BlockId, Invalid)>,
    /// How many headers were stored.
    pub headers: usize,
    /// How many bodies were stored.
    pub blocks: usize,
}

/// A change that is ready to be committed.
pub(super) struct Finished {
    /// The rows to write.
    pub batch: Batch,
    /// What memory holds after the commit.
    pub view: View,
    /// What came of it, to be told after the commit.
    pub walk: WalkVerdict,
}

impl<S: Reader> Draft<'_, S> {
    /// Puts the draft aside, to be gone on with or committed later.
    pub fn put_aside(self) -> Added {
        Added {
            batch: self.rows.into_batch(),
            view: self.view,
            left: self.left,
            joined: self.joined,
            held: self.held,
            invalid: self.invalid,
            headers: self.headers,
            blocks: self.blocks,
        }
    }

    /// Closes the draft.
    pub fn finish(mut self) -> Finished {
        self.write_meta();
        let from = self.before.tip.clone();
        let batch = self.rows.into_batch();
        let mut tip_change = tip_change(from, &self.view.tip, self.left, self.joined);
        if let Some(change) = &mut tip_change {
            change.touched = touched(&batch);
        }
        let walk = WalkVerdict {
            invalid: self.invalid,
            held: self.held,
            tip_change,
        };
        Finished {
            batch,
            view: self.view,
            walk,
        }
    }

    fn write_meta(&mut self) {
        let (rows, view, before) = (&mut self.rows, &self.view, self.before);
        if view.tip.id != before.tip.id {
            write::put_meta(rows, meta::TIP, &view.tip.id);
            write::put_lthash(rows, &view.lthash);
        }
        if view.best_header != before.best_header {
            write::put_meta(rows, meta::BEST_HEADER, &view.best_header.id);
        }
        if view.walk != before.walk {
            write::set_walk(rows, view.walk.as_ref());
        }
        if view.horizon != before.horizon {
            write::put_meta(rows, meta::HORIZON, &view.horizon);
        }
        if view.base != before.base {
            write::put_meta(rows, meta::BASE, &view.base);
        }
        if view.next_arrival != before.next_arrival {
            write::put_meta(rows, meta::NEXT_ARRIVAL, &view.next_arrival);
        }
    }
}

fn tip_change(
    from: Tip,
    to: &Tip,
    mut left: Vec<CheckedBlock>,
    joined: Vec<CheckedBlock>,
) -> Option<TipChange> {
    if from.id == to.id {
        return None;
    }
    left.reverse();
    let (left_blocks, joined_blocks) = (count(&left), count(&joined));
    Some(TipChange {
        fork_height: to.height.saturating_sub(joined_blocks),
        from,
        to: to.clone(),
        left: transfers(left).collect(),
        joined: transfers(joined).flatten().collect(),
        touched: Vec::new(),
        left_blocks,
        joined_blocks,
    })
}

/// The addresses whose account rows a batch writes.
fn touched(batch: &Batch) -> Vec<Address> {
    let rows = batch.ops().filter(|(table, ..)| *table == Table::Accounts);
    rows.filter_map(|(_, key, _)| key.try_into().ok().map(Address::from_bytes))
        .collect()
}

fn count(blocks: &[CheckedBlock]) -> u64 {
    u64::try_from(blocks.len()).expect("usize has at most 64 bits")
}

fn transfers(blocks: Vec<CheckedBlock>) -> impl Iterator<Item = Vec<CheckedTransfer>> {
    blocks.into_iter().map(CheckedBlock::into_transfers)
}
