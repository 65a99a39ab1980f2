//! redb's way to a simulated disk: every operation is counted, recorded, timed, and may fail.

use std::io;
use std::sync::MutexGuard;

use redb::StorageBackend;

use super::tape::Step;
use super::{Disk, Fault, State};
use crate::faults::SLOW_DISK;
use crate::meter::Part;
use crate::trace::Kind;

/// One life's way to its disk.
#[derive(Debug)]
pub struct Backend {
    pub(super) disk: Disk,
    pub(super) life: u64,
}

impl Backend {
    /// The disk's state, or an error when this life has ended.
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.0.state();
        if state.plugged && state.life == self.life {
            Ok(state)
        } else {
            Err(unplugged())
        }
    }

    /// The same before an operation that changes the disk: counts it, and lets its fault happen.
    fn changing(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.alive()?;
        state.note_told();
        let operation = state.operations;
        state.operations += 1;
        let Some(fault) = state.faults.remove(&operation) else {
            return Ok(state);
        };
        let error = self.disk.0.fail(&mut state, operation, fault);
        let ended = !state.plugged;
        drop(state);
        if ended {
            self.disk.0.tell_end(fault);
        }
        Err(error)
    }

    /// Adds what an operation takes to the debt.
    fn owe(&self, state: &mut State, nanos: u64) {
        state.debt_ns += nanos + state.slower_ns;
        if state.slower_ns > 0 {
            self.disk.0.trace.count(SLOW_DISK);
        }
    }

    fn record(&self, kind: Kind, subject: u64, payload: &[u8]) {
        self.disk
            .0
            .trace
            .record(self.disk.0.node, kind, subject, payload);
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.image.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let _disks = self.disk.0.trace.meter().time(Part::Disks);
        self.alive()?.image.read(offset, out)?;
        self.record(Kind::DiskRead, offset, &(out.len() as u64).to_le_bytes());
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let _disks = self.disk.0.trace.meter().time(Part::Disks);
        let mut state = self.changing()?;
        state.image.set_len(len)?;
        state.record(|| Step::Length(len));
        self.record(Kind::DiskLength, len, &[]);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let _disks = self.disk.0.trace.meter().time(Part::Disks);
        let mut state = self.changing()?;
        let operation = state.operations - 1;
        if state.sync_fails.is_some_and(|from| from <= operation) {
            state.sync_fails = None;
            return Err(self.disk.0.fail(&mut state, operation, Fault::Sync));
        }
        if !state.lies {
            state.image.sync();
        }
        let nanos = state.speed.sync_us * 1_000;
        self.owe(&mut state, nanos);
        state.record(|| Step::Sync);
        self.record(Kind::DiskSync, state.operations, &[]);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let _disks = self.disk.0.trace.meter().time(Part::Disks);
        let mut state = self.changing()?;
        state.image.write(offset, data)?;
        state.record(|| Step::Write(offset, data.into()));
        if offset == 0 {
            self.disk.0.trace.meter().count_header();
        }
        let nanos = state.speed.write_mib_us * data.len() as u64 * 1_000 / (1 << 20);
        self.owe(&mut state, nanos);
        self.record(Kind::DiskWrite, offset, data);
        Ok(())
    }
}

/// What every call ends with once the life has.
pub(super) fn unplugged() -> io::Error {
    io::Error::other("the disk is unplugged")
}
