//! The machine that a node runs on: its disk, and this process's log.

use std::path::PathBuf;

use crate::live::data_dir::DATABASE;
use crate::live::logging;
use crate::ports::{DiskSpace, Machine};

/// This machine, as the owner of a data directory sees it.
#[derive(Debug)]
pub struct LiveMachine {
    data_dir: PathBuf,
}

impl LiveMachine {
    /// The machine whose disk holds `data_dir`.
    pub const fn new(data_dir: PathBuf) -> Self {
        Self { data_dir }
    }
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
