//! A stream whose writes fail when the other side takes nothing for too long. Without it a client
//! that never reads its answer would hold a connection for ever: hyper limits reading only.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use archivas_core::primitives::Millis;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ports::Clock;

/// A stream with bounded patience. Reading is untouched.
pub(super) struct Patience<S, C> {
    stream: S,
    clock: C,
    limit: Millis,
    /// Set while a write waits; the next progress clears it.
    deadline: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S, C: Clock> Patience<S, C> {
    /// `stream`, whose writes may each wait for at most `limit`.
    pub(super) const fn new(stream: S, clock: C, limit: Millis) -> Self {
        Self {
            stream,
            clock,
            limit,
            deadline: None,
        }
    }

    /// Passes on what the stream said, unless it said "wait" for too long.
    fn bound<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.deadline = None;
            return polled;
        }
        let (clock, limit) = (&self.clock, self.limit);
        let deadline = self.deadline.get_or_insert_with(|| {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep(limit).await })
        });
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

// Nothing in it is ever pinned but the boxed deadline.
impl<S: Unpin, C> Unpin for Patience<S, C> {}

impl<S, C> fmt::Debug for Patience<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patience")
    }
}

impl<S: AsyncRead + Unpin, C: Clock> AsyncRead for Patience<S, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin, C: Clock> AsyncWrite for Patience<S, C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bound(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.bound(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bound(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.bound(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestClock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_reads_fails_in_time() {
        let clock = TestClock::start();
        let (ours, _theirs) = tokio::io::duplex(4);
        let mut stream = Patience::new(ours, clock, Millis::from_secs(3));
        let error = stream.write_all(b"longer than the pipe").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(clock.now().monotonic.get(), 3_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_that_makes_progress_is_waited_for() {
        let clock = TestClock::start();
        let (ours, mut theirs) = tokio::io::duplex(1);
        let mut stream = Patience::new(ours, clock, Millis::from_secs(3));
        let write = async { stream.write_all(b"slowly").await };
        let read = async {
            let mut got = [0; 6];
            for byte in &mut got {
                clock.sleep(Millis::from_secs(2)).await;
                *byte = theirs.read_u8().await.unwrap();
            }
            got
        };
        let (written, got) = tokio::join!(write, read);
        written.unwrap();
        assert_eq!(&got, b"slowly");
    }
}
