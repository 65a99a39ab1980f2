//! The canary of a campaign: one run with a planted bug that must fail. Its disks say that they have
//! synced and have not, its machines lose power, and what nodes told is gone: if no check says so,
//! then whatever else passed proves nothing, and the campaign is a failure. The bug is in the world
//! and not in the node, so that every program has its canary with it; those in the node's own code
//! are `ci/mutants/`.

use archivas_scenarios::outcome::Outcome;
use archivas_scenarios::plan::{Format, Plan};
use archivas_scenarios::world::ViolationKind;

use crate::runner::{Options, run_in};

/// Always this seed, so that the canary is the same in every campaign of a program.
const SEED: u64 = 1;
const PLAN: &str = include_str!("canary.toml");

/// Plays it; the check that noticed, or what is wrong with this program's checks.
///
/// # Errors
/// A sentence, when no check of safety failed.
///
/// # Panics
/// When the plan is none.
pub fn sing() -> Result<String, String> {
    noticed(&play(true))
}

fn play(lies: bool) -> Outcome {
    let plan = Plan::parse(PLAN, Format::Toml, "canary").expect("a plan");
    let report = run_in(&plan, SEED, &mut (), Options::default(), |world| {
        for node in plan.node_indices().filter(|_| lies) {
            world.disk(node).lie_about_syncs();
        }
        world
    });
    report.outcome
}

fn noticed(outcome: &Outcome) -> Result<String, String> {
    let mut violations = outcome.violations.iter();
    let found = violations.find(|violation| violation.kind == ViolationKind::Safety);
    found
        .map(|violation| violation.check.clone())
        .ok_or_else(|| {
            "the canary lives: disks that only pretend to sync lost power, and no check noticed"
                .into()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use archivas_scenarios::outcome::Verdict;

    #[test]
    fn a_disk_that_only_pretends_to_sync_is_noticed_and_an_honest_one_is_not_blamed() {
        assert!(sing().is_ok(), "{:?}", sing());
        let honest = play(false);
        assert_eq!(honest.verdict(), Verdict::Pass, "{:?}", honest.violations);
        assert!(noticed(&honest).is_err());
    }
}
