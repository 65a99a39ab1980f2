//! Peers that the operator named: each is dialled until a connection to it stands, and again after
//! it was lost.

use crate::p2p::peer::PeerId;
use crate::params::peers::{REDIAL_FIRST, REDIAL_MAX};
use crate::primitives::Millis;
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};

/// One named peer.
#[derive(Clone, Debug, Default)]
struct Target {
    /// Failed attempts since the last connection that stood.
    failures: u32,
    /// The connection that was opened to this address.
    peer: Option<PeerId>,
    /// The nonce of the node that last answered there.
    identity: Option<u64>,
    dialling: bool,
}

/// All named peers.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    targets: BTreeMap<SocketAddr, Target>,
}

impl Targets {
    /// The named peers, none of them dialled yet.
    pub fn new(addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            targets: addrs
                .into_iter()
                .map(|addr| (addr, Target::default()))
                .collect(),
        }
    }

    /// Names one more peer; false if it was named before.
    pub fn add(&mut self, addr: SocketAddr) -> bool {
        let new = !self.targets.contains_key(&addr);
        self.targets.entry(addr).or_default();
        new
    }

    /// Takes a name off the list; false if it was not on it.
    pub fn remove(&mut self, addr: &SocketAddr) -> bool {
        self.targets.remove(addr).is_some()
    }

    /// The addresses, in order.
    pub fn addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.targets.keys().copied()
    }

    /// Whether a named peer has that address, at whatever port.
    pub fn names(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.targets
            .keys()
            .any(|addr| addr.ip().to_canonical() == ip)
    }

    /// A named peer misbehaved: the pause before the next dial is the longest.
    pub fn punish(&mut self, ip: IpAddr) {
        for (addr, target) in &mut self.targets {
            if addr.ip().to_canonical() == ip.to_canonical() {
                target.failures = target.failures.max(16);
            }
        }
    }

    /// Whether to dial `addr` now; `connected` tells whether a node is connected by another way.
    pub fn should_dial(&self, addr: &SocketAddr, connected: impl Fn(u64) -> bool) -> bool {
        self.targets.get(addr).is_some_and(|target| {
            target.peer.is_none() && !target.dialling && !target.identity.is_some_and(connected)
        })
    }

    /// A dial to `addr` has begun.
    pub fn dialling(&mut self, addr: &SocketAddr) {
        if let Some(target) = self.targets.get_mut(addr) {
            target.dialling = true;
        }
    }

    /// A connection to `addr` stands.
    pub fn connected(&mut self, addr: &SocketAddr, peer: PeerId) {
        if let Some(target) = self.targets.get_mut(addr) {
            target.dialling = false;
            target.peer = Some(peer);
        }
    }

    /// The node at `addr` has said who it is.
    pub fn identified(&mut self, addr: &SocketAddr, nonce: u64) {
        if let Some(target) = self.targets.get_mut(addr) {
            target.failures = 0;
            target.identity = Some(nonce);
        }
    }

    /// The dial failed, or the connection ended: how long to wait before the next try, or `None` if
    /// `addr` is nobody's name. The pause doubles with each failure in a row.
    pub fn lost(&mut self, addr: &SocketAddr) -> Option<Millis> {
        let target = self.targets.get_mut(addr)?;
        target.dialling = false;
        target.peer = None;
        let doublings = target.failures.min(16);
        target.failures = target.failures.saturating_add(1);
        let pause = REDIAL_FIRST.get().saturating_mul(1 << doublings);
        Some(Millis::new(pause.min(REDIAL_MAX.get())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_peer_is_dialled_again_after_pauses_that_double_up_to_the_bound() {
        let addr = SocketAddr::from(([10, 0, 0, 1], 9090));
        let mut targets = Targets::new([addr]);
        assert!(targets.should_dial(&addr, |_| false));
        targets.dialling(&addr);
        assert!(!targets.should_dial(&addr, |_| false));
        let pauses: alloc::vec::Vec<u64> = (0..8)
            .filter_map(|_| targets.lost(&addr))
            .map(Millis::get)
            .collect();
        assert_eq!(
            pauses,
            [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
        );
        targets.connected(&addr, PeerId(1));
        targets.identified(&addr, 7);
        assert!(!targets.should_dial(&addr, |_| false));
        assert_eq!(targets.lost(&addr), Some(REDIAL_FIRST));
        assert!(targets.should_dial(&addr, |_| false));
        assert!(!targets.should_dial(&addr, |nonce| nonce == 7));
    }
}
