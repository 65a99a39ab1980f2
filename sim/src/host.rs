//! One life of one node, as its shell sees the simulated world: the bundle of all ports.

use archivas::ports;
use archivas_core::primitives::{Millis, Timestamp};

use crate::checker::NodeChecker;
use crate::clock::NodeClock;
use crate::disk::Disk;
use crate::network::NodeNetwork;
use crate::spawner::NodeSpawner;

/// Where every node accepts peers.
pub const P2P_PORT: u16 = 9090;
/// Where every node serves HTTP.
pub const HTTP_PORT: u16 = 8080;
/// What the world's wall clock shows when a run begins: 2026-01-01. Genesis is of that time.
pub const EPOCH: Timestamp = Timestamp::new(1_767_225_600_000);

/// The world of one life of one node.
#[derive(Clone, Debug)]
pub struct NodeHost {
    /// Its clocks.
    pub clock: NodeClock,
    /// Its machine's network.
    pub network: NodeNetwork,
    /// Where its tasks run.
    pub spawner: NodeSpawner,
    /// Who judges for it.
    pub checker: NodeChecker,
    /// Its disk, for what it owes.
    pub disk: Disk,
}

impl ports::Host for NodeHost {
    type Clock = NodeClock;
    type Network = NodeNetwork;
    type Spawner = NodeSpawner;
    type Checker = NodeChecker;
    const CHECKS_INVARIANTS: bool = true;

    fn clock(&self) -> &NodeClock {
        &self.clock
    }

    fn network(&self) -> &NodeNetwork {
        &self.network
    }

    fn spawner(&self) -> &NodeSpawner {
        &self.spawner
    }

    fn checker(&self) -> &NodeChecker {
        &self.checker
    }

    fn storage_debt(&self) -> Millis {
        self.disk.take_debt()
    }
}

/// What simulated nodes say they are: constant, so that no build changes a digest.
#[must_use]
pub fn constant_build() -> ports::BuildInfo {
    ports::BuildInfo {
        version: "0.0.0".into(),
        commit: "simulated".into(),
        built_at: "2026-01-01T00:00:00Z".into(),
        agent: "archivas-sim".into(),
    }
}
