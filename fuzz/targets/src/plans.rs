//! Whole networks in the simulator, with all of its judges: the input is a plan of the swarm's, less
//! what it leaves out, at the times that it says. Needs `--cfg madsim`; see `ci/fuzz.sh`.

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::primitives::Millis;
use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::{Format, Overrides, Plan, Scenario};
use archivas_sim::runner;
use serde_json::Value;

/// Small and short, so that a fuzzer gets on.
const NETWORK: Overrides = Overrides {
    nodes: Some(3),
    duration: Some(Millis::from_secs(60)),
};

#[derive(Arbitrary, Debug)]
struct Story {
    /// Which plan of the swarm.
    plan: u16,
    /// Which run of it.
    draws: u16,
    /// Events that are left out, by place: one bit each, over and over.
    without: u32,
    /// Events, by place, that happen at other times: seconds.
    moved: Vec<(u8, u8)>,
}

/// Plays a plan.
pub fn plan_player(bytes: &[u8]) {
    let Ok(story) = Story::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let Ok(whole) = Scenario::swarm(NETWORK).plan(story.plan.into()) else {
        return;
    };
    // A plan's reader knows which of the changed trees are plans.
    let Ok(plan) = Plan::parse(&story.change(&whole), Format::Json, "the input") else {
        return;
    };
    let report = runner::run(&plan, story.draws.into());
    let verdict = report.outcome.verdict();
    // A plan that lacks what heals it, or plays it late, may not come to rest.
    let broken = matches!(
        verdict,
        Verdict::Safety | Verdict::Panic | Verdict::Resource | Verdict::NotDeterministic
    );
    let stuck = verdict == Verdict::Liveness && story.without == 0 && story.moved.is_empty();
    assert!(
        !broken && !stuck,
        "{story:?}: {:?}",
        report.outcome.violations
    );
}

impl Story {
    fn change(&self, plan: &Plan) -> String {
        let mut tree: Value = serde_json::from_str(&plan.to_json()).expect("the plan wrote it");
        if let Some(events) = tree["events"].as_array_mut() {
            for (place, second) in &self.moved {
                let count = events.len().max(1);
                if let Some(event) = events.get_mut(usize::from(*place) % count) {
                    event["at_s"] = (u64::from(*second) % 60).into();
                }
            }
            let mut place = 0;
            events.retain(|_| {
                place += 1;
                self.without.rotate_right(place % 32) & 1 == 0
            });
        }
        tree.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_plan_of_the_swarm_is_played_to_its_end() {
        plan_player(&[3, 0, 1, 0, 0, 0, 0, 0]);
    }
}
