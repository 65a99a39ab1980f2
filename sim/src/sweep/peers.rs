//! A node on a reopened state among its peers, in the simulator: the real service, the real
//! connections. Each distinct state must come to share a tip with the others.

use archivas_scenarios::disturb::Disturbance;
use archivas_scenarios::draws::Draws;
use archivas_scenarios::plan::{Plan, What};
use archivas_scenarios::world::{Act, Mined, Moment, NodeIndex, Violation, World};

use super::checks::CATCHES_UP;
use super::recording::Recording;
use super::state::Found;
use crate::agenda::Agenda;
use crate::disk::image::Image;
use crate::spawner::Blame;
use crate::thread::run_measured;
use crate::trace::Trace;
use crate::world::SimWorld;
use crate::{panics, runner};

/// One look at all tips, in virtual nanoseconds.
const LOOK_NS: u64 = 2_000_000_000;
/// A block is mined after so many looks, so that branches of equal work are decided.
const MINE_AFTER: u32 = 5;
/// All must share a tip after so many looks: two minutes.
const LOOKS_MAX: u32 = 60;

/// Starts every node of the plan on what the recording left of it, but the swept one on `image`.
///
/// # Errors
/// What the simulated world finds, or that they do not come to share a tip.
pub fn catch_up(recording: &Recording, image: Image) -> Result<(), Found> {
    let (plan, seed) = (&recording.plan, recording.seed);
    panics::watch();
    let measured = run_measured(seed, async move || {
        let agenda = Agenda::new();
        agenda.sleep_until(recording.end_ns).await;
        let clock = agenda.clone();
        let trace = Trace::new(move || clock.now());
        let blame = Blame::new(trace.clone());
        let draws = Draws::new(seed);
        let mut world = SimWorld::new(plan, draws, agenda.clone(), trace, blame);
        for (node, left) in plan.node_indices().zip(&recording.images) {
            let own = node == recording.node;
            let left = if own { image.clone() } else { left.clone() };
            if !left.is_empty() {
                world.disk(node).load(left);
            }
        }
        keep_policies(&mut world, plan);
        let found = live_together(&mut world, plan, &agenda).await;
        let late = world.judge(Moment::Quiet).await;
        world.finish().await;
        found.and_then(|()| late.first().map_or(Ok(()), |violation| Err(of(violation))))
    });
    measured.result.unwrap_or_else(|panic| {
        let place = measured.place.unwrap_or_else(|| "an unknown place".into());
        let sentence = format!("{place}: {}", panics::words(&*panic));
        Err(Found::new(runner::NO_PANIC, sentence))
    })
}

/// Nodes that let go of what lies far below go on to do so.
fn keep_policies(world: &mut SimWorld, plan: &Plan) {
    for event in &plan.events {
        if let What::Act(Act::Disturb(prune @ Disturbance::Prune(..))) = &event.what {
            let _effect = world.disturb(prune);
        }
    }
}

fn of(violation: &Violation) -> Found {
    let check = crate::judges::ALL.iter().chain(super::checks::ALL);
    let check = check.copied().find(|check| check.name == violation.check);
    Found::new(check.unwrap_or(CATCHES_UP), violation.sentence.clone())
}

async fn live_together(world: &mut SimWorld, plan: &Plan, agenda: &Agenda) -> Result<(), Found> {
    let broken = |why: &dyn std::fmt::Display| Found::new(CATCHES_UP, why.to_string());
    for node in plan.node_indices() {
        world
            .act(&Act::Start(node))
            .await
            .map_err(|why| broken(&why))?;
    }
    let miner = NodeIndex(plan.nodes.len() - 1);
    let mut mined = false;
    for look in 0..LOOKS_MAX {
        agenda.sleep(LOOK_NS).await;
        if let Some(violation) = world.judge(Moment::Event).await.first() {
            return Err(of(violation));
        }
        if look >= MINE_AFTER && !mined {
            let block = world.mine(miner).await.map_err(|why| broken(&why))?;
            mined = matches!(block, Mined::Block(_));
        } else if mined && share_a_tip(world, plan).await {
            return Ok(());
        }
    }
    Err(broken(&"two minutes later the nodes do not share a tip"))
}

async fn share_a_tip(world: &mut SimWorld, plan: &Plan) -> bool {
    let mut tips = Vec::new();
    for node in plan.node_indices() {
        tips.push(world.tip(node).await.ok().flatten().map(|tip| tip.id));
    }
    tips.iter().all(|tip| tip.is_some() && *tip == tips[0])
}
