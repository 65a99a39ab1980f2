//! A disk that can lose power: a redb `StorageBackend` over an [`Image`], with faults at chosen
//! operations and a debt of virtual time in place of waiting. Knows nothing of madsim; whoever owns
//! the node takes the debt and kills the tasks. *Unplug first, then kill*: the drop of a killed node
//! lets redb close cleanly, which would not be a crash.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archivas_core::node::TipInfo;
use archivas_core::primitives::Millis;
use archivas_scenarios::disturb::DiskFault;
use archivas_scenarios::draws::Draws;
use tokio::sync::watch;

use crate::trace::{Kind, Trace};

mod backend;
pub mod image;
pub mod survival;
pub mod tape;

pub use backend::Backend;
use backend::unplugged;
use image::Image;
pub use survival::Survival;
use tape::{Step, Tape};

/// How long the operations of a disk take, in virtual microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// One sync.
    pub sync_us: u64,
    /// One MiB written.
    pub write_mib_us: u64,
}

/// A plain solid-state disk: half a millisecond a sync, 500 MiB/s.
pub const SPEED_USUAL: Speed = Speed {
    sync_us: 500,
    write_mib_us: 2_000,
};

/// What goes wrong at a chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power fails: from this instant every call fails without effect, and what was not synced
    /// is in doubt.
    PowerLoss,
    /// The process is killed: from this instant every call fails without effect.
    Kill,
    /// The operation fails with an I/O error and has no effect.
    Io,
    /// The operation fails because the disk is full and has no effect.
    Full,
    /// A sync fails; what was pending is read back as before and no later sync makes it durable, as
    /// Linux has it. Armed at an operation that is no sync, the next sync fails.
    Sync,
}

impl From<DiskFault> for Fault {
    fn from(fault: DiskFault) -> Self {
        match fault {
            DiskFault::Io => Self::Io,
            DiskFault::Full => Self::Full,
            DiskFault::Sync => Self::Sync,
            DiskFault::PowerLoss => Self::PowerLoss,
            DiskFault::Kill => Self::Kill,
        }
    }
}

/// One disk, which outlives the lives of its node.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Shared>);

struct Shared {
    node: u16,
    name: String,
    draws: Draws,
    trace: Trace,
    state: Mutex<State>,
    on_end: Mutex<Option<OnEnd>>,
}

/// Told in the very instant in which an armed fault ends a life.
type OnEnd = Box<dyn Fn(Fault) + Send + Sync>;

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State {
    image: Image,
    /// Counts the lives of the node; the handle of an earlier life is unplugged.
    life: u64,
    plugged: bool,
    /// Counts operations that change the disk (writes, syncs, lengths), over all lives.
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    /// The faults that a plan has chosen, by name: counted when they happen.
    planned: BTreeMap<u64, &'static str>,
    /// The first sync at or after this operation fails.
    sync_fails: Option<u64>,
    /// Whether syncs only pretend: what a canary is made of.
    lies: bool,
    /// Added to the time of each sync and write.
    slower_ns: u64,
    /// A copy of the whole disk, taken earlier.
    copy: Option<(Image, bool)>,
    fired: Vec<Fault>,
    /// What an armed power loss has left, until somebody asks.
    struck: Option<Survival>,
    /// Whether a fault has happened in the present life.
    failed: bool,
    published: bool,
    speed: Speed,
    debt_ns: u64,
    /// Records what is done and promised, if somebody wants that.
    tape: Option<Tape>,
    /// The tip that the present life tells.
    told: Option<watch::Receiver<TipInfo>>,
}

impl Disk {
    /// An empty disk of node number `node`, called `name` in its draws.
    #[must_use]
    pub fn new(node: u16, name: &str, draws: Draws, trace: Trace) -> Self {
        let state = State {
            image: Image::default(),
            life: 0,
            plugged: false,
            operations: 0,
            faults: BTreeMap::new(),
            planned: BTreeMap::new(),
            sync_fails: None,
            lies: false,
            slower_ns: 0,
            copy: None,
            fired: Vec::new(),
            struck: None,
            failed: false,
            published: false,
            speed: SPEED_USUAL,
            debt_ns: 0,
            tape: None,
            told: None,
        };
        let (state, on_end, name) = (Mutex::new(state), Mutex::new(None), name.into());
        Self(Arc::new(Shared {
            node,
            name,
            draws,
            trace,
            state,
            on_end,
        }))
    }

    /// Has `told` called in the very instant in which an armed fault ends a life, so that whatever
    /// else belongs to the machine ends with it.
    pub fn on_end(&self, told: impl Fn(Fault) + Send + Sync + 'static) {
        *self.0.on_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(told));
    }

    /// Makes every operation take this long from now on.
    pub fn set_speed(&self, speed: Speed) {
        self.0.state().speed = speed;
    }

    /// Begins a new life: the backend for the database, and the end of every earlier one. A database
    /// whose creation was never published is gone, as a file that was never renamed into place.
    #[must_use]
    pub fn plug(&self) -> Backend {
        let mut state = self.0.state();
        state.life += 1;
        state.plugged = true;
        state.failed = false;
        state.debt_ns = 0;
        state.told = None;
        if !state.published && !state.image.is_empty() {
            state.image = Image::default();
            state.record(|| Step::Replace(Box::default(), false));
        }
        Backend {
            disk: self.clone(),
            life: state.life,
        }
    }

    /// The database was created whole: stands for renaming it into place and syncing the folder.
    pub fn publish(&self) {
        let mut state = self.0.state();
        state.published = true;
        state.record(|| Step::Publish);
    }

    /// Whether there is a database, or a new one is to be created.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.0.state().published
    }

    /// Ends a life at this instant. What was written stays, as the operating system keeps it when a
    /// process is killed; nothing more is written by tasks that are dropped later.
    pub fn unplug(&self) {
        self.0.state().plugged = false;
    }

    /// Ends a life, and with it whatever of the unsynced writes is drawn to be lost.
    pub fn lose_power(&self) -> Survival {
        let mut state = self.0.state();
        state.plugged = false;
        self.0.strike(&mut state)
    }

    /// Lets `fault` happen at the `operation`-th operation from the disk's beginning (from 0).
    pub fn arm(&self, operation: u64, fault: Fault) {
        let mut state = self.0.state();
        match fault {
            Fault::Sync => state.sync_fails = Some(operation),
            _ => drop(state.faults.insert(operation, fault)),
        }
    }

    /// The same for a fault of a plan, which is counted when it happens: at the `after`-th operation
    /// from now.
    pub fn plan(&self, after: u64, fault: DiskFault) {
        let operation = self.operations() + after;
        self.arm(operation, fault.into());
        if fault != DiskFault::Sync {
            self.0.state().planned.insert(operation, fault.name());
        }
    }

    /// Takes back what was armed for this operation, if it has not happened yet.
    pub fn disarm_at(&self, operation: u64) {
        self.0.state().faults.remove(&operation);
    }

    /// From now on a sync says that it is done and does nothing: a planted bug.
    pub fn lie_about_syncs(&self) {
        self.0.state().lies = true;
    }

    /// Makes each sync and write take so much longer.
    pub fn set_slower(&self, by: Millis) {
        self.0.state().slower_ns = by.get() * 1_000_000;
    }

    /// Empties the disk of a node that is down. False when the node is up, or there was nothing.
    pub fn wipe(&self) -> bool {
        let mut state = self.0.state();
        if state.plugged || !state.published {
            return false;
        }
        (state.image, state.published) = (Image::default(), false);
        state.record_replaced();
        true
    }

    /// Copies the disk as a reader sees it now. False when there is no database yet.
    pub fn copy(&self) -> bool {
        let mut state = self.0.state();
        if state.published {
            let mut image = state.image.clone();
            image.settle();
            state.copy = Some((image, true));
        }
        state.published
    }

    /// Puts the copy in the place of the disk of a node that is down. False when the node is up, or
    /// there is no copy.
    pub fn put_back(&self) -> bool {
        let mut state = self.0.state();
        if state.plugged {
            return false;
        }
        let Some((image, published)) = state.copy.clone() else {
            return false;
        };
        (state.image, state.published) = (image, published);
        state.record_replaced();
        true
    }

    /// Takes back every fault that has not happened yet.
    pub fn disarm(&self) {
        let mut state = self.0.state();
        state.faults.clear();
        state.planned.clear();
        state.sync_fails = None;
    }

    /// The file as the node sees it, synced or not.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.state().image.bytes()
    }

    /// Whether a fault has happened in the present life: its node may then end by itself.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.state().failed
    }

    /// The faults that have happened so far, in their order.
    #[must_use]
    pub fn fired(&self) -> Vec<Fault> {
        self.0.state().fired.clone()
    }

    /// What the power loss at an armed operation left, once after it has happened.
    #[must_use]
    pub fn take_struck(&self) -> Option<Survival> {
        self.0.state().struck.take()
    }

    /// How many operations have changed or tried to change the disk.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.state().operations
    }

    /// The virtual time owed for what was done since the last call; less than a millisecond is kept.
    #[must_use]
    pub fn take_debt(&self) -> Millis {
        let mut state = self.0.state();
        let whole = state.debt_ns / 1_000_000;
        state.debt_ns %= 1_000_000;
        Millis::new(whole)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self, state: &mut State) -> Survival {
        let mut subject = self.name.clone().into_bytes();
        subject.extend_from_slice(&state.life.to_le_bytes());
        let mut draw = self.draws.draw("disk.power", &subject, state.operations);
        let survival = Survival::strike(&mut state.image, &mut draw);
        state.record(|| Step::Replace(Box::new(state.image.clone()), state.published));
        self.trace.count(survival.fault());
        let text = survival.to_string();
        self.trace.record(
            self.node,
            Kind::DiskPower,
            state.operations,
            text.as_bytes(),
        );
        survival
    }

    /// Lets a fault happen, and gives the error that the operation ends with.
    fn fail(&self, state: &mut State, operation: u64, fault: Fault) -> io::Error {
        state.fired.push(fault);
        state.failed = true;
        let sync = (fault == Fault::Sync).then_some(DiskFault::Sync.name());
        if let Some(name) = state.planned.remove(&operation).or(sync) {
            self.trace.count(name);
        }
        self.trace
            .record(self.node, Kind::DiskFault, operation, &[fault as u8]);
        match fault {
            Fault::PowerLoss => {
                state.plugged = false;
                state.struck = Some(self.strike(state));
                unplugged()
            }
            Fault::Kill => {
                state.plugged = false;
                unplugged()
            }
            Fault::Sync => {
                state.image.fail_sync();
                io::Error::other("simulated failed sync")
            }
            Fault::Io => io::Error::other("simulated I/O error"),
            Fault::Full => io::Error::new(io::ErrorKind::StorageFull, "simulated full disk"),
        }
    }

    /// Tells that a fault has ended the life; called without the disk's lock.
    fn tell_end(&self, fault: Fault) {
        if let Some(told) = &*self.on_end.lock().unwrap_or_else(PoisonError::into_inner) {
            told(fault);
        }
    }
}

#[cfg(test)]
mod tests;
