//! Following a chain of headers that has not shown enough work yet, without storing any (protocol
//! §4): its end and one salted bit a header are remembered; once the sum is enough, the headers are
//! asked for again from the start and stored as far as their bits are the same. Who shows another
//! chain the second time has every other header stored at most, and then none.

use crate::chain::{HeaderStop, Stretch};
use crate::p2p::peer::PeerId;
use crate::params::Genesis;
use crate::params::peers::PRESYNC_HEADERS_MAX;
use crate::primitives::crypto::sha3_256;
use crate::primitives::{BlockId, Header, Timestamp, Work};
use alloc::vec::Vec;

/// What to do next about the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask for the headers after this one.
    Ask(BlockId),
    /// It has enough work: ask for its headers again, after this one.
    Again(BlockId),
    /// It has ended, or grown out of its bound, without enough work; or it is another chain than
    /// before. Honest peers do all of this.
    Abandon,
    /// A header of it is not taken.
    Stop(usize, HeaderStop),
}

#[derive(Clone, Debug)]
enum Phase {
    /// The first time: headers are weighed.
    Weighing(Stretch),
    /// The second time: so many of them have come again.
    Fetching(usize),
}

/// One chain of one peer.
#[derive(Clone, Debug)]
pub struct Presync {
    peer: PeerId,
    salt: [u8; 32],
    /// The stored header that the chain begins after.
    start: BlockId,
    bits: Vec<u8>,
    count: usize,
    enough: Work,
    phase: Phase,
}

impl Presync {
    /// Begins with the first list of headers, whose end is `stretch`; all are children of one
    /// another from `start` on.
    pub fn begin(
        peer: PeerId,
        salt: [u8; 32],
        enough: Work,
        stretch: Stretch,
        headers: &[Header],
    ) -> Option<Self> {
        let start = headers.first()?.parent;
        let mut presync = Self {
            peer,
            salt,
            start,
            bits: Vec::new(),
            count: 0,
            enough,
            phase: Phase::Weighing(stretch),
        };
        for header in headers {
            presync.commit(&header.id());
        }
        Some(presync)
    }

    /// Whose chain it is.
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    /// Whether the headers come for the second time, to be stored.
    pub const fn is_fetching(&self) -> bool {
        matches!(self.phase, Phase::Fetching(_))
    }

    /// Headers of the first time; `full` tells that the list was as long as it may be.
    pub fn weigh(
        &mut self,
        genesis: &Genesis,
        now: Timestamp,
        headers: &[Header],
        full: bool,
    ) -> Next {
        for (index, header) in headers.iter().enumerate() {
            let Phase::Weighing(stretch) = &mut self.phase else {
                return Next::Abandon;
            };
            match stretch.extend(genesis, now, header) {
                Ok(id) => self.commit(&id),
                // Another chain than before: its owner has reorganized.
                Err(HeaderStop::Orphan) => return Next::Abandon,
                Err(stop) => return Next::Stop(index, stop),
            }
        }
        let Phase::Weighing(stretch) = &self.phase else {
            return Next::Abandon;
        };
        let end = *stretch.end();
        if end.chainwork >= self.enough {
            self.phase = Phase::Fetching(0);
            Next::Again(self.start)
        } else if full && self.count < PRESYNC_HEADERS_MAX {
            Next::Ask(end.id)
        } else {
            Next::Abandon
        }
    }

    /// Headers of the second time: how many of them, from the first on, are those of the first time.
    pub fn compare(&mut self, headers: &[Header]) -> usize {
        let Phase::Fetching(seen) = &mut self.phase else {
            return 0;
        };
        let from = *seen;
        let same = headers.iter().enumerate().take_while(|(index, header)| {
            let at = from + index;
            let bit = bit_of(&self.salt, &header.id());
            at >= self.count || self.bits[at / 8] >> (at % 8) & 1 == bit
        });
        let same = same.count();
        *seen += same;
        same
    }

    fn commit(&mut self, id: &BlockId) {
        if self.count.is_multiple_of(8) {
            self.bits.push(0);
        }
        self.bits[self.count / 8] |= bit_of(&self.salt, id) << (self.count % 8);
        self.count += 1;
    }
}

fn bit_of(salt: &[u8; 32], id: &BlockId) -> u8 {
    let [first, ..] = sha3_256(&[salt, id.as_bytes()]);
    first & 1
}
