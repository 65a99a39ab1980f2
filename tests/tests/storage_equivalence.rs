//! The store over redb and the store in memory are the same thing: after any batches, snapshots and
//! reopenings both hold the same rows and answer every read alike, on memory and on a real file.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::ops::Bound;
use std::path::Path;

use archivas::store::{Snapshot, Store, Unsynced};
use archivas_core::storage::{Batch, MemoryStorage, Order, Reader, Scan, Storage, Table};
use proptest::collection::vec;
use proptest::prelude::*;
use redb::backends::{FileBackend, InMemoryBackend};

/// One thing that is done to both stores.
#[derive(Clone, Debug)]
enum Step {
    /// Commit these operations; `None` deletes.
    Commit(Vec<(Table, Vec<u8>, Option<Vec<u8>>)>),
    /// Close and open again.
    Reopen,
    /// Keep a snapshot, to be compared at the end with what was true now.
    Snapshot,
    /// Read a range.
    Scan(Table, Scan),
}

/// Memory that outlives the database on it.
type Memory = Unsynced<InMemoryBackend>;

/// Short keys over three bytes, so that collisions, prefixes and the end of the alphabet are common.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec![0_u8, 7, 255]), 0..4)
}

/// Mostly small values, some that need several pages.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..40), 1 => (any::<u8>(), 4_000..20_000_usize)
        .prop_map(|(byte, length)| vec![byte; length])]
}

fn table() -> impl Strategy<Value = Table> {
    prop::sample::select(Table::ALL.to_vec())
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
    ]
}

fn scan() -> impl Strategy<Value = Scan> {
    let order = prop::sample::select(vec![Order::Asc, Order::Desc]);
    let limit = prop_oneof![Just(usize::MAX), 0..5_usize];
    (bound(), bound(), order, limit).prop_map(|(from, to, order, limit)| Scan {
        from,
        to,
        order,
        limit,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let op = (table(), key(), prop::option::weighted(0.7, value()));
    prop_oneof![
        4 => vec(op, 0..12).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Snapshot),
        2 => (table(), scan()).prop_map(|(table, scan)| Step::Scan(table, scan)),
    ]
}

/// A row to write, or to delete.
type Op = (Table, Vec<u8>, Option<Vec<u8>>);

fn batch(ops: &[Op]) -> Batch {
    let mut batch = Batch::new();
    for (table, key, value) in ops.iter().cloned() {
        match value {
            Some(value) => batch.put(table, key, value),
            None => batch.delete(table, key),
        }
    }
    batch
}

/// Every table, row by row, and each row by its key.
fn assert_same(real: &impl Reader, model: &MemoryStorage) {
    for table in Table::ALL {
        let rows = model.scan(table, &Scan::all()).unwrap();
        assert_eq!(real.scan(table, &Scan::all()).unwrap(), rows, "{table:?}");
        for (key, value) in rows {
            assert_eq!(
                real.get(table, &key).unwrap(),
                Some(value),
                "{table:?} {key:?}"
            );
        }
        assert_eq!(real.get(table, b"no such key").unwrap(), None);
    }
}

/// Does the steps to a store that `open` opens, and to the model.
fn play(steps: &[Step], open: impl Fn() -> Store) {
    let (mut real, mut model) = (Some(open()), MemoryStorage::new());
    let mut kept: Vec<(Snapshot, MemoryStorage)> = Vec::new();
    for step in steps {
        let store = real
            .as_mut()
            .expect("only Reopen takes it away, for a moment");
        match step {
            Step::Commit(ops) => {
                store.commit(batch(ops)).unwrap();
                model.commit(batch(ops)).unwrap();
                assert_same(store, &model);
            }
            Step::Reopen => {
                // Snapshots of a closed database read nothing more.
                kept.drain(..)
                    .for_each(|(snapshot, then)| assert_same(&snapshot, &then));
                drop(real.take());
                real = Some(open());
            }
            Step::Snapshot => kept.push((store.snapshot().unwrap(), model.clone())),
            Step::Scan(table, scan) => {
                let expected = model.scan(*table, scan).unwrap();
                assert_eq!(
                    store.scan(*table, scan).unwrap(),
                    expected,
                    "{table:?} {scan:?}"
                );
            }
        }
    }
    kept.drain(..)
        .for_each(|(snapshot, then)| assert_same(&snapshot, &then));
    assert_same(
        real.as_ref()
            .expect("only Reopen takes it away, for a moment"),
        &model,
    );
}

fn file(path: &Path) -> FileBackend {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap();
    FileBackend::new(file).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_in_memory_equals_the_model(steps in vec(step(), 0..30)) {
        let memory = Memory::default();
        play(&steps, || Store::open(memory.clone()).unwrap());
    }

    #[test]
    fn a_store_with_the_smallest_cache_equals_the_model(steps in vec(step(), 0..30)) {
        let memory = Memory::default();
        play(&steps, || Store::open_with_cache(memory.clone(), 0).unwrap());
    }
}

proptest! {
    // Real syncs are slow: fewer cases.
    #![proptest_config(ProptestConfig {
        cases: 12, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_store_on_a_file_equals_the_model(steps in vec(step(), 0..12)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("database");
        Store::create(file(&path)).unwrap();
        play(&steps, || Store::open(file(&path)).unwrap());
    }
}
