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
            let response = self.look_up(item)?;
            if matches!(response, Response::NotFound(_)) {
                self.not_served(peer, &item);
            }
            let (kind, payload) = Message::Res(response).encode();
            self.count_sent(peer, payload.len());
            return Ok(Some(Action::Send {
                peer,
                kind,
                payload,
            }));
        }
        Ok(None)
    }

    /// The peer asked for what it does not have, and does not get it: when that comes back, it is to
    /// hear of it again. So it is with a transfer that was announced and then stood in a block that
    /// was left.
    fn not_served(&mut self, peer: PeerId, item: &Item) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.known.remove(item);
        }
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
