//! The digest: one running hash over everything that happens in a run, and the optional list of
//! those events. Two runs of a seed are the same run exactly when their digests are equal. Holds
//! only what does not depend on tasks, processes or machines: no `usize`, no pointer, no hash order.
//! Knows nothing of madsim; whoever makes it brings the clock.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::meter::{Meter, Part};

/// The node number of events that belong to no node: links, the harness, the judges.
pub const NO_NODE: u16 = u16::MAX;

/// What an event is. The numbers are part of the digest and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Bytes given to a stream; the subject is the pipe, the bytes are the wire's.
    Sent = 1,
    /// Bytes taken from a stream; the payload is how many.
    Received = 2,
    /// A connection was opened.
    Connected = 3,
    /// A stream's writing half was closed.
    Closed = 4,
    /// A connection was reset.
    Reset = 5,
    /// A dial failed.
    Refused = 6,
    /// Bytes written to a disk; the subject is the offset.
    DiskWrite = 10,
    /// A disk was synced; the subject is the operation.
    DiskSync = 11,
    /// A disk's length changed; the subject is the new length.
    DiskLength = 12,
    /// Bytes read from a disk; the subject is the offset, the payload how many.
    DiskRead = 13,
    /// A disk lost power; the subject is the operation, the payload what survived.
    DiskPower = 14,
    /// A disk fault fired.
    DiskFault = 15,
    /// A task went to sleep; the subject is the deadline.
    Timer = 20,
    /// A node's tip changed; the payload is its id.
    Tip = 30,
    /// A node's life began or ended, or its surroundings changed.
    Act = 31,
    /// An answer of the HTTP API, as the client read it.
    Answer = 32,
    /// A checker was given a job; the subject is when its finding arrives.
    Checked = 33,
    /// A value that was drawn.
    Draw = 40,
}

impl Kind {
    /// The name in trace files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Connected => "connected",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::DiskWrite => "disk.write",
            Self::DiskSync => "disk.sync",
            Self::DiskLength => "disk.length",
            Self::DiskRead => "disk.read",
            Self::DiskPower => "disk.power",
            Self::DiskFault => "disk.fault",
            Self::Timer => "timer",
            Self::Tip => "tip",
            Self::Act => "act",
            Self::Answer => "answer",
            Self::Checked => "checked",
            Self::Draw => "draw",
        }
    }
}

/// XXH3-128 of all events of a run; printed as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(u128);

impl Digest {
    /// The digest as bytes, most significant first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl From<[u8; 16]> for Digest {
    fn from(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A digest is 32 hex digits and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 32 hex digits")]
pub struct BadDigest;

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            return Err(BadDigest);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| BadDigest)
    }
}

/// The recorder of one run, shared by all its layers.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    /// Virtual nanoseconds since the run began.
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    meter: Meter,
    state: Mutex<State>,
}

struct State {
    hash: Xxh3Default,
    events: u64,
    lines: Option<Box<dyn Write + Send>>,
    tally: BTreeMap<&'static str, u64>,
    frozen: bool,
}

impl Trace {
    /// A recorder that takes the time of each event from `now` (virtual nanoseconds).
    #[must_use]
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self::metered(now, Meter::default())
    }

    /// The same, with a meter for every layer that records here.
    #[must_use]
    pub fn metered(now: impl Fn() -> u64 + Send + Sync + 'static, meter: Meter) -> Self {
        let state = State {
            hash: Xxh3Default::new(),
            events: 0,
            lines: None,
            tally: BTreeMap::new(),
            frozen: false,
        };
        let (now, state) = (Box::new(now), Mutex::new(state));
        Self(Arc::new(Inner { now, meter, state }))
    }

    /// Also writes one line an event to `out`: number, nanoseconds, node, kind, subject, length and
    /// XXH3-64 of the payload. A failing writer ends the lines, never the run.
    pub fn write_lines_to(&self, out: Box<dyn Write + Send>) {
        self.state().lines = Some(out);
    }

    /// Adds one event.
    pub fn record(&self, node: u16, kind: Kind, subject: u64, payload: &[u8]) {
        self.record_noted((node, kind, subject), payload, String::new);
    }

    /// Adds one event; its line in the list tells more about it, which is no part of the digest.
    pub fn record_noted(
        &self,
        (node, kind, subject): (u16, Kind, u64),
        payload: &[u8],
        note: impl FnOnce() -> String,
    ) {
        let _digest = self.0.meter.time(Part::Digest);
        let now = (self.0.now)();
        let mut state = self.state();
        if state.frozen {
            return;
        }
        let mut head = [0u8; 27];
        head[..8].copy_from_slice(&now.to_le_bytes());
        head[8..10].copy_from_slice(&node.to_le_bytes());
        head[10] = kind as u8;
        head[11..19].copy_from_slice(&subject.to_le_bytes());
        head[19..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        state.hash.update(&head);
        state.hash.update(payload);
        let number = state.events;
        state.events += 1;
        if let Some(lines) = state.lines.as_mut() {
            let (name, len, sum) = (kind.name(), payload.len(), xxh3_64(payload));
            let note = note();
            let blank = if note.is_empty() { "" } else { " " };
            let line = writeln!(
                lines,
                "{number} {now} {node} {name} {subject} {len} {sum:016x}{blank}{note}"
            );
            if line.is_err() {
                state.lines = None;
            }
        }
    }

    /// Ends the digest here: what happens after the end or a panic (drops, in any order) is no part of
    /// the run.
    pub fn freeze(&self) {
        self.state().frozen = true;
    }

    /// The time of an event that would happen now, in virtual nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.0.now)()
    }

    /// The run's meter.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Counts something that the run's report tells. Not part of the digest: what is counted is.
    pub fn count(&self, what: &'static str) {
        *self.state().tally.entry(what).or_insert(0) += 1;
    }

    /// Everything counted so far, by name.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<&'static str, u64> {
        self.state().tally.clone()
    }

    /// The hash over all events so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.state().hash.digest128())
    }

    /// How many events were added so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.state().events
    }

    /// Writes what is buffered of the list of events and ends it. True when every line was written.
    #[must_use]
    pub fn finish_lines(&self) -> bool {
        self.state()
            .lines
            .take()
            .is_some_and(|mut lines| lines.flush().is_ok())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn trace() -> Trace {
        let time = AtomicU64::new(0);
        Trace::new(move || time.fetch_add(1, Ordering::Relaxed))
    }

    #[test]
    fn equal_events_give_equal_digests_and_any_difference_another() {
        let digest = |node, kind, subject, payload: &[u8]| {
            let trace = trace();
            trace.record(node, kind, subject, payload);
            trace.digest()
        };
        let one = digest(1, Kind::Sent, 2, b"abc");
        assert_eq!(one, digest(1, Kind::Sent, 2, b"abc"));
        assert_ne!(one, digest(2, Kind::Sent, 2, b"abc"));
        assert_ne!(one, digest(1, Kind::Received, 2, b"abc"));
        assert_ne!(one, digest(1, Kind::Sent, 3, b"abc"));
        assert_ne!(one, digest(1, Kind::Sent, 2, b"abd"));
    }

    #[test]
    fn the_border_between_two_events_is_part_of_the_digest() {
        let of = |parts: [&[u8]; 2]| {
            let trace = Trace::new(|| 7);
            for part in parts {
                trace.record(0, Kind::Sent, 0, part);
            }
            trace.digest()
        };
        assert_ne!(of([b"ab", b"c"]), of([b"a", b"bc"]));
    }

    #[test]
    fn a_digest_is_printed_as_32_hex_digits_and_read_back() {
        let trace = trace();
        trace.record(0, Kind::Tip, 0, &[1, 2, 3]);
        let text = trace.digest().to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(trace.digest()));
        for bad in ["", "zz", "+123456789012345678901234567890ab", &text[1..]] {
            assert_eq!(bad.parse::<Digest>(), Err(BadDigest));
        }
    }

    #[test]
    fn a_list_of_events_changes_no_digest() {
        let (plain, listed) = (trace(), trace());
        listed.write_lines_to(Box::new(std::io::sink()));
        for trace in [&plain, &listed] {
            trace.record(0, Kind::Sent, 0, b"x");
        }
        assert_eq!(plain.digest(), listed.digest());
        assert!(listed.finish_lines());
    }

    #[test]
    fn the_digest_is_the_same_on_every_machine() {
        let trace = Trace::new(|| 1_000);
        trace.record(3, Kind::DiskWrite, 4096, &[0xab; 1000]);
        assert_eq!(
            trace.digest().to_string(),
            "de3dd509c10a2dd58ab2c6fdd3e5dad3"
        );
    }
}
