//! Transfers that were announced to us and are not here: who is asked, and who is next.
//!
//! Each id is asked from one peer at a time; when that one fails, from the next that announced it.

use crate::p2p::peer::PeerId;
use crate::params::peers::{ANNOUNCERS_MAX, WANTED_TRANSFERS_MAX};
use crate::primitives::TxId;
use alloc::collections::{BTreeMap, VecDeque};

/// Who can be asked for one transfer.
#[derive(Clone, Debug, Default)]
struct Want {
    asked: Option<PeerId>,
    next: VecDeque<PeerId>,
}

/// All wanted transfers, bounded in number and in announcers.
#[derive(Clone, Debug, Default)]
pub struct WantedTransfers {
    wants: BTreeMap<TxId, Want>,
}

impl WantedTransfers {
    /// Notes that `peer` announced `id`; true if it should be asked now.
    pub fn announced(&mut self, id: TxId, peer: PeerId) -> bool {
        if !self.wants.contains_key(&id) && self.wants.len() >= WANTED_TRANSFERS_MAX {
            return false;
        }
        let want = self.wants.entry(id).or_default();
        if want.asked == Some(peer) || want.next.contains(&peer) {
            return false;
        }
        if want.next.len() < ANNOUNCERS_MAX {
            want.next.push_back(peer);
        }
        want.asked.is_none()
    }

    /// Takes the next peer to ask for `id`, and remembers that it was asked; forgets the transfer
    /// when nobody is left.
    pub fn ask_next(&mut self, id: &TxId) -> Option<PeerId> {
        let want = self.wants.get_mut(id)?;
        want.asked = want.next.pop_front();
        if want.asked.is_none() {
            self.wants.remove(id);
            return None;
        }
        want.asked
    }

    /// Who was asked for `id` last.
    pub fn asked(&self, id: &TxId) -> Option<PeerId> {
        self.wants.get(id)?.asked
    }

    /// The transfer is here, or known to be bad: nobody is asked any more.
    pub fn forget(&mut self, id: &TxId) {
        self.wants.remove(id);
    }

    /// Takes a peer out of every want, and returns what it was asked for.
    pub fn forget_peer(&mut self, peer: PeerId) -> alloc::vec::Vec<TxId> {
        let mut orphaned = alloc::vec::Vec::new();
        for (id, want) in &mut self.wants {
            want.next.retain(|next| *next != peer);
            if want.asked == Some(peer) {
                want.asked = None;
                orphaned.push(*id);
            }
        }
        orphaned
    }

    /// How many transfers are wanted.
    pub fn len(&self) -> usize {
        self.wants.len()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_asked_from_one_peer_at_a_time_and_then_from_the_next() {
        let (id, a, b) = (TxId::from_bytes([1; 32]), PeerId(1), PeerId(2));
        let mut wanted = WantedTransfers::default();
        assert!(wanted.announced(id, a));
        assert_eq!(wanted.ask_next(&id), Some(a));
        assert!(!wanted.announced(id, a));
        assert!(!wanted.announced(id, b));
        assert_eq!(wanted.asked(&id), Some(a));
        assert_eq!(wanted.ask_next(&id), Some(b));
        assert_eq!(wanted.forget_peer(b), [id]);
        assert_eq!(wanted.ask_next(&id), None);
        assert!(wanted.is_empty());
    }

    #[test]
    fn neither_transfers_nor_their_announcers_fill_memory_and_a_place_comes_back() {
        let id = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
            TxId::from_bytes(bytes)
        };
        let mut wanted = WantedTransfers::default();
        for number in 0..WANTED_TRANSFERS_MAX {
            assert!(wanted.announced(id(number), PeerId(1)));
        }
        assert!(!wanted.announced(id(WANTED_TRANSFERS_MAX), PeerId(1)));
        assert_eq!(wanted.len(), WANTED_TRANSFERS_MAX);
        for peer in 2..100 {
            wanted.announced(id(0), PeerId(peer));
        }
        assert_eq!(wanted.wants[&id(0)].next.len(), ANNOUNCERS_MAX);
        wanted.forget(&id(7));
        assert!(wanted.announced(id(WANTED_TRANSFERS_MAX), PeerId(1)));
    }
}
