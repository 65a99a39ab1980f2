//! Headers that are valid but for our clock: sealed, and from further ahead than it allows. They
//! are held in memory until their time has come, and never marked (protocol §3).

use crate::p2p::peer::PeerId;
use crate::params::peers::{EARLY_AHEAD_MAX, EARLY_HEADERS_MAX, EARLY_HEADERS_PEER_MAX};
use crate::primitives::{BlockId, Header, Timestamp};
use alloc::collections::BTreeMap;

/// A bounded set of early headers, in the order of their times.
#[derive(Clone, Debug, Default)]
pub struct EarlyHeaders {
    headers: BTreeMap<(Timestamp, BlockId), (PeerId, Header)>,
}

impl EarlyHeaders {
    /// Holds a header unless it is too far ahead of `now`, or its peer or the set is at its bound.
    pub fn hold(&mut self, now: Timestamp, peer: PeerId, header: Header) {
        let of_peer = self
            .headers
            .values()
            .filter(|(from, _)| *from == peer)
            .count();
        let near = header.timestamp <= now.plus(EARLY_AHEAD_MAX);
        if near && of_peer < EARLY_HEADERS_PEER_MAX && self.headers.len() < EARLY_HEADERS_MAX {
            self.headers
                .entry((header.timestamp, header.id()))
                .or_insert((peer, header));
        }
    }

    /// Takes the earliest header whose time is not after `latest`.
    pub fn take_due(&mut self, latest: Timestamp) -> Option<(PeerId, Header)> {
        let first = self.headers.first_entry()?;
        let (timestamp, _) = *first.key();
        (timestamp <= latest).then(|| first.remove())
    }

    /// The time of the earliest header.
    pub fn next(&self) -> Option<Timestamp> {
        self.headers.keys().next().map(|(timestamp, _)| *timestamp)
    }

    /// Makes room: the peer has gone, and can tell again when it is back.
    pub fn forget_peer(&mut self, peer: PeerId) {
        self.headers.retain(|_, (from, _)| *from != peer);
    }

    /// How many headers are held.
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::networks;
    use crate::primitives::Millis;

    const NOW: Timestamp = Timestamp::new(1_000_000);

    fn header(ahead_ms: u64, nonce: u64) -> Header {
        let timestamp = NOW.plus(Millis::new(ahead_ms));
        Header {
            timestamp,
            nonce,
            ..networks::dev().header()
        }
    }

    #[test]
    fn headers_come_due_in_the_order_of_their_times() {
        let mut early = EarlyHeaders::default();
        early.hold(NOW, PeerId(1), header(90_000, 1));
        early.hold(NOW, PeerId(1), header(60_000, 2));
        assert_eq!(early.next(), Some(NOW.plus(Millis::new(60_000))));
        assert_eq!(early.take_due(NOW), None);
        let due = early.take_due(NOW.plus(Millis::new(60_000)));
        assert_eq!(due.map(|(_, header)| header.nonce), Some(2));
        early.forget_peer(PeerId(1));
        assert!(early.is_empty());
    }

    #[test]
    fn neither_a_peer_nor_all_of_them_can_fill_memory() {
        let mut early = EarlyHeaders::default();
        early.hold(NOW, PeerId(1), header(EARLY_AHEAD_MAX.get() + 1, 0));
        assert!(early.is_empty());
        for peer in 0..100 {
            for nonce in 0..10 {
                early.hold(NOW, PeerId(peer), header(60_000, peer * 10 + nonce));
            }
            let peers = usize::try_from(peer + 1).expect("few");
            let held = peers * EARLY_HEADERS_PEER_MAX;
            assert_eq!(early.len(), held.min(EARLY_HEADERS_MAX));
        }
    }
}
