//! A response body that goes on while there are events, and ends when the node stops.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio_util::sync::CancellationToken;

use crate::api::Subscription;
use crate::ports::Clock;

/// The next piece under way, and the subscription that it comes from.
type Next<C> = Pin<Box<dyn Future<Output = (Option<String>, Subscription<C>)> + Send>>;

/// A subscription as a body. It asks for the next piece only when the connection has room for it.
pub(super) struct EventBody<C> {
    next: Option<Next<C>>,
    stop: CancellationToken,
}

impl<C: Clock> EventBody<C> {
    /// What `subscription` has to say until `stop`.
    pub(super) fn new(subscription: Subscription<C>, stop: CancellationToken) -> Self {
        let next = Some(next(subscription, stop.clone()));
        Self { next, stop }
    }
}

fn next<C: Clock>(mut subscription: Subscription<C>, stop: CancellationToken) -> Next<C> {
    Box::pin(async move {
        let piece = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            piece = subscription.next() => piece,
        };
        (piece, subscription)
    })
}

impl<C: Clock> Body for EventBody<C> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(waiting) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (piece, subscription) = ready!(waiting.as_mut().poll(context));
        self.next = None;
        let Some(piece) = piece else {
            return Poll::Ready(None);
        };
        let stop = self.stop.clone();
        self.next = Some(next(subscription, stop));
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

impl<C> fmt::Debug for EventBody<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody").finish_non_exhaustive()
    }
}
