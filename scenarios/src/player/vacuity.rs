//! Whether the story was told: a run in which a scheduled fault never fired or a check never looked
//! proves nothing, however green it is.

use std::collections::BTreeSet;

use crate::checks::{self, Check};
use crate::outcome::Outcome;
use crate::plan::{Event, Nonces, Plan, What};
use crate::world::Act;

/// What the plan demanded and the run did not show, a sentence each.
pub(super) fn untold(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut untold = Vec::new();
    for must in plan
        .must_fire
        .iter()
        .filter(|must| must.worlds.contains(&outcome.world))
    {
        let fired = outcome.faults.get(&must.fault).copied().unwrap_or(0);
        if fired < must.at_least {
            let (fault, least) = (&must.fault, must.at_least);
            untold.push(format!(
                "the fault `{fault}` fired {fired} times of at least {least}"
            ));
        }
    }
    untold.extend(never_fired(plan, outcome));
    if let Some((at_least, nodes)) = &plan.expect.reorgs {
        let made: u64 = nodes.iter().map(|node| outcome.nodes[node.0].reorgs).sum();
        if made < *at_least {
            untold.push(format!(
                "{made} reorganizations of at least {at_least} were made"
            ));
        }
    }
    for node in &plan.expect.keeps_tip {
        if outcome.nodes[node.0].lives < 2 {
            untold.push(format!("`{}` was never restarted", plan.name_of(*node)));
        }
    }
    for check in required(plan) {
        if outcome
            .checks
            .get(check.name)
            .is_none_or(|count| count.ran == 0)
        {
            untold.push(format!("the check `{}` never ran", check.name));
        }
    }
    untold
}

/// The faults that the plan's events schedule and that never fired.
fn never_fired(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    if plan.expect.may_miss {
        return Vec::new();
    }
    let here = |event: &&Event| event.worlds.contains(&outcome.world) && !event.undoes;
    let scheduled = plan
        .events
        .iter()
        .filter(here)
        .flat_map(|event| match &event.what {
            What::Act(Act::Disturb(disturbance)) => disturbance.fires(),
            _ => Vec::new(),
        });
    let faults: BTreeSet<&str> = scheduled.collect();
    let silent = faults
        .into_iter()
        .filter(|name| !outcome.faults.contains_key(*name));
    silent
        .map(|name| format!("the fault `{name}` never fired"))
        .collect()
}

/// The checks that must look at least once in a run of this plan.
fn required(plan: &Plan) -> Vec<Check> {
    let mut required = vec![
        checks::TIP_IS_BEST,
        checks::CONVERGENCE,
        checks::PROGRESS,
        checks::OWN_TEMPLATE,
        checks::API_AGREES,
        checks::CHAIN_LINKS,
        checks::SUPPLY,
        checks::NONCES,
        checks::ACCOUNTS_AGREE,
    ];
    if !plan.expect.keeps_tip.is_empty() {
        required.push(checks::DURABLE_TIP);
    }
    let valid = |event: &Event| match &event.what {
        What::Transfer(workload) => workload.nonces == Nonces::Successive,
        _ => false,
    };
    if !plan.expect.may_miss && plan.events.iter().any(valid) {
        required.push(checks::SUBMIT_ACCEPTED);
    }
    if plan.expect.relayed_within.is_some() {
        required.push(checks::TRANSFER_RELAYED);
    }
    if plan.expect.confirmed_within.is_some() {
        required.push(checks::TRANSFER_CONFIRMED);
    }
    required
}
