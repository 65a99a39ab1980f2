//! How connections come about: bound addresses, and the handshake between who dials and who listens.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Poll, Waker};

use super::connection::{Connection, End};
use super::pipe::Body;
use super::switchboard::{Machine, Switchboard, Wake};
use crate::trace::Kind;

/// How many connections wait to be accepted; more are as good as lost on the way.
pub const BACKLOG_MAX: usize = 128;

/// What happens to the first segment of a handshake at the machine that it is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// Nobody will ever answer: the line is cut, the machine is off or unknown, or its queue full.
    Lost,
    /// The machine answers that nobody listens.
    Refused,
    /// A connection; the dialler's end.
    Accepted(End),
}

/// A bound address, told apart from an earlier or later one by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The address.
    pub address: SocketAddr,
    number: u64,
}

/// Who waits at a bound address: connections to be accepted, or somebody to accept them.
#[derive(Debug)]
pub(super) struct Door {
    number: u64,
    waiting: VecDeque<End>,
    acceptor: Option<Waker>,
}

impl Switchboard {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// `AddrNotAvailable` on a machine that is not `machine`, or off; `AddrInUse`.
    pub fn listen(&mut self, machine: Machine, address: SocketAddr) -> io::Result<Binding> {
        let own = self.address_of(machine);
        let unspecified = address.ip().is_unspecified();
        if !self.host(machine).on || !(unspecified || address.ip() == own) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = if address.port() == 0 {
            self.free_port(machine)
        } else {
            address.port()
        };
        let address = SocketAddr::new(own, port);
        if self.doors.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let number = self.number();
        self.doors.insert(
            address,
            Door {
                number,
                waiting: VecDeque::new(),
                acceptor: None,
            },
        );
        Ok(Binding { address, number })
    }

    /// Stops listening; connections that nobody accepted are reset.
    pub fn unlisten(&mut self, binding: Binding) {
        if self
            .doors
            .get(&binding.address)
            .is_none_or(|door| door.number != binding.number)
        {
            return;
        }
        let door = self
            .doors
            .remove(&binding.address)
            .expect("it was just found");
        for end in door.waiting {
            self.abandon(end, Body::Reset);
        }
    }

    /// The next connection at a bound address, and who dials.
    pub fn accept(
        &mut self,
        binding: Binding,
        waker: &Waker,
    ) -> Poll<io::Result<(End, SocketAddr)>> {
        let door = self.doors.get_mut(&binding.address);
        let Some(door) = door.filter(|door| door.number == binding.number) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        while let Some(end) = door.waiting.pop_front() {
            // Nobody hears of a connection that both ends had lost before it was accepted.
            if let Some(connection) = self.connections.get(&end.connection) {
                return Poll::Ready(Ok((end, connection.addresses[0])));
            }
        }
        door.acceptor = Some(waker.clone());
        Poll::Pending
    }

    /// The first segment of a handshake arrives. `from` is the dialler's address.
    pub fn knock(&mut self, from: SocketAddr, to: SocketAddr) -> Knock {
        let Some((dialler, machine)) = self.machine_at(from.ip()).zip(self.machine_at(to.ip()))
        else {
            return Knock::Lost;
        };
        if self.direction(dialler, machine).is_cut() {
            return Knock::Lost;
        }
        if !self.doors.contains_key(&to) {
            self.trace
                .record(dialler, Kind::Refused, u64::from(to.port()), &[]);
            return Knock::Refused;
        }
        let connection = self.number();
        let door = self.doors.get_mut(&to).expect("it was just found");
        if door.waiting.len() >= BACKLOG_MAX {
            return Knock::Lost;
        }
        door.waiting.push_back(End {
            connection,
            side: 1,
        });
        self.wakes
            .extend(door.acceptor.take().map(|waker| Wake { at: None, waker }));
        self.trace.record(
            dialler,
            Kind::Connected,
            connection,
            &u64::from(to.port()).to_le_bytes(),
        );
        self.connections
            .insert(connection, Connection::new([dialler, machine], [from, to]));
        Knock::Accepted(End {
            connection,
            side: 0,
        })
    }

    /// When a segment of a handshake that is sent now arrives; `None` when it is lost.
    pub fn handshake(&mut self, from: Machine, to: SocketAddr) -> Option<u64> {
        let machine = self.hosts.get(&to.ip())?.machine;
        let time = self.direction(from, machine).control_ns();
        Some(self.now + time)
    }

    /// How long the answer to a handshake takes to come back from `from`, virtual nanoseconds.
    pub fn answer_ns(&mut self, from: SocketAddr, to: Machine) -> u64 {
        match self.machine_at(from.ip()) {
            Some(machine) => self.direction(machine, to).control_ns(),
            None => 0,
        }
    }

    /// True while nothing passes from the machine at `from` to `to`.
    pub fn is_cut(&mut self, from: SocketAddr, to: Machine) -> bool {
        match self.machine_at(from.ip()) {
            Some(machine) => self.direction(machine, to).is_cut(),
            None => true,
        }
    }

    /// An address to dial from.
    pub fn dial_from(&mut self, machine: Machine) -> SocketAddr {
        SocketAddr::new(self.address_of(machine), self.free_port(machine))
    }
}
