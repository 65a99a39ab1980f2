//! Heavy work that is under way: what it is about and on whose behalf.

use super::{Action, Job, JobId, Node, Ticket};
use crate::p2p::peer::PeerId;
use crate::params::peers::TRANSFER_CHECKS_MAX;
use crate::primitives::{Block, BlockId, SignedHash, SignedTransfer, TxId};
use crate::storage::Storage;
use alloc::boxed::Box;

/// On whose behalf something is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A peer sent it.
    Peer(PeerId),
    /// A client of this node did.
    Own(Ticket),
}

/// Where a transfer that is being checked came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A peer sent it.
    Peer(PeerId),
    /// A client of this node did.
    Own(Ticket),
    /// It waited in the pool of an earlier life.
    Saved,
}

impl Source {
    /// The peer that sent it, if one did.
    pub(super) const fn peer(self) -> Option<PeerId> {
        match self {
            Self::Peer(peer) => Some(peer),
            Self::Own(_) | Self::Saved => None,
        }
    }
}

/// A block at the checker: it is not asked for again meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockCheck {
    pub(super) origin: Origin,
    pub(super) id: BlockId,
}

impl BlockCheck {
    pub(super) const fn is_own(&self) -> bool {
        matches!(self.origin, Origin::Own(_))
    }
}

/// A transfer at the checker.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransferCheck {
    pub(super) source: Source,
    pub(super) id: TxId,
    /// The hash over everything: remembered if the transfer proves invalid.
    pub(super) hash: SignedHash,
}

impl<S: Storage> Node<S> {
    /// Hands a block to the checker; the caller has made sure that there is room.
    pub(super) fn check_block(&mut self, origin: Origin, block: Block) {
        let id = block.id();
        let job = self.begin_check(Job::Block {
            verified: self.verified.of(&block),
            block: Box::new(block),
        });
        self.block_checks.insert(job, BlockCheck { origin, id });
    }

    /// Hands a transfer to the checker; the caller has made sure that there is room.
    pub(super) fn check_transfer(&mut self, source: Source, transfer: SignedTransfer) {
        let (hash, id) = (transfer.hash(), transfer.id(&self.chain.law().domain));
        let job = self.begin_check(Job::Transfer(Box::new(transfer)));
        let check = TransferCheck { source, id, hash };
        self.transfer_checks.insert(job, check);
    }

    pub(super) fn begin_check(&mut self, job: Job) -> JobId {
        self.jobs += 1;
        let id = JobId(self.jobs);
        self.actions.push_back(Action::Check { id, job });
        id
    }

    pub(super) fn own_block_checks(&self) -> usize {
        let checks = self.block_checks.values();
        checks.filter(|check| check.is_own()).count()
    }

    /// Blocks of peers that were asked for or are at the checker.
    pub(super) fn blocks_under_way(&self) -> usize {
        self.downloads.len() + self.block_checks.len() - self.own_block_checks()
    }

    pub(super) fn has_room_for_transfer_check(&self) -> bool {
        self.transfer_checks.len() < TRANSFER_CHECKS_MAX
    }
}
