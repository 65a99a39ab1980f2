//! A sweep over the places where a node's tasks wait: its process is killed when the n-th poll of any
//! of its tasks has returned, for every n up to the plan's duration, starts again at once, and the
//! plan is played to its end with every judge of the simulated world and of the player.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use archivas_scenarios::checks::Check;
use archivas_scenarios::draws::Draws;
use archivas_scenarios::outcome::{self, Verdict};
use archivas_scenarios::plan::Plan;
use archivas_scenarios::player::play;
use archivas_scenarios::world::NodeIndex;

use super::checks::AWAITS;
use super::state::{Found, StateId};
use super::tally::{Tally, Tried};
use super::work::{Sweep, Swept};
use crate::agenda::Agenda;
use crate::runner::NO_PANIC;
use crate::spawner::Blame;
use crate::stopwatch::Stopwatch;
use crate::thread::run_measured;
use crate::trace::Trace;
use crate::world::SimWorld;
use crate::{failure, panics};

/// What a kill at one poll has shown, or nothing; and how many polls there were.
fn play_killed(plan: &Plan, seed: u64, node: NodeIndex, at: Option<u64>) -> (Option<Found>, u64) {
    let counter = Mutex::new(0);
    let leaving = &counter;
    let measured = run_measured(seed, async move || {
        let agenda = Agenda::new();
        let clock = agenda.clone();
        let trace = Trace::new(move || clock.now());
        let blame = Blame::new(trace.clone());
        let draws = Draws::new(seed);
        let world = SimWorld::new(plan, draws.clone(), agenda.clone(), trace, blame);
        let polls = world.polls(node).clone();
        if let Some(at) = at {
            polls.end_after(at);
        }
        // What comes after the plan's duration is the audit, which wants everybody up.
        let look = async move {
            agenda.sleep_until(plan.duration.get() * 1_000_000).await;
            *leaving.lock().unwrap_or_else(PoisonError::into_inner) = polls.count();
            std::future::pending().await
        };
        let mut nobody = ();
        tokio::select! {
            biased;
            outcome = play(plan, &draws, world, &mut nobody) => outcome,
            never = look => never,
        }
    });
    let count = counter.into_inner().unwrap_or_else(PoisonError::into_inner);
    let found = match measured.result {
        Ok(outcome) => what_failed(&outcome),
        Err(panic) => {
            let place = measured.place.unwrap_or_else(|| "an unknown place".into());
            let sentence = format!("{place}: {}", panics::words(&*panic));
            Some(Found::new(NO_PANIC, sentence))
        }
    };
    (found, count)
}

fn what_failed(outcome: &outcome::Outcome) -> Option<Found> {
    if outcome.verdict() == Verdict::Pass {
        return None;
    }
    let (name, sentence) = failure::what_failed(outcome);
    let kind = outcome.first_violation().map(|violation| violation.kind);
    let check = Check {
        kind: kind.unwrap_or(AWAITS.kind),
        ..AWAITS
    };
    Some(Found::new(check, format!("{name}: {sentence}")))
}

/// Kills the node at one poll alone.
#[must_use]
pub fn try_one(plan: &Plan, seed: u64, node: NodeIndex, at: u64) -> Vec<Found> {
    panics::watch();
    play_killed(plan, seed, node, Some(at))
        .0
        .into_iter()
        .collect()
}

/// Kills it at every poll of the sweep's share.
#[must_use]
pub fn run(sweep: &Sweep, plan: &Plan, seed: u64, node: NodeIndex) -> Swept {
    panics::watch();
    let watch = Stopwatch::start();
    let (found, total) = play_killed(plan, seed, node, None);
    let mut tally = Tally::default();
    tally.awaits.total = total;
    tally
        .found
        .extend(found.map(|found| (StateId::Await(0), found)));
    let (share, of) = (sweep.shard.0 as u64, sweep.shard.1 as u64);
    let (next, over) = (AtomicU64::new(share.max(1)), AtomicBool::new(false));
    let (next, shared) = (&next, Mutex::new(tally));
    let work = || loop {
        let at = next.fetch_add(of, Ordering::Relaxed);
        if at > total || over.load(Ordering::Relaxed) {
            return;
        }
        let (found, _) = play_killed(plan, seed, node, Some(at));
        let mut tally = shared.lock().unwrap_or_else(PoisonError::into_inner);
        tally.awaits.add(Tried { tried: 1, total: 0 });
        tally
            .found
            .extend(found.map(|found| (StateId::Await(at), found)));
        let late = sweep
            .budget_s
            .is_some_and(|budget| watch.seconds() >= budget);
        over.fetch_or(
            late || tally.found.len() >= super::work::FOUND_MAX,
            Ordering::Relaxed,
        );
    };
    std::thread::scope(|scope| {
        for _ in 0..sweep.jobs {
            let worker = Builder::new()
                .name("sweep".into())
                .spawn_scoped(scope, work);
            drop(worker.expect("the operating system has a thread left"));
        }
    });
    let mut tally = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.found.sort_by_key(|(state, _)| *state);
    let whole = !over.load(Ordering::Relaxed);
    Swept { tally, whole }
}
