//! Chains of headers with less work than the network has: whoever sends them, in whatever order, none
//! of them is stored; the chain that has the work is, once it has shown it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::chain::Policy;
use archivas_core::node::Action;
use archivas_core::p2p::frame::kind;
use archivas_core::p2p::message::{GetHeaders, Message};
use archivas_core::p2p::peer::PeerId;
use archivas_core::params::peers::HEADERS_MAX;
use archivas_core::primitives::{
    Address, BlockId, Header, Instant, Millis, StateRoot, Timestamp, TxRoot, Work,
};
use archivas_core::storage::{MemoryStorage, Table};
use archivas_tests::differential::sealed;

use crate::desk::{Desk, HONEST};
use crate::story::story;

/// Each is up to 2,000 headers, which a node has to hash.
const STEPS_MAX: usize = 12;
/// Headers of the chain that has the work: more than a list.
const RICH: usize = HEADERS_MAX + 300;
/// Headers that have enough of it.
const ENOUGH: u64 = HEADERS_MAX as u64 + 200;
/// Headers of the chain that has not: more than a list, too.
const POOR: usize = HEADERS_MAX + 100;
/// Whoever shows the one chain and then sends the other has one header stored, on average, for each
/// time that it does so; so many never, within the steps of an input.
const SMUGGLED_MAX: usize = 64;
/// By then the honest peer's chain is there.
const PATIENCE: Millis = Millis::from_secs(10 * 60);

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Meet {
        peer: u8,
    },
    Leave {
        peer: u8,
    },
    /// A list of what the peer was asked for last, or from any place on.
    Send {
        peer: u8,
        rich: bool,
        from: From,
        count: Count,
    },
    /// The same with one bit turned around.
    Damaged {
        peer: u8,
        rich: bool,
        from: From,
        at: u16,
        bit: u16,
    },
    Wait {
        seconds: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum From {
    Asked,
    Start,
    Place(u16),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Count {
    Full,
    Few(u8),
}

/// Two chains from genesis on; the first header tells them apart.
struct Chains {
    rich: Vec<Header>,
    poor: Vec<Header>,
    /// Of both.
    ids: [Vec<BlockId>; 2],
    /// The place after each header in its chain.
    after: BTreeMap<BlockId, usize>,
    /// When all of it was mined.
    now: Timestamp,
    enough: Work,
}

static CHAINS: LazyLock<Chains> = LazyLock::new(|| {
    let genesis = story().genesis.header();
    let chain = |producer: u8, length: usize| {
        let mut parent = genesis;
        let child = |_| {
            parent = sealed(Header {
                height: parent.height.next(),
                timestamp: parent.timestamp.plus(Millis::from_secs(20)),
                nonce: 0,
                parent: parent.id(),
                tx_root: TxRoot::from_bytes([0; 32]),
                state_root: StateRoot::ZERO,
                producer: Address::from_bytes([producer; 20]),
                ..parent
            });
            parent
        };
        (0..length).map(child).collect()
    };
    let target = genesis.bits.expand().expect("genesis is valid");
    let (rich, poor): (Vec<Header>, Vec<Header>) = (chain(1, RICH), chain(2, POOR));
    let places = rich.iter().enumerate().chain(poor.iter().enumerate());
    Chains {
        ids: [&rich, &poor].map(|chain| chain.iter().map(Header::id).collect()),
        after: places
            .map(|(place, header)| (header.id(), place + 1))
            .collect(),
        rich,
        poor,
        now: genesis
            .timestamp
            .plus(Millis::from_secs(20 * RICH as u64 + 60)),
        enough: Work::of_target(target).saturating_mul(ENOUGH),
    }
});

/// The node, and what it asked last.
struct Session {
    desk: Desk,
    asked: Vec<(PeerId, GetHeaders)>,
    /// Whether anybody has shown a header as high as the work demands.
    shown: bool,
    /// Until when the honest peer is not read.
    rests: Instant,
}

/// Steps of strangers; for some inputs then an honest peer.
pub fn headers_presync(bytes: &[u8]) {
    let Ok((honest, steps)) = <(u8, Vec<Step>)>::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let policy = Policy {
        minimum_chainwork: CHAINS.enough,
        ..Policy::default()
    };
    let mut session = Session {
        desk: Desk::open(MemoryStorage::new(), policy, CHAINS.now),
        asked: Vec::new(),
        shown: false,
        rests: Instant::new(0),
    };
    session.settle();
    for step in steps.iter().take(STEPS_MAX) {
        session.take(*step);
        session.settle();
        session.judge();
    }
    if honest % 4 == 0 {
        session.meet_honest_peer();
        session.judge();
    }
}

impl Session {
    fn take(&mut self, step: Step) {
        match step {
            Step::Meet { peer } => drop(self.desk.meet(peer)),
            Step::Leave { peer } => drop(self.desk.leave(peer)),
            Step::Send {
                peer,
                rich,
                from,
                count,
            } => {
                let peer = self.desk.number(peer);
                let headers = self.list(peer, rich, from, count);
                self.send(peer, headers);
            }
            Step::Damaged {
                peer,
                rich,
                from,
                at,
                bit,
            } => {
                let peer = self.desk.number(peer);
                let mut headers = self.list(peer, rich, from, Count::Full);
                let length = headers.len().max(1);
                if let Some(header) = headers.get_mut(usize::from(at) % length) {
                    let mut bytes = header.encode();
                    bytes[usize::from(bit / 8) % bytes.len()] ^= 1 << (bit % 8);
                    *header = Header::decode(&bytes);
                }
                self.send(peer, headers);
            }
            Step::Wait { seconds } => self.desk.wait(Millis::from_secs(seconds.into())),
        }
    }

    fn list(&self, peer: PeerId, rich: bool, from: From, count: Count) -> Vec<Header> {
        let chain = match rich {
            true => &CHAINS.rich,
            false => &CHAINS.poor,
        };
        let asked = self.asked.iter().rev().find(|(whom, _)| *whom == peer);
        let start = match from {
            From::Start => 0,
            From::Place(place) => usize::from(place) % chain.len(),
            From::Asked => asked.map_or(0, |(_, get)| after(get).min(chain.len())),
        };
        let count = match count {
            Count::Full => HEADERS_MAX,
            Count::Few(count) => count.into(),
        };
        chain[start..].iter().take(count).copied().collect()
    }

    fn send(&mut self, peer: PeerId, headers: Vec<Header>) {
        self.shown |= headers.iter().any(|header| header.height.get() >= ENOUGH);
        self.desk.hear(peer, &Message::Headers(headers));
    }

    fn settle(&mut self) {
        for action in self.desk.settle() {
            match action {
                Action::Rest {
                    peer: HONEST,
                    until,
                } => self.rests = until,
                Action::Send {
                    peer,
                    kind: kind::GET_HEADERS,
                    payload,
                } => {
                    let asked = Message::decode(kind::GET_HEADERS, &payload);
                    let Ok(Some(Message::GetHeaders(get))) = asked else {
                        panic!("the node's own message does not decode");
                    };
                    self.asked.push((peer, get));
                }
                _ => {}
            }
        }
    }

    /// What is known is of the chain that has the work, and only once it has shown it.
    fn judge(&self) {
        let chain = self.desk.node.chain();
        // From the start on: no header is known without its parent.
        let known = |ids: &[BlockId]| {
            let here = |id: &BlockId| chain.header(id).expect("memory does not fail").is_some();
            ids.partition_point(here)
        };
        let [rich, poor] = CHAINS.ids.each_ref().map(|ids| known(ids));
        let stored = chain.reader().count(Table::Headers) - 1;
        if !self.shown {
            assert_eq!((rich, poor, stored), (0, 0, 0), "too little work, and kept");
        }
        assert!(poor <= SMUGGLED_MAX, "{poor} headers of too little work");
        assert!(stored <= rich + poor + STEPS_MAX, "{stored} headers stored");
    }

    fn meet_honest_peer(&mut self) {
        self.desk.meet_honest_peer();
        self.settle();
        let end = self.desk.now.monotonic.plus(PATIENCE);
        let best = CHAINS.ids[0][RICH - 1];
        while self.desk.node.chain().best_header().id != best {
            let rested = self.rests <= self.desk.now.monotonic;
            let question = self.asked.iter().position(|(peer, _)| *peer == HONEST);
            match question.filter(|_| rested) {
                Some(place) => {
                    let (_, get) = self.asked.remove(place);
                    let headers = CHAINS.rich[after(&get).min(RICH)..].iter();
                    self.send(HONEST, headers.take(HEADERS_MAX).copied().collect());
                }
                None => {
                    let waits = self.desk.wait_for_next(end);
                    assert!(waits, "the honest peer's headers do not arrive");
                }
            }
            self.settle();
        }
    }
}

/// The place of what follows the highest header of a locator.
fn after(get: &GetHeaders) -> usize {
    let places = get.locator.iter().map(|id| CHAINS.after.get(id));
    places.flatten().copied().max().unwrap_or(0)
}
