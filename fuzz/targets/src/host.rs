//! The world of a whole node that nobody but its clients can reach: time that jumps whenever all
//! tasks wait, no network, and the story's rows in a store of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use archivas::api::{ApiContext, ApiParts};
use archivas::http::Limits;
use archivas::metrics::Metrics;
use archivas::ports::{BuildInfo, Checker, Clock, Host, Listener, Network, Spawner};
use archivas::service::{Running, Settings, start};
use archivas::store::Store;
use archivas_core::chain::Policy;
use archivas_core::node::{Finding, Job, JobId, check};
use archivas_core::primitives::{Instant, Millis, Now};
use archivas_core::probes::Probes;
use archivas_core::rules::Law;
use archivas_core::storage::{Batch, Reader, Scan, Storage, Table};
use redb::backends::InMemoryBackend;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::story::{story, story_store};

/// Tokio's clock, paused.
#[derive(Clone, Copy, Debug)]
pub struct Paused {
    origin: tokio::time::Instant,
}

impl Clock for Paused {
    fn now(&self) -> Now {
        let passed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now {
            monotonic: Instant::new(passed),
            wall: story().now.plus(Millis::new(passed)),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn sleep(&self, duration: Millis) {
        tokio::time::sleep(std::time::Duration::from_millis(duration.get())).await;
    }
}

/// The world.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    clock: Paused,
}

/// Nobody connects.
#[derive(Debug)]
pub struct Deaf;

impl Listener for Deaf {
    type Stream = DuplexStream;

    fn local_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        std::future::pending().await
    }
}

impl Network for Alone {
    type Stream = DuplexStream;
    type Listener = Deaf;

    async fn listen(&self, _: SocketAddr) -> io::Result<Deaf> {
        Ok(Deaf)
    }

    async fn dial(&self, _: SocketAddr) -> io::Result<DuplexStream> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

impl Spawner for Alone {
    #[expect(clippy::disallowed_methods, reason = "this is the spawner")]
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }
}

impl Checker for Alone {
    fn check(&self, id: JobId, job: Job, law: Arc<Law>, done: mpsc::Sender<(JobId, Finding)>) {
        self.spawn(async move {
            // A node that has stopped needs no findings.
            let _ = done.send((id, check(job, &law))).await;
        });
    }
}

impl Host for Alone {
    type Clock = Paused;
    type Network = Self;
    type Spawner = Self;
    type Checker = Self;

    fn clock(&self) -> &Paused {
        &self.clock
    }

    fn network(&self) -> &Self {
        self
    }

    fn spawner(&self) -> &Self {
        self
    }

    fn checker(&self) -> &Self {
        self
    }

    fn storage_debt(&self) -> Millis {
        Millis::ZERO
    }
}

/// Runs tasks of this thread only, in time that jumps.
///
/// # Panics
/// When the system has no means to wait.
pub fn run(task: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads or sockets");
    runtime.block_on(task);
}

/// What a task gives if it ends in time.
pub async fn in_time<T>(limit: Millis, task: impl Future<Output = T>) -> Option<T> {
    let limit = std::time::Duration::from_millis(limit.get());
    tokio::time::timeout(limit, task).await.ok()
}

/// A started node at the end of the story, and what its API answers from.
///
/// # Panics
/// When it does not start.
pub async fn node() -> (Alone, Running, Arc<ApiContext<Paused>>) {
    static ROWS: LazyLock<Batch> = LazyLock::new(|| {
        let mut batch = Batch::new();
        for table in Table::ALL {
            let rows = story_store().scan(table, &Scan::all()).expect("memory");
            rows.into_iter()
                .for_each(|(key, value)| batch.put(table, key, value));
        }
        batch
    });
    let host = Alone {
        clock: Paused {
            origin: tokio::time::Instant::now(),
        },
    };
    let mut store = Store::open(InMemoryBackend::new()).expect("an empty store");
    store.commit(ROWS.clone()).expect("memory does not fail");
    let settings = Settings {
        genesis: story().genesis.clone(),
        p2p: None,
        http: None,
        metrics: None,
        connect: Vec::new(),
        discover: false,
        policy: Policy::default(),
        build: build(),
        seed: [1; 32],
        limits: Limits::default(),
        machine: None,
        record: None,
    };
    let running = start(host, store.clone(), settings)
        .await
        .expect("its own rows");
    let context = Arc::new(ApiContext::new(ApiParts {
        store,
        commands: running.commands.clone(),
        events: tokio::sync::broadcast::channel(16).0,
        clock: host.clock,
        genesis: Arc::new(story().genesis.clone()),
        build: build(),
        metrics: Arc::new(Metrics::new(&build(), Probes::default())),
        machine: None,
        stop: running.stop.clone(),
        broken: Arc::default(),
    }));
    (host, running, context)
}

fn build() -> BuildInfo {
    BuildInfo {
        version: "0.0.0".into(),
        commit: "0".into(),
        built_at: "2026-01-01T00:00:00Z".into(),
        agent: "target".into(),
    }
}
