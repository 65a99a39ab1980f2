//! A whole node: binds the listeners, opens the node, starts its loop, its connections and its HTTP
//! server, the same in both worlds. Touches the world only through the ports.

use std::net::SocketAddr;

use archivas_core::node::Event;
use archivas_core::params::genesis::Genesis;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use crate::ports::{BuildInfo, TipInfo};
use crate::driver::StopError;
use crate::ports::{Command, Host};
use crate::store::Store;

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
    /// Fires when the node has stopped and all of its tasks, and with them its store, are gone.
    pub done: oneshot::Receiver<Result<(), StopError>>,
}

// pub async fn start<H: Host>(host: H, store: Store, settings: Settings)
//     -> Result<Running, StartError>
