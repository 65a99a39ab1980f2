//! A whole node: binds the listeners, opens the node, starts its loop, its connections and its HTTP
//! server, the same in both worlds. Touches the world only through the ports.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use archivas_core::chain::{OpenError, Policy};
pub use archivas_core::node::TipInfo;
use archivas_core::node::{Event, Node, NodeConfig};
use archivas_core::params::Genesis;
use archivas_core::probes::Probes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::api::{ApiContext, ApiParts, Door};
use crate::connections;
use crate::driver::{Broken, COMMANDS_MAX, Driver, EVENTS_MAX, Feeds, Publishing, StopError};
use crate::http::{self, Front, Gate, Limits};
use crate::life::{Life, LifeHost};
use crate::metrics::Metrics;
pub use crate::ports::BuildInfo;
use crate::ports::{Clock, Command, Host, Listener, LocalStream, Machine, Network, Spawner};
use crate::record::{Desk, Recording};
use crate::store::Store;

/// Stands for the operator's programs: they have no address.
const ADMIN_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Everything that makes one life of a node what it is, beside its world and its store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The network it belongs to.
    pub genesis: Genesis,
    /// Where peers connect; `None` accepts nobody.
    pub p2p: Option<SocketAddr>,
    /// Where HTTP clients connect; `None` serves nobody.
    pub http: Option<SocketAddr>,
    /// Where `/metrics` is read, and nothing else; `None` for nowhere but the API.
    pub metrics: Option<SocketAddr>,
    /// Peers to keep connected.
    pub connect: Vec<SocketAddr>,
    /// Whether to look for others beside them.
    pub discover: bool,
    /// What is followed without the operator, and how much of the past is kept.
    pub policy: Policy,
    /// What this program is.
    pub build: BuildInfo,
    /// The seed of all the node's randomness.
    pub seed: [u8; 32],
    /// How much each client of the API may take.
    pub limits: Limits,
    /// The machine below, where there is one.
    pub machine: Option<Arc<dyn Machine>>,
    /// Where this life is recorded, if it is.
    pub record: Option<Arc<dyn Recording>>,
}

/// A started node. Dropping it does not stop the node.
#[derive(Debug)]
pub struct Running {
    /// The node's loop. Full means that it is busy: wait or refuse.
    pub commands: mpsc::Sender<Command>,
    /// The committed tip.
    pub tip: watch::Receiver<TipInfo>,
    /// What happened, from the start of this life; a slow reader loses the oldest.
    pub events: broadcast::Receiver<Event>,
    /// The counters of rare states of this life.
    pub probes: Probes,
    /// The bound address for peers.
    pub p2p_addr: Option<SocketAddr>,
    /// The bound address for HTTP.
    pub http_addr: Option<SocketAddr>,
    /// The bound address for metrics.
    pub metrics_addr: Option<SocketAddr>,
    /// Takes connections of the operator's programs, which may ask for everything.
    pub admin: mpsc::Sender<Box<dyn LocalStream>>,
    /// Cancelling it stops the node gracefully.
    pub stop: CancellationToken,
    /// Fires when the node has stopped and all of its tasks, and with them its hold on the store,
    /// are gone.
    pub done: oneshot::Receiver<Result<(), StopError>>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data cannot be used.
    #[error("cannot open the chain: {0}")]
    Open(#[from] OpenError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}: {error}; pass another --{what}")]
    Listen {
        /// `http`, `p2p` or `metrics`.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the world said.
        error: io::Error,
    },
}

/// Starts a node on `store` in the world of `host`; everything it starts ends with it.
///
/// # Errors
/// When an address cannot be listened on or the data cannot be used; nothing runs then.
pub async fn start<H: Host>(
    host: H,
    store: Store,
    settings: Settings,
) -> Result<Running, StartError> {
    let listeners = Listeners::bind(&host, &settings).await?;
    let [p2p_addr, http_addr, metrics_addr] = listeners.addresses();
    let node = open(&host, &store, &settings, p2p_addr)?;

    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (tip_out, tip) = watch::channel(node.tip());
    let (events_out, events) = broadcast::channel(EVENTS_MAX);
    let (done_out, done) = oneshot::channel();
    let (stop, broken) = (CancellationToken::new(), Broken::default());
    let probes = node.probes().clone();
    let metrics = Arc::new(Metrics::new(&settings.build, probes.clone()));

    let (life_host, life) = LifeHost::begin(host.clone());
    let feeds = Feeds {
        commands: commands_in,
        stop: stop.clone(),
        broken: broken.clone(),
    };
    let publishing = Publishing {
        tip: tip_out,
        events: events_out.clone(),
        metrics: Arc::clone(&metrics),
    };
    let magic = settings.genesis.network_magic();
    let driver = Driver::new(life_host.clone(), node, magic, feeds, publishing);
    if let Some(listener) = listeners.p2p {
        let accepting = connections::accept(life_host.clone(), listener, driver.net());
        life_host.spawner().spawn(accepting);
    }
    let context = Arc::new(ApiContext::new(ApiParts {
        store,
        commands: commands.clone(),
        events: events_out,
        clock: host.clock().clone(),
        genesis: Arc::new(settings.genesis),
        build: settings.build,
        metrics,
        machine: settings.machine,
        stop: stop.clone(),
        broken,
    }));
    let doors = (listeners.http, listeners.metrics);
    let (admin, all_served) = serve(&life_host, doors, (context, settings.limits), &stop);
    drop(life_host);
    let ending = Ending {
        stop: stop.clone(),
        all_served,
        life,
        done: done_out,
    };
    host.spawner().spawn(live(driver, ending));
    Ok(Running {
        commands,
        tip,
        events,
        probes,
        p2p_addr,
        http_addr,
        metrics_addr,
        admin,
        stop,
        done,
    })
}

/// Where admin connections are handed in, and what ends when every server has.
type Serving = (
    mpsc::Sender<Box<dyn LocalStream>>,
    mpsc::Receiver<Infallible>,
);

/// Serves the API, metrics, and the operator.
fn serve<H: Host, L: Listener>(
    host: &H,
    (http, metrics): (Option<L>, Option<L>),
    (context, limits): (Arc<ApiContext<H::Clock>>, Limits),
    stop: &CancellationToken,
) -> Serving
where
    L::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (served, all_served) = mpsc::channel(1);
    let ends = || (stop.clone(), served.clone());
    if let Some(listener) = http {
        let front = public(&context, Door::Public, limits.clone());
        spawn_serving(host, listener, front, ends());
    }
    if let Some(listener) = metrics {
        let front = public(&context, Door::Metrics, limits);
        spawn_serving(host, listener, front, ends());
    }
    let (admin, arriving) = mpsc::channel(1);
    let front = Front {
        context,
        door: Door::Admin,
        gate: None,
    };
    spawn_serving(host, AdminListener { arriving }, front, ends());
    (admin, all_served)
}

/// A server for strangers.
fn public<C>(context: &Arc<ApiContext<C>>, door: Door, limits: Limits) -> Front<C> {
    Front {
        context: Arc::clone(context),
        door,
        gate: Some(Arc::new(Gate::new(limits))),
    }
}

/// Runs a server until `stop`, and lets go of `served` when it has ended.
fn spawn_serving<H: Host, L: Listener>(
    host: &H,
    listener: L,
    front: Front<H::Clock>,
    (stop, served): (CancellationToken, mpsc::Sender<Infallible>),
) where
    L::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let serving = http::serve(host.clone(), listener, front, stop);
    host.spawner().spawn(async move {
        serving.await;
        drop(served);
    });
}

/// Connections that the world hands in one by one.
struct AdminListener {
    arriving: mpsc::Receiver<Box<dyn LocalStream>>,
}

impl Listener for AdminListener {
    type Stream = Box<dyn LocalStream>;

    fn local_addr(&self) -> SocketAddr {
        ADMIN_ADDRESS
    }

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        match self.arriving.recv().await {
            Some(stream) => Ok((stream, ADMIN_ADDRESS)),
            // Nobody can come any more.
            None => pending().await,
        }
    }
}

/// The sockets of a node that is about to start.
struct Listeners<L> {
    p2p: Option<L>,
    http: Option<L>,
    metrics: Option<L>,
}

impl<L: Listener> Listeners<L> {
    async fn bind<H: Host>(host: &H, settings: &Settings) -> Result<Self, StartError>
    where
        H::Network: Network<Listener = L>,
    {
        let p2p = listen(host, settings.p2p, "p2p").await?;
        let http = listen(host, settings.http, "http").await?;
        let metrics = listen(host, settings.metrics, "metrics").await?;
        Ok(Self { p2p, http, metrics })
    }

    /// Of `p2p`, `http` and `metrics`, with their real ports.
    fn addresses(&self) -> [Option<SocketAddr>; 3] {
        [&self.p2p, &self.http, &self.metrics].map(|one| one.as_ref().map(Listener::local_addr))
    }
}

fn open<H: Host>(
    host: &H,
    store: &Store,
    settings: &Settings,
    p2p_addr: Option<SocketAddr>,
) -> Result<Desk<Store>, OpenError> {
    let config = NodeConfig {
        user_agent: settings.build.agent.clone(),
        listen_port: p2p_addr.map_or(0, |address| address.port()),
        connect: settings.connect.clone(),
        discover: settings.discover,
        policy: settings.policy,
    };
    let (genesis, now) = (settings.genesis.clone(), host.clock().now());
    let node = Node::open(store.clone(), genesis, config.clone(), settings.seed, now)?;
    let Some(recording) = settings.record.clone() else {
        return Ok(Desk::new(node));
    };
    let what = (&settings.genesis, config, &settings.build);
    Ok(Desk::recorded(node, recording, what, (settings.seed, now))?)
}

/// What the end of a life takes.
struct Ending {
    stop: CancellationToken,
    all_served: mpsc::Receiver<Infallible>,
    life: Life,
    done: oneshot::Sender<Result<(), StopError>>,
}

/// Runs the loop to its end, lets HTTP finish its answers, then ends everything else.
async fn live<H: Host>(driver: Driver<H, Store>, mut ending: Ending) {
    let result = driver.run().await;
    ending.stop.cancel();
    // The servers bound their own farewell, and say nothing but that it is over.
    let _ = ending.all_served.recv().await;
    ending.life.end().await;
    // Nobody may be waiting.
    let _ = ending.done.send(result);
}

async fn listen<H: Host>(
    host: &H,
    address: Option<SocketAddr>,
    what: &'static str,
) -> Result<Option<<H::Network as Network>::Listener>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    match host.network().listen(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => Err(StartError::Listen {
            what,
            address,
            error,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::CONNECTIONS_MAX;
    use crate::tests::world::{TestHost, build_info, genesis, rich};
    use archivas_core::node::Answer;
    use archivas_core::primitives::{Block, Height, Millis};
    use redb::backends::InMemoryBackend;
    use tokio::io::AsyncReadExt as _;

    const P2P: ([u8; 4], u16) = ([127, 0, 0, 1], 9090);

    /// A node in the same world as others, on a store of its own; `number` is its port's offset.
    async fn node(host: &TestHost, number: u16, connect: Vec<SocketAddr>) -> Running {
        node_of(host, number, connect, genesis()).await
    }

    async fn node_of(
        host: &TestHost,
        number: u16,
        connect: Vec<SocketAddr>,
        genesis: Genesis,
    ) -> Running {
        let store = Store::open(InMemoryBackend::new()).expect("memory");
        let settings = Settings {
            genesis,
            connect,
            ..settings(number)
        };
        start(host.clone(), store, settings)
            .await
            .expect("nothing is in the way")
    }

    fn settings(number: u16) -> Settings {
        Settings {
            genesis: genesis(),
            p2p: Some((P2P.0, P2P.1 + number).into()),
            http: None,
            metrics: None,
            connect: Vec::new(),
            discover: false,
            policy: Policy::default(),
            build: build_info(),
            seed: [u8::try_from(number).expect("few nodes"); 32],
            machine: None,
            record: None,
            limits: Limits::default(),
        }
    }

    async fn mine(node: &Running) {
        let answer = offer_block(node).await.await.expect("answered");
        assert!(matches!(answer, Answer::BlockAccepted(_)), "{answer:?}");
    }

    /// Seals a block and hands it in; returns where the answer will come.
    async fn offer_block(node: &Running) -> oneshot::Receiver<Answer> {
        let (place, template) = oneshot::channel();
        let command = Command::Template(rich().address(), place);
        node.commands.send(command).await.expect("running");
        let template = template
            .await
            .expect("answered")
            .expect("mining is possible");
        let target = template.header.bits.expand().expect("valid");
        let mut header = template.header;
        while !target.is_met_by(&header.id()) {
            header.nonce += 1;
        }
        let (place, answer) = oneshot::channel();
        let block = Block {
            header,
            transfers: Vec::new(),
        };
        node.commands
            .send(Command::SubmitBlock(block, place))
            .await
            .expect("running");
        answer
    }

    async fn reach(node: &mut Running, height: u64) {
        let tip = node.tip.wait_for(|tip| tip.height >= Height::new(height));
        tip.await.expect("running");
    }

    async fn stop(node: Running) {
        node.stop.cancel();
        node.done.await.expect("no panic").expect("no disk failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_travels_to_a_node_that_dialled_and_to_one_that_comes_later() {
        let host = TestHost::new();
        let mut first = node(&host, 0, Vec::new()).await;
        let mut second = node(&host, 1, vec![P2P.into()]).await;
        mine(&first).await;
        reach(&mut second, 1).await;
        mine(&second).await;
        reach(&mut first, 2).await;
        let mut third = node(&host, 2, vec![P2P.into()]).await;
        reach(&mut third, 2).await;
        assert_eq!(*third.tip.borrow(), *first.tip.borrow());
        for node in [first, second, third] {
            stop(node).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_loop_holds_so_many_connections_and_drops_the_next_unheard() {
        let host = TestHost::new();
        let named = (0..300).map(|number| SocketAddr::from(([127, 0, 0, 1], 20_000 + number)));
        let named: Vec<SocketAddr> = named.collect();
        let mut listeners = Vec::new();
        for address in &named {
            listeners.push(host.network().listen(*address).await.expect("free"));
        }
        let node = node(&host, 0, named).await;
        host.clock().sleep(Millis::from_secs(1)).await;
        let (mut heard, mut unheard) = (0, 0);
        for listener in &mut listeners {
            let (mut stream, _) = listener.accept().await.expect("dialled");
            let mut first = [0; 1];
            match stream.read(&mut first).await {
                Ok(1) => heard += 1,
                _ => unheard += 1,
            }
        }
        assert_eq!((heard, unheard), (CONNECTIONS_MAX, 300 - CONNECTIONS_MAX));
        stop(node).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_of_different_networks_never_peer() {
        let host = TestHost::new();
        let first = node(&host, 0, Vec::new()).await;
        let other = Genesis {
            nonce: 1,
            ..genesis()
        };
        let second = node_of(&host, 1, vec![P2P.into()], other).await;
        mine(&first).await;
        host.clock().sleep(Millis::from_secs(600)).await;
        assert_eq!(second.tip.borrow().height, Height::GENESIS);
        stop(first).await;
        stop(second).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_node_leaves_no_task_and_lets_go_of_its_store() {
        let host = TestHost::new();
        let first = node(&host, 0, Vec::new()).await;
        let second = node(&host, 1, vec![P2P.into()]).await;
        host.clock().sleep(Millis::from_secs(60)).await;
        let commands = first.commands.clone();
        stop(first).await;
        assert!(commands.is_closed());
        stop(second).await;
        let alive = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(alive, 0);
    }
}
