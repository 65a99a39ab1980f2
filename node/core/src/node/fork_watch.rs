//! The desk's side of the fork alarm: which peers go on with another chain than ours.
//!
//! What a peer named last as its tip is compared with our best chain at each ping; who named
//! something else is asked for headers, and the answer says where the chains part. So a peer that
//! has come over to our chain in silence is not taken for one that has not.

use super::{Event, Node};
use crate::p2p::fork_watch::{Census, is_apart};
use crate::p2p::peer::{Direction, PeerId};
use crate::p2p::place::{Group, is_loopback};
use crate::p2p::score::Misbehaviour;
use crate::primitives::{Header, Height, Now};
use crate::probes::probe;
use crate::schema;
use crate::storage::{Storage, StorageError};

impl<S: Storage> Node<S> {
    /// A ping's time: asks a peer that was last seen on another chain, and judges the alarm.
    pub(super) fn compare_tips(&mut self, now: Now, peer: PeerId) -> Result<(), StorageError> {
        self.judge_fork(now);
        // While blocks of known headers are missing, ours is not the last word.
        if self.chain.best_header().id != self.chain.tip().id {
            return Ok(());
        }
        let Some(state) = self.peers.get(&peer) else {
            return Ok(());
        };
        let elsewhere = match &state.claim {
            Some(id) => self.chain.height_on_best(id)?.is_none(),
            None => false,
        };
        if (elsewhere || state.apart) && !state.headers_asked {
            probe!(self.probes, "fork.peer_asked_for_its_chain");
            self.ask_headers(now, peer, None)?;
        }
        Ok(())
    }

    /// A peer's answer to our locator: nothing when it has no block that we have not, else its chain
    /// from a block on that both have.
    pub(super) fn note_chain_of(
        &mut self,
        peer: PeerId,
        headers: &[Header],
    ) -> Result<(), StorageError> {
        let apart = match self.last_shared(headers)? {
            Some((fork, theirs)) => is_apart(fork, self.chain.tip().height, theirs),
            None if headers.is_empty() => false,
            // It goes on from something else than our chain: the answer before said where they part.
            None => return Ok(()),
        };
        if apart {
            probe!(self.probes, "fork.peer_is_apart");
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.apart = apart;
            state.claim = headers.last().map(Header::id);
        }
        Ok(())
    }

    /// Heights of the last block that these headers, the first of which follows on our best chain,
    /// share with it, and of their end. Counted, not read from headers that nobody has judged yet.
    fn last_shared(&self, headers: &[Header]) -> Result<Option<(Height, Height)>, StorageError> {
        let Some(first) = headers.first() else {
            return Ok(None);
        };
        let Some(parent) = self.chain.height_on_best(&first.parent)? else {
            return Ok(None);
        };
        let (rows, tip) = (self.chain.reader(), self.chain.tip().height);
        let mut fork = parent;
        for header in headers {
            let next = fork.next();
            if next > tip || schema::best_id(rows, next)? != Some(header.id()) {
                break;
            }
            fork = next;
        }
        let end = Height::new(parent.get().saturating_add(headers.len() as u64));
        Ok(Some((fork, end)))
    }

    /// A peer is about to be blamed: one that we chose and that serves what we refuse may be right.
    pub(super) fn note_refusal(&mut self, now: Now, peer: PeerId, what: Misbehaviour) {
        let refused = matches!(
            what,
            Misbehaviour::InvalidHeader | Misbehaviour::InvalidBlock
        );
        let chosen = self.peers.get(&peer).filter(|state| {
            refused && state.direction == Direction::Outbound && !is_loopback(state.addr.ip())
        });
        if let Some(ip) = chosen.map(|state| state.addr.ip()) {
            let group = Group::outbound(ip);
            self.fork_watch.note_refusal(now.monotonic, group);
            self.judge_fork(now);
        }
    }

    /// Judges the alarm anew, and tells when it goes on or off.
    pub(super) fn judge_fork(&mut self, now: Now) {
        let census = self.census();
        if !self.fork_watch.judge(now.monotonic, census) {
            return;
        }
        if self.fork_watch.is_suspected() {
            probe!(self.probes, "fork.suspected");
            self.notify(Event::ForkSuspected {
                apart: census.apart,
                refused: self.fork_watch.refusals(),
            });
        } else {
            self.notify(Event::ForkOver);
        }
    }

    fn census(&self) -> Census {
        let ready = self.peers.values().filter(|state| state.is_ready());
        let mut census = Census::default();
        for state in ready {
            *(match state.apart {
                true => &mut census.apart,
                false => &mut census.together,
            }) += 1;
        }
        census
    }
}
