//! Blocks: receiving, checking, accepting.

use super::{
    Action, Answer, BlockCheck, Event, Finding, JobId, Node, Origin, Source, Ticket, Timer,
};
use crate::chain::BlockOutcome;
use crate::p2p::message::Item;
use crate::p2p::peer::PeerId;
use crate::p2p::score::Misbehaviour;
use crate::params::peers::{BLOCK_CHECKS_MAX, OWN_BLOCK_CHECKS_MAX, TIMEOUT_DOUBLINGS_MAX};
use crate::primitives::{Block, BlockId, Now};
use crate::probes::probe;
use crate::rules::{CheckedBlock, Invalid, check_seal};
use crate::schema::Status;
use crate::storage::{Storage, StorageError};
use alloc::string::ToString as _;

impl<S: Storage> Node<S> {
    /// A sealed block of our own miner. The seal is looked at first: what has none costs no more
    /// than that, and takes no miner's place.
    pub fn handle_block(&mut self, ticket: Ticket, block: Block) {
        match check_seal(&block.header) {
            Err(why) => self.answer_block_refused(ticket, &BlockOutcome::Invalid(why)),
            Ok(()) if self.own_block_checks() >= OWN_BLOCK_CHECKS_MAX => {
                probe!(self.probes, "block.own_refused_as_busy");
                self.answer_busy(ticket);
            }
            Ok(()) => self.check_block(Origin::Own(ticket), block),
        }
    }

    /// A finding of the checker; its peer may be gone by now.
    pub fn handle_checked(
        &mut self,
        now: Now,
        id: JobId,
        finding: Finding,
    ) -> Result<(), StorageError> {
        match finding {
            Finding::Block(result) => match (self.block_checks.remove(&id), *result) {
                (Some(check), Ok(block)) => self.accept_block(now, check.origin, block)?,
                (Some(check), Err(why)) => self.block_failed_check(now, check, why)?,
                (None, _) => {}
            },
            Finding::Transfer(result) => {
                if let Some(check) = self.transfer_checks.remove(&id) {
                    self.transfer_checked(now, check, *result)?;
                    match check.source {
                        Source::Peer(peer) => self.ask_postponed(now, peer)?,
                        Source::Saved => self.saved_judged(now)?,
                        Source::Own(_) => {}
                    }
                }
            }
        }
        self.request_bodies(now)
    }

    /// A body that a peer sent. What was not asked for is dropped.
    pub(super) fn block_received(
        &mut self,
        now: Now,
        peer: PeerId,
        block: Block,
    ) -> Result<(), StorageError> {
        let id = block.id();
        if self.settle_download(peer, &id) {
            self.patience = self.patience.saturating_sub(1);
        } else if !self.take_late(peer, &id)? {
            probe!(self.probes, "block.unasked");
            return Ok(());
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.late_blocks = 0;
            state.last_block = Some(now.monotonic);
            state.late.remove(&id);
        }
        self.check_block(Origin::Peer(peer), block);
        Ok(())
    }

    /// The peer does not have the block: others are asked.
    pub(super) fn block_not_found(
        &mut self,
        now: Now,
        peer: PeerId,
        id: BlockId,
    ) -> Result<(), StorageError> {
        if !self.settle_download(peer, &id) {
            return Ok(());
        }
        probe!(self.probes, "block.not_found");
        if let Some(state) = self.peers.get_mut(&peer) {
            state.lacks.insert(id);
        }
        self.request_bodies(now)
    }

    /// The block did not come in time: the peer loses the request, and its place before others.
    pub(super) fn block_late(&mut self, now: Now, id: BlockId) -> Result<(), StorageError> {
        let Some(peer) = self.downloads.get(&id).copied() else {
            return Ok(());
        };
        if let Some(state) = self.peers.get_mut(&peer) {
            probe!(self.probes, "block.late");
            self.patience = TIMEOUT_DOUBLINGS_MAX.min(self.patience + 1);
            state.late_blocks = state.late_blocks.saturating_add(1);
            state.late.insert(id);
        }
        self.block_not_found(now, peer, id)
    }

    /// Whether a block that comes later than it should is still wanted; nobody else is then waited
    /// for. Else a line that takes longer for a few blocks than their time would never deliver any.
    fn take_late(&mut self, peer: PeerId, id: &BlockId) -> Result<bool, StorageError> {
        let late = self
            .peers
            .get(&peer)
            .is_some_and(|state| state.late.contains(id));
        if !late || self.is_checking(id) {
            return Ok(false);
        }
        let record = self.chain.header(id)?;
        if record.is_none_or(|record| record.status != Status::HeaderOnly) {
            return Ok(false);
        }
        probe!(self.probes, "block.taken_though_late");
        Ok(match self.downloads.get(id).copied() {
            Some(other) => self.settle_download(other, id),
            None => self.blocks_under_way() < BLOCK_CHECKS_MAX,
        })
    }

    /// Takes a block off the list of what `peer` owes; false if it did not owe it.
    fn settle_download(&mut self, peer: PeerId, id: &BlockId) -> bool {
        let Some(state) = self.peers.get_mut(&peer) else {
            return false;
        };
        if !state.blocks_owed.remove(id) {
            return false;
        }
        self.downloads.remove(id);
        self.timers.cancel(&Timer::Block(*id));
        true
    }

    fn accept_block(
        &mut self,
        now: Now,
        origin: Origin,
        block: CheckedBlock,
    ) -> Result<(), StorageError> {
        let id = block.id();
        self.verified.learn(block.transfers());
        if let Origin::Peer(peer) = origin
            && let Some(state) = self.peers.get_mut(&peer)
        {
            state.known.insert(Item::Block(id));
        }
        if let Origin::Peer(peer) = origin {
            self.note_delivery(peer, id);
        }
        let outcome = self.chain.add_block(now.wall, block)?;
        self.note_outcome(&outcome, origin);
        match origin {
            Origin::Peer(_) => self.settle_added(now)?,
            Origin::Own(_) => self.commit_added(now)?,
        }
        match (outcome, origin) {
            (BlockOutcome::Duplicate | BlockOutcome::Stored, Origin::Own(ticket)) => {
                let answer = Answer::BlockAccepted(id);
                self.actions.push_back(Action::Answer { ticket, answer });
                Ok(())
            }
            // Of an invalid block, and of those that it showed to be, the deliverers were blamed while
            // the chain was followed; a descendant's is not to blame.
            (_, Origin::Peer(_)) => Ok(()),
            (refused, Origin::Own(ticket)) => {
                self.answer_block_refused(ticket, &refused);
                Ok(())
            }
        }
    }

    /// Counts what came of a checked block.
    fn note_outcome(&self, outcome: &BlockOutcome, origin: Origin) {
        match outcome {
            BlockOutcome::Duplicate => probe!(self.probes, "block.duplicate"),
            BlockOutcome::Orphan => probe!(self.probes, "block.orphan"),
            BlockOutcome::NotYet => probe!(self.probes, "block.not_yet"),
            BlockOutcome::Invalid(_) => probe!(self.probes, "block.invalid_in_its_place"),
            BlockOutcome::KnownInvalid | BlockOutcome::SetAside | BlockOutcome::Stored => {}
        }
        match origin {
            Origin::Peer(peer) if !self.peers.contains_key(&peer) => {
                probe!(self.probes, "block.checked_after_its_peer_left");
            }
            Origin::Own(_) if *outcome == BlockOutcome::Stored => {
                probe!(self.probes, "block.own_accepted");
            }
            _ => {}
        }
    }

    fn answer_block_refused(&mut self, ticket: Ticket, outcome: &BlockOutcome) {
        let (code, sentence) = match outcome {
            BlockOutcome::Invalid(why) => (why.code(), why.to_string()),
            BlockOutcome::KnownInvalid => ("invalid_parent", "its branch is invalid".into()),
            BlockOutcome::SetAside => ("set_aside", "the operator set its branch aside".into()),
            BlockOutcome::Orphan => ("orphan", "its parent is unknown".into()),
            BlockOutcome::NotYet => ("not_yet", "its time lies in the future".into()),
            BlockOutcome::Duplicate | BlockOutcome::Stored => return,
        };
        probe!(self.probes, "block.own_refused");
        self.actions.push_back(Action::Answer {
            ticket,
            answer: Answer::Refused { code, sentence },
        });
    }

    /// A block failed a check without state. Under a right tx root the block itself is bad; under a
    /// wrong one only this copy of its body is, and another peer may have the right one.
    fn block_failed_check(
        &mut self,
        now: Now,
        check: BlockCheck,
        why: Invalid,
    ) -> Result<(), StorageError> {
        let BlockCheck { origin, id } = check;
        probe!(self.probes, "block.failed_check");
        if why.marks_block() {
            let walk = self.chain.refuse_block(&id, &why)?;
            self.follow_chain(now, walk)?;
        }
        self.notify(Event::BlockRefused {
            id,
            code: why.code(),
        });
        match origin {
            Origin::Peer(peer) => match why {
                Invalid::MutatedBody => self.misbehaved(now, peer, Misbehaviour::MutatedBody),
                // Of a newer release: nobody is to blame.
                Invalid::UnknownVersion { .. } => Ok(()),
                _ => self.misbehaved(now, peer, Misbehaviour::InvalidBlock),
            },
            Origin::Own(ticket) => {
                self.answer_block_refused(ticket, &BlockOutcome::Invalid(why));
                Ok(())
            }
        }
    }

    pub(super) fn answer_busy(&mut self, ticket: Ticket) {
        let sentence = "the node is busy checking other blocks and transfers: try again".into();
        let answer = Answer::Refused {
            code: "busy",
            sentence,
        };
        self.actions.push_back(Action::Answer { ticket, answer });
    }
}
