//! A recording as a file: only its owner can read it, it has a bound, and the node goes on without it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::record::Recording;

/// A recording under way.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    file: File,
    bytes_left: Mutex<u64>,
}

impl RecordFile {
    /// Begins a new file of at most `bytes_max`.
    ///
    /// # Errors
    /// When it exists, or the system refuses.
    pub fn create(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes_left: Mutex::new(bytes_max),
        })
    }
}

impl Recording for RecordFile {
    /// One write each, without a buffer: what the process dies of is in the file.
    fn put(&self, entries: &[u8]) -> bool {
        let left = self.bytes_left.lock();
        // Whoever panicked with it had only a number to set.
        let mut left = left.unwrap_or_else(PoisonError::into_inner);
        let path = self.path.display();
        let Some(after) = left.checked_sub(entries.len() as u64) else {
            tracing::warn!("the recording {path} is full and ends here; the node goes on");
            return false;
        };
        *left = after;
        match (&self.file).write_all(entries) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("the recording {path} ends here ({error}); the node goes on");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_recording_is_private_bounded_and_never_overwrites() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let path = scratch.path().join("life.rec");
        let file = RecordFile::create(&path, 10).expect("a new file");
        assert!(file.put(b"sixsix") && file.put(b"four"));
        assert!(!file.put(b"x"));
        assert_eq!(std::fs::read(&path).expect("written"), b"sixsixfour");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = RecordFile::create(&path, 10).expect_err("it is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
