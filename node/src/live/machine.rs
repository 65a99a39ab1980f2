//! The machine that a node runs on: its disk, and this process's log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use archivas_core::primitives::Height;

use crate::live::data_dir::DATABASE;
use crate::live::{logging, snapshot_file};
use crate::ports::{DiskSpace, Export, Machine};
use crate::store::Snapshot;

/// This machine, as the owner of a data directory sees it.
#[derive(Debug)]
pub struct LiveMachine {
    data_dir: PathBuf,
    export: Shared,
}

/// The last snapshot that was begun, as its thread and whoever asks see it.
type Shared = Arc<Mutex<Option<Export>>>;

impl LiveMachine {
    /// The machine whose disk holds `data_dir`.
    pub fn new(data_dir: PathBuf) -> Self {
        let export = Shared::default();
        Self { data_dir, export }
    }
}

fn look(export: &Shared) -> MutexGuard<'_, Option<Export>> {
    // Whoever panicked with it had only numbers to set.
    export.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine for LiveMachine {
    fn disk(&self) -> Option<DiskSpace> {
        let disk = rustix::fs::statvfs(&self.data_dir).ok()?;
        Some(DiskSpace {
            total: disk.f_blocks.saturating_mul(disk.f_frsize),
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }

    fn database_bytes(&self) -> Option<u64> {
        let file = std::fs::metadata(self.data_dir.join(DATABASE));
        file.ok().map(|file| file.len())
    }

    fn log(&self) -> String {
        logging::current()
    }

    fn set_log(&self, filter: &str) -> Result<(), String> {
        logging::change(filter)
    }

    fn export(&self, rows: Snapshot, height: Height, file: &Path) -> bool {
        let mut export = look(&self.export);
        if export.as_ref().is_some_and(|last| last.end.is_none()) {
            return false;
        }
        *export = Some(Export::default());
        let (shared, file) = (Arc::clone(&self.export), file.to_owned());
        // A thread of its own: it reads the whole database, which would hold others up.
        let thread = Builder::new().name("snapshot".into());
        let begun = thread.spawn(move || {
            let mut show = |phase, done, total| {
                *look(&shared) = Some(Export {
                    phase,
                    done,
                    total,
                    end: None,
                });
            };
            let written = snapshot_file::write(&rows, height, &file, &mut show);
            // Before anybody is told: what it held of the database is free again.
            drop(rows);
            let end = Some(Arc::new(written));
            let mut export = look(&shared);
            let last = export.take().unwrap_or_default();
            *export = Some(Export { end, ..last });
        });
        if let Err(error) = begun {
            let end = Some(Arc::new(Err(error.into())));
            *export = Some(Export {
                end,
                ..Export::default()
            });
        }
        true
    }

    fn exported(&self) -> Option<Export> {
        look(&self.export).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_and_one_that_is_not_there_tells_nothing() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let disk = LiveMachine::new(scratch.path().into())
            .disk()
            .expect("a disk");
        assert!(disk.free > 0 && disk.free <= disk.total, "{disk:?}");
        assert_eq!(LiveMachine::new("/nowhere/at/all".into()).disk(), None);
    }
}
