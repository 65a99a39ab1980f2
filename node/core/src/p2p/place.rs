//! Where a peer is, as far as limits, scores and bans are concerned.
//!
//! An IPv4 address written as IPv6 is the IPv4 address, and the port says nothing: a stranger
//! cannot become another one by writing himself otherwise. Of IPv6 the first 64 bits count, because
//! everybody has all the addresses below them.

use crate::p2p::peer::PeerId;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// What is banned as one: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// One address.
    V4([u8; 4]),
    /// The first 64 bits.
    V6([u8; 8]),
}

impl Place {
    /// The place of an address.
    pub const fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(octets) => Ipv4Addr::from(*octets).fmt(f),
            Self::V6(octets) => {
                let mut all = [0; 16];
                all[..8].copy_from_slice(octets);
                write!(f, "{}/64", Ipv6Addr::from(all))
            }
        }
    }
}

/// Addresses that are likely to be in one hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Group {
    /// The first bits of an IPv4 address; the others are zero.
    V4([u8; 3]),
    /// The first bits of an IPv6 address; the others are zero.
    V6([u8; 6]),
}

impl Group {
    /// Of those who connect to us: IPv4 /24, IPv6 /48.
    pub const fn inbound(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f])
            }
        }
    }

    /// Of those whom we choose: IPv4 /16, IPv6 /32.
    pub const fn outbound(ip: IpAddr) -> Self {
        match Self::inbound(ip) {
            Self::V4([a, b, _]) => Self::V4([a, b, 0]),
            Self::V6([a, b, c, d, ..]) => Self::V6([a, b, c, d, 0, 0]),
        }
    }
}

/// Whether an address is this machine itself: it is in no group, and is never banned.
pub const fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whom a score or a budget belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Everybody at a place: another connection begins where the last one ended.
    Place(Place),
    /// One connection from this machine, on which many nodes may run.
    Link(PeerId),
}

impl Who {
    /// Who is behind a connection.
    pub const fn of(ip: IpAddr, peer: PeerId) -> Self {
        if is_loopback(ip) {
            Self::Link(peer)
        } else {
            Self::Place(Place::of(ip))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same_place() {
        let mapped = Place::of(ip("::ffff:203.0.113.5"));
        assert_eq!(mapped, Place::of(ip("203.0.113.5")));
        assert_eq!(mapped.to_string(), "203.0.113.5");
        assert_eq!(
            Group::inbound(ip("::ffff:203.0.113.5")),
            Group::inbound(ip("203.0.113.77"))
        );
        assert!(is_loopback(ip("::ffff:127.0.0.1")) && is_loopback(ip("::1")));
    }

    #[test]
    fn all_addresses_below_64_bits_of_ipv6_are_one_place() {
        let place = Place::of(ip("2001:db8:1:2::1"));
        assert_eq!(place, Place::of(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(place, Place::of(ip("2001:db8:1:3::1")));
        assert_eq!(place.to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn groups_are_wider_for_those_whom_we_choose() {
        let (a, b) = (ip("198.51.100.1"), ip("198.51.7.1"));
        assert_ne!(Group::inbound(a), Group::inbound(b));
        assert_eq!(Group::outbound(a), Group::outbound(b));
        let (a, b) = (ip("2001:db8:1::1"), ip("2001:db8:2::1"));
        assert_ne!(Group::inbound(a), Group::inbound(b));
        assert_eq!(Group::outbound(a), Group::outbound(b));
    }

    #[test]
    fn each_connection_from_this_machine_answers_for_itself() {
        let (one, two) = (PeerId(1), PeerId(2));
        assert_ne!(Who::of(ip("127.0.0.1"), one), Who::of(ip("127.0.0.1"), two));
        assert_eq!(Who::of(ip("10.0.0.1"), one), Who::of(ip("10.0.0.1"), two));
    }
}
