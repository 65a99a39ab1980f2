//! A link between two processes: a loopback listener that forwards every connection to the node at
//! the other end, and can be cut. While it is cut no byte passes, and neither does the end of a
//! connection; what is under way waits, as it does on a network that has split.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::world::HarnessError;

/// Bytes held per direction of a connection.
const BUFFER_BYTES: usize = 16 * 1_024;

/// A link. Dropping it closes every connection through it.
pub(super) struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    _tasks: JoinSet<()>,
}

/// How a link is at present.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Whether bytes pass.
    open: bool,
    /// Where the node at the other end listens; `None` while it is down.
    target: Option<SocketAddr>,
}

impl Proxy {
    /// Opens a link to a node that is not up yet.
    pub(super) async fn open() -> Result<Self, HarnessError> {
        let failed = |error| HarnessError(format!("no port is free on loopback: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (state, watched) = watch::channel(State {
            open: true,
            target: None,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, watched));
        Ok(Self {
            address,
            state,
            _tasks: tasks,
        })
    }

    /// What the dialing node connects to.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether bytes pass.
    pub(super) fn is_open(&self) -> bool {
        self.state.borrow().open
    }

    /// Cuts or heals the link.
    pub(super) fn set_open(&self, open: bool) {
        self.state.send_modify(|state| state.open = open);
    }

    /// Says where the listening node is now.
    pub(super) fn set_target(&self, target: Option<SocketAddr>) {
        self.state.send_modify(|state| state.target = target);
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                if let Ok((dialer, _)) = accepted {
                    connections.spawn(forward(dialer, state.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until both directions have ended. A dial into a cut link waits for the
/// heal; a dial to a node that is down ends at once.
async fn forward(dialer: TcpStream, mut state: watch::Receiver<State>) {
    if !wait_until_open(&mut state).await {
        return;
    }
    let target = state.borrow().target;
    let Some(target) = target else { return };
    let Ok(listener) = TcpStream::connect(target).await else {
        return;
    };
    for stream in [&dialer, &listener] {
        // Without it small frames wait for one another; a link works all the same.
        let _ = stream.set_nodelay(true);
    }
    let (from_dialer, to_dialer) = dialer.into_split();
    let (from_listener, to_listener) = listener.into_split();
    tokio::join!(
        pump(from_dialer, to_listener, state.clone()),
        pump(from_listener, to_dialer, state),
    );
}

/// Carries one direction. Its end, too, passes only an open link.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if !wait_until_open(&mut state).await {
            return;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            // Either side may have gone already; the other learns it now.
            let _ = to.shutdown().await;
            return;
        }
    }
}

/// False when the link itself is gone.
async fn wait_until_open(state: &mut watch::Receiver<State>) -> bool {
    state.wait_for(|state| state.open).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(10);

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    /// A link with a connection through it: its two ends.
    async fn connected() -> (Proxy, TcpStream, TcpStream) {
        let proxy = Proxy::open().await.unwrap();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        proxy.set_target(Some(server.local_addr().unwrap()));
        let dialer = TcpStream::connect(proxy.address()).await.unwrap();
        let (listener, _) = timeout(LATE, server.accept()).await.unwrap().unwrap();
        (proxy, dialer, listener)
    }

    #[test]
    fn bytes_pass_both_ways_and_so_does_the_end() {
        run(async {
            let (_proxy, mut dialer, mut listener) = connected().await;
            let mut bytes = [0; 4];
            dialer.write_all(b"ping").await.unwrap();
            timeout(LATE, listener.read_exact(&mut bytes))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(&bytes, b"ping");
            listener.write_all(b"pong").await.unwrap();
            timeout(LATE, dialer.read_exact(&mut bytes))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(&bytes, b"pong");
            drop(dialer);
            assert_eq!(
                timeout(LATE, listener.read(&mut bytes))
                    .await
                    .unwrap()
                    .unwrap(),
                0
            );
        });
    }

    #[test]
    fn nothing_passes_a_cut_link_and_all_of_it_after_the_heal() {
        run(async {
            let (proxy, mut dialer, mut listener) = connected().await;
            proxy.set_open(false);
            dialer.write_all(b"late").await.unwrap();
            drop(dialer);
            let mut bytes = [0; 4];
            assert!(timeout(SOON, listener.read(&mut bytes)).await.is_err());
            proxy.set_open(true);
            timeout(LATE, listener.read_exact(&mut bytes))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(&bytes, b"late");
            assert_eq!(
                timeout(LATE, listener.read(&mut bytes))
                    .await
                    .unwrap()
                    .unwrap(),
                0
            );
        });
    }

    #[test]
    fn a_dial_to_a_node_that_is_down_ends_at_once() {
        run(async {
            let proxy = Proxy::open().await.unwrap();
            let mut dialer = TcpStream::connect(proxy.address()).await.unwrap();
            let read = timeout(LATE, dialer.read(&mut [0; 1])).await.unwrap();
            assert_eq!(read.unwrap_or(0), 0);
        });
    }
}
