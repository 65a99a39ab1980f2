//! Plays a recording: the same node, opened on the same rows, is given the same calls.

use std::collections::BTreeMap;

use archivas_core::chain::OpenError;
use archivas_core::node::{Action, Event, Job, JobId, Node, check};
use archivas_core::params::{Genesis, GenesisError};
use archivas_core::primitives::Now;
use archivas_core::storage::{Storage, StorageError};

use super::desk::breach;
use super::entry::{Beginning, Call, Entry, MAGIC, Mark, next_entry, parse};
use super::fold::Fold;

/// What a recording was, once it was played to its end without a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// Calls that the loop made.
    pub calls: u64,
    /// Actions that the node wanted done.
    pub actions: u64,
    /// New tips, each with the root that was recorded.
    pub tips: u64,
    /// Where the chain stands at the end.
    pub end: Mark,
    /// Whether the life was ended by its operator; else the recording was cut off, by its bound or
    /// by the end of the process.
    pub stopped: bool,
}

/// Why a recording cannot be played, or what differs.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// Other bytes.
    #[error(
        "this is no recording that this program knows: it must begin with `archivas recording 1`"
    )]
    NoRecording,
    /// An entry does not decode.
    #[error("the entry at byte {0} of the recording does not decode: the file is damaged")]
    Malformed(usize),
    /// Its network is none.
    #[error("the recording's network is refused: {0}")]
    Genesis(#[from] GenesisError),
    /// The copy cannot be opened.
    #[error("cannot open the copy of the data directory: {0}")]
    Open(#[from] OpenError),
    /// The rows are not those that the life began with.
    #[error(
        "the recording begins with {wanted}, and the data directory stands at {found}: pass a copy \
         that was made before the recorded node was started"
    )]
    OtherRows {
        /// What the recording says.
        wanted: Box<Mark>,
        /// What was found.
        found: Box<Mark>,
    },
    /// The node did something else than the recorded one.
    #[error("call {call}, {at_ms} ms after the start, is where this node differs: {what}")]
    Differs {
        /// Which call, from 1.
        call: u64,
        /// When it was made.
        at_ms: u64,
        /// What differs.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Reads what a recording begins with, and leaves its entries.
///
/// # Errors
/// `NoRecording` or `Malformed`.
fn begin(recording: &[u8]) -> Result<(Beginning, &[u8]), PlayError> {
    let mut rest = recording
        .strip_prefix(MAGIC)
        .ok_or(PlayError::NoRecording)?;
    let bytes = next_entry(&mut rest).ok_or(PlayError::Malformed(MAGIC.len()))?;
    let beginning = parse(bytes).ok_or(PlayError::Malformed(MAGIC.len()))?;
    Ok((beginning, rest))
}

/// Plays a recording on rows like those that it began with; `told` hears of each new tip.
///
/// # Errors
/// When it cannot be played, and at the first difference.
pub fn play<S: Storage>(
    recording: &[u8],
    storage: S,
    told: &mut dyn FnMut(&Mark),
) -> Result<Played, PlayError> {
    let (beginning, mut rest) = begin(recording)?;
    let mut player = Player::open(beginning, storage)?;
    loop {
        let at = recording.len() - rest.len();
        let Some(bytes) = next_entry(&mut rest) else {
            break;
        };
        match parse(bytes).ok_or(PlayError::Malformed(at))? {
            Entry::Call {
                polls,
                actions,
                now,
                call,
            } => player.call((polls, actions), now, call)?,
            Entry::Tip(mark) => player.expected.push(mark),
        }
        for mark in player.seen.drain(..) {
            told(&mark);
        }
    }
    player.end(told)
}

struct Player<S> {
    node: Node<S>,
    begun: Now,
    jobs: BTreeMap<JobId, Job>,
    fold: Fold,
    actions: u64,
    calls: u64,
    at_ms: u64,
    tips: u64,
    stopped: bool,
    /// Recorded tips that are still to be reached.
    expected: Vec<Mark>,
    /// Tips that were reached, for whoever listens.
    seen: Vec<Mark>,
}

impl<S: Storage> Player<S> {
    fn open(beginning: Beginning, storage: S) -> Result<Self, PlayError> {
        let Beginning {
            genesis,
            config,
            seed,
            now,
            mark,
            ..
        } = beginning;
        let genesis = Genesis::parse(genesis.as_bytes())?;
        let node = Node::open(storage, genesis, config, seed, now)?;
        let found = Mark::of(&node)?;
        if found != mark {
            return Err(PlayError::OtherRows {
                wanted: mark.into(),
                found: found.into(),
            });
        }
        Ok(Self {
            node,
            begun: now,
            jobs: BTreeMap::new(),
            fold: Fold::default(),
            actions: 0,
            calls: 0,
            at_ms: 0,
            tips: 0,
            stopped: false,
            expected: Vec::new(),
            seen: Vec::new(),
        })
    }

    fn call(
        &mut self,
        (polls, actions): (u64, u64),
        now: Now,
        call: Call<'_>,
    ) -> Result<(), PlayError> {
        for _ in 0..polls {
            let _ = self.poll()?;
        }
        self.calls += 1;
        self.at_ms = now.monotonic.since(self.begun.monotonic).get();
        self.compare_tips()?;
        if self.fold.digest() != actions {
            return Err(self.differs("it wanted other things done before this call"));
        }
        self.node.check_invariants();
        self.give(now, call)
    }

    fn give(&mut self, now: Now, call: Call<'_>) -> Result<(), PlayError> {
        match call {
            Call::Timeout => self.node.handle_timeout(now)?,
            Call::Connected(peer, addr, direction) => {
                self.node.handle_connected(now, peer, addr, direction)?;
            }
            Call::DialFailed(addr) => self.node.handle_dial_failed(now, addr),
            Call::Frame(peer, kind, payload) => {
                self.node.handle_frame(now, peer, kind, &payload)?;
            }
            Call::Congestion(peer, congested) => self.node.handle_congestion(peer, congested),
            Call::Closed(peer) => self.node.handle_closed(now, peer)?,
            Call::Checked(id, wanted) => self.checked(now, id, wanted.as_deref())?,
            Call::Submit(ticket, transfer) => {
                self.node
                    .handle_submit(now, ticket, transfer.into_owned())?;
            }
            Call::Block(ticket, block) => self.node.handle_block(ticket, block.into_owned()),
            Call::Order(ticket, order) => self.node.handle_order(now, ticket, order)?,
            Call::Template(producer) => drop(self.node.template(now, producer)?),
            Call::Stop => {
                self.node.handle_stop(now)?;
                self.stopped = true;
            }
        }
        Ok(())
    }

    fn checked(&mut self, now: Now, id: JobId, wanted: Option<&str>) -> Result<(), PlayError> {
        let Some(job) = self.jobs.remove(&id) else {
            return Err(self.differs("the checker answers what was never asked"));
        };
        let finding = check(job, self.node.chain().law());
        let found = breach(&finding);
        if found != wanted {
            let what = format!("the checker found {wanted:?}, and finds {found:?} now");
            return Err(self.differs(&what));
        }
        Ok(self.node.handle_checked(now, id, finding)?)
    }

    fn poll(&mut self) -> Result<bool, PlayError> {
        let Some(action) = self.node.poll_action()? else {
            return Ok(false);
        };
        self.actions += 1;
        self.fold.add(&action);
        match action {
            Action::Check { id, job } => drop(self.jobs.insert(id, job)),
            Action::Notify(Event::TipChanged { .. }) => self.seen.push(Mark::of(&self.node)?),
            _ => {}
        }
        Ok(true)
    }

    /// Compares the tips that were reached with those that were recorded since the last call.
    fn compare_tips(&mut self) -> Result<(), PlayError> {
        for (place, wanted) in std::mem::take(&mut self.expected).iter().enumerate() {
            match self.seen.get(place) {
                Some(found) if found == wanted => self.tips += 1,
                Some(found) => {
                    let what = format!("it was at {wanted}, and is at {found} now");
                    return Err(self.differs(&what));
                }
                None => return Err(self.differs(&format!("it does not reach {wanted}"))),
            }
        }
        Ok(())
    }

    fn differs(&self, what: &str) -> PlayError {
        PlayError::Differs {
            call: self.calls,
            at_ms: self.at_ms,
            what: what.to_owned(),
        }
    }

    /// What followed the last call: all of it may have been recorded, or a part.
    fn end(mut self, told: &mut dyn FnMut(&Mark)) -> Result<Played, PlayError> {
        while !self.stopped && self.poll()? {}
        self.compare_tips()?;
        self.seen.iter().for_each(told);
        self.node.check_invariants();
        Ok(Played {
            calls: self.calls,
            actions: self.actions,
            tips: self.tips,
            end: Mark::of(&self.node)?,
            stopped: self.stopped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Desk, Recording};
    use crate::tests::world::{build_info, genesis};
    use archivas_core::chain::Policy;
    use archivas_core::node::NodeConfig;
    use archivas_core::p2p::peer::{Direction, PeerId};
    use archivas_core::primitives::{Instant, Timestamp};
    use archivas_core::storage::MemoryStorage;
    use std::sync::{Arc, Mutex};

    #[derive(Debug, Default)]
    struct Bytes(Mutex<Vec<u8>>);

    impl Recording for Bytes {
        fn put(&self, entries: &[u8]) -> bool {
            self.0.lock().expect("no panic").extend_from_slice(entries);
            true
        }
    }

    /// A life of some calls, with a peer that says nothing, and then one that says nonsense.
    fn recording() -> Vec<u8> {
        let at = |millis| Now {
            monotonic: Instant::new(millis),
            wall: Timestamp::new(1_800_000_000_000 + millis),
        };
        let config = NodeConfig {
            user_agent: "test".into(),
            listen_port: 0,
            connect: vec![([10, 0, 0, 1], 9).into()],
            discover: true,
            policy: Policy::default(),
        };
        let bytes = Arc::new(Bytes::default());
        let node = Node::open(
            MemoryStorage::default(),
            genesis(),
            config.clone(),
            [7; 32],
            at(0),
        );
        let node = node.expect("memory");
        let what = (&genesis(), config, &build_info());
        let desk = Desk::recorded(node, bytes.clone(), what, ([7; 32], at(0)));
        let mut desk = desk.expect("memory");
        let poll = |desk: &mut Desk<MemoryStorage>| {
            while desk.poll_action().expect("memory").is_some() {}
        };
        let place = ([10, 0, 0, 2], 9).into();
        poll(&mut desk);
        for (number, payload) in [(1, None), (2, Some([9; 40]))] {
            let peer = PeerId(number);
            let met = desk.handle_connected(at(number), peer, place, Direction::Inbound);
            met.expect("memory");
            poll(&mut desk);
            if let Some(payload) = payload {
                desk.handle_frame(at(number), peer, 1, &payload)
                    .expect("memory");
            }
            poll(&mut desk);
        }
        desk.handle_timeout(at(60_000)).expect("memory");
        poll(&mut desk);
        desk.handle_stop(at(60_001)).expect("memory");
        let bytes = bytes.0.lock().expect("no panic");
        bytes.clone()
    }

    fn played(recording: &[u8]) -> Result<Played, PlayError> {
        play(recording, MemoryStorage::default(), &mut |_| {})
    }

    #[test]
    fn a_recording_that_is_cut_off_anywhere_plays_as_far_as_it_goes() {
        let whole = recording();
        let all = played(&whole).expect("the same node");
        assert!(all.stopped && all.calls == 5 && all.actions > 3, "{all:?}");
        let mut calls = Vec::new();
        for end in 0..whole.len() {
            match played(&whole[..end]) {
                Ok(part) => calls.push(part.calls),
                Err(PlayError::NoRecording | PlayError::Malformed(_)) => {
                    assert!(calls.is_empty(), "{end}");
                }
                Err(other) => panic!("{end}: {other}"),
            }
        }
        assert!(calls.is_sorted() && calls.last() == Some(&4), "{calls:?}");
    }

    #[test]
    fn no_flipped_bit_of_a_recording_is_more_than_an_error() {
        let whole = recording();
        let (_, rest) = begin(&whole).expect("a beginning");
        let mut noticed = 0;
        for at in whole.len() - rest.len()..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            noticed += usize::from(played(&other).is_err());
        }
        assert!(noticed > rest.len() / 3, "{noticed} of {}", rest.len());
    }
}
