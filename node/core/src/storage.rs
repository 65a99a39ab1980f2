//! The storage port: what the core asks of a database, and an implementation in memory.
//!
//! A store is a set of ordered tables of bytes. It is read at any time and changed by one `Batch` at
//! a time, atomically and durably. Nothing here knows what the rows mean (that is `schema`), and
//! nothing here waits: the shell's redb and the simulator's disk stand behind the same two traits.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;

mod overlay;

pub use overlay::{Layered, Overlay};

/// Every table of a node's database. The order is the order of operations in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Single rows by name: schema version, genesis id, tip, LtHash, arrival counter, …
    Meta,
    /// Block id → header record (header, chainwork, status, arrival number).
    Headers,
    /// Height ‖ block id → nothing, for every stored header: finds children without a tree in memory.
    Levels,
    /// Chainwork ‖ block id → nothing, for every valid header without a valid child.
    HeaderTips,
    /// Chainwork ‖ inverted arrival ‖ block id → nothing, for every connectable valid block without
    /// a connectable valid child: the last row is the block that the best chain should end in.
    BlockTips,
    /// Like `BlockTips`, for branches that wait for the operator's word.
    HeldTips,
    /// Height → block id along the chain of the best header.
    BestHeaders,
    /// Block id → transfers.
    Bodies,
    /// Height → block id along the best chain.
    Best,
    /// Block id → accounts as they were before the block.
    Undo,
    /// Address → account.
    Accounts,
    /// Transfer id → where it stands on the best chain.
    Txs,
    /// Address ‖ height ‖ index → transfer id.
    AccountTxs,
    /// The mempool as last saved.
    Mempool,
    /// Transfers accepted through the API and not yet confirmed or refused.
    OwnTxs,
    /// The address book.
    Peers,
    /// Banned addresses.
    Bans,
}

impl Table {
    /// Every table, in order.
    pub const ALL: [Table; 17] = [
        Table::Meta,
        Table::Headers,
        Table::Levels,
        Table::HeaderTips,
        Table::BlockTips,
        Table::HeldTips,
        Table::BestHeaders,
        Table::Bodies,
        Table::Best,
        Table::Undo,
        Table::Accounts,
        Table::Txs,
        Table::AccountTxs,
        Table::Mempool,
        Table::OwnTxs,
        Table::Peers,
        Table::Bans,
    ];

    /// The table's name in the database file and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Headers => "headers",
            Table::Levels => "levels",
            Table::HeaderTips => "header_tips",
            Table::BlockTips => "block_tips",
            Table::HeldTips => "held_tips",
            Table::BestHeaders => "best_headers",
            Table::Bodies => "bodies",
            Table::Best => "best",
            Table::Undo => "undo",
            Table::Accounts => "accounts",
            Table::Txs => "txs",
            Table::AccountTxs => "account_txs",
            Table::Mempool => "mempool",
            Table::OwnTxs => "own_txs",
            Table::Peers => "peers",
            Table::Bans => "bans",
        }
    }
}

/// What went wrong with the machine's storage. Never the fault of a peer or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// No space is left.
    Full,
    /// The device or the file system failed.
    Io,
    /// Stored bytes are not what was written.
    Damaged,
    /// A commit failed in a way that leaves open whether it is there; only reopening tells.
    Unknown,
}

/// A failure of the machine's storage: the node stops with `what` as its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct StorageError {
    /// The class of the failure, which decides the exit code.
    pub kind: StorageErrorKind,
    /// One sentence for the operator.
    pub what: String,
}

impl StorageError {
    /// An error of that kind with one sentence for the operator.
    pub fn new(kind: StorageErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
        }
    }

    /// Stored bytes under `key` of `table` are not what this node writes there.
    #[must_use]
    pub fn damaged(table: Table, key: &[u8], why: &dyn fmt::Display) -> Self {
        let name = table.name();
        let key = const_hex::encode(key);
        let what = alloc::format!("the database is damaged: table {name}, key {key}: {why}");
        Self::new(StorageErrorKind::Damaged, what)
    }
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Lowest key first.
    Asc,
    /// Highest key first.
    Desc,
}

/// The lower and the upper bound of some keys.
pub type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A range of keys to read, at most `limit` rows of it, beginning at the end that `order` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The lower bound of the keys.
    pub from: Bound<Vec<u8>>,
    /// The upper bound of the keys.
    pub to: Bound<Vec<u8>>,
    /// Which end the rows begin at.
    pub order: Order,
    /// The most rows to return.
    pub limit: usize,
}

impl Scan {
    /// The whole table, lowest key first.
    #[must_use]
    pub const fn all() -> Self {
        let (from, to) = (Bound::Unbounded, Bound::Unbounded);
        Self {
            from,
            to,
            order: Order::Asc,
            limit: usize::MAX,
        }
    }

    /// All keys that begin with `prefix`, lowest first.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        // The first key after all with this prefix: cut trailing 0xff bytes, then add one.
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let to = match end.last_mut() {
            Some(last) => {
                *last = last.wrapping_add(1);
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        Self {
            from: Bound::Included(prefix.to_vec()),
            to,
            ..Self::all()
        }
    }

    /// The same range, at most `limit` rows of it.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// The same range, highest key first.
    #[must_use]
    pub fn descending(self) -> Self {
        Self {
            order: Order::Desc,
            ..self
        }
    }

    /// The bounds as ordered maps take them; `None` when no key can lie between them.
    #[must_use]
    pub fn bounds(&self) -> Option<KeyRange<'_>> {
        let (from, to) = (slice_bound(&self.from), slice_bound(&self.to));
        let crossed = match (from, to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a >= b
            }
        };
        (!crossed && self.limit > 0).then_some((from, to))
    }
}

fn slice_bound(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Something that rows are read from: a store, a snapshot of one, or an overlay.
pub trait Reader {
    /// The value under `key`, if there is one.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// The rows of a range, in its order.
    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError>;
}

/// A store that can be changed, by one atomic and durable transaction at a time.
pub trait Storage: Reader {
    /// Makes all of `batch` true, or none of it. When this returns, the change survives a crash; an
    /// error leaves open which of the two happened, and the node must be opened anew.
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError>;
}

impl<R: Reader + ?Sized> Reader for &R {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        (**self).get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        (**self).scan(table, scan)
    }
}

type Rows<V> = BTreeMap<Vec<u8>, V>;

/// The writes of one transaction: at most one a key, the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// `None` deletes.
    tables: BTreeMap<Table, Rows<Option<Vec<u8>>>>,
    /// Of all keys and values.
    bytes: usize,
}

impl Batch {
    /// A batch that changes nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tables: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Writes `value` under `key`.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.set(table, key, Some(value));
    }

    /// Removes the row under `key`, if there is one.
    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.set(table, key, None);
    }

    fn set(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        let of = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let (key_bytes, value_bytes) = (key.len(), of(&value));
        let before = self.tables.entry(table).or_default().insert(key, value);
        match before {
            Some(before) => self.bytes -= of(&before),
            None => self.bytes += key_bytes,
        }
        self.bytes += value_bytes;
    }

    /// Does what `other` does as well, and after.
    pub fn append(&mut self, other: Self) {
        for (table, rows) in other.tables {
            rows.into_iter()
                .for_each(|(key, value)| self.set(table, key, value));
        }
    }

    /// What the batch does to `key`: nothing (`None`), delete (`Some(None)`) or write.
    #[must_use]
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        self.tables.get(&table)?.get(key).map(Option::as_deref)
    }

    /// True when the batch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All operations, sorted by table and key: `None` deletes.
    pub fn ops(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.tables.iter().flat_map(|(table, rows)| {
            rows.iter()
                .map(|(key, value)| (*table, key.as_slice(), value.as_deref()))
        })
    }
}

fn in_order(rows: impl DoubleEndedIterator<Item = Row>, scan: &Scan) -> Vec<Row> {
    match scan.order {
        Order::Asc => rows.take(scan.limit).collect(),
        Order::Desc => rows.rev().take(scan.limit).collect(),
    }
}

/// A store in memory, for tests and models. Two are equal when every table is, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStorage {
    /// Tables without rows are absent, so that equality compares contents only.
    tables: BTreeMap<Table, Rows<Vec<u8>>>,
}

impl MemoryStorage {
    /// An empty store.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tables: BTreeMap::new(),
        }
    }

    /// How many rows the table has.
    #[must_use]
    pub fn count(&self, table: Table) -> usize {
        self.tables.get(&table).map_or(0, BTreeMap::len)
    }
}

impl Reader for MemoryStorage {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self
            .tables
            .get(&table)
            .and_then(|rows| rows.get(key))
            .cloned())
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        let (Some(bounds), Some(rows)) = (scan.bounds(), self.tables.get(&table)) else {
            return Ok(Vec::new());
        };
        let rows = rows.range::<[u8], _>(bounds);
        Ok(in_order(
            rows.map(|(key, value)| (key.clone(), value.clone())),
            scan,
        ))
    }
}

impl Storage for MemoryStorage {
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        for (table, writes) in batch.tables {
            let rows = self.tables.entry(table).or_default();
            for (key, value) in writes {
                match value {
                    Some(value) => rows.insert(key, value),
                    None => rows.remove(&key),
                };
            }
            if rows.is_empty() {
                self.tables.remove(&table);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn all_lists_every_table_once_in_order_with_a_name_of_its_own() {
        let sorted = Table::ALL.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(sorted);
        let names: alloc::collections::BTreeSet<_> = Table::ALL.iter().map(|t| t.name()).collect();
        assert_eq!(names.len(), Table::ALL.len());
        assert_eq!(Table::Bans as usize + 1, Table::ALL.len());
    }

    #[test]
    fn a_prefix_scan_ends_where_the_prefix_does() {
        let mut store = MemoryStorage::new();
        let mut batch = Batch::new();
        for key in [
            vec![1, 255],
            vec![1, 255, 0],
            vec![1, 255, 255],
            vec![2],
            vec![255, 255],
        ] {
            batch.put(Table::Txs, key, vec![]);
        }
        store.commit(batch).unwrap();
        let keys = |prefix: &[u8]| -> Vec<Vec<u8>> {
            let rows = store.scan(Table::Txs, &Scan::prefix(prefix)).unwrap();
            rows.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(
            keys(&[1, 255]),
            [vec![1, 255], vec![1, 255, 0], vec![1, 255, 255]]
        );
        assert_eq!(keys(&[255]), [vec![255, 255]]);
        assert_eq!(keys(&[]).len(), 5);
    }

    #[test]
    fn crossed_bounds_and_a_limit_of_zero_give_no_rows() {
        let mut store = MemoryStorage::new();
        let mut batch = Batch::new();
        batch.put(Table::Best, vec![1], vec![1]);
        store.commit(batch).unwrap();
        let one = Bound::Excluded(vec![1]);
        let crossed = Scan {
            from: one.clone(),
            to: one,
            ..Scan::all()
        };
        assert_eq!(store.scan(Table::Best, &crossed).unwrap(), []);
        let back = Scan {
            from: Bound::Included(vec![2]),
            to: Bound::Included(vec![1]),
            ..Scan::all()
        };
        assert_eq!(store.scan(Table::Best, &back).unwrap(), []);
        assert_eq!(store.scan(Table::Best, &Scan::all().limit(0)).unwrap(), []);
    }

    #[test]
    fn a_damage_report_names_table_and_key() {
        let error = StorageError::damaged(Table::Undo, &[0xab, 1], &"it ends too early");
        assert_eq!(error.kind, StorageErrorKind::Damaged);
        let sentence = "the database is damaged: table undo, key ab01: it ends too early";
        assert_eq!(alloc::string::ToString::to_string(&error), sentence);
    }

    fn writes() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
        prop::collection::vec((0u8..12, prop::option::of(any::<u8>())), 0..12)
    }

    fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
        prop_oneof![
            Just(Bound::Unbounded),
            (0u8..12).prop_map(|key| Bound::Included(vec![key])),
            (0u8..12).prop_map(|key| Bound::Excluded(vec![key])),
        ]
    }

    fn batch_of(writes: &[(u8, Option<u8>)]) -> Batch {
        let mut batch = Batch::new();
        for (key, value) in writes {
            match value {
                Some(value) => batch.put(Table::Accounts, vec![*key], vec![*value]),
                None => batch.delete(Table::Accounts, vec![*key]),
            }
        }
        batch
    }

    proptest! {
        #[test]
        fn an_overlay_reads_like_the_store_after_its_commit(
            below in writes(), above in writes(),
            from in bound(), to in bound(), desc in any::<bool>(), limit in 0usize..8,
        ) {
            let mut store = MemoryStorage::new();
            store.commit(batch_of(&below)).unwrap();
            let base = store.clone();
            let overlay = Overlay::over(&base, batch_of(&above));
            store.commit(overlay.batch().clone()).unwrap();
            let order = if desc { Order::Desc } else { Order::Asc };
            let scan = Scan { from, to, order, limit };
            prop_assert_eq!(
                overlay.scan(Table::Accounts, &scan).unwrap(),
                store.scan(Table::Accounts, &scan).unwrap()
            );
            for key in 0u8..12 {
                prop_assert_eq!(
                    overlay.get(Table::Accounts, &[key]).unwrap(),
                    store.get(Table::Accounts, &[key]).unwrap()
                );
            }
        }
    }
}
