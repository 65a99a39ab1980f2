//! A failing disk is nobody's fault: nothing is marked, and a restart goes on.

use alloc::vec::Vec;

use super::lab::Lab;
use super::*;
use crate::storage::{Batch, StorageError, StorageErrorKind};

/// A store whose reads or commits fail from a certain operation on.
#[derive(Clone)]
struct Failing {
    store: MemoryStorage,
    reads_left: core::cell::Cell<u32>,
    commits: bool,
}

impl Failing {
    fn read(&self) -> Result<(), StorageError> {
        let left = self.reads_left.get();
        self.reads_left.set(left.saturating_sub(1));
        match left {
            0 => Err(StorageError::new(StorageErrorKind::Io, "the disk is gone")),
            _ => Ok(()),
        }
    }
}

impl Reader for Failing {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.read()?;
        self.store.get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        self.read()?;
        self.store.scan(table, scan)
    }
}

impl Storage for Failing {
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        match self.commits {
            true => self.store.commit(batch),
            false => Err(StorageError::new(
                StorageErrorKind::Full,
                "no space is left",
            )),
        }
    }
}

#[test]
fn a_failing_disk_marks_nothing_and_the_block_is_taken_after_a_restart() {
    let mut lab = Lab::new();
    let mut healthy = lab.chain();
    let line = lab.line(lab.root, 3, 1);
    give_all(&mut healthy, &lab, &line);
    let heavier = lab.line(line[0], 3, 2);
    give_all(&mut healthy, &lab, &heavier[..2]);
    let store = healthy.reader().clone();
    let mut reads = 0;
    loop {
        let reads_left = core::cell::Cell::new(u32::MAX);
        let failing = Failing {
            store: store.clone(),
            reads_left,
            commits: false,
        };
        let mut chain = Chain::open(failing, lab.genesis.clone()).unwrap();
        chain.storage.reads_left.set(reads);
        let before = chain.view.clone();
        let error = chain
            .accept_block(LATE, lab.checked(&heavier[2]))
            .unwrap_err();
        assert_eq!(chain.view, before);
        assert_eq!(chain.storage.store, store);
        let mut restarted = Chain::open(store.clone(), lab.genesis.clone()).unwrap();
        give_all(&mut restarted, &lab, &heavier[2..]);
        assert_eq!(restarted.tip().id, heavier[2]);
        if error.kind == StorageErrorKind::Full {
            break; // every read succeeded, the commit was reached
        }
        reads += 1;
    }
    assert!(reads > 20, "{reads}");
}
