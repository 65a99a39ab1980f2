//! The data directory: one process holds it at a time, and its database appears in it only whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use archivas_core::storage::{StorageError, StorageErrorKind};
use redb::DatabaseError;
use redb::backends::FileBackend;

use crate::store::{Store, Unsynced};

/// The database; nothing else of the node's state is on disk.
pub const DATABASE: &str = "archivas.redb";
/// A database being created; a crash may leave one, and it holds nothing.
const UNFINISHED: &str = "archivas.redb.new";
/// Held locked while a process uses the directory.
const LOCK: &str = "lock";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds the lock.
    #[error(
        "the data directory {} is in use by another archivas process: stop that one, or pass \
         another --data-dir", .0.display()
    )]
    InUse(PathBuf),
    /// The directory or a file in it cannot be created, opened or synced.
    #[error("cannot use the data directory: {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The database in it cannot be opened.
    #[error("cannot open the database {}: {error}", path.display())]
    Database {
        /// The database's file.
        path: PathBuf,
        /// What the store said.
        error: StorageError,
    },
}

/// A directory that belongs to this process until the value is dropped or the process dies.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory where needed and takes its lock.
    ///
    /// # Errors
    /// `InUse` when another process has it, else `Io`.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        std::fs::create_dir_all(path).map_err(failed("create", path))?;
        let file = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&file)
            .map_err(failed("open", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed("lock", &file)(error)),
        }
    }

    /// Opens the database, or creates an empty one. Creation happens under a temporary name, which
    /// is synced and renamed, and then the directory is synced: a crash leaves a whole database or
    /// none (redb refuses a file whose first writes were cut off).
    ///
    /// # Errors
    /// `Io` for the files, `Database` for what is in them.
    pub fn open_store(&self) -> Result<Store, DataDirError> {
        let path = self.path.join(DATABASE);
        if !path.try_exists().map_err(failed("look for", &path))? {
            self.create()?;
        }
        // redb would make a new database of it, and the node begin anew without a word.
        let length = std::fs::metadata(&path).map_err(failed("look at", &path))?;
        if length.len() == 0 {
            let what = "the file is empty: restore it, or remove it to sync anew";
            let error = StorageError::new(StorageErrorKind::Damaged, what);
            return Err(DataDirError::Database { path, error });
        }
        let backend = backend(&path, &mut OpenOptions::new())?;
        Store::open(backend).map_err(|error| DataDirError::Database { path, error })
    }

    /// Whether there is a database.
    ///
    /// # Errors
    /// `Io`.
    pub fn has_store(&self) -> Result<bool, DataDirError> {
        let path = self.path.join(DATABASE);
        path.try_exists().map_err(failed("look for", &path))
    }

    /// The size of the database's file in bytes.
    ///
    /// # Errors
    /// `Io`.
    pub fn store_bytes(&self) -> Result<u64, DataDirError> {
        let path = self.path.join(DATABASE);
        let found = std::fs::metadata(&path).map_err(failed("look for", &path))?;
        Ok(found.len())
    }

    /// Lets `fill` make a database and puts that where the present one is, or would be: it is synced
    /// and renamed, and then the directory is synced. Nothing that `fill` commits is synced before:
    /// a crash leaves what was there. When it fails nothing has changed.
    ///
    /// # Errors
    /// Those of `fill`, and `Io` and `Database` for the files.
    pub fn replace_store<T, E: From<DataDirError>>(
        &self,
        fill: impl FnOnce(Store) -> Result<T, E>,
    ) -> Result<T, E> {
        let unfinished = self.path.join(UNFINISHED);
        let filled = self.fill(&unfinished, fill)?;
        self.move_in_place(&unfinished)?;
        Ok(filled)
    }

    /// Lets `work` use a database that nobody keeps.
    ///
    /// # Errors
    /// Those of `work`, and `Io` and `Database` for the files.
    pub fn with_scratch<T, E: From<DataDirError>>(
        &self,
        work: impl FnOnce(Store) -> Result<T, E>,
    ) -> Result<T, E> {
        let unfinished = self.path.join(UNFINISHED);
        let done = self.fill(&unfinished, work)?;
        std::fs::remove_file(&unfinished).map_err(failed("remove", &unfinished))?;
        Ok(done)
    }

    fn fill<T, E: From<DataDirError>>(
        &self,
        path: &Path,
        fill: impl FnOnce(Store) -> Result<T, E>,
    ) -> Result<T, E> {
        let backend = Unsynced::new(backend(
            path,
            OpenOptions::new().create(true).truncate(true),
        )?);
        let opened = Store::open(backend);
        let store = opened.map_err(|error| DataDirError::Database {
            path: path.to_owned(),
            error,
        })?;
        let filled = fill(store);
        if filled.is_err() {
            // It holds nothing of use, and the next one begins by cutting it off.
            let _ = std::fs::remove_file(path);
        }
        filled
    }

    fn create(&self) -> Result<(), DataDirError> {
        let unfinished = self.path.join(UNFINISHED);
        let backend = backend(&unfinished, OpenOptions::new().create(true).truncate(true))?;
        Store::create(backend).map_err(|error| DataDirError::Database {
            path: unfinished.clone(),
            error,
        })?;
        self.move_in_place(&unfinished)
    }

    fn move_in_place(&self, unfinished: &Path) -> Result<(), DataDirError> {
        let file = File::open(unfinished).map_err(failed("open", unfinished))?;
        file.sync_all().map_err(failed("sync", unfinished))?;
        let path = self.path.join(DATABASE);
        std::fs::rename(unfinished, path).map_err(failed("rename", unfinished))?;
        let directory = File::open(&self.path).map_err(failed("open", &self.path))?;
        directory.sync_all().map_err(failed("sync", &self.path))
    }
}

/// A file as redb's storage.
fn backend(path: &Path, options: &mut OpenOptions) -> Result<FileBackend, DataDirError> {
    let file = options
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed("open", path))?;
    FileBackend::new(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => DataDirError::InUse(path.to_owned()),
        other => failed("open", path)(io::Error::other(other)),
    })
}

/// Names what was being done to which path.
fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |error| DataDirError::Io { what, path, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let first = DataDir::lock(scratch.path()).expect("free");
        assert!(matches!(
            DataDir::lock(scratch.path()),
            Err(DataDirError::InUse(_))
        ));
        drop(first);
        DataDir::lock(scratch.path()).expect("free again");
    }

    #[test]
    fn a_database_cut_off_while_it_was_created_is_made_again() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(scratch.path().join(UNFINISHED), b"half").expect("writable");
        let dir = DataDir::lock(scratch.path()).expect("free");
        drop(dir.open_store().expect("a new database"));
        assert!(!scratch.path().join(UNFINISHED).exists());
        drop(dir.open_store().expect("the same database"));
    }

    #[test]
    fn a_path_that_cannot_be_a_directory_is_an_io_error_with_its_name() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let file = scratch.path().join("file");
        std::fs::write(&file, b"").expect("writable");
        let error = DataDir::lock(&file.join("data")).expect_err("a file is in the way");
        assert!(matches!(error, DataDirError::Io { .. }), "{error}");
    }
}
