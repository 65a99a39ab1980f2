//! The book on disk: rows of the table `peers`, beside the secret and the anchors.

use super::{AddressBook, Entry, places};
use crate::p2p::address::PeerAddress;
use crate::p2p::place::Group;
use crate::params::peers::ANCHORS_MAX;
use crate::primitives::{BoundedVec, Timestamp, decode, encode};
use crate::storage::{Batch, Table};
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// The key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Key {
    /// The secret of the buckets.
    Secret,
    /// Peers to dial first in the next life.
    Anchors,
    /// What is known of an address.
    Address(PeerAddress),
}

/// A row about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    source: Group,
    seen: Timestamp,
    tried: bool,
}

/// The anchors as they are stored.
type Anchors = BoundedVec<PeerAddress, ANCHORS_MAX>;

/// What was read from disk.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The book.
    pub book: AddressBook,
    /// Peers to dial first.
    pub anchors: Vec<SocketAddr>,
    /// Keys of rows that do not decode.
    pub damaged: Vec<Vec<u8>>,
    /// Deletes those rows.
    pub mend: Batch,
}

impl AddressBook {
    /// Reads the rows of earlier lives; `fresh` is the secret if there is none yet. What does not
    /// decode is dropped, and so is what finds no place.
    pub fn load(rows: Vec<(Vec<u8>, Vec<u8>)>, fresh: [u8; 32], now: Timestamp) -> Loaded {
        let (mut secret, mut anchors) = (None, Vec::new());
        let (mut damaged, mut mend) = (Vec::new(), Batch::default());
        let mut addresses = Vec::new();
        for (key, value) in rows {
            match decode::<Key>(&key) {
                Ok(Key::Secret) if let Ok(stored) = decode::<[u8; 32]>(&value) => {
                    secret = Some(stored);
                }
                Ok(Key::Anchors) if let Ok(stored) = decode::<Anchors>(&value) => {
                    anchors = stored.into_vec().into_iter().map(Into::into).collect();
                }
                Ok(Key::Address(address)) if let Ok(row) = decode::<Row>(&value) => {
                    addresses.push((SocketAddr::from(address), row));
                }
                _ => {
                    mend.delete(Table::Peers, key.clone());
                    damaged.push(key);
                }
            }
        }
        let mut book = Self::new(secret.unwrap_or(fresh));
        book.secret_is_stored = secret.is_some();
        addresses
            .iter()
            .for_each(|(addr, row)| book.stand(now, *addr, row));
        for (addr, _) in &addresses {
            // Every row is right already, except of what found no place.
            match book.entries.contains_key(addr) {
                true => book.unsaved.remove(addr),
                false => book.unsaved.insert(*addr),
            };
        }
        Loaded {
            book,
            anchors,
            damaged,
            mend,
        }
    }

    fn stand(&mut self, now: Timestamp, addr: SocketAddr, row: &Row) {
        let (source, seen) = (row.source, row.seen.min(now));
        let slot = places::tried(&self.secret, addr);
        if row.tried && !self.tried.contains_key(&slot) {
            self.entries.insert(addr, Entry::new(source, seen));
            self.try_place(&addr);
        } else {
            self.place_new(now, addr, (source, seen), |_| true);
        }
    }

    /// The rows that make the table equal to memory.
    pub fn save(&mut self) -> Batch {
        let mut batch = Batch::default();
        if !self.unsaved.is_empty() && !self.secret_is_stored {
            batch.put(Table::Peers, encode(&Key::Secret), encode(&self.secret));
            self.secret_is_stored = true;
        }
        for addr in core::mem::take(&mut self.unsaved) {
            let key = encode(&Key::Address(addr.into()));
            match self.entries.get(&addr) {
                None => batch.delete(Table::Peers, key),
                Some(entry) => {
                    let row = Row {
                        source: entry.source,
                        seen: entry.seen,
                        tried: entry.tried.is_some(),
                    };
                    batch.put(Table::Peers, key, encode(&row));
                }
            }
        }
        batch
    }

    /// Stores whom to dial first in the next life.
    pub fn save_anchors(batch: &mut Batch, anchors: &[SocketAddr]) {
        let anchors = anchors.iter().take(ANCHORS_MAX).map(|addr| (*addr).into());
        let anchors = Anchors::new(anchors.collect()).expect("no more than the bound were taken");
        batch.put(Table::Peers, encode(&Key::Anchors), encode(&anchors));
    }
}
