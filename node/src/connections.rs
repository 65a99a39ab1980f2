//! Frames over byte streams: who connects to us, whom we dial, and one reader and one writer task a
//! peer. Waits for bytes only; what they mean is the node's business. The same in both worlds.
//!
//! Memory a peer can make us hold: one payload in its reader, what waits in its outbox
//! (`OUTBOX_BYTES_MAX`), and its share of the driver's queue (`NET_EVENTS_MAX` frames for all).

mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use archivas_core::p2p::peer::PeerId;
use archivas_core::params::peers::{OUTBOX_BYTES_MAX, OUTBOX_SERVE_BYTES};
use archivas_core::primitives::{Instant, Millis};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ports::{Clock, Host, Listener, Network, Spawner};
use tasks::{Reading, Writing, reader, writer};

/// Events on their way to the driver: frames of at most about 1 MiB, so 32 MiB in the worst case.
pub const NET_EVENTS_MAX: usize = 32;
/// Frames waiting for one peer to read them, beside the bound on their bytes.
pub const OUTBOX_FRAMES_MAX: usize = 4_096;
/// An address that has not answered a dial by then is not there.
pub const DIAL_TIMEOUT: Millis = Millis::from_secs(10);
/// After a failed accept (too many open files, say) the listener rests.
const ACCEPT_PAUSE: Millis = Millis::new(100);

/// What the network tells the driver.
#[derive(Debug)]
pub enum NetEvent<S> {
    /// Somebody connected to us.
    Accepted(S, SocketAddr),
    /// A dial succeeded.
    Dialled(S, SocketAddr),
    /// A dial failed or timed out.
    DialFailed(SocketAddr),
    /// One whole frame of the right network, within its bound, with a right checksum.
    Frame {
        /// Who sent it.
        peer: PeerId,
        /// Its kind, known or not.
        kind: u8,
        /// Its payload, undecoded.
        payload: Vec<u8>,
    },
    /// A peer has read so much that its outbox is below `OUTBOX_SERVE_BYTES` again.
    Drained(PeerId),
    /// The connection is gone, for whatever reason.
    Closed(PeerId),
}

/// The sending half of the driver's network queue.
pub type NetSender<H> = mpsc::Sender<NetEvent<<<H as Host>::Network as Network>::Stream>>;

/// The queue of frames that one peer has not read yet, bounded by count and by bytes. Dropping it
/// closes the connection once what is queued was written, or could not be in time.
#[derive(Debug)]
pub struct Outbox {
    frames: mpsc::Sender<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
    /// Nothing is read before this moment.
    rest: Arc<AtomicU64>,
    closing: Closing,
}

/// How a connection is told to close.
#[derive(Clone, Debug, Default)]
struct Closing {
    /// After what is queued.
    soon: CancellationToken,
    /// At once.
    now: CancellationToken,
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.closing.soon.cancel();
    }
}

/// The peer reads too slowly for what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Outbox {
    /// Queues one whole frame; never waits.
    ///
    /// # Errors
    /// `Overflow` when the queue is full or the connection is gone.
    pub fn send(&self, frame: Vec<u8>) -> Result<(), Overflow> {
        let length = frame.len();
        if self.bytes.load(Ordering::Relaxed) + length > OUTBOX_BYTES_MAX {
            return Err(Overflow);
        }
        self.bytes.fetch_add(length, Ordering::Relaxed);
        self.frames.try_send(frame).map_err(|_| Overflow)
    }

    /// Whether so much waits that nothing more should be read from disk for this peer.
    pub fn is_congested(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= OUTBOX_SERVE_BYTES
    }

    /// Reads nothing more of this peer until then, beyond what is on its way already.
    pub fn rest(&self, until: Instant) {
        self.rest.store(until.get(), Ordering::Relaxed);
    }

    /// Closes the connection now and gives up what is queued.
    pub fn abort(self) {
        self.closing.now.cancel();
    }
}

/// Accepts connections until the driver is gone.
pub async fn accept<H: Host>(
    host: H,
    mut listener: <H::Network as Network>::Listener,
    events: NetSender<H>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if events.send(NetEvent::Accepted(stream, from)).await.is_err() {
                    return;
                }
            }
            Err(_) => host.clock().sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Dials once, bounded by `DIAL_TIMEOUT`.
pub async fn dial<H: Host>(host: H, address: SocketAddr, events: NetSender<H>) {
    let dialled = tokio::select! {
        biased;
        dialled = host.network().dial(address) => dialled.ok(),
        () = host.clock().sleep(DIAL_TIMEOUT) => None,
    };
    let event = match dialled {
        Some(stream) => NetEvent::Dialled(stream, address),
        None => NetEvent::DialFailed(address),
    };
    // A closed queue: the node stopped meanwhile.
    let _ = events.send(event).await;
}

/// Starts the reader and the writer of one peer.
pub fn adopt<H: Host>(
    host: &H,
    peer: PeerId,
    magic: [u8; 4],
    stream: <H::Network as Network>::Stream,
    events: &NetSender<H>,
) -> Outbox {
    let (read, write) = tokio::io::split(stream);
    let (frames, queue) = mpsc::channel(OUTBOX_FRAMES_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    let closing = Closing::default();
    let rest = Arc::new(AtomicU64::new(0));
    let reading = Reading {
        rest: Arc::clone(&rest),
        peer,
        magic,
        events: events.clone(),
        close: closing.now.clone(),
    };
    host.spawner().spawn(reader(host.clone(), reading, read));
    let writing = Writing {
        peer,
        queue,
        bytes: Arc::clone(&bytes),
    };
    host.spawner().spawn(writer(
        host.clone(),
        writing,
        write,
        events.clone(),
        closing.clone(),
    ));
    Outbox {
        frames,
        bytes,
        rest,
        closing,
    }
}

#[cfg(test)]
mod tests {
    use super::tasks::{FRAME_TIMEOUT, WRITE_TIMEOUT};
    use super::*;
    use crate::tests::world::TestHost;
    use archivas_core::p2p::frame::{FRAME_HEADER_BYTES, FrameHeader, frame, kind};
    use archivas_core::params::peers::RES_PAYLOAD_MAX;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const MAGIC: [u8; 4] = [1, 2, 3, 4];
    const PEER: PeerId = PeerId(7);

    /// One adopted connection, and its far end.
    struct Rig {
        host: TestHost,
        outbox: Outbox,
        far: DuplexStream,
        events: mpsc::Receiver<NetEvent<DuplexStream>>,
    }

    fn rig() -> Rig {
        let host = TestHost::new();
        let (near, far) = duplex(4_096);
        let (sender, events) = mpsc::channel(NET_EVENTS_MAX);
        let outbox = adopt(&host, PEER, MAGIC, near, &sender);
        Rig {
            host,
            outbox,
            far,
            events,
        }
    }

    impl Rig {
        async fn is_closed(&mut self) -> bool {
            matches!(self.events.recv().await, Some(NetEvent::Closed(PEER)))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_pass_in_both_directions() {
        let mut rig = rig();
        rig.far
            .write_all(&frame(MAGIC, kind::HELLO, &[1]))
            .await
            .expect("open");
        assert!(rig.events.recv().await.is_some());
        let large = vec![5; RES_PAYLOAD_MAX];
        let sent = frame(MAGIC, kind::RES, &large);
        tokio::join!(
            async { rig.far.write_all(&sent).await.expect("open") },
            async {
                let event = rig.events.recv().await;
                let Some(NetEvent::Frame {
                    peer,
                    kind: kind::RES,
                    payload,
                }) = event
                else {
                    panic!("{event:?}")
                };
                assert_eq!((peer, payload), (PEER, large.clone()));
            }
        );
        rig.outbox
            .send(frame(MAGIC, kind::PING, &[9]))
            .expect("room");
        let mut back = [0; FRAME_HEADER_BYTES + 1];
        rig.far.read_exact(&mut back).await.expect("open");
        assert_eq!(back.as_slice(), frame(MAGIC, kind::PING, &[9]));
    }

    #[tokio::test(start_paused = true)]
    async fn before_hello_nothing_larger_is_read() {
        let mut rig = rig();
        let large = frame(MAGIC, kind::RES, &[5; 257]);
        rig.far
            .write_all(&large[..FRAME_HEADER_BYTES])
            .await
            .expect("open");
        assert!(rig.is_closed().await);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_while_a_peer_rests() {
        let mut rig = rig();
        let ping = frame(MAGIC, kind::PING, &[9]);
        rig.far.write_all(&ping).await.expect("open");
        assert!(rig.events.recv().await.is_some());
        let now = rig.host.clock().now().monotonic;
        rig.outbox.rest(now.plus(Millis::from_secs(7)));
        // One frame may be on its way already.
        rig.far.write_all(&ping).await.expect("open");
        assert!(rig.events.recv().await.is_some());
        rig.far.write_all(&ping).await.expect("open");
        assert!(rig.events.recv().await.is_some());
        let waited = rig.host.clock().now().monotonic.since(now);
        assert_eq!(waited, Millis::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_a_foreign_network_and_a_broken_payload_close_the_connection() {
        let mut broken = frame(MAGIC, kind::PING, &[9]);
        *broken.last_mut().expect("a payload") ^= 1;
        let foreign = frame([9; 4], kind::PING, &[9]);
        for bytes in [vec![0xff; 64], foreign, broken] {
            let mut rig = rig();
            rig.far.write_all(&bytes).await.expect("open");
            assert!(rig.is_closed().await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_length_above_the_bound_of_its_kind_closes_before_the_payload_comes() {
        let mut rig = rig();
        let header = FrameHeader {
            magic: MAGIC,
            kind: kind::PING,
            length: 11,
            checksum: [0; 4],
        };
        rig.far.write_all(&header.encode()).await.expect("open");
        assert!(rig.is_closed().await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_peer_may_stay_but_one_that_stops_in_mid_frame_may_not() {
        let mut rig = rig();
        rig.host.clock().sleep(Millis::from_secs(3_600)).await;
        assert!(rig.events.try_recv().is_err());
        let begun = rig.host.clock().now().monotonic;
        rig.far
            .write_all(&frame(MAGIC, kind::PING, &[9])[..5])
            .await
            .expect("open");
        assert!(rig.is_closed().await);
        assert_eq!(rig.host.clock().now().monotonic.since(begun), FRAME_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_loop_reads_no_more_than_its_queue_holds() {
        let Rig {
            host,
            mut far,
            mut events,
            outbox,
        } = rig();
        let piece = frame(MAGIC, kind::RES, &vec![0; 64 * 1024]);
        far.write_all(&frame(MAGIC, kind::HELLO, &[1]))
            .await
            .expect("open");
        let mut written = 1;
        let flood = async {
            loop {
                far.write_all(&piece).await.expect("open");
                written += 1;
            }
        };
        tokio::select! {
            biased;
            () = flood => {}
            () = host.clock().sleep(Millis::from_secs(5)) => {}
        }
        // Beside what is queued, one frame waits in the reader.
        assert_eq!(written, NET_EVENTS_MAX + 1);
        for _ in 0..=NET_EVENTS_MAX {
            assert!(matches!(events.recv().await, Some(NetEvent::Frame { .. })));
        }
        drop(outbox);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_overflows_and_then_is_given_up() {
        let mut rig = rig();
        let piece = frame(MAGIC, kind::RES, &vec![0; RES_PAYLOAD_MAX]);
        let mut queued = 0;
        while rig.outbox.send(piece.clone()).is_ok() {
            queued += piece.len();
        }
        assert!(queued <= OUTBOX_BYTES_MAX && queued + piece.len() > OUTBOX_BYTES_MAX);
        assert!(rig.outbox.is_congested());
        let begun = rig.host.clock().now().monotonic;
        assert!(rig.is_closed().await);
        assert_eq!(rig.host.clock().now().monotonic.since(begun), WRITE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outbox_that_drains_says_so() {
        let mut rig = rig();
        let piece = frame(MAGIC, kind::RES, &vec![0; RES_PAYLOAD_MAX]);
        for _ in 0..3 {
            rig.outbox.send(piece.clone()).expect("three fit");
        }
        assert!(rig.outbox.is_congested());
        let mut read = vec![0; piece.len() * 2];
        rig.far.read_exact(&mut read).await.expect("open");
        assert!(matches!(
            rig.events.recv().await,
            Some(NetEvent::Drained(PEER))
        ));
        assert!(!rig.outbox.is_congested());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_queued_is_written_before_a_connection_closes() {
        let mut rig = rig();
        rig.outbox
            .send(frame(MAGIC, kind::PING, &[9]))
            .expect("room");
        drop(rig.outbox);
        let mut all = Vec::new();
        rig.far.read_to_end(&mut all).await.expect("open");
        assert_eq!(all, frame(MAGIC, kind::PING, &[9]));
        assert!(matches!(
            rig.events.recv().await,
            Some(NetEvent::Closed(PEER))
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn an_aborted_connection_closes_at_once() {
        let mut rig = rig();
        rig.outbox
            .send(frame(MAGIC, kind::RES, &vec![0; RES_PAYLOAD_MAX]))
            .expect("room");
        let begun = rig.host.clock().now().monotonic;
        rig.outbox.abort();
        assert!(matches!(
            rig.events.recv().await,
            Some(NetEvent::Closed(PEER))
        ));
        assert_eq!(rig.host.clock().now().monotonic, begun);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_that_nobody_answers_fails() {
        let host = TestHost::new();
        let (sender, mut events) = mpsc::channel(1);
        dial(host, ([127, 0, 0, 1], 1).into(), sender).await;
        assert!(matches!(events.recv().await, Some(NetEvent::DialFailed(_))));
    }
}
