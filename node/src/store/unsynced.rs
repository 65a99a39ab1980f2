//! A backend of which only the last state counts: a database that is filled where nobody finds it.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

/// Passes everything on but syncs, of which there is one, when all is there. Clones share the bytes,
/// which outlive a database on one of them.
#[derive(Debug, Default)]
pub struct Unsynced<B>(Arc<B>);

impl<B: StorageBackend> Unsynced<B> {
    /// Over a backend.
    pub fn new(backend: B) -> Self {
        Self(Arc::new(backend))
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the backend reports.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl<B> Clone for Unsynced<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: StorageBackend> StorageBackend for Unsynced<B> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
