//! One life of one node, as its shell sees the simulated world: the bundle of all ports.

use archivas::ports;
use archivas_core::primitives::Millis;

use crate::checker::NodeChecker;
use crate::clock::NodeClock;
use crate::disk::Disk;
use crate::network::NodeNetwork;
use crate::spawner::NodeSpawner;

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
