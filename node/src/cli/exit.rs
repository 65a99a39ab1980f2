//! How a command ends: the exit codes of interfaces.md §3, each with a sentence for people.

use std::path::Path;

use archivas_core::chain::OpenError;
use archivas_core::storage::{StorageError, StorageErrorKind};

use crate::config::ConfigError;
use crate::driver::StopError;
use crate::keys::KeyStoreError;
use crate::live::data_dir::DataDirError;
use crate::service::StartError;

/// Exit codes. 101 is a bug of ours and comes from a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Refused or failed.
    Refused = 1,
    /// Usage or configuration.
    Usage = 2,
    /// The node cannot be reached.
    Unreachable = 3,
    /// The data is damaged.
    Damaged = 4,
    /// Another process uses the data directory.
    InUse = 5,
    /// The data belongs to another network or schema.
    OtherNetwork = 6,
    /// Disk full or I/O error.
    Disk = 7,
    /// A key does not open with that passphrase.
    WrongPassphrase = 8,
}

/// A panic's exit code.
const BUG: i32 = 101;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub exit: Exit,
    /// For people: one sentence that says what to do.
    pub sentence: String,
}

impl Failure {
    /// Refused or failed.
    pub fn refused(sentence: impl Into<String>) -> Self {
        Self {
            exit: Exit::Refused,
            sentence: sentence.into(),
        }
    }

    /// Usage or configuration.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            sentence: sentence.into(),
        }
    }

    /// The node cannot be reached.
    pub fn unreachable(sentence: impl Into<String>) -> Self {
        Self {
            exit: Exit::Unreachable,
            sentence: sentence.into(),
        }
    }

    /// Says which data directory it is about, where that is what failed.
    #[must_use]
    pub fn about(self, data_dir: &Path) -> Self {
        let sentence = match self.exit {
            Exit::Damaged | Exit::OtherNetwork | Exit::Disk => {
                format!("{}: {}", data_dir.display(), self.sentence)
            }
            _ => self.sentence,
        };
        Self { sentence, ..self }
    }

    /// Disk full or I/O error.
    pub fn disk(sentence: impl Into<String>) -> Self {
        Self {
            exit: Exit::Disk,
            sentence: sentence.into(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.0)
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        let exit = match &error {
            DataDirError::InUse(_) => Exit::InUse,
            DataDirError::Io { .. } => Exit::Disk,
            DataDirError::Database { error, .. } => of_storage(error),
        };
        Self {
            exit,
            sentence: error.to_string(),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match &error {
            StartError::Listen { .. } => Exit::Refused,
            StartError::Open(OpenError::Storage(error)) => of_storage(error),
            StartError::Open(OpenError::Damaged(_)) => Exit::Damaged,
            StartError::Open(OpenError::OtherIndex { .. }) => Exit::Usage,
            StartError::Open(_) => Exit::OtherNetwork,
        };
        Self {
            exit,
            sentence: error.to_string(),
        }
    }
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Self {
        let exit = match &error {
            KeyStoreError::WrongPassphrase => Exit::WrongPassphrase,
            KeyStoreError::Damaged(_) => Exit::Damaged,
            KeyStoreError::Io { .. } => Exit::Disk,
            KeyStoreError::BadName(_) => Exit::Usage,
            KeyStoreError::Open(_) | KeyStoreError::Unknown(_) | KeyStoreError::Taken(_) => {
                Exit::Refused
            }
        };
        Self {
            exit,
            sentence: error.to_string(),
        }
    }
}

impl From<StopError> for Failure {
    fn from(error: StopError) -> Self {
        let StopError::Storage { error: cause } = &error;
        Self {
            exit: of_storage(cause),
            sentence: error.to_string(),
        }
    }
}

fn of_storage(error: &StorageError) -> Exit {
    match error.kind {
        StorageErrorKind::Damaged => Exit::Damaged,
        StorageErrorKind::Full | StorageErrorKind::Io | StorageErrorKind::Unknown => Exit::Disk,
    }
}

/// A panic anywhere is a bug of ours: the process says so and ends, instead of running on without
/// one of its parts. What was acknowledged is on disk. Only redb panics over pages that make no sense:
/// that is damage.
pub fn panics_end_the_process() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let of_redb = |at: &&std::panic::Location<'_>| at.file().contains("/redb-");
        if let Some(at) = panic.location().filter(of_redb) {
            say_damaged(at);
            std::process::exit(Exit::Damaged as i32);
        }
        report(panic);
        std::process::exit(BUG);
    }));
}

#[expect(clippy::print_stderr, reason = "the last words of the process")]
fn say_damaged(at: &std::panic::Location<'_>) {
    eprintln!(
        "archivas: the database archivas.redb in the data directory is damaged (redb gave up at {}, \
         line {}): restore it, or remove it to sync anew",
        at.file(),
        at.line(),
    );
}
