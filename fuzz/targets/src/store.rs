//! The store on a disk that loses power: whatever of the unsynced writes survives, what reopens is
//! the state before the commit or the one after it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arbitrary::{Arbitrary, Unstructured};
use archivas::store::Store;
use archivas_core::storage::{Batch, Reader, Row, Scan, Storage, StorageErrorKind, Table};
use redb::StorageBackend;

/// More commits find nothing that fewer do not.
const STEPS_MAX: usize = 24;
/// Tables that the input writes to.
const TABLES: [Table; 3] = [Table::Meta, Table::Accounts, Table::Bodies];
/// The unit that a disk writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// One change of the store.
#[derive(Arbitrary, Debug)]
struct Change {
    table: u8,
    key: u8,
    /// None deletes; else so many times 16 bytes of this kind.
    value: Option<(u8, u8)>,
}

/// One transaction, and what happens to the machine.
#[derive(Arbitrary, Debug)]
struct Step {
    changes: Vec<Change>,
    /// After so many operations of the disk the power fails.
    power_lasts: Option<u8>,
    /// Which of the writes since the last sync survive: one bit each, over and over.
    survivors: u32,
    /// Whether the last of them is torn at a sector.
    torn: bool,
}

/// A disk.
#[derive(Debug, Default)]
struct Platter {
    durable: Vec<u8>,
    bytes: Vec<u8>,
    pending: Vec<Pending>,
    /// Operations until the power fails.
    power: Option<u8>,
}

#[derive(Clone, Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(at, data) => {
                // On a disk that lost a change of length, the file still grows to hold what is written.
                if bytes.len() < at + data.len() {
                    bytes.resize(at + data.len(), 0);
                }
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
        }
    }
}

impl Platter {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.power {
            Some(0) => Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn do_write(&mut self, pending: Pending) -> io::Result<()> {
        self.spend()?;
        pending.apply(&mut self.bytes);
        self.pending.push(pending);
        Ok(())
    }

    /// The power comes back: what survived is what there is.
    fn restart(&mut self, step: &Step) {
        let last = self.pending.len().saturating_sub(1);
        for (number, pending) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            if step
                .survivors
                .rotate_right(u32::try_from(number % 32).unwrap_or(0))
                & 1
                == 0
            {
                continue;
            }
            match pending {
                Pending::Write(at, mut data) if step.torn && number == last => {
                    data.truncate(data.len() / 2 / SECTOR_BYTES * SECTOR_BYTES);
                    Pending::Write(at, data).apply(&mut self.durable);
                }
                whole => whole.apply(&mut self.durable),
            }
        }
        self.bytes.clone_from(&self.durable);
        self.power = None;
    }
}

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = self.platter();
        if platter.power == Some(0) {
            return Err(io::Error::other("no power"));
        }
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let from = platter.bytes.get_mut(at..at + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let length = usize::try_from(len).map_err(io::Error::other)?;
        self.platter().do_write(Pending::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.spend()?;
        platter.durable = platter.bytes.clone();
        platter.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        self.platter().do_write(Pending::Write(at, data.to_vec()))
    }
}

/// All rows of the tables that the input writes to.
type Contents = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

fn contents(store: &Store) -> Contents {
    let mut all = Contents::new();
    for (number, table) in TABLES.into_iter().enumerate() {
        let rows: Vec<Row> = store
            .scan(table, &Scan::all())
            .expect("an open store reads");
        all.extend(rows.into_iter().map(|(key, value)| ((number, key), value)));
    }
    all
}

/// Transactions, in some of which the power fails.
pub fn storage_crash(bytes: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let disk = Disk::default();
    // As a new file is made: under another name, until it is whole.
    Store::create(disk.clone()).expect("a disk with power");
    let mut store = Store::open(disk.clone()).expect("a new database");
    let mut committed = contents(&store);
    for step in steps.iter().take(STEPS_MAX) {
        let (batch, after) = step.transaction(&committed);
        disk.platter().power = step.power_lasts;
        let done = store.commit(batch);
        if step.power_lasts.is_none() {
            done.expect("a disk with power");
            committed = after;
            assert_eq!(contents(&store), committed);
            continue;
        }
        if let Err(error) = &done {
            assert_ne!(error.kind, StorageErrorKind::Damaged, "{error}");
        }
        // The power fails before redb can close, and stays away until it has.
        disk.platter().power = Some(0);
        drop(store);
        disk.platter().restart(step);
        store = Store::open(disk.clone()).expect("a crash leaves a database");
        let found = contents(&store);
        assert!(
            found == after || (done.is_err() && found == committed),
            "{step:?}"
        );
        committed = found;
    }
}

impl Step {
    fn transaction(&self, before: &Contents) -> (Batch, Contents) {
        let (mut batch, mut after) = (Batch::default(), before.clone());
        for change in &self.changes {
            let number = usize::from(change.table) % TABLES.len();
            let (table, key) = (TABLES[number], vec![change.key]);
            match change.value {
                None => {
                    batch.delete(table, key.clone());
                    after.remove(&(number, key));
                }
                Some((times, byte)) => {
                    let value = vec![byte; usize::from(times) * 16];
                    batch.put(table, key.clone(), value.clone());
                    after.insert((number, key), value);
                }
            }
        }
        (batch, after)
    }
}
