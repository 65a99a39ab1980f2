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
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use archivas_core::storage::{Batch, Order, Reader, Row, Scan, Storage, StorageError};
use archivas_core::storage::{StorageErrorKind, Table};
use redb::{
    Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata,
    StorageBackend, TableDefinition, TableError,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How much memory the database may use for pages it has read or not yet written. It grows on
/// demand, so a small chain costs little; 64 MiB keep the upper levels of every table in memory at
/// ten million accounts.
pub const CACHE_BYTES_DEFAULT: usize = 64 * 1024 * 1024;

type Bytes = &'static [u8];
type OpenTable = Option<ReadOnlyTable<Bytes, Bytes>>;

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

/// One committed state of a store: one read transaction, whatever is committed meanwhile. Clones
/// share it; the transaction ends with the last of them.
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
}

struct Shared {
    transaction: ReadTransaction,
    /// Opened when first asked for; `None` inside for a table that does not exist yet.
    tables: [OnceLock<OpenTable>; Table::ALL.len()],
}

impl Snapshot {
    fn new(transaction: ReadTransaction) -> Self {
        let tables = [const { OnceLock::new() }; Table::ALL.len()];
        let shared = Arc::new(Shared {
            transaction,
            tables,
        });
        Self { shared }
    }

    fn table(&self, table: Table) -> Result<&OpenTable, redb::Error> {
        let place = &self.shared.tables[table as usize];
        if let Some(open) = place.get() {
            return Ok(open);
        }
        let open = match self.shared.transaction.open_table(definition(table)) {
            Ok(open) => Some(open),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        // Another thread may have been first; both opened the same rows.
        Ok(place.get_or_init(|| open))
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// What the backend reports.
    pub fn count(&self, table: Table) -> Result<u64, StorageError> {
        let count = || match self.table(table)? {
            Some(rows) => Ok(rows.len()?),
            None => Ok(0),
        };
        count().map_err(|error: redb::Error| failure("cannot be read", error))
    }

    /// The stored bytes, with their checksum; without a row, the rows beside its place.
    fn read(&self, table: Table, key: &[u8]) -> Result<Found, redb::Error> {
        let Some(rows) = self.table(table)? else {
            return Ok(Found::Beside(Vec::new()));
        };
        if let Some(value) = rows.get(key)? {
            return Ok(Found::Row(value.value().to_vec()));
        }
        let above = rows.range::<&[u8]>(key..)?.next();
        let below = rows.range::<&[u8]>(..key)?.next_back();
        let beside = above.into_iter().chain(below).map(copied);
        Ok(Found::Beside(beside.collect::<Result<_, _>>()?))
    }

    fn read_range(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, redb::Error> {
        let (Some(bounds), Some(rows)) = (scan.bounds(), self.table(table)?) else {
            return Ok(Vec::new());
        };
        let range = rows.range::<&[u8]>(bounds)?;
        let rows: Result<_, redb::StorageError> = match scan.order {
            Order::Asc => range.take(scan.limit).map(copied).collect(),
            Order::Desc => range.rev().take(scan.limit).map(copied).collect(),
        };
        Ok(rows?)
    }
}

/// What stands where a key was looked for.
enum Found {
    /// Its row.
    Row(Vec<u8>),
    /// None; these are the rows before and after its place.
    Beside(Vec<Row>),
}

type Guards<'a> = (redb::AccessGuard<'a, Bytes>, redb::AccessGuard<'a, Bytes>);

fn copied(row: Result<Guards<'_>, redb::StorageError>) -> Result<Row, redb::StorageError> {
    let (key, value) = row?;
    Ok((key.value().to_vec(), value.value().to_vec()))
}

/// Bytes of a checksum at the end of each stored value.
const SUM_BYTES: usize = 4;

/// Guards against what disks do, not against people, who could replace the whole file.
fn sum(table: Table, key: &[u8], value: &[u8]) -> [u8; SUM_BYTES] {
    let seed = xxh3_64_with_seed(key, table as u64);
    let [a, b, c, d, ..] = xxh3_64_with_seed(value, seed).to_le_bytes();
    [a, b, c, d]
}

/// A value as it is stored.
fn sealed(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &sum(table, key, value)].concat()
}

/// The value that was stored under a key.
fn unsealed(table: Table, key: &[u8], mut stored: Vec<u8>) -> Result<Vec<u8>, StorageError> {
    let length = stored.len().saturating_sub(SUM_BYTES);
    let (value, end) = stored.split_at(length);
    if sum(table, key, value) != end {
        return Err(StorageError::damaged(table, key, &"its checksum is wrong"));
    }
    stored.truncate(length);
    Ok(stored)
}

impl Reader for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.read(table, key);
        match found.map_err(|error| failure("cannot be read", error))? {
            Found::Row(stored) => unsealed(table, key, stored).map(Some),
            Found::Beside(rows) => {
                for (key, stored) in rows {
                    unsealed(table, &key, stored)?;
                }
                Ok(None)
            }
        }
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        let found = self.read_range(table, scan);
        let rows = found.map_err(|error| failure("cannot be read", error))?;
        let whole = |(key, stored): Row| {
            let value = unsealed(table, &key, stored)?;
            Ok((key, value))
        };
        rows.into_iter().map(whole).collect()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
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
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn batch(rows: &[(Table, &str, Option<&str>)]) -> Batch {
        let mut batch = Batch::new();
        for (table, key, value) in rows {
            match value {
                Some(value) => {
                    batch.put(*table, key.as_bytes().to_vec(), value.as_bytes().to_vec())
                }
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
}
