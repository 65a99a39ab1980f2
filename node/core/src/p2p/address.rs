//! Addresses as peers tell them to each other, and which of them are worth a dial.

use crate::primitives::Timestamp;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use serde::{Deserialize, Serialize};

/// An address and port with one encoding: 16 bytes, IPv4 written as IPv6, then the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeerAddress {
    ip: [u8; 16],
    port: u16,
}

impl From<SocketAddr> for PeerAddress {
    fn from(addr: SocketAddr) -> Self {
        let ip = match addr.ip().to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self {
            ip: ip.octets(),
            port: addr.port(),
        }
    }
}

impl From<PeerAddress> for SocketAddr {
    fn from(address: PeerAddress) -> Self {
        let ip = IpAddr::V6(Ipv6Addr::from(address.ip)).to_canonical();
        Self::new(ip, address.port)
    }
}

/// One entry of `Peers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAddress {
    /// Where.
    pub address: PeerAddress,
    /// When somebody last talked to a node there, as the sender believes.
    pub seen: Timestamp,
}

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// It is nobody's.
    Nowhere,
    /// This machine.
    Machine,
    /// A private network.
    Site,
    /// Everywhere.
    World,
}

const fn reach(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            if a == 0 || a >= 224 || ip.is_link_local() {
                Reach::Nowhere
            } else if ip.is_loopback() {
                Reach::Machine
            } else if ip.is_private() || (a == 100 && b & 0xc0 == 64) {
                Reach::Site
            } else {
                Reach::World
            }
        }
        IpAddr::V6(ip) => {
            if ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() {
                Reach::Nowhere
            } else if ip.is_loopback() {
                Reach::Machine
            } else if ip.is_unique_local() {
                Reach::Site
            } else {
                Reach::World
            }
        }
    }
}

/// Whether to remember an address that somebody at `teller` told: private ones only from the private
/// network, this machine's only from this machine. A stranger cannot have us dial inside.
pub fn is_worth_remembering(addr: SocketAddr, teller: IpAddr) -> bool {
    let (there, here) = (reach(addr.ip()), reach(teller));
    addr.port() != 0 && there != Reach::Nowhere && (there == Reach::World || here <= there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::{decode, encode};

    #[test]
    fn an_address_has_one_encoding_however_it_is_written() {
        let plain: SocketAddr = "203.0.113.5:9090".parse().expect("an address");
        let mapped: SocketAddr = "[::ffff:203.0.113.5]:9090".parse().expect("an address");
        assert_eq!(PeerAddress::from(plain), PeerAddress::from(mapped));
        let bytes = encode(&PeerAddress::from(mapped));
        let read: PeerAddress = decode(&bytes).expect("our own bytes");
        assert_eq!(SocketAddr::from(read), plain);
        assert_eq!(bytes.len(), 18);
    }

    #[test]
    fn a_stranger_cannot_have_us_dial_inside_or_nowhere() {
        let worth = |addr: &str, teller: &str| {
            let addr = addr.parse().expect("an address");
            is_worth_remembering(addr, teller.parse().expect("an address"))
        };
        for inside in [
            "127.0.0.1:22",
            "[::1]:22",
            "192.168.1.1:80",
            "10.0.0.1:80",
            "100.64.0.1:80",
            "[fd00::1]:80",
            "[::ffff:10.0.0.1]:80",
        ] {
            assert!(!worth(inside, "203.0.113.5"), "{inside}");
            assert!(worth(inside, "127.0.0.1"), "{inside}");
        }
        assert!(worth("10.0.0.1:80", "10.9.9.9"));
        assert!(!worth("127.0.0.1:22", "10.9.9.9"));
        for nowhere in [
            "0.0.0.0:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "169.254.1.1:80",
            "[::]:80",
            "[fe80::1]:80",
            "[ff02::1]:80",
            "203.0.113.5:0",
        ] {
            assert!(!worth(nowhere, "127.0.0.1"), "{nowhere}");
        }
        assert!(worth("203.0.113.5:9090", "198.51.100.7"));
    }
}
