//! What the model answers.

use crate::bytes::Unreadable;
use crate::hash::Hash;
use crate::rule::Rule;
use crate::transfer::Transfer;
use crate::tree::Mark;

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
    /// It, or an ancestor, was set aside by the operator.
    SetAside,
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

impl From<Mark> for Outcome {
    fn from(mark: Mark) -> Self {
        match mark {
            Mark::Invalid => Outcome::KnownInvalid,
            Mark::SetAside => Outcome::SetAside,
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
