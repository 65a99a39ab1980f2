//! What passes over connections: bytes, ends, resets.

use std::io;
use std::net::SocketAddr;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;

use super::connection::{Connection, End};
use super::link::{Passage, SEGMENT_BYTES_MAX};
use super::pipe::Body;
use super::switchboard::{Machine, Switchboard, Wake};
use super::words;
use crate::faults::SLOW_READER;
use crate::trace::Kind;

impl Switchboard {
    /// Takes what has arrived at `end` into `out`.
    pub fn read(&mut self, end: End, waker: &Waker, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(connection) = self.connections.get(&end.connection) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        let machine = connection.machines[end.side];
        let room = match self.reading(end, machine, out.remaining()) {
            Ok(room) => room,
            Err(at) => {
                let (at, waker) = (Some(at), waker.clone());
                self.wakes.push(Wake { at, waker });
                return Poll::Pending;
            }
        };
        let connection = self.connections.get_mut(&end.connection);
        let connection = connection.expect("it was just found");
        let (side, now, wakes) = (end.side, self.now, &mut self.wakes);
        let found = if room < out.remaining() {
            let mut sip = ReadBuf::new(out.initialize_unfilled_to(room));
            let found = connection.read(side, now, waker, (&mut sip, wakes));
            let taken = sip.filled().len();
            out.advance(taken);
            found
        } else {
            connection.read(side, now, waker, (out, wakes))
        };
        if let Poll::Ready(Ok(count)) = found {
            self.trace
                .record(machine, Kind::Received, end.pipe(), &count.to_le_bytes());
            self.note_sip(end, machine, count);
        }
        found.map_ok(|_| ())
    }

    fn note_sip(&mut self, end: End, machine: Machine, count: u64) {
        if let Some(rate) = self.slow_readers.get(&machine) {
            let next = self.now + count * 1_000_000_000 / rate;
            self.next_read.insert(end, next);
            self.trace.count(SLOW_READER);
        }
    }

    /// Sends some of `bytes` from `end`.
    pub fn write(&mut self, end: End, waker: &Waker, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(connection) = self.connections.get_mut(&end.connection) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        let space = match connection.writable(end.side, self.now, waker) {
            Poll::Ready(Ok(space)) => space.min(bytes.len()),
            other => return other,
        };
        if space == 0 {
            return Poll::Ready(Ok(0));
        }
        let [machine, peer] = connection.seen_from(end.side);
        let gone = connection.gone[1 - end.side] && self.host(peer).on;
        let now = self.now;
        let offered = &bytes[..space.min(SEGMENT_BYTES_MAX)];
        let direction = self.direction(machine, peer);
        let passage = direction.segment(offered, now);
        let arrival = (!direction.is_cut()).then_some(now + passage.time);
        for fault in &passage.faults {
            self.trace.count(fault);
        }
        let sent = &bytes[..passage.len];
        let event = (machine, Kind::Sent, end.pipe());
        self.trace
            .record_noted(event, sent, || words::of_segment(peer, arrival, sent));
        self.trace.record(machine, Kind::Draw, passage.time, &[]);
        if gone {
            self.reset_from(End {
                side: 1 - end.side,
                ..end
            });
            return Poll::Ready(Ok(passage.len));
        }
        let arriving = Self::arriving(sent, &passage);
        self.deliver(end, arrival, Body::Bytes(arriving));
        if passage.reset_at.is_some() {
            self.reset_both(end.connection);
        }
        Poll::Ready(Ok(passage.len))
    }

    /// The bytes that arrive of those that were sent.
    fn arriving(sent: &[u8], passage: &Passage) -> Vec<u8> {
        let mut bytes = sent[..passage.reset_at.unwrap_or(sent.len())].to_vec();
        if let Some((at, bits)) = passage.flipped
            && let Some(byte) = bytes.get_mut(at)
        {
            *byte ^= bits;
        }
        bytes
    }

    /// The connections over this line are reset, in the middle of whatever is under way. How many
    /// there were.
    pub fn reset_line(&mut self, [a, b]: [Machine; 2]) -> usize {
        let between = |c: &Connection| c.machines == [a, b] || c.machines == [b, a];
        let found = self.connections.iter().filter(|(_, c)| between(c));
        let numbers: Vec<u64> = found.map(|(number, _)| *number).collect();
        for number in &numbers {
            self.reset_both(*number);
        }
        numbers.len()
    }

    /// Both ends of a connection see a reset, after what has arrived by then.
    fn reset_both(&mut self, connection: u64) {
        for side in [0, 1] {
            self.send_control(End { connection, side }, Body::Reset);
        }
    }

    /// A machine forgets its connections with another, which is not told: it finds out when it sends.
    /// How many there were.
    pub fn forget_line(&mut self, machine: Machine, other: Machine) -> usize {
        let mut forgotten = 0;
        for connection in self.connections.values_mut() {
            let side = [0, 1].into_iter().find(|side| {
                connection.seen_from(*side) == [machine, other] && !connection.gone[*side]
            });
            if let Some(side) = side {
                let woken = connection.forget(side);
                self.wakes
                    .extend(woken.map(|waker| Wake { at: None, waker }));
                forgotten += 1;
            }
        }
        self.forget_empty();
        forgotten
    }

    /// Makes a machine read so many bytes a second from each connection at most.
    pub fn set_reader(&mut self, machine: Machine, bytes_per_s: Option<u64>) {
        match bytes_per_s {
            Some(rate) => self.slow_readers.insert(machine, rate),
            None => self.slow_readers.remove(&machine),
        };
    }

    /// For a slow reader: when it may read again, or how much now.
    fn reading(&mut self, end: End, machine: Machine, room: usize) -> Result<usize, u64> {
        /// A slow reader takes a tenth of a second's bytes at once.
        const SIPS_A_SECOND: u64 = 10;
        let Some(rate) = self.slow_readers.get(&machine).copied() else {
            return Ok(room);
        };
        let next = self.next_read.get(&end).copied().unwrap_or(0);
        if next > self.now {
            return Err(next);
        }
        let sip = usize::try_from((rate / SIPS_A_SECOND).max(1)).unwrap_or(room);
        Ok(room.min(sip))
    }

    /// Closes the writing half of `end`.
    pub fn shut(&mut self, end: End) {
        self.send_control(end, Body::Fin);
    }

    /// The stream at `end` was dropped: its half ends, or the connection is reset when bytes for it
    /// were never read, as an operating system does it.
    pub fn drop_stream(&mut self, end: End) {
        let Some(connection) = self.connections.get(&end.connection) else {
            return;
        };
        let unread = connection.pipes[1 - end.side].has_bytes();
        self.abandon(end, if unread { Body::Reset } else { Body::Fin });
    }

    /// How many connections exist.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The addresses of a connection: who dialled and who accepted.
    #[must_use]
    pub fn addresses(&self, end: End) -> Option<[SocketAddr; 2]> {
        self.connections
            .get(&end.connection)
            .map(|connection| connection.addresses)
    }

    /// Ends one side of a connection: sends `last`, and drops what was on its way to it.
    pub(super) fn abandon(&mut self, end: End, last: Body) {
        let left = self
            .connections
            .get(&end.connection)
            .is_some_and(|c| !c.gone[end.side]);
        if !left {
            return;
        }
        self.send_control(end, last);
        if let Some(connection) = self.connections.get_mut(&end.connection) {
            connection.leave(end.side);
        }
        self.forget_empty();
    }

    /// Sends an end or a reset from `end`, unless one was sent before.
    fn send_control(&mut self, end: End, body: Body) {
        let Some(connection) = self.connections.get(&end.connection) else {
            return;
        };
        if connection.gone[end.side] || connection.pipes[end.side].ended() {
            return;
        }
        let [machine, peer] = connection.seen_from(end.side);
        let kind = if body == Body::Reset {
            Kind::Reset
        } else {
            Kind::Closed
        };
        self.trace.record(machine, kind, end.pipe(), &[]);
        let direction = self.direction(machine, peer);
        let time = direction.control_ns();
        let arrival = (!direction.is_cut()).then_some(self.now + time);
        self.deliver(end, arrival, body);
    }

    /// The machine at `end`, whose process is gone, answers with a reset.
    pub(super) fn reset_from(&mut self, end: End) {
        let [machine, peer] = self.connections[&end.connection].seen_from(end.side);
        self.trace.record(machine, Kind::Reset, end.pipe(), &[]);
        let there = self.direction(peer, machine).control_ns();
        let back = self.direction(machine, peer).control_ns();
        let cut = self.direction(machine, peer).is_cut() || self.direction(peer, machine).is_cut();
        let arrival = (!cut).then_some(self.now + there + back);
        self.deliver(end, arrival, Body::Reset);
    }

    fn deliver(&mut self, end: End, arrival: Option<u64>, body: Body) {
        let connection = self
            .connections
            .get_mut(&end.connection)
            .expect("the caller looked");
        if let Some(at) = connection.pipes[end.side].push(arrival, body) {
            connection.expect_arrival(end.side, at, &mut self.wakes);
        }
    }
}
