//! A run that ends at a chosen time and leaves what there is then: each node's state as JSON and its
//! database, for `archivas db check` and whatever else reads one. A world around the simulated one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use archivas_core::params::Genesis;
use archivas_core::primitives::Millis;
use archivas_core::schema;
use archivas_core::storage::{Reader, Scan, StorageError, Table};
use archivas_scenarios::world::{
    Act, Effect, HarnessError, HttpAnswer, HttpRequest, Mined, Moment, NodeIndex, Tip, TipMove,
    Unreachable, Violation, World, WorldKind, WorldReport,
};
use serde_json::{Value, json};

use crate::world::SimWorld;

/// The states of all nodes, once the time has come; or why they could not be written.
#[derive(Clone, Debug, Default)]
pub struct States(Arc<Mutex<Option<Result<Value, String>>>>);

impl States {
    /// Takes them.
    #[must_use]
    pub fn take(&self) -> Option<Result<Value, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// When to end, and where to leave what there is.
#[derive(Clone, Debug)]
pub struct Paused {
    at: Millis,
    folder: PathBuf,
    states: States,
}

/// The world up to that time.
#[derive(Debug)]
pub struct PausedWorld {
    inner: SimWorld,
    pause: Paused,
}

impl Paused {
    /// At this time, into this folder.
    #[must_use]
    pub fn at(at: Millis, folder: &Path) -> Self {
        let (folder, states) = (folder.to_owned(), States::default());
        Self { at, folder, states }
    }

    /// Where the states will be.
    #[must_use]
    pub fn states(&self) -> States {
        self.states.clone()
    }

    /// The world that ends then.
    #[must_use]
    pub fn around(self, inner: SimWorld) -> PausedWorld {
        PausedWorld { inner, pause: self }
    }
}

impl PausedWorld {
    fn pause_if_due(&self) -> Result<(), HarnessError> {
        if self.inner.now() < self.pause.at {
            return Ok(());
        }
        let states = self
            .leave()
            .map_err(|error| format!("cannot leave the databases: {error}"));
        let mut slot = (self.pause.states.0.lock()).unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(states);
        Err(HarnessError("the run was told to end here".into()))
    }

    /// Writes the databases, and gives the states.
    fn leave(&self) -> std::io::Result<Value> {
        std::fs::create_dir_all(&self.pause.folder)?;
        let mut nodes = Vec::new();
        for (place, node) in self.inner.nodes().iter().enumerate() {
            let file = self.pause.folder.join(format!("{}.redb", node.name));
            std::fs::write(&file, node.disk().bytes())?;
            let rows = self.inner.rows(NodeIndex(place));
            nodes.push(json!({
                "name": node.name,
                "lives": node.lives,
                "up": node.life().is_some(),
                "database": file.display().to_string(),
                "disk_operations": node.disk().operations(),
                "state": rows.and_then(|rows| state(&rows).ok()),
            }));
        }
        let states = json!({ "at_ms": self.inner.now().get(), "nodes": nodes });
        let text = format!("{states:#}\n");
        std::fs::write(self.pause.folder.join("state.json"), text)?;
        Ok(states)
    }
}

/// What the rows of a node say.
fn state(rows: &impl Reader) -> Result<Value, StorageError> {
    let tip = schema::tip(rows)?;
    let count = |table| Ok::<_, StorageError>(rows.scan(table, &Scan::all())?.len());
    Ok(json!({
        "height": tip.height.get(),
        "tip": tip.id.to_string(),
        "chainwork": tip.chainwork.to_decimal(),
        "state_root": tip.header.state_root.to_string(),
        "headers": count(Table::Headers)?,
        "accounts": count(Table::Accounts)?,
        "branches": count(Table::BlockTips)?,
        "held_branches": count(Table::HeldTips)?,
        "own_transfers": count(Table::OwnTxs)?,
        "pool_on_disk": count(Table::Mempool)?,
    }))
}

impl World for PausedWorld {
    fn kind(&self) -> WorldKind {
        self.inner.kind()
    }

    fn genesis(&self) -> &Genesis {
        self.inner.genesis()
    }

    fn now(&self) -> Millis {
        self.inner.now()
    }

    fn grain(&self) -> Millis {
        self.inner.grain()
    }

    async fn sleep_until(&mut self, at: Millis) {
        let now = self.inner.now();
        let at = if now < self.pause.at {
            at.min(self.pause.at)
        } else {
            at
        };
        self.inner.sleep_until(at).await;
    }

    async fn act(&mut self, act: &Act) -> Result<Effect, HarnessError> {
        self.pause_if_due()?;
        self.inner.act(act).await
    }

    fn is_up(&self, node: NodeIndex) -> bool {
        self.inner.is_up(node)
    }

    fn excuse(&mut self, core: &[NodeIndex]) -> Option<String> {
        self.inner.excuse(core)
    }

    async fn tip(&mut self, node: NodeIndex) -> Result<Option<Tip>, HarnessError> {
        self.pause_if_due()?;
        self.inner.tip(node).await
    }

    async fn tip_moves(&mut self) -> Result<Vec<TipMove>, HarnessError> {
        self.pause_if_due()?;
        self.inner.tip_moves().await
    }

    async fn mine(&mut self, node: NodeIndex) -> Result<Mined, HarnessError> {
        self.pause_if_due()?;
        self.inner.mine(node).await
    }

    async fn http(
        &mut self,
        node: NodeIndex,
        request: HttpRequest,
    ) -> Result<HttpAnswer, Unreachable> {
        self.inner.http(node, request).await
    }

    async fn judge(&mut self, moment: Moment) -> Vec<Violation> {
        self.inner.judge(moment).await
    }

    async fn finish(self) -> WorldReport {
        self.inner.finish().await
    }
}
