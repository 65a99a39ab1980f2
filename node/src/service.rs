//! A whole node: binds the listeners, opens the node, starts its loop, its connections and its HTTP
//! server, the same in both worlds. Touches the world only through the ports.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use archivas_core::chain::OpenError;
pub use archivas_core::node::TipInfo;
use archivas_core::node::{Event, Node, NodeConfig};
use archivas_core::params::Genesis;
use archivas_core::primitives::Millis;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::api::{ApiContext, ApiParts};
use crate::connections;
use crate::driver::{COMMANDS_MAX, Driver, EVENTS_MAX, Feeds, Publishing, StopError};
use crate::http;
use crate::life::{Life, LifeHost};
use crate::metrics::Metrics;
pub use crate::ports::BuildInfo;
use crate::ports::{Clock, Command, Host, Listener, Network, Spawner};
use crate::store::Store;

/// After the loop has ended, answers already given have this long to reach their clients.
const FAREWELL: Millis = Millis::new(50);

/// Everything that makes one life of a node what it is, beside its world and its store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The network it belongs to.
    pub genesis: Genesis,
    /// Where peers connect; `None` accepts nobody.
    pub p2p: Option<SocketAddr>,
    /// Where HTTP clients connect; `None` serves nobody.
    pub http: Option<SocketAddr>,
    /// Peers to keep connected.
    pub connect: Vec<SocketAddr>,
    /// What this program is.
    pub build: BuildInfo,
    /// The seed of all the node's randomness.
    pub seed: [u8; 32],
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
    /// The bound address for peers.
    pub p2p_addr: Option<SocketAddr>,
    /// The bound address for HTTP.
    pub http_addr: Option<SocketAddr>,
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
        /// `http` or `p2p`.
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
    let p2p = listen(&host, settings.p2p, "p2p").await?;
    let http = listen(&host, settings.http, "http").await?;
    let p2p_addr = p2p.as_ref().map(Listener::local_addr);
    let http_addr = http.as_ref().map(Listener::local_addr);

    let config = NodeConfig {
        user_agent: settings.build.agent.clone(),
        listen_port: p2p_addr.map_or(0, |address| address.port()),
        connect: settings.connect.clone(),
    };
    let now = host.clock().now();
    let genesis = settings.genesis.clone();
    let node = Node::open(store.clone(), genesis, config, settings.seed, now)?;

    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (tip_out, tip) = watch::channel(node.tip());
    let (events_out, events) = broadcast::channel(EVENTS_MAX);
    let (done_out, done) = oneshot::channel();
    let stop = CancellationToken::new();

    let (life_host, life) = LifeHost::begin(host.clone());
    let feeds = Feeds {
        commands: commands_in,
        stop: stop.clone(),
    };
    let metrics = Arc::new(Metrics::new(&settings.build));
    let publishing = Publishing {
        tip: tip_out,
        events: events_out,
        metrics: Arc::clone(&metrics),
    };
    let magic = settings.genesis.network_magic();
    let driver = Driver::new(life_host.clone(), node, magic, feeds, publishing);
    if let Some(listener) = p2p {
        let accepting = connections::accept(life_host.clone(), listener, driver.net());
        life_host.spawner().spawn(accepting);
    }
    if let Some(listener) = http {
        let context = Arc::new(ApiContext::new(ApiParts {
            store,
            commands: commands.clone(),
            clock: host.clock().clone(),
            genesis: Arc::new(settings.genesis),
            build: settings.build,
            metrics,
        }));
        let serving = http::serve(life_host.clone(), listener, context, stop.clone());
        life_host.spawner().spawn(serving);
    }
    drop(life_host);
    let clock = host.clock().clone();
    host.spawner().spawn(live(driver, life, clock, done_out));
    Ok(Running {
        commands,
        tip,
        events,
        p2p_addr,
        http_addr,
        stop,
        done,
    })
}

/// Runs the loop to its end, then ends everything else.
async fn live<H: Host>(
    driver: Driver<H, Store>,
    life: Life,
    clock: impl Clock,
    done: oneshot::Sender<Result<(), StopError>>,
) {
    let result = driver.run().await;
    clock.sleep(FAREWELL).await;
    life.end().await;
    // Nobody may be waiting.
    let _ = done.send(result);
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
