//! What a disk was asked to do, operation by operation, and what its node had promised by then: from
//! this every crash image of a run is built without running anything again. Knows nothing of madsim.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archivas_core::node::TipInfo;
use archivas_core::primitives::{TxId, Work};
use tokio::sync::watch;

use super::image::{Image, OutOfBounds};

/// One thing that changed a disk or what is known of it.
#[derive(Clone, Debug)]
pub enum Step {
    /// An operation: bytes were written at an offset.
    Write(u64, Arc<[u8]>),
    /// An operation: the length was set, in bytes.
    Length(u64),
    /// An operation: everything written before it became durable.
    Sync,
    /// No operation: the database was renamed into place.
    Publish,
    /// No operation: something else than the node left this, and whether there is a database.
    Replace(Box<Image>, bool),
}

impl Step {
    /// Whether it is one of the operations that are counted, and at which a life can end.
    #[must_use]
    pub fn is_operation(&self) -> bool {
        matches!(self, Self::Write(..) | Self::Length(_) | Self::Sync)
    }

    /// The step's name in reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Write(..) => "write",
            Self::Length(_) => "set_len",
            Self::Sync => "sync",
            Self::Publish => "publish",
            Self::Replace(..) => "replace",
        }
    }
}

/// What a node had told to others when it asked for an operation. None of it may be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// The most chainwork of a tip that it told.
    pub work: Work,
    /// Up to which of [`Reel::accepted`] clients had been told.
    pub accepted: usize,
    /// From which on; those before are void, because the disk was wiped.
    pub void: usize,
}

/// The whole tape.
#[derive(Clone, Debug, Default)]
pub struct Reel {
    /// Everything that happened to the disk, in order.
    pub steps: Vec<Step>,
    /// For each operation, what was promised before it.
    pub promises: Vec<Promise>,
    /// The transfers that the node answered `ok:true` to, in order.
    pub accepted: Vec<TxId>,
}

impl Reel {
    /// How many operations there are.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.promises.len()
    }
}

/// A recorder that a disk writes to; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    reel: Reel,
    now: Promise,
    known: BTreeSet<TxId>,
    no_steps: bool,
}

impl Tape {
    /// A recorder of promises, that keeps no operations.
    #[must_use]
    pub fn promises_only() -> Self {
        let tape = Self::default();
        tape.state().no_steps = true;
        tape
    }

    /// A client was told `ok:true`.
    pub fn accept(&self, id: TxId) {
        let mut state = self.state();
        if state.known.insert(id) {
            state.reel.accepted.push(id);
            state.now.accepted += 1;
        }
    }

    /// The disk was wiped or replaced by an older one: nothing that was promised holds.
    pub fn forget(&self) {
        let mut state = self.state();
        state.now.work = Work::default();
        state.now.void = state.now.accepted;
    }

    /// The node tells a tip of so much work.
    pub fn tell(&self, work: Work) {
        let mut state = self.state();
        state.now.work = state.now.work.max(work);
    }

    /// Something happens to the disk.
    pub fn add(&self, step: Step) {
        let mut state = self.state();
        if state.no_steps {
            return;
        }
        if step.is_operation() {
            let now = state.now.clone();
            state.reel.promises.push(now);
        }
        state.reel.steps.push(step);
    }

    /// What has been promised so far.
    #[must_use]
    pub fn promise(&self) -> Promise {
        self.state().now.clone()
    }

    /// Everything so far.
    #[must_use]
    pub fn reel(&self) -> Reel {
        self.state().reel.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place on a reel: the disk as it was when an operation was asked for, before it had any effect.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    reel: &'a Reel,
    step: usize,
    /// The number of the operation that comes next.
    operation: usize,
    image: Image,
    published: bool,
}

impl<'a> Cursor<'a> {
    /// The beginning: an empty disk.
    #[must_use]
    pub fn new(reel: &'a Reel) -> Self {
        Self {
            reel,
            step: 0,
            operation: 0,
            image: Image::default(),
            published: false,
        }
    }

    /// The number of the operation that comes next.
    #[must_use]
    pub fn operation(&self) -> usize {
        self.operation
    }

    /// The disk, with what is in doubt on it.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Whether there is a database yet.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.published
    }

    /// Goes on to just before this operation; beyond the last, to the end.
    ///
    /// # Errors
    /// When the tape holds what no disk could have done.
    pub fn advance_to(&mut self, operation: usize) -> Result<(), OutOfBounds> {
        while let Some(step) = self.reel.steps.get(self.step) {
            if step.is_operation() && self.operation == operation {
                return Ok(());
            }
            match step {
                Step::Write(at, data) => self.image.write(*at, data)?,
                Step::Length(len) => self.image.set_len(*len)?,
                Step::Sync => self.image.sync(),
                Step::Publish => self.published = true,
                Step::Replace(image, published) => {
                    (self.image, self.published) = ((**image).clone(), *published);
                }
            }
            self.operation += usize::from(step.is_operation());
            self.step += 1;
        }
        Ok(())
    }
}

impl super::Disk {
    /// Records every operation from now on, and what had been promised before each.
    pub fn record_to(&self, tape: Tape) {
        self.0.state().tape = Some(tape);
    }

    /// The tip that the present life tells is this one: what it says is promised.
    pub fn listen_to(&self, told: watch::Receiver<TipInfo>) {
        self.0.state().told = Some(told);
    }

    /// Somebody was told that a chain of so much work is on the disk.
    pub fn promise(&self, work: Work) {
        if let Some(tape) = &self.0.state().tape {
            tape.tell(work);
        }
    }

    /// The tape, if this disk has one.
    #[must_use]
    pub fn tape(&self) -> Option<Tape> {
        self.0.state().tape.clone()
    }

    /// The bytes, and what is in doubt of them.
    #[must_use]
    pub fn image(&self) -> Image {
        self.0.state().image.clone()
    }

    /// Puts a whole database on the disk.
    pub fn load(&self, image: Image) {
        let mut state = self.0.state();
        state.image = image;
        state.published = true;
    }
}

impl super::State {
    pub(super) fn note_told(&self) {
        if let (Some(tape), Some(told)) = (&self.tape, &self.told) {
            tape.tell(told.borrow().chainwork);
        }
    }

    /// Somebody else has put another disk into its place.
    pub(super) fn record_replaced(&self) {
        self.record(|| Step::Replace(Box::new(self.image.clone()), self.published));
        if let Some(tape) = &self.tape {
            tape.forget();
        }
    }

    pub(super) fn record(&self, step: impl FnOnce() -> Step) {
        if let Some(tape) = &self.tape {
            tape.add(step());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stands_before_its_operation_with_what_is_in_doubt() {
        let tape = Tape::default();
        tape.add(Step::Length(4));
        tape.add(Step::Sync);
        tape.add(Step::Publish);
        tape.add(Step::Write(1, b"xy".to_vec().into()));
        tape.add(Step::Sync);
        let reel = tape.reel();
        let seen: Vec<_> = (0..=reel.operations())
            .map(|operation| {
                let mut cursor = Cursor::new(&reel);
                cursor.advance_to(operation).unwrap();
                let (image, mut bytes) = (cursor.image(), vec![0; 4]);
                bytes.truncate(usize::try_from(image.len()).unwrap());
                image.read(0, &mut bytes).unwrap();
                (bytes, image.pending(), cursor.is_published())
            })
            .collect();
        let (zero, written) = (vec![0; 4], b"\0xy\0".to_vec());
        assert_eq!(
            seen,
            [
                (vec![], 0, false),
                (zero.clone(), 1, false),
                (zero.clone(), 0, true),
                (written.clone(), 1, true),
                (written, 0, true),
            ]
        );
    }
}
