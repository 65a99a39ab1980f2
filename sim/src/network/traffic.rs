//! What passes over connections: bytes, ends, resets.

use std::io;
use std::net::SocketAddr;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;

use super::connection::End;
use super::link::SEGMENT_BYTES_MAX;
use super::pipe::Body;
use super::switchboard::Switchboard;
use crate::faults::SPLIT_SEGMENT;
use crate::trace::Kind;

impl Switchboard {
    /// Takes what has arrived at `end` into `out`.
    pub fn read(&mut self, end: End, waker: &Waker, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(connection) = self.connections.get_mut(&end.connection) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        let found = connection.read(end.side, self.now, waker, (out, &mut self.wakes));
        if let Poll::Ready(Ok(count)) = found {
            let machine = connection.machines[end.side];
            self.trace
                .record(machine, Kind::Received, end.pipe(), &count.to_le_bytes());
        }
        found.map_ok(|_| ())
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
        let direction = self.direction(machine, peer);
        let offered = &bytes[..space.min(SEGMENT_BYTES_MAX)];
        let (len, time) = direction.segment(offered);
        let arrival = (!direction.is_cut()).then_some(self.now + time);
        if len < offered.len() {
            self.trace.count(SPLIT_SEGMENT);
        }
        self.trace
            .record(machine, Kind::Sent, end.pipe(), &bytes[..len]);
        self.trace.record(machine, Kind::Draw, time, &[]);
        if gone {
            self.reset_from(End {
                side: 1 - end.side,
                ..end
            });
        } else {
            self.deliver(end, arrival, Body::Bytes(bytes[..len].to_vec()));
        }
        Poll::Ready(Ok(len))
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
