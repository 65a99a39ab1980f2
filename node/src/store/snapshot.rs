//! What readers hold: one committed state, in which every row is checked when it is read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use archivas_core::storage::{Order, Reader, Row, Scan, StorageError, Table};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata, TableError};

use super::row::unsealed;
use super::{Bytes, definition, failure};

type OpenTable = Option<ReadOnlyTable<Bytes, Bytes>>;

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
    pub(super) fn new(transaction: ReadTransaction) -> Self {
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
