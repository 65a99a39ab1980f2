//! Chains of little work: followed one at a time, without storing them, until they have shown
//! enough.

use super::Node;
use crate::chain::{HeaderStop, Weighed};
use crate::p2p::peer::PeerId;
use crate::p2p::presync::{Next, Presync};
use crate::params::peers::HEADERS_MAX;
use crate::primitives::{Header, Now};
use crate::storage::{Storage, StorageError};
use rand_core::Rng as _;

impl<S: Storage> Node<S> {
    /// Valid headers of a chain with too little work: nothing is stored. If there are more of them,
    /// they are followed, unless another chain is; then the peer is asked again later.
    pub(super) fn begin_presync(
        &mut self,
        now: Now,
        peer: PeerId,
        headers: &[Header],
        weighed: Weighed,
    ) -> Result<(), StorageError> {
        let more = headers.len() == HEADERS_MAX && weighed.stop.is_none();
        let Some(stretch) = weighed.stretch.filter(|_| more) else {
            return self.request_bodies(now);
        };
        if self.presync.is_some() {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.headers_wanted = true;
            }
            return self.request_bodies(now);
        }
        let mut new = headers;
        while let [first, rest @ ..] = new
            && self.chain.header(&first.id())?.is_some()
        {
            new = rest;
        }
        let mut salt = [0; 32];
        self.rng.fill_bytes(&mut salt);
        let (enough, end) = (self.chain.anti_dos_work(), stretch.end().id);
        self.presync = Presync::begin(peer, salt, enough, stretch, new);
        self.ask_headers(now, peer, Some(end))
    }

    /// The next headers of the chain that is being followed.
    pub(super) fn presync_headers(
        &mut self,
        now: Now,
        peer: PeerId,
        headers: &[Header],
    ) -> Result<(), StorageError> {
        let Some(presync) = &mut self.presync else {
            return Ok(());
        };
        if presync.is_fetching() {
            return self.fetch_again(now, peer, headers);
        }
        let full = headers.len() == HEADERS_MAX;
        let next = presync.weigh(self.chain.genesis(), now.wall, headers, full);
        match next {
            Next::Ask(from) | Next::Again(from) => self.ask_headers(now, peer, Some(from)),
            Next::Abandon => {
                self.presync = None;
                self.request_bodies(now)
            }
            Next::Stop(at, stop) => {
                self.presync = None;
                self.headers_stopped(now, peer, &headers[at], stop)
            }
        }
    }

    /// The headers come for the second time: they are stored as far as they are the same. Once those
    /// that are stored have enough work, the chain is one like any other.
    fn fetch_again(
        &mut self,
        now: Now,
        peer: PeerId,
        headers: &[Header],
    ) -> Result<(), StorageError> {
        let Some(presync) = &mut self.presync else {
            return Ok(());
        };
        let same = presync.compare(headers);
        let verdict = self.chain.add_headers(now.wall, &headers[..same])?;
        self.settle_added(now)?;
        let Some(last) = verdict.accepted.last().copied() else {
            self.presync = None;
            return Ok(());
        };
        self.note_work(peer, &last)?;
        let work = self.chain.header(&last)?.map(|record| record.chainwork);
        let enough = work >= Some(self.chain.anti_dos_work());
        if enough || same < headers.len() || verdict.stop.is_some() {
            self.presync = None;
        }
        if let Some((at, stop)) = verdict.stop
            && !matches!(stop, HeaderStop::NotYet)
        {
            return self.headers_stopped(now, peer, &headers[at], stop);
        }
        if enough || self.presync.is_some() {
            self.ask_headers(now, peer, Some(last))?;
        }
        self.request_bodies(now)
    }

    /// The peer has gone, or does not answer: another one's chain can be followed.
    pub(super) fn abandon_presync(&mut self, peer: PeerId) {
        if self.presync.as_ref().is_some_and(|it| it.peer() == peer) {
            self.presync = None;
        }
    }
}
