//! The judge of reopened states. Every image is opened by the real store and the real chain, written
//! to, closed and opened again; all that depends on the rows alone is judged once for each distinct
//! set of rows, by a hash of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archivas::store::Store;
use archivas_core::chain::{Chain, Thoroughness};
use archivas_core::primitives::{Height, Timestamp, TxId, Work};
use archivas_core::schema::{self, meta};
use archivas_core::storage::{
    Batch, MemoryStorage, Reader, Row, Scan, Storage, StorageError, Table,
};
use archivas_model::hex;
use xxhash_rust::xxh3::Xxh3Default;

use super::checks;
use super::peers;
use super::recording::{CACHE_BYTES_MAX, Recording, disk_with};
use super::state::Found;
use crate::disk::Disk;
use crate::disk::image::Image;
use crate::disk::tape::Promise;
use crate::judges::money;
use crate::node::EPOCH;

/// A row that no node writes: what is written and deleted to see that a database takes changes.
const OWN_KEY: &[u8] = b"a row of the sweep";

/// All rows of a database.
type Rows = Vec<(Table, Vec<Row>)>;

/// What there is to say about one set of rows.
#[derive(Debug)]
pub struct Verdict {
    /// What is wrong with it whatever was promised.
    found: Vec<Found>,
    /// The most work that it stands for: of its tip or, in the middle of a long reorganization, of
    /// the tip that it came from.
    work: Work,
    height: Height,
    /// Of the transfers that the whole run promised, those that are stored or confirmed.
    kept: BTreeSet<TxId>,
}

/// Judges the states of one recording. Shared by all workers.
#[derive(Debug)]
pub struct Judge<'a> {
    recording: &'a Recording,
    seen: Mutex<BTreeMap<u128, Arc<Verdict>>>,
}

impl<'a> Judge<'a> {
    /// A judge that has seen nothing yet.
    #[must_use]
    pub fn new(recording: &'a Recording) -> Self {
        let seen = Mutex::default();
        Self { recording, seen }
    }

    /// How many different sets of rows were reopened so far.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.seen().len()
    }

    /// What is wrong with a disk that no process holds, or with none, given what was promised.
    pub fn judge(&self, image: Option<Image>, promise: &Promise, accepted: &[TxId]) -> Vec<Found> {
        self.judge_disk(&disk_with(image), promise, accepted)
    }

    /// The same for a disk, on which the recovery can be recorded.
    pub fn judge_disk(&self, disk: &Disk, promise: &Promise, accepted: &[TxId]) -> Vec<Found> {
        let crashed = disk.image();
        let (name, rows) = match reopen(disk, self.recording) {
            Ok(reopened) => reopened,
            Err(found) => return vec![found],
        };
        let verdict = self.verdict(name, rows, crashed);
        let mut found = verdict.found.clone();
        if verdict.work < promise.work {
            let (height, told) = (verdict.height, promise.work);
            let sentence = format!("reopened at height {height} with less work than {told}, told");
            found.push(Found::new(checks::KEEPS_TIP, sentence));
        }
        for id in accepted.iter().filter(|id| !verdict.kept.contains(id)) {
            let sentence = format!("{id} was answered with ok:true and is gone");
            found.push(Found::new(checks::KEEPS_ACCEPTED, sentence));
        }
        found
    }

    fn verdict(&self, name: u128, rows: Rows, crashed: Image) -> Arc<Verdict> {
        if let Some(known) = self.seen().get(&name) {
            return Arc::clone(known);
        }
        let verdict = self.look(&rows, crashed).unwrap_or_else(|found| Verdict {
            found: vec![found],
            work: Work::default(),
            height: Height::GENESIS,
            kept: BTreeSet::new(),
        });
        let verdict = Arc::new(verdict);
        self.seen().insert(name, Arc::clone(&verdict));
        verdict
    }

    /// Everything that takes long: once for each distinct set of rows.
    fn look(&self, rows: &Rows, crashed: Image) -> Result<Verdict, Found> {
        let mut chain = in_memory(rows, self.recording)?;
        let tip = chain.tip().clone();
        let home = home_work(chain.reader()).map_err(unreadable)?;
        let kept = self.kept(chain.reader()).map_err(unreadable)?;
        let mut verdict = Verdict {
            found: Vec::new(),
            work: tip.chainwork.max(home),
            height: tip.height,
            kept,
        };
        let whole = chain.check_invariants(Thoroughness::Full);
        let checks = [
            whole.map_err(|why| Found::new(checks::ROWS_AGREE, why.to_string())),
            self.agrees_with_model(&chain),
            undo_and_redo(&mut chain),
            peers::catch_up(self.recording, crashed),
        ];
        verdict
            .found
            .extend(checks.into_iter().filter_map(Result::err));
        Ok(verdict)
    }

    fn kept(&self, rows: &impl Reader) -> Result<BTreeSet<TxId>, StorageError> {
        let mut kept = BTreeSet::new();
        for id in &self.recording.reel.accepted {
            let stored = rows.get(Table::OwnTxs, id.as_bytes())?.is_some();
            if stored || schema::tx_location(rows, id)?.is_some() {
                kept.insert(*id);
            }
        }
        Ok(kept)
    }

    /// The account rows are those of a replay from genesis to the tip, by the model (O1, O2, O3).
    fn agrees_with_model(&self, chain: &Chain<MemoryStorage>) -> Result<(), Found> {
        let (model, tip) = (&self.recording.model, chain.tip());
        let wrong = |why: String| Found::new(checks::IS_BOUNDARY, why);
        let id = tip.id.as_bytes();
        if model.block(id).is_none() {
            return Err(wrong(format!("the tip {} is no block of the run", tip.id)));
        }
        let right = model.replay(id).map_err(|(at, rule)| {
            wrong(format!("the model finds {} invalid: {rule:?}", hex(&at)))
        })?;
        let rows = money::accounts(chain.reader()).map_err(unreadable)?;
        let ours = rows.iter().map(|(address, account)| {
            let (balance, nonce) = (account.balance.get(), account.nonce.get());
            (address.as_bytes(), balance, nonce)
        });
        let same = ours.eq(right
            .iter()
            .map(|(a, account)| (a, account.balance, account.nonce)));
        let supply = right.supply() == model.supply_at(tip.height.get());
        match same && supply {
            true => Ok(()),
            false => Err(wrong(format!(
                "the accounts are not those of height {}",
                tip.height
            ))),
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<u128, Arc<Verdict>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a database as a node does, first making one where there is none, reads all rows, changes it twice, closes it, and opens it again.
fn reopen(disk: &Disk, recording: &Recording) -> Result<(u128, Rows), Found> {
    let fails = |check| move |why: StorageError| Found::new(check, why.to_string());
    if !disk.is_published() {
        Store::create(disk.plug()).map_err(fails(checks::OPENS))?;
        disk.publish();
    }
    let open = || Store::open_with_cache(disk.plug(), CACHE_BYTES_MAX);
    let store = open().map_err(fails(checks::OPENS))?;
    let chain = Chain::open(store.clone(), recording.genesis.clone());
    drop(chain.map_err(|why| Found::new(checks::OPENS, why.to_string()))?);
    let rows = all_rows(&store.snapshot().map_err(unreadable)?).map_err(unreadable)?;
    write_on(store).map_err(fails(checks::WRITES_ON))?;
    let store = open().map_err(fails(checks::WRITES_ON))?;
    let again = all_rows(&store.snapshot().map_err(unreadable)?).map_err(unreadable)?;
    if again != rows {
        let sentence = "other rows were read after two changes and a restart";
        return Err(Found::new(checks::WRITES_ON, sentence));
    }
    Ok((name_of(&rows), rows))
}

fn write_on(mut store: Store) -> Result<(), StorageError> {
    let mut batch = Batch::new();
    batch.put(Table::Peers, OWN_KEY.to_vec(), Vec::new());
    store.commit(batch)?;
    let mut batch = Batch::new();
    batch.delete(Table::Peers, OWN_KEY.to_vec());
    store.commit(batch)
}

fn unreadable(why: StorageError) -> Found {
    Found::new(checks::OPENS, why.to_string())
}

/// Every row but our own, which an end within a recovery can leave behind.
fn all_rows(rows: &impl Reader) -> Result<Rows, StorageError> {
    let read = |table| {
        let mut rows = rows.scan(table, &Scan::all())?;
        rows.retain(|(key, _)| key != OWN_KEY);
        Ok((table, rows))
    };
    Table::ALL.into_iter().map(read).collect()
}

fn name_of(rows: &Rows) -> u128 {
    let mut hash = Xxh3Default::new();
    for (table, rows) in rows {
        hash.update(table.name().as_bytes());
        hash.update(&(rows.len() as u64).to_le_bytes());
        for part in rows.iter().flat_map(|(key, value)| [key, value]) {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.digest128()
}

fn in_memory(rows: &Rows, recording: &Recording) -> Result<Chain<MemoryStorage>, Found> {
    let mut batch = Batch::new();
    for (table, rows) in rows {
        for (key, value) in rows {
            batch.put(*table, key.clone(), value.clone());
        }
    }
    let mut memory = MemoryStorage::new();
    memory.commit(batch).map_err(unreadable)?;
    let chain = Chain::open(memory, recording.genesis.clone());
    chain.map_err(|why| Found::new(checks::OPENS, why.to_string()))
}

/// The work of the tip that a long reorganization has left, if one is under way.
fn home_work(rows: &impl Reader) -> Result<Work, StorageError> {
    let walk: Option<schema::Walk> = schema::meta_row(rows, meta::WALK)?;
    let Some(walk) = walk else {
        return Ok(Work::default());
    };
    Ok(schema::required_header(rows, &walk.home)?.chainwork)
}

/// Leaves every block of the best chain that can be reverted and joins them again; all rows must be
/// as before.
fn undo_and_redo(chain: &mut Chain<MemoryStorage>) -> Result<(), Found> {
    let wrong = |why: &dyn std::fmt::Display| Found::new(checks::UNDOES, why.to_string());
    let now = EPOCH.max(chain.tip().header.timestamp);
    rest(chain, now).map_err(|why| wrong(&why))?;
    let before = all_rows(chain.reader()).map_err(unreadable)?;
    let first = schema::best_id(chain.reader(), chain.horizon().next()).map_err(unreadable)?;
    let Some(first) = first else {
        return Ok(());
    };
    let left = chain.invalidate(now, &first).map_err(|why| wrong(&why))?;
    left.map_err(|why| wrong(&why))?;
    rest(chain, now).map_err(|why| wrong(&why))?;
    let joined = chain.reconsider(now, &first).map_err(|why| wrong(&why))?;
    joined.map_err(|why| wrong(&why))?;
    rest(chain, now).map_err(|why| wrong(&why))?;
    let after = all_rows(chain.reader()).map_err(unreadable)?;
    let differs = before
        .iter()
        .zip(&after)
        .find(|(before, after)| before != after);
    match differs {
        None => Ok(()),
        Some(((table, _), _)) => {
            let sentence = "differs after the best chain was left and joined again";
            Err(wrong(&format!("the table {} {sentence}", table.name())))
        }
    }
}

/// Goes on with a long reorganization to its end, and checks every row there.
fn rest(chain: &mut Chain<MemoryStorage>, now: Timestamp) -> Result<(), StorageError> {
    while chain.is_walking() {
        chain.step(now)?;
    }
    chain.check_invariants(Thoroughness::Full)
}
