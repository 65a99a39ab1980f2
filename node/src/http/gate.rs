//! Who may come in: so many connections and so many requests a second for each client. A client is an
//! IPv4 address or an IPv6 network of 64 bits; behind a proxy that the operator trusts it is whom the
//! proxy names.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use archivas_core::primitives::Instant;

/// The most connections of one client at a time: browsers open six. Forty clients that hold on to all
/// of theirs leave a third of `CONNECTIONS_MAX` to others.
pub const CONNECTIONS_PER_CLIENT_MAX: u32 = 16;
/// Seconds of its rate that a client that was quiet may spend at once.
const BURST_SECONDS: u64 = 10;
/// Clients whose spending is remembered: about 1 MB. A full list forgets who has nothing to repay.
const CLIENTS_MAX: usize = 10_000;
/// A request, in thousandths: what a rate of one a second earns in a second.
const REQUEST: u64 = 1_000;

/// How much one client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second; 0 does not limit them.
    pub rate: u32,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: 100,
            trusted_proxies: Vec::new(),
        }
    }
}

/// The doorkeeper of one node.
#[derive(Debug, Default)]
pub struct Gate {
    limits: Limits,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    /// Open connections.
    connections: BTreeMap<IpAddr, u32>,
    /// What was spent and not yet earned again, in thousandths of requests, and when.
    spent: BTreeMap<IpAddr, (u64, Instant)>,
}

/// A place for one connection, given back when dropped.
#[derive(Debug)]
pub struct Place {
    gate: Arc<Gate>,
    client: Option<IpAddr>,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: Limits) -> Self {
        let clients = Mutex::default();
        Self { limits, clients }
    }

    /// A place for a connection from `address`; `None` when its client has all that it may have. A
    /// trusted proxy connects for many.
    pub fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let gate = Arc::clone(self);
        if self.is_trusted(address) {
            return Some(Place { gate, client: None });
        }
        let client = network(address);
        let mut clients = self.clients();
        let open = clients.connections.entry(client).or_default();
        if *open >= CONNECTIONS_PER_CLIENT_MAX {
            return None;
        }
        *open += 1;
        let client = Some(client);
        Some(Place { gate, client })
    }

    /// Whether a request may be answered that came over a connection from `address`, with this
    /// `X-Forwarded-For`; it is then spent.
    pub fn admit(&self, address: IpAddr, forwarded: Option<&str>, now: Instant) -> bool {
        let rate = u64::from(self.limits.rate);
        if rate == 0 {
            return true;
        }
        let client = network(self.client(address, forwarded));
        let mut clients = self.clients();
        let owed = |(spent, since): &(u64, Instant)| {
            spent.saturating_sub(now.since(*since).get().saturating_mul(rate))
        };
        let spent = clients.spent.get(&client).map_or(0, owed) + REQUEST;
        if spent > rate * BURST_SECONDS * REQUEST {
            return false;
        }
        if clients.spent.len() >= CLIENTS_MAX && !clients.spent.contains_key(&client) {
            clients.spent.retain(|_, entry| owed(entry) > 0);
            if clients.spent.len() >= CLIENTS_MAX {
                clients.spent.pop_first();
            }
        }
        clients.spent.insert(client, (spent, now));
        true
    }

    /// The last address that no trusted proxy stands for.
    fn client(&self, address: IpAddr, forwarded: Option<&str>) -> IpAddr {
        if !self.is_trusted(address) {
            return address;
        }
        let named = forwarded.unwrap_or_default().rsplit(',');
        let named = named.map_while(|text| text.trim().parse::<IpAddr>().ok());
        let mut nearest = address;
        for named in named {
            nearest = named;
            if !self.is_trusted(named) {
                break;
            }
        }
        nearest
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.limits.trusted_proxies.contains(&address)
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(client) = self.client else {
            return;
        };
        let mut clients = self.gate.clients();
        if let Some(open) = clients.connections.get_mut(&client) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                clients.connections.remove(&client);
            }
        }
    }
}

/// Whom an address belongs to, as far as anybody can tell.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn gate(rate: u32, proxies: &[&str]) -> Arc<Gate> {
        let trusted_proxies = proxies.iter().map(|text| ip(text)).collect();
        Arc::new(Gate::new(Limits {
            rate,
            trusted_proxies,
        }))
    }

    #[test]
    fn a_client_spends_its_burst_and_then_its_rate_and_others_are_untouched() {
        let gate = gate(2, &[]);
        let admit = |who, at| gate.admit(ip(who), None, Instant::new(at));
        let taken = (0..100).filter(|_| admit("10.0.0.1", 0)).count();
        assert_eq!(taken, 20);
        assert!(admit("10.0.0.2", 0));
        assert!(!admit("10.0.0.1", 499));
        assert!(admit("10.0.0.1", 500) && !admit("10.0.0.1", 500));
        let taken = (0..100).filter(|_| admit("10.0.0.1", 60_000)).count();
        assert_eq!(taken, 20, "no more is saved up than the burst");
    }

    #[test]
    fn one_network_is_one_client_and_without_a_rate_nobody_waits() {
        let strict = gate(1, &[]);
        let admit = |who| strict.admit(ip(who), None, Instant::new(0));
        let (one, same) = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9");
        let taken = (0..20)
            .filter(|n| admit(if n % 2 == 0 { one } else { same }))
            .count();
        assert_eq!(taken, 10);
        assert!(admit("2001:db8:1:3::1"));
        let open = gate(0, &[]);
        assert!((0..100_000).all(|_| open.admit(ip(one), None, Instant::new(0))));
    }

    #[test]
    fn only_a_trusted_proxy_says_who_asks_and_only_about_the_last_stranger() {
        let gate = gate(1, &["127.0.0.1", "10.0.0.9"]);
        let who = |address, named| gate.client(ip(address), named);
        assert_eq!(who("10.0.0.1", Some("1.2.3.4")), ip("10.0.0.1"));
        assert_eq!(who("127.0.0.1", Some("1.2.3.4")), ip("1.2.3.4"));
        assert_eq!(
            who("127.0.0.1", Some("6.6.6.6, 1.2.3.4, 10.0.0.9")),
            ip("1.2.3.4")
        );
        assert_eq!(who("127.0.0.1", Some("nonsense")), ip("127.0.0.1"));
        assert_eq!(who("127.0.0.1", None), ip("127.0.0.1"));
        assert_eq!(who("::ffff:127.0.0.1", Some("1.2.3.4")), ip("1.2.3.4"));
    }

    #[test]
    fn connections_are_bounded_per_client_and_come_back() {
        let gate = gate(1, &["127.0.0.1"]);
        let connect = |who| gate.connect(ip(who));
        let places: Vec<_> = (0..CONNECTIONS_PER_CLIENT_MAX)
            .map(|_| connect("10.0.0.1").expect("room"))
            .collect();
        assert!(connect("10.0.0.1").is_none() && connect("10.0.0.2").is_some());
        let many: Vec<_> = (0..100).map(|_| connect("127.0.0.1")).collect();
        assert!(many.iter().all(Option::is_some));
        drop((places, many));
        assert!(connect("10.0.0.1").is_some());
        assert!(gate.clients().connections.is_empty());
    }

    #[test]
    fn who_comes_from_everywhere_fills_no_memory() {
        let gate = gate(1, &[]);
        for number in 0..30_000_u32 {
            let address = IpAddr::V4(number.into());
            assert!(gate.admit(address, None, Instant::new(u64::from(number))));
        }
        assert!(gate.clients().spent.len() <= CLIENTS_MAX);
    }
}
