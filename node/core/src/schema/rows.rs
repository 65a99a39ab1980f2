//! The things that rows hold.

use serde::{Deserialize, Serialize};

use crate::primitives::{BlockId, Header, Height, TxId, Work};

/// The layout of this module. Another one in a database is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// Names of the rows of `meta`.
pub mod meta {
    /// The layout of the database: `u32`.
    pub const SCHEMA: &[u8] = b"schema";
    /// The genesis id of the network that the database belongs to.
    pub const GENESIS: &[u8] = b"genesis";
    /// The rules version that judged the blocks marked as invalid: `u32`.
    pub const RULES: &[u8] = b"rules";
    /// The block id of the tip of the best chain.
    pub const TIP: &[u8] = b"tip";
    /// The block id of the header with the most chainwork.
    pub const BEST_HEADER: &[u8] = b"best_header";
    /// The lanes of the LtHash of all accounts.
    pub const LTHASH: &[u8] = b"lthash";
    /// Where a long reorganization is walking, and from where: a `Walk`; no row at rest.
    pub const WALK: &[u8] = b"walk";
    /// The block whose branch the operator has accepted; no row before that, nor once the best
    /// chain holds it.
    pub const ACCEPTED: &[u8] = b"accepted";
    /// The height up to which no block of the best chain can be reverted; no row for genesis.
    pub const HORIZON: &[u8] = b"horizon";
    /// The base height, up to which the best chain's bodies are not here; no row for genesis.
    pub const BASE: &[u8] = b"base";
    /// There are no rows in `txs` and `account_txs`, by the operator's wish; no row where they are
    /// complete.
    pub const NO_TX_INDEX: &[u8] = b"no_tx_index";
    /// The arrival number that the next connectable block gets.
    pub const NEXT_ARRIVAL: &[u8] = b"next_arrival";
}

/// When a block first became connectable, as a place in one order that restarts do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arrival(u64);

impl Arrival {
    /// The first number, given to genesis.
    pub const FIRST: Arrival = Arrival(0);

    /// The number as it stands in keys.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .expect("fewer than 2^64 blocks ever arrive"),
        )
    }
}

/// What is known about the block of a stored header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The header is valid; the body is not here.
    HeaderOnly,
    /// The body is here and passed every check that needs no state.
    Stored,
    /// The block, or an ancestor of it, broke a rule.
    Invalid {
        /// The version of the rules that found it.
        rules_version: u32,
    },
    /// The operator set the block, or an ancestor of it, aside. Says nothing about the rules.
    SetAside,
    /// The block is valid or beside the best chain, at or below the base height: its body was here,
    /// or is covered by the snapshot that this database began with, and is not kept.
    Pruned,
}

impl Status {
    /// True unless the block or an ancestor was found invalid or set aside.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        matches!(self, Status::HeaderOnly | Status::Stored | Status::Pruned)
    }

    /// True when the body has been here without a mark, whether it still is or not.
    #[must_use]
    pub const fn had_body(self) -> bool {
        matches!(self, Status::Stored | Status::Pruned)
    }
}

/// A stored header with its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRecord {
    /// The header.
    pub header: Header,
    /// The work of the chain from genesis to this block, both included.
    pub chainwork: Work,
    /// What is known about the block.
    pub status: Status,
    /// When the block became connectable (its body and all ancestors' stored); `None` before.
    pub arrival: Option<Arrival>,
}

impl HeaderRecord {
    /// True when the block could be the tip: connectable, and neither it nor an ancestor invalid.
    #[must_use]
    pub const fn is_candidate(&self) -> bool {
        self.status.is_valid() && self.arrival.is_some()
    }
}

/// The last block of the best chain: the state is the state after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The block's id.
    pub id: BlockId,
    /// The block's height.
    pub height: Height,
    /// The work of the chain from genesis to it.
    pub chainwork: Work,
    /// The block's header.
    pub header: Header,
}

/// A reorganization that takes more than one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The tip when it began.
    pub home: BlockId,
    /// The block that it walks to.
    pub target: BlockId,
}

/// Where a transfer stands on the best chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxLocation {
    /// The block that holds it.
    pub block: BlockId,
    /// That block's height.
    pub height: Height,
    /// The place in the block, from 0.
    pub index: u32,
}

/// One row of an account's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountTx {
    /// The height of the block.
    pub height: Height,
    /// The place in the block, from 0.
    pub index: u32,
    /// The transfer.
    pub id: TxId,
}
