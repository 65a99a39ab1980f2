//! The node's database: the core's storage port over redb, on any redb `StorageBackend` (a file in
//! production, a simulated disk in the simulator, memory in tests).
//!
//! One redb table for each core `Table`, bytes to bytes; a table without rows need not exist. Every
//! commit is one `Immediate` transaction with quick repair, which implies two-phase commit, because
//! strangers choose the stored bytes (protocol.md §5). Readers get a `Snapshot`: one read
//! transaction, so that one answer is one tip, and reads never wait for a write. What a failed
//! commit left behind is unknown: from then on the store refuses everything until it is opened anew.
//!
//! **Every row carries a checksum** of table, key and value, checked whenever it is read: redb looks at
//! the checksums of its pages only when it repairs, and a flipped bit must stop the node instead of
//! being served. Where a key is not found, the rows beside it are checked, because its row may stand
//! there under a flipped key.
//!
//! **Account rows are written with each block.** Measured before the layout was frozen
//! (`cargo bench -p archivas --bench account_rows`; blocks of 1,000 transfers with their index, two
//! cores, one busy):
//!
//! | accounts  | each block        | journal folded every 64 | 64 blocks a commit |
//! | --------- | ----------------- | ----------------------- | ------------------ |
//! | 10,000    | 76 ms, 9.6 MB     | 74 ms, 9.3 MB           | 11 ms, 1.1 MB      |
//! | 1,000,000 | 88 ms, 17.9 MB    | 59 ms, 10.6 MB          | 17 ms, 2.5 MB      |
//!
//! At the tip a full block every 20 s costs 0.4 % of the time; a journal would save a third of that,
//! for a second copy of the accounts in memory, a rebuild at each start and a fold that takes half a
//! second. Where many blocks come at once a shared commit saves four fifths, journal or not: so a
//! node that catches up shares commits (`chain::Added`), and there is no journal.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archivas_core::storage::{
    Batch, Reader, Row, Scan, Storage, StorageError, StorageErrorKind, Table,
};
use redb::{Database, Durability, ReadableDatabase, StorageBackend, TableDefinition};

mod row;
mod snapshot;
mod unsynced;

use row::sealed;
pub use snapshot::Snapshot;
pub use unsynced::Unsynced;

/// How much memory the database may use for pages it has read or not yet written. It grows on
/// demand, so a small chain costs little; 64 MiB keep the upper levels of every table in memory at
/// ten million accounts.
pub const CACHE_BYTES_DEFAULT: usize = 64 * 1024 * 1024;

type Bytes = &'static [u8];

const fn definition(table: Table) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(table.name())
}

/// The database of one node. Clones share it; it closes when the last clone is gone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    // Before the database, so that the read transaction ends first.
    view: Mutex<View>,
    database: Database,
}

/// What readers of the store see.
enum View {
    /// Nothing was read since the last commit.
    Closed,
    /// The last committed state.
    Open(Snapshot),
    /// A commit failed for this reason: nobody knows the state.
    Failed(StorageError),
}

impl Store {
    /// Opens the database on `backend`, after a crash too; an empty backend becomes a new database.
    ///
    /// # Errors
    /// `Damaged` when the bytes are no database or a broken one, else what the backend reports.
    pub fn open(backend: impl StorageBackend) -> Result<Self, StorageError> {
        Self::open_with_cache(backend, CACHE_BYTES_DEFAULT)
    }

    /// As `open`, with another bound in bytes for the page cache.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with_cache(
        backend: impl StorageBackend,
        cache_bytes_max: usize,
    ) -> Result<Self, StorageError> {
        let database = Database::builder()
            .set_cache_size(cache_bytes_max)
            .create_with_backend(backend)
            .map_err(|error| failure("cannot be opened", error.into()))?;
        let view = Mutex::new(View::Closed);
        let inner = Arc::new(Inner { view, database });
        Ok(Self { inner })
    }

    /// Makes an empty database on `backend`, syncs and closes it. A crash before this returns may
    /// leave bytes that redb refuses for ever: so a file is created under a temporary name, made a
    /// database by this, renamed, and its directory synced (protocol.md §5).
    ///
    /// # Errors
    /// What the backend reports.
    pub fn create(backend: impl StorageBackend) -> Result<(), StorageError> {
        Database::builder()
            .set_cache_size(CACHE_BYTES_DEFAULT)
            .create_with_backend(backend)
            .and_then(Database::close)
            .map_err(|error| failure("cannot be created", error.into()))
    }

    /// Gives space that no row uses back to the disk, and closes the database.
    ///
    /// # Errors
    /// `Unknown` while another clone of the store or a snapshot of it is held, else what the backend
    /// reports.
    pub fn compact(self) -> Result<(), StorageError> {
        let failed = |error: redb::Error| failure("cannot be compacted", error);
        let Ok(mut inner) = Arc::try_unwrap(self.inner) else {
            let what = "the database is still being read: it cannot be compacted";
            return Err(StorageError::new(StorageErrorKind::Unknown, what));
        };
        *inner.view() = View::Closed;
        // One pass moves what it can; when nothing moves any more it is done.
        while inner
            .database
            .compact()
            .map_err(|error| failed(error.into()))?
        {}
        Ok(())
    }

    /// The last committed state, unchanged by later commits. Meant for one request: as long as it
    /// lives, the file cannot reuse the pages that it sees.
    ///
    /// # Errors
    /// `Unknown` after a failed commit, else what the backend reports.
    pub fn snapshot(&self) -> Result<Snapshot, StorageError> {
        let mut view = self.inner.view();
        match &*view {
            View::Open(snapshot) => Ok(snapshot.clone()),
            View::Failed(reason) => Err(refusal(reason)),
            View::Closed => {
                let begun = self.inner.database.begin_read();
                let transaction = begun.map_err(|error| failure("cannot be read", error.into()))?;
                let snapshot = Snapshot::new(transaction);
                *view = View::Open(snapshot.clone());
                Ok(snapshot)
            }
        }
    }
}

impl Inner {
    fn view(&self) -> MutexGuard<'_, View> {
        // A panic while it was held left one of the three states, each of which is true.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the read transaction: before a commit, so that its pages can be reused, and after
    /// it, so that readers see what is new.
    fn close_view(&self) -> Result<(), StorageError> {
        let mut view = self.view();
        if let View::Failed(reason) = &*view {
            return Err(refusal(reason));
        }
        *view = View::Closed;
        Ok(())
    }
}

impl Reader for Store {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.snapshot()?.get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        self.snapshot()?.scan(table, scan)
    }
}

impl Storage for Store {
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.inner.close_view()?;
        if batch.is_empty() {
            return Ok(());
        }
        match write(&self.inner.database, &batch) {
            Ok(()) => self.inner.close_view(),
            Err(error) => {
                let error = failure("could not store a change", error);
                *self.inner.view() = View::Failed(error.clone());
                Err(error)
            }
        }
    }
}

/// One transaction: tables in order, each opened once, keys in order.
fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    let mut ops = batch.ops().peekable();
    while let Some((table, ..)) = ops.peek().copied() {
        let mut rows = transaction.open_table(definition(table))?;
        while let Some((_, key, value)) = ops.next_if(|(next, ..)| *next == table) {
            match value {
                Some(value) => rows.insert(key, sealed(table, key, value).as_slice())?,
                None => rows.remove(key)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// redb's error as the core's: its class, and a sentence that says what happened and what to do.
fn failure(what: &str, error: redb::Error) -> StorageError {
    use StorageErrorKind::{Damaged, Full, Io, Unknown};
    let (kind, advice) = match &error {
        redb::Error::Io(io) => match io.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => {
                (Full, "make room on the disk and start the node again")
            }
            std::io::ErrorKind::InvalidData => (
                Damaged,
                "restore it from a snapshot or remove it and sync again",
            ),
            _ => (Io, "check the disk and start the node again"),
        },
        redb::Error::DatabaseAlreadyOpen => (Io, "another process has it open: stop that first"),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => (Unknown, "start the node again"),
        redb::Error::UpgradeRequired(_) => (Damaged, "it was written by another version of redb"),
        _ => (
            Damaged,
            "restore it from a snapshot or remove it and sync again",
        ),
    };
    StorageError::new(kind, format!("the database {what}: {error}; {advice}"))
}

/// The answer to everything that is asked after a failed commit.
fn refusal(reason: &StorageError) -> StorageError {
    let what = format!(
        "the database accepts nothing more until the node is started again, because it is unknown \
         whether its last change was stored; the first failure was: {reason}"
    );
    StorageError::new(StorageErrorKind::Unknown, what)
}

#[cfg(test)]
mod tests;
