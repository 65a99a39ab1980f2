//! The two tasks of one connection: a reader that turns bytes into frames, and a writer that empties
//! the outbox. Both wait for bytes only, each against a deadline of the Clock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use archivas_core::p2p::frame::{FRAME_HEADER_BYTES, FrameError, FrameHeader, kind, payload_max};
use archivas_core::p2p::peer::PeerId;
use archivas_core::params::peers::OUTBOX_SERVE_BYTES;
use archivas_core::primitives::{Instant, Millis};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Closing, NetEvent, NetSender};
use crate::ports::{Clock, Host, Network};

/// Once its first byte is here, the rest of a frame has this long: 1 MiB at 35 kB/s.
pub(super) const FRAME_TIMEOUT: Millis = Millis::from_secs(30);
/// A peer that takes this long to accept one frame is too slow to be served.
pub(super) const WRITE_TIMEOUT: Millis = Millis::from_secs(30);
/// At the end of a connection, what is queued has this long, and then the stream's own flushing.
const GOODBYE_TIMEOUT: Millis = Millis::from_secs(2);
/// Payload memory is reserved in steps of at most this, as bytes arrive.
const RESERVE_STEP: usize = 64 * 1024;

/// What a reader needs beside its stream.
pub(super) struct Reading<S> {
    /// Whose frames.
    pub(super) peer: PeerId,
    /// Of our network.
    pub(super) magic: [u8; 4],
    /// Where frames go.
    pub(super) events: mpsc::Sender<NetEvent<S>>,
    /// Nothing is read before this moment of the clock.
    pub(super) rest: Arc<AtomicU64>,
    /// Ends the reader, and tells that it has ended.
    pub(super) close: CancellationToken,
}

/// Reads frames until the stream ends, breaks a rule of framing, or is closed from our side; then
/// says so.
pub(super) async fn reader<H: Host>(
    host: H,
    reading: Reading<<H::Network as Network>::Stream>,
    mut stream: impl AsyncRead + Unpin,
) {
    let Reading {
        peer,
        magic,
        events,
        rest,
        close,
    } = reading;
    let mut first = true;
    loop {
        let frame = tokio::select! {
            biased;
            () = close.cancelled() => break,
            frame = read_frame(host.clock(), &rest, &mut stream, magic, first) => frame,
        };
        // Why it ended is of no use: the line may have done it, and nobody is blamed.
        let Ok((kind, payload)) = frame else { break };
        first = false;
        if events
            .send(NetEvent::Frame {
                peer,
                kind,
                payload,
            })
            .await
            .is_err()
        {
            break;
        }
    }
    close.cancel();
    // A closed queue: the node stopped meanwhile.
    let _ = events.send(NetEvent::Closed(peer)).await;
}

/// The next whole frame: its kind and payload. An idle stream may wait for ever (the node pings), a
/// begun frame may not. Who is over his rate is not read; who has not said `Hello` may say no more.
async fn read_frame(
    clock: &impl Clock,
    rest: &AtomicU64,
    stream: &mut (impl AsyncRead + Unpin),
    magic: [u8; 4],
    first: bool,
) -> io::Result<(u8, Vec<u8>)> {
    loop {
        let until = Instant::new(rest.load(Ordering::Relaxed));
        let wait = until.since(clock.now().monotonic);
        if wait == Millis::new(0) {
            break;
        }
        clock.sleep(wait).await;
    }
    let bound = if first {
        payload_max(kind::HELLO)
    } else {
        usize::MAX
    };
    let mut bytes = [0; FRAME_HEADER_BYTES];
    let begun = stream.read(&mut bytes).await?;
    if begun == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    tokio::select! {
        biased;
        frame = finish_frame((bytes, begun), stream, magic, bound) => frame,
        () = clock.sleep(FRAME_TIMEOUT) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The rest of a frame whose first `begun` bytes are here.
async fn finish_frame(
    (mut bytes, begun): ([u8; FRAME_HEADER_BYTES], usize),
    stream: &mut (impl AsyncRead + Unpin),
    magic: [u8; 4],
    bound: usize,
) -> io::Result<(u8, Vec<u8>)> {
    stream.read_exact(&mut bytes[begun..]).await?;
    let header = FrameHeader::decode(&bytes);
    // The bound of the kind is checked here, before any memory is reserved.
    let length = header.admit(magic).map_err(io::Error::other)?;
    if length > bound {
        return Err(io::Error::other(FrameError::Length));
    }
    let mut payload = Vec::new();
    while payload.len() < length {
        let have = payload.len();
        payload.resize(length.min(have + RESERVE_STEP), 0);
        stream.read_exact(&mut payload[have..]).await?;
    }
    header.verify(&payload).map_err(io::Error::other)?;
    Ok((header.kind, payload))
}

/// What the writer task takes from.
pub(super) struct Writing {
    /// Whose frames.
    pub(super) peer: PeerId,
    /// Frames, whole.
    pub(super) queue: mpsc::Receiver<Vec<u8>>,
    /// Their bytes, counted down as they leave.
    pub(super) bytes: Arc<AtomicUsize>,
}

/// Writes queued frames until the stream breaks, a frame takes too long, or the connection is
/// closed; after the outbox was dropped, what it held has a short while more.
pub(super) async fn writer<H: Host>(
    host: H,
    mut writing: Writing,
    mut stream: impl AsyncWrite + Unpin,
    events: NetSender<H>,
    closing: Closing,
) {
    let clock = host.clock();
    tokio::select! {
        biased;
        () = closing.now.cancelled() => {}
        () = writing.run(&mut stream, clock, &events) => {}
        () = async {
            closing.soon.cancelled().await;
            clock.sleep(GOODBYE_TIMEOUT).await;
        } => {}
    }
    closing.now.cancel();
    // Says goodbye in order; a stream that is broken or full has nobody to tell.
    tokio::select! {
        biased;
        _ = stream.shutdown() => {}
        () = clock.sleep(GOODBYE_TIMEOUT) => {}
    }
}

impl Writing {
    /// Writes frame after frame; ends when there will be no more, or one could not be written.
    async fn run<S>(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        clock: &impl Clock,
        events: &mpsc::Sender<NetEvent<S>>,
    ) {
        while let Some(frame) = self.queue.recv().await {
            let written = tokio::select! {
                biased;
                written = stream.write_all(&frame) => written,
                () = clock.sleep(WRITE_TIMEOUT) => Err(io::ErrorKind::TimedOut.into()),
            };
            if written.is_err() {
                return;
            }
            let before = self.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
            let after = before - frame.len();
            let drained = before >= OUTBOX_SERVE_BYTES && after < OUTBOX_SERVE_BYTES;
            if drained && events.send(NetEvent::Drained(self.peer)).await.is_err() {
                return;
            }
        }
    }
}
