//! A node that was never up begins from the snapshot of another, as `archivas db snapshot import` has
//! it: into a file that nobody finds, which is synced once and then renamed into place. What that
//! command prints is a promise: the block is there from then on.

use archivas::ports::Clock;
use archivas::snapshot::{self, export, import};
use archivas::store::{Store, Unsynced};
use archivas_core::chain::Policy;
use archivas_core::primitives::{BlockId, Height};
use archivas_core::schema;
use archivas_scenarios::world::{NodeIndex, Tip};

use crate::clock::NodeClock;
use crate::disk::Disk;
use crate::judges::OPENS_AGAIN;
use crate::node::EPOCH;
use crate::world::SimWorld;

impl SimWorld {
    /// Exports from `source` and imports on `node`. False when that one has a database, the source is
    /// not up, or the height is none of its.
    pub(crate) fn import(&mut self, node: NodeIndex, source: NodeIndex, height: Height) -> bool {
        let ours = &self.nodes[node.0];
        let disk = ours.disk().clone();
        let Some(rows) = self.rows(source).filter(|_| !disk.is_published()) else {
            return false;
        };
        let mut file = Vec::new();
        let Ok(exported) = export(&rows, height, &mut file, &mut |_, _, _| {}) else {
            return false;
        };
        let around = &self.around;
        let (agenda, trace, number) = (around.agenda.clone(), around.trace.clone(), ours.number());
        let clock = NodeClock::new(agenda, trace, number, ours.skew().clone(), EPOCH);
        let plan = snapshot::Plan {
            genesis: around.genesis.clone(),
            minimum_chainwork: Policy::default().minimum_chainwork,
            trust: Some(exported.block),
            now: clock.now().wall,
        };
        let done = fill(&disk, &file, &plan);
        if done.is_err() && disk.has_failed() {
            return true;
        }
        let told = done.and_then(|block| tip_of(&rows, block));
        let about = self.about(node);
        if let Ok(tip) = &told {
            disk.promise(tip.chainwork);
            self.judges.told(node, *tip);
        }
        self.judges.judge(OPENS_AGAIN, about, told.map(drop));
        true
    }
}

/// Makes a database of the snapshot and puts it in place.
fn fill(disk: &Disk, file: &[u8], plan: &snapshot::Plan) -> Result<BlockId, String> {
    let backend = Unsynced::new(disk.plug());
    let store = Store::open_with_cache(backend.clone(), CACHE_BYTES_MAX);
    let store = store.map_err(|why| why.to_string())?;
    let done = import(file, store, plan, &mut |_, _, _| {});
    let done = done.map_err(|why| format!("a snapshot of our own is refused: {why}"))?;
    let synced = backend.sync();
    synced.map_err(|why| why.to_string())?;
    disk.publish();
    disk.unplug();
    Ok(done.block)
}

fn tip_of(rows: &archivas::store::Snapshot, id: BlockId) -> Result<Tip, String> {
    let record = schema::required_header(rows, &id).map_err(|why| why.to_string())?;
    Ok(Tip {
        id,
        height: record.header.height,
        chainwork: record.chainwork,
        bits: record.header.bits,
        timestamp: record.header.timestamp,
    })
}

/// The bound of the page cache while a database is filled, in bytes.
const CACHE_BYTES_MAX: usize = 16 << 20;
