//! Errors that the living node must see: an I/O error, a full disk, a failed sync. The whole plan is
//! played once more in the simulator with the fault armed, and ends with it: the node must have
//! stopped by then. Two disks are judged: as the process left it, and after a power loss.
//!
//! Nothing is taken from a block boundary in between: a reopened database would not ask for the same
//! operations as one that has been open all along. Up to the fault a run takes some milliseconds.

use archivas_scenarios::draws::Draws;
use archivas_scenarios::world::{Violation, ViolationKind};

use super::checks::REPEATS;
use super::judge::Judge;
use super::recording::{Recording, play_taped};
use super::state::{Found, Outcome, StateId};
use crate::disk::Fault;
use crate::disk::tape::Tape;
use crate::judges::OPENS_AGAIN;
use crate::runner::NO_PANIC;
use crate::world::ENDED_BY_FAULT;

/// Lets `fault` happen at an operation of the run, and judges what is left.
#[must_use]
pub fn try_fault(
    recording: &Recording,
    judge: &Judge<'_>,
    (operation, outcome, fault): (usize, Outcome, Fault),
) -> Vec<Found> {
    let (plan, seed, node) = (&recording.plan, recording.seed, recording.node);
    let tape = Tape::promises_only();
    let armed = Some((operation as u64, fault));
    let played = play_taped((plan, seed), node, (tape, armed));
    let disk = &played.disks[node.0];
    if disk.fired() != [fault] {
        let sentence = format!("the fault fired {} times", disk.fired().len());
        return vec![Found::new(REPEATS, sentence)];
    }
    let mut found: Vec<Found> = match &played.outcome {
        Err(panic) => vec![Found::new(NO_PANIC, panic.clone())],
        Ok(outcome) => outcome.violations.iter().filter_map(unexpected).collect(),
    };
    if !disk.is_published() {
        return found;
    }
    let accepted = played.tape.reel().accepted.split_off(played.promise.void);
    let left = disk.image();
    let mut stopped = left.clone();
    stopped.lose_power(|_, _| true);
    found.extend(judge.judge(Some(stopped), &played.promise, &accepted));
    let mut lost = left;
    let state = StateId::At { operation, outcome };
    let mut draw = state.draw(&Draws::new(seed));
    let _survival = Outcome::drawn(&mut draw).strike(&mut lost, &mut draw);
    found.extend(judge.judge(Some(lost), &played.promise, &accepted));
    found
}

/// What must not be found in a run that ends with a fault. The story is not told to its end, so only
/// what the simulated world itself sees counts; and a life may not begin while its disk fails.
fn unexpected(violation: &Violation) -> Option<Found> {
    let excused = violation.check == OPENS_AGAIN.name || violation.sentence == ENDED_BY_FAULT;
    let all = crate::judges::ALL.iter();
    let known = all.copied().find(|check| check.name == violation.check);
    let check = known.filter(|check| check.kind != ViolationKind::Liveness && !excused)?;
    Some(Found::new(check, violation.sentence.clone()))
}
