//! Everything that the simulated network knows: machines, directions between them, listeners and
//! connections, and each thing that can happen to them. One lock holds it (`super::Net`), which sets
//! the time (virtual nanoseconds) before each call and wakes after it whom the call wants woken.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Poll, Waker};

use archivas_scenarios::draws::Draws;
use tokio::io::ReadBuf;

use super::connection::{Connection, End};
use super::link::{Direction, LATENCY_CLIENT, LATENCY_USUAL, Latency, SEGMENT_BYTES_MAX};
use super::pipe::Body;
use crate::faults::SPLIT_SEGMENT;
use crate::trace::{Kind, NO_NODE, Trace};

/// How many connections wait to be accepted; more are as good as lost on the way.
pub const BACKLOG_MAX: usize = 128;

/// The first port that a dialler gets, as on most systems.
const PORT_EPHEMERAL_MIN: u16 = 49_152;

/// A machine on the network: its place in the plan, or `NO_NODE` for the harness.
pub type Machine = u16;

/// Somebody to be woken, now or at a virtual time.
#[derive(Debug)]
pub struct Wake {
    /// `None` is now.
    pub at: Option<u64>,
    /// Whom.
    pub waker: Waker,
}

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

#[derive(Debug)]
struct Host {
    machine: Machine,
    on: bool,
    next_port: u16,
}

#[derive(Debug)]
struct Door {
    number: u64,
    waiting: VecDeque<End>,
    acceptor: Option<Waker>,
}

/// The state of the whole network.
#[derive(Debug)]
pub struct Switchboard {
    /// The time of the current call.
    pub(super) now: u64,
    /// Whom the current call wants woken.
    pub(super) wakes: Vec<Wake>,
    draws: Draws,
    trace: Trace,
    hosts: BTreeMap<IpAddr, Host>,
    names: BTreeMap<Machine, String>,
    directions: BTreeMap<(Machine, Machine), Direction>,
    doors: BTreeMap<SocketAddr, Door>,
    connections: BTreeMap<u64, Connection>,
    next_number: u64,
}

impl Switchboard {
    /// A network without machines.
    #[must_use]
    pub fn new(draws: Draws, trace: Trace) -> Self {
        Self {
            now: 0,
            wakes: Vec::new(),
            draws,
            trace,
            hosts: BTreeMap::new(),
            names: BTreeMap::new(),
            directions: BTreeMap::new(),
            doors: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_number: 0,
        }
    }

    /// Puts a machine on the network, switched on.
    pub fn add(&mut self, machine: Machine, name: &str, ip: IpAddr) {
        self.names.insert(machine, name.into());
        let host = Host {
            machine,
            on: true,
            next_port: PORT_EPHEMERAL_MIN,
        };
        self.hosts.insert(ip, host);
    }

    /// One direction between two machines.
    pub fn direction(&mut self, from: Machine, to: Machine) -> &mut Direction {
        let Self {
            directions,
            names,
            draws,
            ..
        } = self;
        directions.entry((from, to)).or_insert_with(|| {
            let usual = if from == NO_NODE || to == NO_NODE {
                LATENCY_CLIENT
            } else {
                LATENCY_USUAL
            };
            Direction::new(draws.clone(), &names[&from], &names[&to], usual)
        })
    }

    /// Makes what is sent from now on in this direction take so long.
    pub fn set_latency(&mut self, from: Machine, to: Machine, latency: Latency) {
        self.direction(from, to).set_latency(latency);
    }

    /// Lets nothing pass in this direction; what is under way waits. False when it was cut already.
    pub fn cut(&mut self, from: Machine, to: Machine) -> bool {
        let now = self.now;
        if !self.direction(from, to).cut(now) {
            return false;
        }
        for (connection, side) in towards(&mut self.connections, from, to) {
            connection.pipes[side].hold(now);
        }
        true
    }

    /// Lets bytes pass again. False when the direction was not cut.
    pub fn heal(&mut self, from: Machine, to: Machine) -> bool {
        let now = self.now;
        let Some(arrival) = self.direction(from, to).heal(now) else {
            return false;
        };
        for (connection, side) in towards(&mut self.connections, from, to) {
            if connection.pipes[side].release(arrival) {
                connection.expect_arrival(side, arrival, &mut self.wakes);
            }
        }
        true
    }

    /// A machine's process is gone while its operating system works on: it stops listening, and its
    /// connections are reset.
    pub fn end_process(&mut self, machine: Machine) {
        self.doors
            .retain(|address, _| self.hosts[&address.ip()].machine != machine);
        for end in self.ends_of(machine) {
            self.abandon(end, Body::Reset);
        }
    }

    /// A machine goes dark: nobody is told, and nothing that it does has an effect.
    pub fn power_off(&mut self, machine: Machine) {
        self.host(machine).on = false;
        self.doors
            .retain(|address, _| self.hosts[&address.ip()].machine != machine);
        for end in self.ends_of(machine) {
            let connection = self
                .connections
                .get_mut(&end.connection)
                .expect("it was just listed");
            connection.go_dark(end.side);
        }
        self.forget_empty();
    }

    /// A machine is there again. Whoever still sends to a connection from before is told that it is
    /// gone; who sends nothing finds out when it does. False when the machine was on.
    pub fn power_on(&mut self, machine: Machine) -> bool {
        if std::mem::replace(&mut self.host(machine).on, true) {
            return false;
        }
        for end in self.ends_of(machine) {
            if self.connections[&end.connection].pipes[1 - end.side].has_bytes() {
                self.reset_from(end);
            }
        }
        true
    }

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
        let Some(end) = door.waiting.pop_front() else {
            door.acceptor = Some(waker.clone());
            return Poll::Pending;
        };
        let from = self.connections[&end.connection].addresses[0];
        Poll::Ready(Ok((end, from)))
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
    fn abandon(&mut self, end: End, last: Body) {
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
    fn reset_from(&mut self, end: End) {
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

    /// The ends at `machine`, those that were left before included.
    fn ends_of(&self, machine: Machine) -> Vec<End> {
        let ends = self.connections.iter().flat_map(|(number, connection)| {
            let at = move |side: &usize| connection.machines[*side] == machine;
            [0, 1].into_iter().filter(at).map(|side| End {
                connection: *number,
                side,
            })
        });
        ends.collect()
    }

    fn forget_empty(&mut self) {
        self.connections
            .retain(|_, connection| connection.gone != [true, true]);
    }

    fn machine_at(&self, ip: IpAddr) -> Option<Machine> {
        self.hosts
            .get(&ip)
            .filter(|host| host.on)
            .map(|host| host.machine)
    }

    fn address_of(&self, machine: Machine) -> IpAddr {
        let found = self.hosts.iter().find(|(_, host)| host.machine == machine);
        *found.expect("every machine was added").0
    }

    fn host(&mut self, machine: Machine) -> &mut Host {
        let found = self.hosts.values_mut().find(|host| host.machine == machine);
        found.expect("every machine was added")
    }

    fn free_port(&mut self, machine: Machine) -> u16 {
        let host = self.host(machine);
        let port = host.next_port;
        host.next_port = port.checked_add(1).unwrap_or(PORT_EPHEMERAL_MIN);
        port
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }
}

/// The connections that carry bytes from one machine to another, with the side that writes them.
fn towards(
    connections: &mut BTreeMap<u64, Connection>,
    from: Machine,
    to: Machine,
) -> impl Iterator<Item = (&mut Connection, usize)> {
    connections.values_mut().filter_map(move |connection| {
        let side = connection
            .machines
            .iter()
            .position(|machine| *machine == from)?;
        (connection.machines[1 - side] == to).then_some((connection, side))
    })
}
