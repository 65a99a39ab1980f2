//! Which tasks belong to one life of a node, so that stopping it leaves none behind: every task is
//! started through a host whose spawner remembers it and ends it. Touches only the ports.

use std::convert::Infallible;

use archivas_core::primitives::Millis;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ports::{Host, Spawner};

/// A host whose tasks end with the life.
#[derive(Clone, Debug)]
pub struct LifeHost<H: Host> {
    host: H,
    spawner: LifeSpawner<H::Spawner>,
}

/// A spawner whose tasks end with the life.
#[derive(Clone, Debug)]
pub struct LifeSpawner<S> {
    inner: S,
    over: CancellationToken,
    alive: mpsc::Sender<Infallible>,
}

/// The end of a life, in the hands of whoever ends it.
#[derive(Debug)]
pub struct Life {
    over: CancellationToken,
    alive: mpsc::Receiver<Infallible>,
}

impl<H: Host> LifeHost<H> {
    /// A new life on `host`.
    pub fn begin(host: H) -> (Self, Life) {
        let over = CancellationToken::new();
        let (alive, watched) = mpsc::channel(1);
        let inner = host.spawner().clone();
        let spawner = LifeSpawner {
            inner,
            over: over.clone(),
            alive,
        };
        (
            Self { host, spawner },
            Life {
                over,
                alive: watched,
            },
        )
    }
}

impl Life {
    /// Drops every task of the life and waits until they, and all hosts of the life, are gone. The
    /// caller must not hold a `LifeHost` of it.
    pub async fn end(mut self) {
        self.over.cancel();
        let gone = self.alive.recv().await;
        assert!(gone.is_none(), "nobody can make an Infallible");
    }
}

impl<S: Spawner> Spawner for LifeSpawner<S> {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Self { over, alive, .. } = self.clone();
        self.inner.spawn(async move {
            tokio::select! {
                biased;
                () = over.cancelled() => {}
                () = task => {}
            }
            drop(alive);
        });
    }
}

impl<H: Host> Host for LifeHost<H> {
    type Clock = H::Clock;
    type Network = H::Network;
    type Spawner = LifeSpawner<H::Spawner>;
    type Checker = H::Checker;
    const CHECKS_INVARIANTS: bool = H::CHECKS_INVARIANTS;

    fn clock(&self) -> &H::Clock {
        self.host.clock()
    }

    fn network(&self) -> &H::Network {
        self.host.network()
    }

    fn spawner(&self) -> &Self::Spawner {
        &self.spawner
    }

    fn checker(&self) -> &H::Checker {
        self.host.checker()
    }

    fn storage_debt(&self) -> Millis {
        self.host.storage_debt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestHost;
    use std::sync::Arc;

    #[tokio::test]
    async fn ending_a_life_drops_its_tasks_and_what_they_hold() {
        let (host, life) = LifeHost::begin(TestHost::new());
        let held = Arc::new(());
        let in_task = Arc::clone(&held);
        host.spawner().spawn(async move {
            std::future::pending::<()>().await;
            drop(in_task);
        });
        drop(host);
        life.end().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
