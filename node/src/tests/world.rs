//! A small world for the shell's unit tests: tokio's paused time, pipes in memory for a network, and
//! a whole node on a store in memory, on a network whose seals are trivial.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use archivas_core::node::{Finding, Job, JobId, check};
use archivas_core::params::{Allocation, Genesis, networks};
use archivas_core::primitives::{Amount, Instant, Millis, Now, SecretKey, Timestamp};
use archivas_core::rules::Law;
use redb::backends::InMemoryBackend;
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::api::{ApiAnswer, ApiContext, ApiParts, ApiRequest, Method, handle};
use crate::metrics::Metrics;
use crate::ports::{BuildInfo, Checker, Clock, Host, Listener, Network, Spawner};
use crate::service::{Running, Settings, start};
use crate::store::Store;

/// Tokio's clock, which tests pause (`start_paused`): it jumps whenever all tasks wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock {
    origin: tokio::time::Instant,
}

impl TestClock {
    pub(crate) fn start() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        let passed = u64::try_from(self.origin.elapsed().as_millis()).unwrap();
        let wall = networks::dev().time.plus(Millis::new(1_000 + passed));
        Now {
            monotonic: Instant::new(passed),
            wall,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' time is tokio's, paused"
    )]
    async fn sleep(&self, duration: Millis) {
        tokio::time::sleep(std::time::Duration::from_millis(duration.get())).await;
    }
}

/// Addresses that pipes in memory lead to.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestNetwork {
    listeners: Arc<Mutex<BTreeMap<SocketAddr, mpsc::Sender<DuplexStream>>>>,
}

#[derive(Debug)]
pub(crate) struct TestListener {
    address: SocketAddr,
    arriving: mpsc::Receiver<DuplexStream>,
}

impl Network for TestNetwork {
    type Stream = DuplexStream;
    type Listener = TestListener;

    async fn listen(&self, address: SocketAddr) -> io::Result<TestListener> {
        let (arrive, arriving) = mpsc::channel(16);
        self.listeners.lock().unwrap().insert(address, arrive);
        Ok(TestListener { address, arriving })
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<DuplexStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let (ours, theirs) = tokio::io::duplex(4096);
        let arrive = self.listeners.lock().unwrap().get(&address).cloned();
        arrive
            .ok_or_else(refused)?
            .send(theirs)
            .await
            .map_err(|_| refused())?;
        Ok(ours)
    }
}

impl Listener for TestListener {
    type Stream = DuplexStream;

    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.arriving.recv().await {
            Some(stream) => Ok((stream, self.address)),
            None => pending().await,
        }
    }
}

/// The whole world of one node.
#[derive(Clone, Debug)]
pub(crate) struct TestHost {
    pub(crate) clock: TestClock,
    pub(crate) network: TestNetwork,
}

impl TestHost {
    pub(crate) fn new() -> Self {
        Self {
            clock: TestClock::start(),
            network: TestNetwork::default(),
        }
    }
}

impl Spawner for TestHost {
    #[expect(clippy::disallowed_methods, reason = "the tests' tasks are tokio's")]
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }
}

impl Checker for TestHost {
    fn check(&self, id: JobId, job: Job, law: Arc<Law>, done: mpsc::Sender<(JobId, Finding)>) {
        self.spawn(async move {
            // A node that has stopped needs no findings.
            let _ = done.send((id, check(job, &law))).await;
        });
    }
}

impl Host for TestHost {
    type Clock = TestClock;
    type Network = TestNetwork;
    type Spawner = Self;
    type Checker = Self;

    fn clock(&self) -> &TestClock {
        &self.clock
    }
    fn network(&self) -> &TestNetwork {
        &self.network
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

/// Where the test node's HTTP server listens.
pub(crate) const HTTP: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

/// A running node with its API.
#[derive(Debug)]
pub(crate) struct TestNode {
    pub(crate) host: TestHost,
    pub(crate) running: Running,
    pub(crate) context: ApiContext<TestClock>,
    pub(crate) genesis: Genesis,
}

/// A funded account of the test network.
pub(crate) fn rich() -> SecretKey {
    let [key, ..] = networks::dev_keys();
    key
}

/// What the test node says of itself.
pub(crate) fn build_info() -> BuildInfo {
    BuildInfo {
        version: "1.2.3".into(),
        commit: "abc".into(),
        built_at: "2026-01-02T03:04:05Z".into(),
        agent: "archivas/1.2.3".into(),
    }
}

/// The network `dev`, with money for `rich`.
pub(crate) fn genesis() -> Genesis {
    let address = rich().address();
    let amount = Amount::new(1_000_000);
    Genesis {
        allocations: vec![Allocation { address, amount }],
        ..networks::dev()
    }
}

impl TestNode {
    /// A node on an empty store.
    pub(crate) async fn start() -> Self {
        let (host, store) = (
            TestHost::new(),
            Store::open(InMemoryBackend::new()).unwrap(),
        );
        let genesis = genesis();
        let settings = Settings {
            genesis: genesis.clone(),
            p2p: None,
            http: Some(HTTP.into()),
            connect: Vec::new(),
            build: build_info(),
            seed: [7; 32],
        };
        let running = start(host.clone(), store.clone(), settings).await.unwrap();
        let context = ApiContext::new(ApiParts {
            store,
            commands: running.commands.clone(),
            clock: host.clock,
            genesis: Arc::new(genesis.clone()),
            build: build_info(),
            metrics: Arc::new(Metrics::new(&build_info())),
        });
        Self {
            host,
            running,
            context,
            genesis,
        }
    }

    /// The answer to a request, as it would be sent.
    pub(crate) async fn answer(&self, method: Method, target: &str, body: &str) -> ApiAnswer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = ApiRequest {
            method,
            path: path.into(),
            query: query.into(),
            content_type: Some("application/json; charset=utf-8".into()),
            body: body.to_owned().into(),
        };
        handle(request, &self.context).await
    }

    /// Status and JSON of a `GET`.
    pub(crate) async fn get(&self, target: &str) -> (u16, Value) {
        parse(&self.answer(Method::Get, target, "").await)
    }

    /// Status and JSON of a `POST`.
    pub(crate) async fn post(&self, target: &str, body: &str) -> (u16, Value) {
        parse(&self.answer(Method::Post, target, body).await)
    }

    /// Mines one block for `rich` through the API, as an outside miner does; returns its hash.
    pub(crate) async fn mine(&self) -> String {
        let producer = rich().address();
        let (_, challenge) = self.get(&format!("/challenge?producer={producer}")).await;
        for nonce in 0..1_000 {
            let template = &challenge["template_id"];
            let body = format!("{{\"template_id\":{template},\"nonce\":{nonce}}}");
            let (_, answer) = self.post("/submitBlock", &body).await;
            if answer["ok"] == true {
                return answer["hash"].as_str().unwrap().to_owned();
            }
            assert_ne!(answer["code"], "stale_template");
        }
        panic!("a seal in two is valid here");
    }

    /// Stops the node and waits until it has.
    pub(crate) async fn stop(self) {
        self.running.stop.cancel();
        self.running.done.await.unwrap().unwrap();
    }
}

fn parse(answer: &ApiAnswer) -> (u16, Value) {
    assert_eq!(answer.content_type, "application/json");
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

/// The calendar when the test clock began.
pub(crate) fn epoch() -> Timestamp {
    networks::dev().time.plus(Millis::new(1_000))
}
