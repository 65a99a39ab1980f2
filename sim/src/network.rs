//! The network of a run: byte streams between machines over lines that are slow, cut and healed.
//! No task moves bytes: what is written carries its time of arrival, and a reader that waits is woken
//! then, so that an idle network costs nothing. Implements the shell's `Network` port; the harness
//! dials through it as well, from a machine of its own. Touches madsim only through the agenda.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use archivas::ports;
use archivas_scenarios::draws::Draws;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::agenda::Agenda;
use crate::meter::{Meter, Part};
use crate::trace::{NO_NODE, Trace};

pub mod connection;
pub mod doors;
pub mod link;
pub mod pipe;
pub mod switchboard;
pub mod traffic;
mod words;

use connection::End;
use doors::{Binding, Knock};
pub use link::Latency;
use switchboard::{Machine, Switchboard};

/// When a dialler tries again, in virtual nanoseconds after the one before: as Linux does it.
const RETRIES_NS: [u64; 7] = {
    const SECOND: u64 = 1_000_000_000;
    [
        SECOND,
        2 * SECOND,
        4 * SECOND,
        8 * SECOND,
        16 * SECOND,
        32 * SECOND,
        64 * SECOND,
    ]
};

/// The address of node number `machine`, each in a /16 of its own so that limits per group of
/// addresses see different groups; the harness has one beyond them.
#[must_use]
pub fn address_of(machine: Machine) -> IpAddr {
    let [high, low] = machine.to_be_bytes();
    if machine == NO_NODE {
        return IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    }
    IpAddr::V4(Ipv4Addr::new(10, low, high, 1))
}

/// The network of one run. Cheap to clone.
#[derive(Clone)]
pub struct Net(Arc<Shared>);

struct Shared {
    agenda: Agenda,
    meter: Meter,
    board: Mutex<Switchboard>,
}

impl Net {
    /// A network with no machine but the harness.
    #[must_use]
    pub fn new(agenda: Agenda, draws: Draws, trace: Trace) -> Self {
        let meter = trace.meter().clone();
        let mut board = Switchboard::new(draws, trace);
        board.add(NO_NODE, "harness", address_of(NO_NODE));
        let board = Mutex::new(board);
        Self(Arc::new(Shared {
            agenda,
            meter,
            board,
        }))
    }

    /// Changes or reads the network at the present time; then wakes whom the change concerns.
    pub fn with<T>(&self, act: impl FnOnce(&mut Switchboard) -> T) -> T {
        let _network = self.0.meter.time(Part::Network);
        let mut board = self.0.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.now = self.0.agenda.now();
        let value = act(&mut board);
        let wakes = std::mem::take(&mut board.wakes);
        drop(board);
        for wake in wakes {
            match wake.at {
                None => wake.waker.wake(),
                Some(at) => drop(self.0.agenda.wake_at(at, &wake.waker)),
            }
        }
        value
    }

    /// The network as one machine sees it.
    #[must_use]
    pub fn at(&self, machine: Machine) -> NodeNetwork {
        NodeNetwork {
            net: self.clone(),
            machine,
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

/// The network as one machine sees it.
#[derive(Clone, Debug)]
pub struct NodeNetwork {
    net: Net,
    machine: Machine,
}

impl NodeNetwork {
    /// Sends the first segment of a handshake until somebody answers.
    async fn knock(&self, from: SocketAddr, to: SocketAddr) -> io::Result<Stream> {
        for wait in RETRIES_NS {
            let arrival = self.net.with(|board| board.handshake(self.machine, to));
            if let Some(at) = arrival {
                self.net.0.agenda.sleep_until(at).await;
                match self.net.with(|board| board.knock(from, to)) {
                    Knock::Lost => {}
                    Knock::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
                    Knock::Accepted(end) => {
                        return Ok(Stream {
                            net: self.net.clone(),
                            end,
                        });
                    }
                }
            }
            self.net.0.agenda.sleep(wait).await;
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Waits for the answer to a handshake, which a cut in the other direction may hold up.
    async fn hear(&self, to: SocketAddr) -> io::Result<()> {
        let agenda = &self.net.0.agenda;
        agenda
            .sleep(self.net.with(|board| board.answer_ns(to, self.machine)))
            .await;
        for wait in RETRIES_NS {
            if !self.net.with(|board| board.is_cut(to, self.machine)) {
                return Ok(());
            }
            agenda.sleep(wait).await;
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl ports::Network for NodeNetwork {
    type Stream = Stream;
    type Listener = Listener;

    async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        let binding = self.net.with(|board| board.listen(self.machine, address))?;
        Ok(Listener {
            net: self.net.clone(),
            binding,
        })
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<Stream> {
        let from = self.net.with(|board| board.dial_from(self.machine));
        let heard = match self.knock(from, address).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(error),
            Err(error) => return Err(error),
            Ok(stream) => Ok(stream),
        };
        self.hear(address).await?;
        heard
    }
}

/// A bound address of one machine.
#[derive(Debug)]
pub struct Listener {
    net: Net,
    binding: Binding,
}

impl ports::Listener for Listener {
    type Stream = Stream;

    fn local_addr(&self) -> SocketAddr {
        self.binding.address
    }

    async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        let (net, binding) = (&self.net, self.binding);
        let accept = |cx: &mut Context<'_>| net.with(|board| board.accept(binding, cx.waker()));
        let (end, from) = poll_fn(accept).await?;
        Ok((
            Stream {
                net: self.net.clone(),
                end,
            },
            from,
        ))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.net.with(|board| board.unlisten(self.binding));
    }
}

/// One end of a connection. Dropping it ends the connection.
#[derive(Debug)]
pub struct Stream {
    net: Net,
    end: End,
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.net.with(|board| board.read(self.end, cx.waker(), out))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.net
            .with(|board| board.write(self.end, cx.waker(), bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.with(|board| board.shut(self.end));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.net.with(|board| board.drop_stream(self.end));
    }
}

#[cfg(test)]
mod tests {
    use archivas::ports::{Listener as _, Network as _};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::thread::simulate;

    const PORT: u16 = 9090;

    fn net(seed: u64) -> (Net, Agenda) {
        let agenda = Agenda::new();
        let net = Net::new(agenda.clone(), Draws::new(seed), Trace::new(|| 0));
        for (machine, name) in [(0, "a"), (1, "b")] {
            net.with(|board| board.add(machine, name, address_of(machine)));
        }
        (net, agenda)
    }

    fn at(machine: Machine) -> SocketAddr {
        SocketAddr::new(address_of(machine), PORT)
    }

    /// A connection dialled by node 0 and accepted by node 1.
    async fn pair(net: &Net) -> (Stream, Stream) {
        let mut listener = net.at(1).listen(at(1)).await.unwrap();
        let dialler = net.at(0);
        let (dialled, accepted) = tokio::join!(biased; dialler.dial(at(1)), listener.accept());
        let (accepted, from) = accepted.unwrap();
        assert_eq!(from.ip(), address_of(0));
        (dialled.unwrap(), accepted)
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn bytes_cross_in_order_after_a_latency_and_the_end_follows_them() {
        simulate(1, async || {
            let (net, agenda) = net(1);
            let (mut left, mut right) = pair(&net).await;
            let sent: Vec<u8> = (0..=255).cycle().take(700_000).collect();
            let before = agenda.now();
            let write = async {
                left.write_all(&sent).await.unwrap();
                left.shutdown().await.unwrap();
            };
            let mut got = Vec::new();
            let (_, read) = tokio::join!(biased; write, right.read_to_end(&mut got));
            assert_eq!(read.unwrap(), sent.len());
            assert_eq!(got, sent);
            assert!(agenda.now() - before > 10_000_000);
            right.write_all(b"half-closed").await.unwrap();
            let mut back = [0; 11];
            left.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, b"half-closed");
        });
    }

    #[test]
    fn a_writer_waits_while_the_pipe_is_full() {
        simulate(1, async || {
            let (net, agenda) = net(1);
            let (mut left, mut right) = pair(&net).await;
            let mut written = 0;
            tokio::select! {
                biased;
                _ = async { loop { written += left.write(&[7; 9_000]).await.unwrap(); } } => {}
                () = agenda.sleep(SECOND) => {}
            }
            assert_eq!(written, pipe::PIPE_BYTES_MAX);
            right.read_exact(&mut [0; 100]).await.unwrap();
            assert_eq!(left.write(&[7; 9_000]).await.unwrap(), 100);
        });
    }

    #[test]
    fn a_cut_delays_and_loses_nothing_and_holds_each_direction_by_itself() {
        simulate(1, async || {
            let (net, agenda) = net(1);
            let (mut left, mut right) = pair(&net).await;
            assert!(net.with(|board| board.cut(0, 1)));
            assert!(!net.with(|board| board.cut(0, 1)));
            left.write_all(b"late").await.unwrap();
            right.write_all(b"soon").await.unwrap();
            let mut word = [0; 4];
            left.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"soon");
            tokio::select! {
                biased;
                _ = right.read_exact(&mut word) => panic!("read through a cut"),
                () = agenda.sleep(100 * SECOND) => {}
            }
            assert!(net.with(|board| board.heal(0, 1)));
            right.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"late");
        });
    }

    #[test]
    fn dials_are_refused_lost_or_tried_again_as_on_a_real_network() {
        simulate(1, async || {
            let (net, agenda) = net(1);
            let refused = net.at(0).dial(at(1)).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

            let mut listener = net.at(1).listen(at(1)).await.unwrap();
            net.with(|board| board.cut(0, 1));
            let healed = async {
                agenda.sleep(5 * SECOND).await;
                net.with(|board| board.heal(0, 1));
            };
            let dialler = net.at(0);
            let (dialled, _, ()) =
                tokio::join!(biased; dialler.dial(at(1)), listener.accept(), healed);
            dialled.unwrap();
            assert!(agenda.now() > 6 * SECOND);

            net.with(|board| board.power_off(1));
            let before = agenda.now();
            let lost = net.at(0).dial(at(1)).await.unwrap_err();
            assert_eq!(lost.kind(), io::ErrorKind::TimedOut);
            assert!(agenda.now() - before > 120 * SECOND);
        });
    }

    #[test]
    fn a_killed_process_resets_its_connections_and_frees_its_ports() {
        simulate(1, async || {
            let (net, _) = net(1);
            let (mut left, right) = pair(&net).await;
            let listener = net
                .at(1)
                .listen(SocketAddr::new(address_of(1), 80))
                .await
                .unwrap();
            net.with(|board| board.end_process(1));
            let error = left.read(&mut [0; 9]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            let error = left.write(b"x").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            let again = net.at(1).listen(SocketAddr::new(address_of(1), 80)).await;
            // The dead process is dropped only now, and must not touch its successor.
            drop((right, listener));
            let mut again = again.unwrap();
            let web = SocketAddr::new(address_of(1), 80);
            let dialler = net.at(0);
            let (dialled, accepted) = tokio::join!(biased; dialler.dial(web), again.accept());
            assert!(dialled.is_ok() && accepted.is_ok());
        });
    }

    #[test]
    fn a_machine_without_power_is_silent_until_it_is_back() {
        simulate(1, async || {
            let (net, agenda) = net(1);
            let (mut left, right) = pair(&net).await;
            net.with(|board| board.power_off(1));
            drop(right);
            left.write_all(b"anybody there?").await.unwrap();
            let mut word = [0; 9];
            tokio::select! {
                biased;
                _ = left.read(&mut word) => panic!("a dark machine said something"),
                () = agenda.sleep(100 * SECOND) => {}
            }
            assert!(net.with(|board| board.power_on(1)));
            let error = left.read(&mut [0; 9]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        });
    }

    #[test]
    fn connections_whose_ends_are_gone_leave_nothing_behind() {
        simulate(1, async || {
            let (net, _) = net(1);
            let (left, mut right) = pair(&net).await;
            drop(left);
            assert_eq!(right.read(&mut [0; 9]).await.unwrap(), 0);
            assert_eq!(net.with(|board| board.connections()), 1);
            drop(right);
            assert_eq!(net.with(|board| board.connections()), 0);
        });
    }

    #[test]
    fn writing_to_an_end_that_is_gone_is_answered_with_a_reset() {
        simulate(1, async || {
            let (net, agenda) = net(1);
            let (left, mut right) = pair(&net).await;
            drop(left);
            right.write_all(b"too late").await.unwrap();
            agenda.sleep(SECOND).await;
            let error = right.write(b"x").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        });
    }
}
