//! The one run of a plan that a sweep is made from: the tape of one node's disk, what every disk held
//! at the end, and the model of every block that was ever made.

use std::sync::{Mutex, PoisonError};

use archivas::store::Store;
use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, Height, TxId};
use archivas_core::schema;
use archivas_core::storage::StorageError;
use archivas_model::Model;
use archivas_scenarios::draws::Draws;
use archivas_scenarios::outcome;
use archivas_scenarios::plan::Plan;
use archivas_scenarios::player::play;
use archivas_scenarios::world::{NodeIndex, World};

use crate::agenda::Agenda;
use crate::disk::image::Image;
use crate::disk::tape::{Cursor, Promise, Reel, Tape};
use crate::disk::{Disk, Fault};
use crate::panics;
use crate::spawner::Blame;
use crate::thread::run_measured;
use crate::trace::Trace;
use crate::world::SimWorld;

/// The bound of the page cache of a database that is opened to be looked at, in bytes.
pub const CACHE_BYTES_MAX: usize = 1 << 20;

/// The recorded disk is searched for blocks after so many operations each: three commits, and a block
/// that is let go of has lain there for longer.
const LOOK_AFTER: usize = 50;

/// A recorded run.
#[derive(Debug)]
pub struct Recording {
    /// The plan.
    pub plan: Plan,
    /// The seed of the run and of everything that is drawn in the sweep.
    pub seed: u64,
    /// The node whose disk was recorded.
    pub node: NodeIndex,
    /// What its disk did.
    pub reel: Reel,
    /// The first operation that is swept; those before it only lead there.
    pub first: usize,
    /// The network's genesis.
    pub genesis: Genesis,
    /// Every node's disk at the end.
    pub images: Vec<Image>,
    /// When the run ended, in virtual nanoseconds.
    pub end_ns: u64,
    /// Every block that any node has stored.
    pub model: Model,
}

/// Why there is nothing to sweep.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// The plan fails without any help.
    #[error("the plan fails by itself: {check}: {sentence}")]
    Fails {
        /// What failed.
        check: String,
        /// Its sentence.
        sentence: String,
        /// The exit code that it means.
        exit: u8,
    },
    /// The simulator's own mistake.
    #[error("the recorded run cannot be used: {0}")]
    Unusable(String),
}

/// What one run of a plan left, with a tape on one disk.
pub(super) struct Played {
    /// What the player says; a panic's words when there was one.
    pub outcome: Result<outcome::Outcome, String>,
    /// What the recorded disk did.
    pub tape: Tape,
    /// What was promised at the end.
    pub promise: Promise,
    /// Every node's disk.
    pub disks: Vec<Disk>,
    pub genesis: Option<Genesis>,
    pub end_ns: u64,
}

/// Plays a plan with a tape on the disk of `node`; with a fault, up to that.
pub(super) fn play_taped(
    (plan, seed): (&Plan, u64),
    node: NodeIndex,
    (tape, fault): (Tape, Option<(u64, Fault)>),
) -> Played {
    panics::watch();
    let left: Mutex<(Vec<Disk>, Option<Genesis>)> = Mutex::default();
    let end = Mutex::new(0);
    let (ours, leaving, ending) = (tape.clone(), &left, &end);
    let measured = run_measured(seed, async move || {
        let agenda = Agenda::new();
        let clock = agenda.clone();
        let trace = Trace::new(move || clock.now());
        let blame = Blame::new(trace.clone());
        let draws = Draws::new(seed);
        let mut world = SimWorld::new(plan, draws.clone(), agenda.clone(), trace, blame);
        world.disk(node).record_to(ours);
        if let Some((operation, fault)) = fault {
            world.disk(node).arm(operation, fault);
            world.end_after_fault(node);
        }
        let disks = plan.node_indices().map(|node| world.disk(node).clone());
        *lock(leaving) = (disks.collect(), Some(world.genesis().clone()));
        let outcome = play(plan, &draws, world, &mut ()).await;
        *lock(ending) = agenda.now();
        outcome
    });
    let outcome = measured.result.map_err(|panic| {
        let place = measured.place.unwrap_or_else(|| "an unknown place".into());
        format!("{place}: {}", panics::words(&*panic))
    });
    let (disks, genesis) = std::mem::take(&mut *lock(&left));
    let end_ns = *lock(&end);
    Played {
        outcome,
        promise: tape.promise(),
        tape,
        disks,
        genesis,
        end_ns,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `plan` once and records the disk of `node`; of its operations the last so many are swept.
///
/// # Errors
/// When the plan itself fails, or its blocks cannot be read back.
pub fn record(
    plan: &Plan,
    seed: u64,
    node: NodeIndex,
    last: Option<usize>,
) -> Result<Recording, NotRecorded> {
    let played = play_taped((plan, seed), node, (Tape::default(), None));
    let outcome = played.outcome.map_err(NotRecorded::Unusable)?;
    if outcome.verdict() != outcome::Verdict::Pass {
        let (check, sentence) = crate::failure::what_failed(&outcome);
        let exit = outcome.verdict().exit_code();
        return Err(NotRecorded::Fails {
            check,
            sentence,
            exit,
        });
    }
    let reel = played.tape.reel();
    let genesis = played.genesis.expect("the world was made");
    let images: Vec<Image> = played.disks.iter().map(Disk::image).collect();
    let model = model_of(&genesis, &images, &reel).map_err(NotRecorded::Unusable)?;
    let first = last.map_or(0, |last| reel.operations().saturating_sub(last));
    Ok(Recording {
        plan: plan.clone(),
        seed,
        node,
        reel,
        first,
        genesis,
        images,
        end_ns: played.end_ns,
        model,
    })
}

impl Recording {
    /// The transfers that were promised by then.
    #[must_use]
    pub fn accepted(&self, promise: &Promise) -> &[TxId] {
        &self.reel.accepted[promise.void..promise.accepted]
    }

    /// The operations that are swept.
    #[must_use]
    pub fn operations(&self) -> std::ops::Range<usize> {
        self.first..self.reel.operations()
    }
}

/// A disk of no node, on which a whole database lies; or none, if there is no image.
#[must_use]
pub fn disk_with(image: Option<Image>) -> Disk {
    let disk = Disk::new(0, "swept", Draws::new(0), Trace::new(|| 0));
    if let Some(image) = image {
        disk.load(image);
    }
    disk
}

/// The model, with every block that lies on any of these disks, or lay on the recorded one: a node may
/// have let go of a block that nobody else was given.
fn model_of(genesis: &Genesis, images: &[Image], reel: &Reel) -> Result<Model, String> {
    let mut model = Model::new(genesis.to_json().as_bytes())?;
    let mut add = |image: &Image| {
        let read = add_blocks(&mut model, image);
        read.map_err(|error| format!("a block cannot be read back: {error}"))
    };
    let mut cursor = Cursor::new(reel);
    for operation in (0..reel.operations()).step_by(LOOK_AFTER) {
        let moved = cursor.advance_to(operation);
        moved.map_err(|_| "the tape holds what no disk could have done".to_owned())?;
        if cursor.is_published() {
            let mut image = cursor.image().clone();
            image.lose_power(|_, _| true);
            add(&image)?;
        }
    }
    for image in images.iter().filter(|image| !image.is_empty()) {
        add(image)?;
    }
    Ok(model)
}

fn add_blocks(model: &mut Model, image: &Image) -> Result<(), StorageError> {
    let store = Store::open_with_cache(disk_with(Some(image.clone())).plug(), CACHE_BYTES_MAX)?;
    let rows = store.snapshot()?;
    let mut height = Height::GENESIS.next();
    loop {
        let ids: Vec<BlockId> = schema::ids_at(&rows, height)?;
        if ids.is_empty() {
            return Ok(());
        }
        for id in ids {
            if let Some(block) = schema::block(&rows, &id)? {
                // What it says of a block that it has is no matter here.
                let _known = model.submit_block(&block.encode(), u64::MAX);
            }
        }
        height = height.next();
    }
}
