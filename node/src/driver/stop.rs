//! Why a node stops by itself, said so that an operator knows what to do (law 8).

use std::sync::{Arc, OnceLock};

use archivas_core::storage::{StorageError, StorageErrorKind};

/// A failure of the database that a reader met outside the loop, which ends with it.
pub type Broken = Arc<OnceLock<StorageError>>;

/// Why a node stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// The store failed; what was acknowledged before is safe, and a restart recovers.
    #[error("{}: {error}; {}", headline(error.kind), remedy(error.kind))]
    Storage {
        /// What the store said.
        #[from]
        error: StorageError,
    },
}

fn headline(kind: StorageErrorKind) -> &'static str {
    match kind {
        StorageErrorKind::Full => "the disk is full",
        StorageErrorKind::Io => "the disk failed",
        StorageErrorKind::Damaged => "the database is damaged",
        StorageErrorKind::Unknown => "it is not known whether the last write is on disk",
    }
}

fn remedy(kind: StorageErrorKind) -> &'static str {
    match kind {
        StorageErrorKind::Full => "make room and start the node again",
        StorageErrorKind::Io | StorageErrorKind::Unknown => {
            "check the disk and start the node again, which recovers"
        }
        StorageErrorKind::Damaged => "restore the data directory, or remove it to sync anew",
    }
}
