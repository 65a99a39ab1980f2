//! A small world for the shell's unit tests: tokio's paused time, pipes in memory for a network, and
//! a whole node on a store in memory, on a network whose seals are trivial.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use archivas_core::chain::Policy;
use archivas_core::node::{Answer, Finding, Job, JobId, check};
use archivas_core::params::{Allocation, Genesis, networks};
use archivas_core::primitives::wire::WireTransfer;
use archivas_core::primitives::{
    AccountNonce, Amount, Block, Height, Instant, Memo, Millis, Now, Payment, SecretKey,
    SignedTransfer,
};
use archivas_core::probes::Probes;
use archivas_core::rules::Law;
use archivas_core::schema;
use redb::backends::InMemoryBackend;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::api::{ApiAnswer, ApiContext, ApiParts, ApiRequest, Door, Method, handle};
use crate::driver::Broken;
use crate::http::Limits;
use crate::metrics::Metrics;
use crate::ports::{BuildInfo, Checker, Clock, Command, Host, Listener, Network, Spawner};
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
            // Where the other side dials from; nobody listens there.
            Some(stream) => Ok((stream, ([10, 0, 0, 99], 50_000).into())),
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

/// A running node with an API of its own beside the one that it serves.
#[derive(Debug)]
pub(crate) struct TestNode {
    pub(crate) host: TestHost,
    pub(crate) running: Running,
    pub(crate) api: TestApi,
    pub(crate) genesis: Genesis,
    store: Store,
}

/// An API without a socket.
#[derive(Clone, Debug)]
pub(crate) struct TestApi {
    pub(crate) context: Arc<ApiContext<TestClock>>,
    /// By which door its requests come in.
    pub(crate) door: Door,
    /// Holds the other end of a loop that never answers.
    _stalled: Option<Arc<mpsc::Receiver<Command>>>,
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

/// The network `dev`, with money for `rich` only.
pub(crate) fn genesis() -> Genesis {
    let address = rich().address();
    let amount = Amount::new(1_000_000);
    Genesis {
        allocations: vec![Allocation { address, amount }],
        ..networks::dev()
    }
}

/// A transfer of `rich` as wallets hand it in: 10 to somebody, for a fee of 1,000.
pub(crate) fn payment(nonce: u64) -> String {
    let domain = genesis().domain;
    let payment = Payment {
        to: "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p"
            .parse()
            .unwrap(),
        amount: Amount::new(10),
        fee: Amount::new(1_000),
        nonce: AccountNonce::new(nonce),
        memo: Memo::new("for \"tea\"").unwrap(),
    };
    WireTransfer::from_signed(&SignedTransfer::sign(&rich(), &domain, payment), &domain)
}

impl TestNode {
    /// A node alone, on an empty store.
    pub(crate) async fn start() -> Self {
        Self::start_with(TestHost::new(), 1, Vec::new(), Policy::default()).await
    }

    /// A node alone that can revert `undo_blocks` blocks and keeps no bodies below.
    pub(crate) async fn start_pruning(undo_blocks: u64) -> Self {
        let policy = Policy {
            undo_blocks,
            prune: true,
            ..Policy::default()
        };
        Self::start_with(TestHost::new(), 1, Vec::new(), policy).await
    }

    /// A node alone that keeps no index of transfers.
    pub(crate) async fn start_without_index() -> Self {
        let policy = Policy {
            tx_index: false,
            ..Policy::default()
        };
        Self::start_with(TestHost::new(), 1, Vec::new(), policy).await
    }

    /// A node and the one that it is connected to.
    pub(crate) async fn start_two() -> (Self, Self) {
        let host = TestHost::new();
        let other = Self::start_with(host.clone(), 1, Vec::new(), Policy::default()).await;
        let connect = other.running.p2p_addr.into_iter().collect();
        let node = Self::start_with(host, 2, connect, Policy::default()).await;
        node.settle().await;
        (node, other)
    }

    async fn start_with(
        host: TestHost,
        number: u8,
        connect: Vec<SocketAddr>,
        policy: Policy,
    ) -> Self {
        let store = Store::open(InMemoryBackend::new()).unwrap();
        Self::start_on(store, (host, number), connect, policy).await
    }

    /// A node alone on a store of the caller's.
    pub(crate) async fn start_on_store(store: Store) -> Self {
        let world = (TestHost::new(), 1);
        Self::start_on(store, world, Vec::new(), Policy::default()).await
    }

    async fn start_on(
        store: Store,
        (host, number): (TestHost, u8),
        connect: Vec<SocketAddr>,
        policy: Policy,
    ) -> Self {
        let settings = Settings {
            genesis: genesis(),
            p2p: Some(([10, 0, 0, number], 9090).into()),
            http: Some(([10, 0, 0, number], 8080).into()),
            metrics: Some(([10, 0, 0, number], 9091).into()),
            connect,
            discover: false,
            policy,
            build: build_info(),
            seed: [number; 32],
            limits: Limits::default(),
            machine: None,
            record: None,
        };
        let running = start(host.clone(), store.clone(), settings).await.unwrap();
        let api = TestApi::new(&host, &store, running.commands.clone());
        Self {
            host,
            running,
            api,
            genesis: genesis(),
            store,
        }
    }

    /// The same store behind a loop that takes commands and answers none.
    pub(crate) fn with_stalled_loop(&self) -> TestApi {
        let (commands, received) = mpsc::channel(1);
        let mut api = TestApi::new(&self.host, &self.store, commands);
        api._stalled = Some(Arc::new(received));
        api
    }

    /// Lets everything that is under way come to its end.
    pub(crate) async fn settle(&self) {
        self.host.clock.sleep(Millis::from_secs(10)).await;
    }

    /// A connection to the node's HTTP server.
    pub(crate) async fn connect(&self) -> DuplexStream {
        let address = self.running.http_addr.unwrap();
        self.host.network.dial(address).await.unwrap()
    }

    /// `/metrics` as the node serves it.
    pub(crate) async fn served_metrics(&self) -> String {
        self.served("/metrics").await.1
    }

    /// Status line and body of a `GET`, as the node serves it over HTTP.
    pub(crate) async fn served(&self, target: &str) -> (String, String) {
        let mut stream = self.connect().await;
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// Mines one block for `rich` as an outside miner does; returns its hash.
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

    /// The block of that height on this node's best chain.
    pub(crate) fn block(&self, height: u64) -> Block {
        let rows = self.store.snapshot().unwrap();
        let id = schema::required_best(&rows, Height::new(height)).unwrap();
        schema::block(&rows, &id).unwrap().unwrap()
    }

    /// Hands in a block that was sealed elsewhere; it must be taken.
    pub(crate) async fn take_block(&self, block: Block) {
        let (place, answer) = tokio::sync::oneshot::channel();
        let command = Command::SubmitBlock(block, place);
        self.running.commands.send(command).await.unwrap();
        let answer = answer.await.unwrap();
        assert!(matches!(answer, Answer::BlockAccepted(_)), "{answer:?}");
    }

    /// Hands in `payment(nonce)`; returns its hash.
    pub(crate) async fn pay(&self, nonce: u64) -> String {
        let (_, answer) = self.post("/submit", &payment(nonce)).await;
        assert_eq!(answer["ok"], true, "{answer}");
        answer["hash"].as_str().unwrap().to_owned()
    }

    /// Stops the node and waits until it has.
    pub(crate) async fn stop(self) {
        self.running.stop.cancel();
        self.running.done.await.unwrap().unwrap();
    }
}

impl Deref for TestNode {
    type Target = TestApi;

    fn deref(&self) -> &TestApi {
        &self.api
    }
}

impl TestApi {
    fn new(host: &TestHost, store: &Store, commands: mpsc::Sender<Command>) -> Self {
        let context = Arc::new(ApiContext::new(ApiParts {
            store: store.clone(),
            commands,
            events: broadcast::channel(1).0,
            clock: host.clock,
            genesis: Arc::new(genesis()),
            build: build_info(),
            metrics: Arc::new(Metrics::new(&build_info(), Probes::default())),
            machine: None,
            stop: CancellationToken::new(),
            broken: Broken::default(),
        }));
        Self {
            context,
            door: Door::Public,
            _stalled: None,
        }
    }

    /// The answer to a request, as it would be sent.
    pub(crate) async fn answer(&self, method: Method, target: &str, body: &str) -> ApiAnswer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = ApiRequest {
            door: self.door,
            wants_page: false,
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

    /// `/metrics` of this API.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.answer(Method::Get, "/metrics", "").await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    }
}

fn parse(answer: &ApiAnswer) -> (u16, Value) {
    assert_eq!(answer.content_type, "application/json");
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}
