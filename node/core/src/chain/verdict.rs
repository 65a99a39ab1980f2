//! What the chain answers: to headers, to blocks, to a request for a template, on opening.

use alloc::vec::Vec;

use crate::primitives::{Address, BlockId, Header, Height, Work};
use crate::rules::{CheckedTransfer, Invalid};
use crate::schema::Tip;
use crate::storage::{StorageError, StorageErrorKind};

/// A place in the header tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderPoint {
    /// The header's id.
    pub id: BlockId,
    /// Its height.
    pub height: Height,
    /// The work of the chain from genesis to it.
    pub chainwork: Work,
}

/// The answer to a list of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadersVerdict {
    /// The ids, in order, of the headers that are stored now (new or known before).
    pub accepted: Vec<BlockId>,
    /// The place in the list, from 0, of the first header that was not taken, and why. The ones
    /// after it were not looked at.
    pub stop: Option<(usize, HeaderStop)>,
}

/// Why a header was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderStop {
    /// It breaks a rule.
    Invalid(Invalid),
    /// Its parent is not stored.
    Orphan,
    /// It is valid but from further ahead than our clock allows. Says nothing about the block.
    NotYet,
    /// It is, or descends from, a block that is stored as invalid.
    KnownInvalid,
    /// It is, or descends from, a block that our operator has set aside: nobody's fault.
    SetAside,
}

/// The answer to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockVerdict {
    /// What became of the block itself.
    pub outcome: BlockOutcome,
    /// What it set in motion.
    pub walk: WalkVerdict,
}

/// What came of the search for the best chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkVerdict {
    /// All blocks that proved invalid on the way, in the order of discovery: the block in question,
    /// ancestors that were stored without being on the best chain, or descendants that had waited
    /// for it. The blame is on each of these blocks, not on whoever sent the one in question.
    pub invalid: Vec<(BlockId, Invalid)>,
    /// Ends of branches that have the most work and fork too deep to be followed without the
    /// operator: an alarm.
    pub held: Vec<BlockId>,
    /// How the best chain changed.
    pub tip_change: Option<TipChange>,
}

/// A branch with the work to be followed that waits for the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBranch {
    /// Its last block.
    pub tip: HeaderPoint,
    /// The height of the last block that it shares with the best chain.
    pub fork_height: Height,
}

/// Why a wish of the operator about a branch cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBranch {
    /// No header with that id is stored.
    #[error("no block with that id is known here")]
    Unknown,
    /// Genesis is the network: there is no choice.
    #[error("the genesis block is the network: there is no choice about it")]
    Genesis,
    /// It parts from the best chain, or leaves it, at a height from which nothing leads back.
    #[error(
        "what lies below height {0} can no longer be reverted: stop the node and use `archivas db \
         rollback`, or sync again in a new data directory"
    )]
    BelowHorizon(Height),
}

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockOutcome {
    /// Its body was here before.
    Duplicate,
    /// Its body is stored: on the best chain, on a side branch, or waiting for an ancestor's body.
    Stored,
    /// It breaks a rule itself. Remembered as invalid, unless its header was refused.
    Invalid(Invalid),
    /// It is, or descends from, a block that is remembered as invalid.
    KnownInvalid,
    /// It is, or descends from, a block that our operator has set aside: nobody's fault.
    SetAside,
    /// Its parent's header is not stored.
    Orphan,
    /// Its timestamp is further ahead than our clock allows. Says nothing about the block.
    NotYet,
}

impl From<HeaderStop> for BlockOutcome {
    fn from(stop: HeaderStop) -> Self {
        match stop {
            HeaderStop::Invalid(why) => BlockOutcome::Invalid(why),
            HeaderStop::Orphan => BlockOutcome::Orphan,
            HeaderStop::NotYet => BlockOutcome::NotYet,
            HeaderStop::KnownInvalid => BlockOutcome::KnownInvalid,
            HeaderStop::SetAside => BlockOutcome::SetAside,
        }
    }
}

/// How the best chain changed in one commit. A long reorganization takes several, each from one
/// block to another on its way: while it lasts, [`super::Chain::is_walking`] is true after each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipChange {
    /// The tip before.
    pub from: Tip,
    /// The tip now.
    pub to: Tip,
    /// The height of the last block that both chains share.
    pub fork_height: Height,
    /// The transfers of each of the blocks that left the best chain, oldest first.
    pub left: Vec<Vec<CheckedTransfer>>,
    /// The transfers of the blocks that joined it, oldest first.
    pub joined: Vec<CheckedTransfer>,
    /// The accounts that differ between the two tips, and maybe some that were written and do not.
    pub touched: Vec<Address>,
    /// How many blocks left.
    pub left_blocks: u64,
    /// How many blocks joined.
    pub joined_blocks: u64,
}

/// A block that is complete but for its seal nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The header, with seal nonce 0.
    pub header: Header,
    /// The transfers, in their order.
    pub transfers: Vec<CheckedTransfer>,
}

/// Why there is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTemplate {
    /// Our clock is so far behind the chain that our own block would be from the future.
    #[error("the clock is behind the chain: the next block would be from the future")]
    ClockBehind,
    /// A long reorganization is under way; there is no tip to build on yet.
    #[error("the chain is reorganizing: there is no tip to build on yet")]
    Walking,
    /// The transfers that were asked for do not make a valid block.
    #[error("these transfers do not make a valid block: {0}")]
    Invalid(Invalid),
}

/// Why a database was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The machine failed.
    #[error("{0}")]
    Storage(StorageError),
    /// The rows contradict one another or cannot be read.
    #[error("{0}")]
    Damaged(StorageError),
    /// The database belongs to another network.
    #[error("the database belongs to another network: its genesis is {found}, ours is {ours}")]
    OtherGenesis {
        /// The genesis id in the database.
        found: BlockId,
        /// The genesis id that was asked for.
        ours: BlockId,
    },
    /// The database keeps an index of transfers and should not, or the other way round.
    #[error(
        "the database was made {} an index of transfers, and that is not changed by a start: {}, or \
         change it with `archivas db reindex`",
        if *.kept { "with" } else { "without" },
        if *.kept { "leave out --no-txindex" } else { "pass --no-txindex" },
    )]
    OtherIndex {
        /// Whether the database keeps one.
        kept: bool,
    },
    /// The database was written by another version with another layout.
    #[error("the database has schema version {found}, and this program reads version {ours}")]
    OtherSchema {
        /// The version in the database.
        found: u32,
        /// The version of this program.
        ours: u32,
    },
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        match error.kind {
            StorageErrorKind::Damaged => OpenError::Damaged(error),
            _ => OpenError::Storage(error),
        }
    }
}
