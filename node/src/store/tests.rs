//! The store on memory, on a disk that fails, and on bytes that are not as they were.

use super::*;
use redb::backends::InMemoryBackend;
use std::io;
use std::sync::Condvar;
use std::sync::atomic::{AtomicU64, Ordering};

fn batch(rows: &[(Table, &str, Option<&str>)]) -> Batch {
    let mut batch = Batch::new();
    for (table, key, value) in rows {
        match value {
            Some(value) => batch.put(*table, key.as_bytes().to_vec(), value.as_bytes().to_vec()),
            None => batch.delete(*table, key.as_bytes().to_vec()),
        }
    }
    batch
}

/// Memory that outlives the database on it, and fails all writes once `writes_left` are used up.
#[derive(Clone, Debug)]
struct Disk {
    bytes: Arc<InMemoryBackend>,
    writes_left: Arc<AtomicU64>,
    error: io::ErrorKind,
}

impl Disk {
    fn new(error: io::ErrorKind) -> Self {
        let (bytes, writes_left) = (Arc::default(), Arc::new(AtomicU64::new(u64::MAX)));
        Self {
            bytes,
            writes_left,
            error,
        }
    }

    fn spend(&self) -> io::Result<()> {
        let left = self.writes_left.load(Ordering::Relaxed);
        self.writes_left
            .store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 {
            return Err(self.error.into());
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.spend()?;
        self.bytes.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.spend()?;
        self.bytes.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.spend()?;
        self.bytes.write(offset, data)
    }
}

#[test]
fn the_order_of_all_tables_is_their_index() {
    for (index, table) in Table::ALL.into_iter().enumerate() {
        assert_eq!(table as usize, index);
    }
}

#[test]
fn what_was_committed_is_read_back_after_reopening() {
    let disk = Disk::new(io::ErrorKind::Other);
    let mut store = Store::open(disk.clone()).unwrap();
    let rows = [(Table::Best, "b", Some("2")), (Table::Best, "a", Some("1"))];
    store.commit(batch(&rows)).unwrap();
    drop(store);
    let mut store = Store::open(disk).unwrap();
    assert_eq!(store.get(Table::Best, b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.get(Table::Bans, b"a").unwrap(), None);
    let two = vec![
        (b"b".to_vec(), b"2".to_vec()),
        (b"a".to_vec(), b"1".to_vec()),
    ];
    let newest = store.scan(Table::Best, &Scan::all().descending()).unwrap();
    assert_eq!(newest, two);
    let first = store.scan(Table::Best, &Scan::all().limit(1)).unwrap();
    assert_eq!(first, two[1..]);
    store.commit(batch(&[(Table::Best, "a", None)])).unwrap();
    assert_eq!(store.get(Table::Best, b"a").unwrap(), None);
}

#[test]
fn a_snapshot_stays_as_it_was_while_the_store_moves_on() {
    let mut store = Store::open(InMemoryBackend::new()).unwrap();
    let api = store.clone();
    let empty = api.snapshot().unwrap();
    store
        .commit(batch(&[(Table::Meta, "tip", Some("1"))]))
        .unwrap();
    let one = api.snapshot().unwrap();
    store
        .commit(batch(&[(Table::Meta, "tip", Some("2"))]))
        .unwrap();
    assert_eq!(empty.get(Table::Meta, b"tip").unwrap(), None);
    assert_eq!(one.get(Table::Meta, b"tip").unwrap(), Some(b"1".to_vec()));
    assert_eq!(api.get(Table::Meta, b"tip").unwrap(), Some(b"2".to_vec()));
    assert!(one.scan(Table::Bans, &Scan::all()).unwrap().is_empty());
}

#[test]
fn after_a_failed_commit_everything_is_refused_until_reopened() {
    let disk = Disk::new(io::ErrorKind::StorageFull);
    let mut store = Store::open(disk.clone()).unwrap();
    store
        .commit(batch(&[(Table::Meta, "tip", Some("1"))]))
        .unwrap();
    disk.writes_left.store(3, Ordering::Relaxed);
    let error = store
        .commit(batch(&[(Table::Meta, "tip", Some("2"))]))
        .unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Full);
    assert!(error.what.contains("make room on the disk"), "{error}");
    disk.writes_left.store(u64::MAX, Ordering::Relaxed);
    for error in [
        store.get(Table::Meta, b"tip").unwrap_err(),
        store.clone().snapshot().unwrap_err(),
        store.commit(Batch::new()).unwrap_err(),
    ] {
        assert_eq!(error.kind, StorageErrorKind::Unknown);
        assert!(error.what.contains("start"), "{error}");
    }
    drop(store);
    let store = Store::open(disk).unwrap();
    let tip = store.get(Table::Meta, b"tip").unwrap();
    assert!(tip == Some(b"1".to_vec()) || tip == Some(b"2".to_vec()));
}

#[test]
fn a_failure_at_any_write_leaves_the_old_or_the_new_state() {
    for fails_at in 0.. {
        let disk = Disk::new(io::ErrorKind::Other);
        let mut store = Store::open(disk.clone()).unwrap();
        let old = batch(&[
            (Table::Meta, "tip", Some("1")),
            (Table::Best, "1", Some("x")),
        ]);
        store.commit(old).unwrap();
        disk.writes_left.store(fails_at, Ordering::Relaxed);
        let new = batch(&[
            (Table::Meta, "tip", Some("2")),
            (Table::Best, "2", Some("y")),
        ]);
        let outcome = store.commit(new);
        drop(store);
        disk.writes_left.store(u64::MAX, Ordering::Relaxed);
        let store = Store::open(disk).unwrap();
        let tip = store.get(Table::Meta, b"tip").unwrap();
        let rows = store.scan(Table::Best, &Scan::all()).unwrap().len();
        match (&outcome, tip.as_deref()) {
            (_, Some(b"2")) => assert_eq!(rows, 2),
            (Err(error), Some(b"1")) => {
                assert_eq!((rows, error.kind), (1, StorageErrorKind::Io));
            }
            other => panic!("neither old nor new: {other:?}"),
        }
        if outcome.is_ok() {
            return;
        }
    }
}

#[test]
fn a_flipped_bit_in_any_row_is_never_served() {
    let rows: Vec<(String, String)> = (0..200)
        .map(|number| (format!("key of row {number:03}"), format!("value {number}")))
        .collect();
    let disk = Disk::new(io::ErrorKind::Other);
    let mut store = Store::open(disk.clone()).unwrap();
    let mut batch = Batch::new();
    for (key, value) in &rows {
        batch.put(Table::Accounts, key.clone().into(), value.clone().into());
    }
    store.commit(batch).unwrap();
    drop(store);
    let mut bytes = vec![0; usize::try_from(disk.bytes.len().unwrap()).unwrap()];
    disk.bytes.read(0, &mut bytes).unwrap();
    let of_row = |text: &str| {
        let found = bytes
            .windows(text.len())
            .position(|at| at == text.as_bytes());
        found.expect("stored as it is")
    };
    for (key, value) in rows.iter().step_by(17) {
        for at in [of_row(key) + 4, of_row(key) + key.len() - 1, of_row(value)] {
            let byte = [bytes[at] ^ 0x10];
            disk.bytes.write(at as u64, &byte).unwrap();
            let store = Store::open(disk.clone()).unwrap();
            let error = store.get(Table::Accounts, key.as_bytes()).unwrap_err();
            assert_eq!(error.kind, StorageErrorKind::Damaged);
            let all = store.scan(Table::Accounts, &Scan::all()).unwrap_err();
            assert_eq!(all.kind, StorageErrorKind::Damaged);
            drop(store);
            disk.bytes.write(at as u64, &bytes[at..=at]).unwrap();
        }
    }
}

#[test]
fn bytes_that_are_no_database_are_damaged() {
    let disk = Disk::new(io::ErrorKind::Other);
    disk.bytes.set_len(100_000).unwrap();
    disk.bytes.write(0, &[7; 4096]).unwrap();
    let error = Store::open(disk).unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Damaged);
}

#[test]
fn a_created_database_is_opened_empty() {
    let disk = Disk::new(io::ErrorKind::Other);
    Store::create(disk.clone()).unwrap();
    let store = Store::open(disk).unwrap();
    assert_eq!(store.get(Table::Meta, b"tip").unwrap(), None);
}

/// Memory whose syncs wait while the gate is shut.
#[derive(Clone, Debug, Default)]
struct Gated {
    bytes: Arc<InMemoryBackend>,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Debug, Default)]
struct Gate {
    shut: bool,
    waits: bool,
}

impl Gated {
    fn set_shut(&self, shut: bool) {
        self.gate.0.lock().unwrap().shut = shut;
        self.gate.1.notify_all();
    }

    fn await_waiting(&self) {
        let gate = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(gate, |gate| !gate.waits).unwrap());
    }
}

impl StorageBackend for Gated {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        let mut gate = self.gate.0.lock().unwrap();
        gate.waits = gate.shut;
        self.gate.1.notify_all();
        drop(self.gate.1.wait_while(gate, |gate| gate.shut).unwrap());
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.bytes.write(offset, data)
    }
}

#[test]
fn snapshots_are_taken_and_read_while_a_commit_stands_still_in_the_disk() {
    let disk = Gated::default();
    let mut store = Store::open(disk.clone()).unwrap();
    let tip = |tip| batch(&[(Table::Meta, "tip", Some(tip))]);
    store.commit(tip("1")).unwrap();
    let api = store.clone();
    let read = || api.snapshot().unwrap().get(Table::Meta, b"tip").unwrap();
    disk.set_shut(true);
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| store.commit(tip("2")));
        disk.await_waiting();
        assert_eq!(read(), Some(b"1".to_vec()));
        assert_eq!(read(), Some(b"1".to_vec()));
        disk.set_shut(false);
        commit.join().unwrap().unwrap();
    });
    assert_eq!(read(), Some(b"2".to_vec()));
}
