//! Reading a batch and the store below it as one: what a change in the making sees.

use alloc::vec::Vec;

use super::{Batch, Order, Reader, Row, Rows, Scan, StorageError, Table, in_order};

/// A batch in the making, read as if it were already committed on top of `base`.
#[derive(Clone, Debug)]
pub struct Overlay<'a, R: ?Sized> {
    base: &'a R,
    batch: Batch,
}

impl<'a, R: Reader + ?Sized> Overlay<'a, R> {
    /// An overlay that changes nothing yet.
    #[must_use]
    pub const fn new(base: &'a R) -> Self {
        Self::over(base, Batch::new())
    }

    /// An overlay that goes on with a batch.
    #[must_use]
    pub const fn over(base: &'a R, batch: Batch) -> Self {
        Self { base, batch }
    }

    /// Writes `value` under `key`.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.batch.put(table, key, value);
    }

    /// Removes the row under `key`, if there is one.
    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.batch.delete(table, key);
    }

    /// The writes so far.
    #[must_use]
    pub const fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The writes, to be committed.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }
}

impl<R: Reader + ?Sized> Reader for Overlay<'_, R> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Layered::new(self.base, &self.batch).get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        Layered::new(self.base, &self.batch).scan(table, scan)
    }
}

/// A batch that others write, read as if it were already committed on top of `base`.
#[derive(Clone, Copy, Debug)]
pub struct Layered<'a, R: ?Sized> {
    base: &'a R,
    batch: &'a Batch,
}

impl<'a, R: Reader + ?Sized> Layered<'a, R> {
    /// The batch on top of the base.
    #[must_use]
    pub const fn new(base: &'a R, batch: &'a Batch) -> Self {
        Self { base, batch }
    }
}

impl<R: Reader + ?Sized> Reader for Layered<'_, R> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.batch.get(table, key) {
            Some(written) => Ok(written.map(<[u8]>::to_vec)),
            None => self.base.get(table, key),
        }
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        let Some(bounds) = scan.bounds() else {
            return Ok(Vec::new());
        };
        let Some(written) = self.batch.tables.get(&table) else {
            return self.base.scan(table, scan);
        };
        let range = written.range::<[u8], _>(bounds);
        let changes = match scan.order {
            Order::Asc => up_to(range, scan.limit),
            Order::Desc => up_to(range.rev(), scan.limit),
        };
        // Each deletion can hide one row of the base: with so many more, the limit is still reached.
        let hidden = changes.iter().filter(|(_, value)| value.is_none()).count();
        let wider = scan.clone().limit(scan.limit.saturating_add(hidden));
        let mut rows: Rows<Vec<u8>> = self.base.scan(table, &wider)?.into_iter().collect();
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(in_order(rows.into_iter(), scan))
    }
}

type Change<'a> = (&'a Vec<u8>, &'a Option<Vec<u8>>);

/// The changes that a scan of so many rows can see: none that lie behind as many written rows.
fn up_to<'a>(range: impl Iterator<Item = Change<'a>>, limit: usize) -> Vec<Change<'a>> {
    let mut left = limit;
    range
        .take_while(|(_, value)| {
            let seen = left > 0;
            left = left.saturating_sub(usize::from(value.is_some()));
            seen
        })
        .collect()
}
