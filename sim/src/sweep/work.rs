//! The work of a sweep: every state of a recording, shared among workers, within a budget of time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use archivas_scenarios::draws::Draws;

use super::judge::Judge;
use super::live;
use super::recording::{Recording, disk_with};
use super::state::{Found, Outcome, StateId, first_draw};
use super::tally::{Tally, Tried};
use crate::disk::Survival;
use crate::disk::image::{Image, OutOfBounds};
use crate::disk::tape::{Cursor, Promise, Step, Tape};
use crate::panics;
use crate::runner::NO_PANIC;
use crate::stopwatch::Stopwatch;

/// Found states beyond so many end a sweep: they are one bug.
pub(super) const FOUND_MAX: usize = 20;

/// Which states are tried.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// So many workers.
    pub jobs: usize,
    /// Whether each recovery is swept as well.
    pub nested: bool,
    /// Every so many operations, from the one with this number on: `(i, n)` of `--shard i/n`.
    pub shard: (usize, usize),
    /// Begin nothing new after so many seconds.
    pub budget_s: Option<f64>,
}

/// A sweep of one recording.
#[derive(Clone, Debug)]
pub struct Swept {
    /// What was tried and found.
    pub tally: Tally,
    /// Whether everything was tried.
    pub whole: bool,
}

/// One piece of work: an operation, and what is tried at it.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Crash(usize),
    Nested(usize),
    Live(usize, Outcome),
}

/// What workers share.
struct Bench<'a> {
    recording: &'a Recording,
    judge: Judge<'a>,
    units: Vec<Unit>,
    next: AtomicUsize,
    over: AtomicBool,
    tally: Mutex<Tally>,
}

impl Sweep {
    /// Tries every state of the recording that belongs to this sweep.
    #[must_use]
    pub fn run(&self, recording: &Recording) -> Swept {
        panics::watch();
        let watch = Stopwatch::start();
        let bench = Bench {
            recording,
            judge: Judge::new(recording),
            units: self.units(recording),
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            tally: Mutex::new(self.totals(recording)),
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                let worker = Builder::new().name("sweep".into());
                let work = || self.work(&bench, watch);
                drop(
                    worker
                        .spawn_scoped(scope, work)
                        .expect("the operating system has a thread left"),
                );
            }
        });
        let mut tally = bench
            .tally
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        tally.distinct = bench.judge.distinct();
        tally.found.sort_by_key(|(state, _)| *state);
        let whole = !bench.over.load(Ordering::Relaxed);
        Swept { tally, whole }
    }

    fn mine(&self, operation: usize) -> bool {
        operation % self.shard.1 == self.shard.0
    }

    /// Ends first, by operation, so that each worker's cursor only goes forward; then nested ends;
    /// then the dear ones.
    fn units(&self, recording: &Recording) -> Vec<Unit> {
        let own = || {
            recording
                .operations()
                .filter(|operation| self.mine(*operation))
        };
        let mut units: Vec<Unit> = own().map(Unit::Crash).collect();
        if self.nested {
            units.extend(own().map(Unit::Nested));
        }
        for operation in own() {
            units.extend(live_outcomes(recording, operation).map(|o| Unit::Live(operation, o)));
        }
        units
    }

    /// Counts all states without trying any.
    fn totals(&self, recording: &Recording) -> Tally {
        let mut tally = Tally::default();
        let mut cursor = Cursor::new(&recording.reel);
        for operation in recording.operations() {
            cursor.advance_to(operation).expect("it was recorded");
            let crashes = crashes(cursor.image()).iter().copied();
            for outcome in crashes.chain(live_outcomes(recording, operation)) {
                tally.outcomes.entry(outcome).or_default().total += 1;
            }
            tally.recoveries.total += u64::from(self.nested);
        }
        tally
    }

    fn work<'r>(&self, bench: &Bench<'r>, watch: Stopwatch) {
        let recording: &'r Recording = bench.recording;
        let mut cursor = Cursor::new(&recording.reel);
        loop {
            if self
                .budget_s
                .is_some_and(|budget| watch.seconds() >= budget)
            {
                bench.over.store(true, Ordering::Relaxed);
            }
            let number = bench.next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = bench.units.get(number) else {
                return;
            };
            if bench.over.load(Ordering::Relaxed) {
                return;
            }
            let done = bench.do_unit(*unit, &mut cursor);
            let mut tally = bench.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(done);
            if tally.found.len() >= FOUND_MAX {
                bench.over.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Tries one state alone.
///
/// # Errors
/// When there is no such operation.
pub fn try_one(recording: &Recording, state: StateId) -> Result<Vec<Found>, String> {
    panics::watch();
    let judge = Judge::new(recording);
    let mut cursor = Cursor::new(&recording.reel);
    let (StateId::At { operation, .. } | StateId::Nested { operation, .. }) = state else {
        return Err("not a state of the disk".into());
    };
    if operation >= recording.reel.operations() {
        let count = recording.reel.operations();
        return Err(format!(
            "there is no operation {operation}: the run has {count}"
        ));
    }
    let guarded = catch_unwind(AssertUnwindSafe(|| match state {
        StateId::At { operation, outcome } => match outcome.fault() {
            Some(fault) => Ok(live::try_fault(
                recording,
                &judge,
                (operation, outcome, fault),
            )),
            None => crash(recording, &judge, (operation, outcome), &mut cursor),
        },
        StateId::Nested { operation, then } => {
            nested_one(recording, &judge, (operation, then), &mut cursor)
        }
        StateId::Await(_) => Ok(Vec::new()),
    }));
    match guarded {
        Ok(tried) => tried.map_err(|_| "the tape cannot be played".into()),
        Err(panic) => Ok(vec![panicked(&*panic)]),
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Found {
    let place = panics::take_place().unwrap_or_else(|| "an unknown place".into());
    Found::new(NO_PANIC, format!("{place}: {}", panics::words(panic)))
}

/// The outcomes of a power failure that differ: one where nothing is in doubt.
fn crashes(image: &Image) -> &'static [Outcome] {
    match image.pending() {
        0 => &Outcome::CRASHES[..1],
        _ => &Outcome::CRASHES,
    }
}

/// The errors that can happen at an operation: only a sync can fail as a sync.
fn live_outcomes(recording: &Recording, operation: usize) -> impl Iterator<Item = Outcome> + use<> {
    let mut operations = recording
        .reel
        .steps
        .iter()
        .filter(|step| step.is_operation());
    let syncs = matches!(operations.nth(operation), Some(Step::Sync));
    let outcomes = [Outcome::Io, Outcome::Full, Outcome::Sync];
    outcomes
        .into_iter()
        .filter(move |outcome| syncs || *outcome != Outcome::Sync)
}

/// What a power failure leaves: no database where it was not published yet.
fn struck(cursor: &Cursor<'_>, strike: impl FnOnce(&mut Image) -> Survival) -> Option<Image> {
    let mut image = cursor.is_published().then(|| cursor.image().clone())?;
    let _survival = strike(&mut image);
    Some(image)
}

/// One end of the recorded run. Without a published database there is nothing to lose: the next life
/// makes a new one, so nothing may have been promised.
fn crash(
    recording: &Recording,
    judge: &Judge<'_>,
    (operation, outcome): (usize, Outcome),
    cursor: &mut Cursor<'_>,
) -> Result<Vec<Found>, OutOfBounds> {
    cursor.advance_to(operation)?;
    let promise = &recording.reel.promises[operation];
    let mut draw = StateId::At { operation, outcome }.draw(&Draws::new(recording.seed));
    let image = struck(cursor, |image| outcome.strike(image, &mut draw));
    Ok(judge.judge(image, promise, recording.accepted(promise)))
}

/// Records the recovery from a drawn outcome at an operation. Gives its tape, and what the recovery
/// itself has shown.
fn recover(
    recording: &Recording,
    judge: &Judge<'_>,
    operation: usize,
    cursor: &mut Cursor<'_>,
) -> Result<(Tape, Vec<Found>), OutOfBounds> {
    cursor.advance_to(operation)?;
    let mut draw = first_draw(&Draws::new(recording.seed), operation);
    let outcome = Outcome::drawn(&mut draw);
    let image = struck(cursor, |image| outcome.strike(image, &mut draw));
    let tape = Tape::default();
    let begins = image.clone().unwrap_or_default();
    tape.add(Step::Replace(Box::new(begins), image.is_some()));
    let disk = disk_with(image);
    disk.record_to(tape.clone());
    let promise = &recording.reel.promises[operation];
    let found = judge.judge_disk(&disk, promise, recording.accepted(promise));
    Ok((tape, found))
}

/// One end within a recovery.
fn crash_again(
    recording: &Recording,
    judge: &Judge<'_>,
    (operation, then): (usize, usize),
    recovery: &mut Cursor<'_>,
) -> Result<Vec<Found>, OutOfBounds> {
    recovery.advance_to(then)?;
    let mut draw = StateId::Nested { operation, then }.draw(&Draws::new(recording.seed));
    let outcome = Outcome::drawn(&mut draw);
    let image = struck(recovery, |image| outcome.strike(image, &mut draw));
    let promise: &Promise = &recording.reel.promises[operation];
    Ok(judge.judge(image, promise, recording.accepted(promise)))
}

fn nested_one(
    recording: &Recording,
    judge: &Judge<'_>,
    (operation, then): (usize, usize),
    cursor: &mut Cursor<'_>,
) -> Result<Vec<Found>, OutOfBounds> {
    let (tape, mut found) = recover(recording, judge, operation, cursor)?;
    let reel = tape.reel();
    let mut recovery = Cursor::new(&reel);
    found.extend(crash_again(
        recording,
        judge,
        (operation, then),
        &mut recovery,
    )?);
    Ok(found)
}

impl<'r> Bench<'r> {
    /// Tries every state of a unit; a panic in it is a finding.
    fn do_unit(&self, unit: Unit, cursor: &mut Cursor<'r>) -> Tally {
        let operation = match unit {
            Unit::Crash(operation) | Unit::Nested(operation) | Unit::Live(operation, _) => {
                operation
            }
        };
        if cursor.operation() > operation {
            let recording: &'r Recording = self.recording;
            *cursor = Cursor::new(&recording.reel);
        }
        let mut tally = Tally::default();
        match unit {
            Unit::Crash(_) => self.crash_all(operation, cursor, &mut tally),
            Unit::Nested(_) => self.nest_all(operation, cursor, &mut tally),
            Unit::Live(_, outcome) => {
                let fault = outcome.fault().expect("a live outcome is a fault");
                let state = StateId::At { operation, outcome };
                tally.outcomes.insert(outcome, Tried { tried: 1, total: 0 });
                let live = (operation, outcome, fault);
                note(&mut tally, state, || {
                    Ok(live::try_fault(self.recording, &self.judge, live))
                });
            }
        }
        tally
    }

    fn crash_all(&self, operation: usize, cursor: &mut Cursor<'_>, tally: &mut Tally) {
        cursor.advance_to(operation).expect("it was recorded");
        for outcome in crashes(cursor.image()) {
            let state = StateId::At {
                operation,
                outcome: *outcome,
            };
            tally
                .outcomes
                .insert(*outcome, Tried { tried: 1, total: 0 });
            note(tally, state, || {
                crash(self.recording, &self.judge, (operation, *outcome), cursor)
            });
        }
    }

    fn nest_all(&self, operation: usize, cursor: &mut Cursor<'_>, tally: &mut Tally) {
        tally.recoveries.tried += 1;
        let mut tape = Tape::default();
        let first = StateId::Nested { operation, then: 0 };
        note(tally, first, || {
            let (recorded, found) = recover(self.recording, &self.judge, operation, cursor)?;
            tape = recorded;
            Ok(found)
        });
        let reel = tape.reel();
        let mut recovery = Cursor::new(&reel);
        for then in 0..reel.operations() {
            tally.nested += 1;
            note(tally, StateId::Nested { operation, then }, || {
                crash_again(
                    self.recording,
                    &self.judge,
                    (operation, then),
                    &mut recovery,
                )
            });
        }
    }
}

/// Tries a state and keeps what is found in it.
fn note(
    tally: &mut Tally,
    state: StateId,
    attempt: impl FnOnce() -> Result<Vec<Found>, OutOfBounds>,
) {
    let found = match catch_unwind(AssertUnwindSafe(attempt)) {
        Ok(found) => found.expect("it was recorded"),
        Err(panic) => vec![panicked(&*panic)],
    };
    tally
        .found
        .extend(found.into_iter().map(|found| (state, found)));
}
