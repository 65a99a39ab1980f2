//! Serving peers: headers at once, bodies and transfers one at a time while they read.

use super::{Action, Node};
use crate::p2p::message::{GetHeaders, Item, Message, Response};
use crate::p2p::peer::PeerId;
use crate::params::peers::HEADERS_MAX;
use crate::probes::probe;
use crate::storage::{Storage, StorageError};

impl<S: Storage> Node<S> {
    pub(super) fn serve_headers(
        &mut self,
        peer: PeerId,
        get: &GetHeaders,
    ) -> Result<(), StorageError> {
        let headers = self
            .chain
            .headers_after(&get.locator, &get.stop, HEADERS_MAX)?;
        self.send(peer, &Message::Headers(headers));
        Ok(())
    }

    /// The next thing that some peer asked for, peers in turn; whoever does not read waits.
    pub(super) fn serve_next(&mut self) -> Result<Option<Action>, StorageError> {
        for _ in 0..self.serving.len() {
            let Some(peer) = self.serving.pop_front() else {
                break;
            };
            let Some(state) = self.peers.get_mut(&peer) else {
                continue;
            };
            if state.congested {
                self.serving.push_back(peer);
                continue;
            }
            let Some(item) = state.serve.pop_front() else {
                continue;
            };
            self.serving.push_back(peer);
            let (kind, payload) = Message::Res(self.look_up(item)?).encode();
            self.count_sent(peer, payload.len());
            return Ok(Some(Action::Send {
                peer,
                kind,
                payload,
            }));
        }
        Ok(None)
    }

    /// Only blocks of the best chain are served: what stands beside it may be invalid, found so or
    /// not yet looked at, and whoever delivers an invalid block is blamed.
    fn look_up(&self, item: Item) -> Result<Response, StorageError> {
        let found = match item {
            Item::Block(id) => match self.chain.height_on_best(&id)? {
                Some(_) => self.chain.block(&id)?.map(Response::Block),
                None => None,
            },
            Item::Transfer(id) => self
                .mempool
                .get(&id)
                .map(|entry| Response::Transfer(entry.transfer.signed().clone())),
        };
        if found.is_none() && matches!(item, Item::Block(_)) {
            probe!(self.probes, "serve.block_gone");
        }
        Ok(found.unwrap_or(Response::NotFound(item)))
    }
}
