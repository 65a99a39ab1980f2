//! The production world in one value: what `service::start` is given outside the simulator.

use archivas_core::primitives::Millis;

use crate::live::checker::LiveChecker;
use crate::live::clock::LiveClock;
use crate::live::network::LiveNetwork;
use crate::ports::{Host, Spawner};

/// Tokio's tasks behind the `Spawner` port.
#[derive(Clone, Copy, Debug)]
pub struct LiveSpawner;

impl Spawner for LiveSpawner {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Spawner port's real spawn"
    )]
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }
}

/// This machine.
#[derive(Clone, Debug)]
pub struct LiveHost {
    clock: LiveClock,
    network: LiveNetwork,
    spawner: LiveSpawner,
    checker: LiveChecker,
}

impl LiveHost {
    /// Starts the clock and one checking thread per core.
    pub fn start() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            clock: LiveClock::start(),
            network: LiveNetwork,
            spawner: LiveSpawner,
            checker: LiveChecker::start(threads),
        }
    }
}

impl Host for LiveHost {
    type Clock = LiveClock;
    type Network = LiveNetwork;
    type Spawner = LiveSpawner;
    type Checker = LiveChecker;

    fn clock(&self) -> &LiveClock {
        &self.clock
    }

    fn network(&self) -> &LiveNetwork {
        &self.network
    }

    fn spawner(&self) -> &LiveSpawner {
        &self.spawner
    }

    fn checker(&self) -> &LiveChecker {
        &self.checker
    }

    fn storage_debt(&self) -> Millis {
        Millis::new(0)
    }
}
