//! What the routes work with: the store, the way to the node's loop, and what this node is.

use std::sync::Arc;

use archivas_core::node::Event;
use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, Instant, Millis};
use archivas_core::schema::{self, Tip};
use archivas_core::storage::StorageError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::answer::{ApiAnswer, ApiError};
use super::events::Hub;
use super::template::Templates;
use crate::driver::Broken;
use crate::metrics::Metrics;
use crate::ports::{BuildInfo, Clock, Command, Machine};
use crate::store::{Snapshot, Store};

/// How long the loop may take to answer a question before the client is told to come back. A
/// healthy loop answers in milliseconds; the longest turn is a reorganization step of 100 blocks.
pub const ANSWER_TIMEOUT: Millis = Millis::from_secs(10);
/// How long a read waits for what only the loop knows and the answer can do without.
pub const HINT_TIMEOUT: Millis = Millis::new(100);
/// How long the loop may take before the node counts as unhealthy.
pub const HEALTH_TIMEOUT: Millis = Millis::from_secs(2);

/// What the API is made from.
#[derive(Debug)]
pub struct ApiParts<C> {
    /// The node's database.
    pub store: Store,
    /// The way to the node's loop.
    pub commands: mpsc::Sender<Command>,
    /// What happens in the node.
    pub events: broadcast::Sender<Event>,
    /// The node's time.
    pub clock: C,
    /// The network.
    pub genesis: Arc<Genesis>,
    /// What this program is.
    pub build: BuildInfo,
    /// The node's metrics.
    pub metrics: Arc<Metrics>,
    /// The machine that it runs on, if there is one.
    pub machine: Option<Arc<dyn Machine>>,
    /// Ends the node.
    pub stop: CancellationToken,
    /// Why, when the database could not be read.
    pub broken: Broken,
}

/// What every request is answered from; shared by all connections of a node.
#[derive(Debug)]
pub struct ApiContext<C> {
    pub(super) clock: C,
    pub(super) genesis: Arc<Genesis>,
    pub(super) genesis_id: BlockId,
    pub(super) build: BuildInfo,
    pub(super) metrics: Arc<Metrics>,
    pub(super) templates: Templates,
    pub(super) hub: Hub,
    pub(super) machine: Option<Arc<dyn Machine>>,
    pub(super) stop: CancellationToken,
    broken: Broken,
    store: Store,
    commands: mpsc::Sender<Command>,
    began: Instant,
}

impl<C: Clock> ApiContext<C> {
    /// An API over `parts`.
    pub fn new(parts: ApiParts<C>) -> Self {
        let ApiParts {
            store,
            commands,
            events,
            clock,
            genesis,
            build,
            metrics,
            machine,
            stop,
            broken,
        } = parts;
        let genesis_id = genesis.id();
        let templates = Templates::default();
        let began = clock.now().monotonic;
        Self {
            clock,
            genesis,
            genesis_id,
            build,
            metrics,
            templates,
            hub: Hub::new(events),
            machine,
            stop,
            broken,
            store,
            commands,
            began,
        }
    }

    /// The node's time.
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// How long this life of the node has lasted.
    pub(super) fn uptime(&self) -> Millis {
        self.clock.now().monotonic.since(self.began)
    }

    /// The answer to a request that failed. Where that was the database's fault the node ends, as it
    /// does when its loop meets such a failure: nobody is served from a disk that cannot be trusted.
    pub(super) fn answer_to(&self, error: ApiError) -> ApiAnswer {
        if let Some(broken) = &error.broken {
            self.end_because_of(broken);
        }
        error.into()
    }

    /// Ends the node because its database cannot be read.
    pub(super) fn end_because_of(&self, broken: &StorageError) {
        // The first reason is told.
        let _ = self.broken.set(broken.clone());
        self.stop.cancel();
    }

    /// The answer to a request that did not get as far as a route.
    pub fn refuse(&self, error: ApiError) -> ApiAnswer {
        self.metrics
            .observe_request("other", error.status, Millis::ZERO);
        error.into()
    }

    /// The answer to a client that asks too much; its request is not looked at.
    pub fn refuse_hasty(&self) -> ApiAnswer {
        self.metrics.observe_rate_limited();
        let sentence = "too many requests: wait a second, and ask for less at a time";
        self.refuse(ApiError {
            header: Some(("retry-after", "1")),
            ..ApiError::new(429, "rate_limited", sentence)
        })
    }

    /// A connection was closed unheard: there is no room, or none for its client.
    pub fn count_turned_away(&self) {
        self.metrics.observe_turned_away();
    }

    /// The committed state, for this one request.
    pub(super) fn snapshot(&self) -> Result<Snapshot, ApiError> {
        Ok(self.store.snapshot()?)
    }

    /// A snapshot and the tip that it ends in.
    pub(super) fn snapshot_at_tip(&self) -> Result<(Snapshot, Tip), ApiError> {
        let snapshot = self.store.snapshot()?;
        let tip = schema::tip(&snapshot)?;
        Ok((snapshot, tip))
    }

    /// Sends the loop a command and waits for its answer, in all at most `wait`.
    ///
    /// # Errors
    /// 503 `node_busy` when it takes longer, 503 `node_stopping` when the loop has ended.
    pub(super) async fn ask<T>(
        &self,
        wait: Millis,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, ApiError> {
        let (place, answer) = oneshot::channel();
        let command = command(place);
        let answered = async {
            self.commands.send(command).await.ok()?;
            answer.await.ok()
        };
        tokio::select! {
            biased;
            answer = answered => answer.ok_or_else(|| {
                ApiError::not_ready("node_stopping", "the node is stopping")
            }),
            () = self.clock.sleep(wait) => Err(ApiError::not_ready(
                "node_busy",
                "the node did not answer in time; what was submitted may still be accepted",
            )),
        }
    }
}
