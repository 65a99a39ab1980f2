//! Everything that the simulated network knows: machines and the directions between them, and what
//! can happen to those. How connections come about is in `doors.rs`, what passes over them in
//! `traffic.rs`. One lock holds it all (`super::Net`), which sets the time (virtual nanoseconds) before
//! each call and wakes after it whom the call wants woken.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use archivas_scenarios::disturb::Weather;
use archivas_scenarios::draws::Draws;

use super::connection::{Connection, End};
use super::doors::Door;
use super::link::{Direction, LATENCY_CLIENT, LATENCY_USUAL, Latency};
use super::pipe::Body;
use crate::trace::{NO_NODE, Trace};

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

#[derive(Debug)]
pub(super) struct Host {
    pub(super) machine: Machine,
    pub(super) on: bool,
    next_port: u16,
}

/// The state of the whole network.
#[derive(Debug)]
pub struct Switchboard {
    /// The time of the current call.
    pub(super) now: u64,
    /// Whom the current call wants woken.
    pub(super) wakes: Vec<Wake>,
    draws: Draws,
    pub(super) trace: Trace,
    pub(super) hosts: BTreeMap<IpAddr, Host>,
    names: BTreeMap<Machine, String>,
    directions: BTreeMap<(Machine, Machine), Direction>,
    pub(super) doors: BTreeMap<SocketAddr, Door>,
    pub(super) connections: BTreeMap<u64, Connection>,
    /// Machines that read only so many bytes a second.
    pub(super) slow_readers: BTreeMap<Machine, u64>,
    /// When a slow reader reads next.
    pub(super) next_read: BTreeMap<End, u64>,
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
            slow_readers: BTreeMap::new(),
            next_read: BTreeMap::new(),
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

    /// Makes what is sent from now on in this direction fare like this.
    pub fn set_weather(&mut self, from: Machine, to: Machine, weather: Weather) {
        self.direction(from, to).set_weather(weather);
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

    pub(super) fn forget_empty(&mut self) {
        self.connections
            .retain(|_, connection| connection.gone != [true, true]);
        let known = &self.connections;
        self.next_read
            .retain(|end, _| known.contains_key(&end.connection));
    }

    pub(super) fn machine_at(&self, ip: IpAddr) -> Option<Machine> {
        self.hosts
            .get(&ip)
            .filter(|host| host.on)
            .map(|host| host.machine)
    }

    pub(super) fn address_of(&self, machine: Machine) -> IpAddr {
        let found = self.hosts.iter().find(|(_, host)| host.machine == machine);
        *found.expect("every machine was added").0
    }

    pub(super) fn host(&mut self, machine: Machine) -> &mut Host {
        let found = self.hosts.values_mut().find(|host| host.machine == machine);
        found.expect("every machine was added")
    }

    pub(super) fn free_port(&mut self, machine: Machine) -> u16 {
        let host = self.host(machine);
        let port = host.next_port;
        host.next_port = port.checked_add(1).unwrap_or(PORT_EPHEMERAL_MIN);
        port
    }

    pub(super) fn number(&mut self) -> u64 {
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
