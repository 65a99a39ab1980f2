//! The figures beside the idle one: three nodes under transfers with faults, and whole seeds of the
//! swarm. Every signature is verified by every node, for real.

use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::{Format, Overrides, Plan, find};

use super::{NoFigures, in_seconds};
use crate::runner::{Options, RunReport, run_with};

/// This often, in seconds, four of the accounts make so many transfers each, at nodes by turn: five a
/// second, in bursts that the API's limits allow to one client, and never 64 of one account between
/// two blocks.
const STEP_S: usize = 4;
const EACH: usize = 5;
const ACCOUNTS: usize = 12;

/// What some runs cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// How many runs.
    pub runs: u64,
    /// Virtual seconds of the whole network.
    pub simulated_s: f64,
    /// CPU time.
    pub cpu_s: f64,
}

impl Cost {
    fn add(&mut self, report: &RunReport) -> Result<(), NoFigures> {
        let verdict = report.outcome.verdict();
        if verdict != Verdict::Pass {
            let (_, sentence) = crate::failure::what_failed(&report.outcome);
            return Err(NoFigures::Failed(format!("{}: {sentence}", verdict.name())));
        }
        self.runs += 1;
        self.simulated_s += in_seconds(report.outcome.simulated);
        self.cpu_s += report.cpu_s;
        Ok(())
    }

    /// Virtual seconds of the network for each second of CPU time.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.simulated_s / self.cpu_s
    }

    /// So many such runs in an hour of one core.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn runs_a_core_hour(&self) -> f64 {
        self.runs as f64 * 3_600.0 / self.cpu_s
    }
}

/// Three nodes under five transfers a second for so long, with a kill, a cut and bad weather.
///
/// # Errors
/// When the run fails.
pub fn loaded(seconds: u64) -> Result<Cost, NoFigures> {
    let mut cost = Cost::default();
    cost.add(&play(&plan(seconds), 1))?;
    Ok(cost)
}

/// Seeds of the swarm, from 1 on.
///
/// # Errors
/// When one fails.
pub fn swarm(seeds: u64) -> Result<Cost, NoFigures> {
    let broken = |why: &dyn std::fmt::Display| NoFigures::Failed(why.to_string());
    let scenario = find("swarm", Overrides::default()).map_err(|why| broken(&why))?;
    let mut cost = Cost::default();
    for seed in 1..=seeds {
        let plan = scenario.plan(seed).map_err(|why| broken(&why))?;
        cost.add(&play(&plan, seed))?;
    }
    Ok(cost)
}

fn play(plan: &Plan, seed: u64) -> RunReport {
    run_with(plan, seed, &mut (), Options::default())
}

/// The plan of [`loaded`].
fn plan(seconds: u64) -> Plan {
    let mut text = format!(
        "version = 1\nname = \"load\"\nabout = \"Three nodes under transfers with faults.\"\n\
         worlds = [\"sim\"]\nduration_s = {seconds}\n\
         nodes = [{{ name = \"a\", hash_power = 4.0 }}, {{ name = \"b\", hash_power = 4.0 }}, \
         {{ name = \"c\", hash_power = 4.0 }}]\n[network]\nfunded_keys = {ACCOUNTS}\n[expect]\nagree_within_s = 120\nmay_miss = true\n"
    );
    for (turn, at) in (10..seconds.saturating_sub(60)).step_by(STEP_S).enumerate() {
        for place in turn * 4..turn * 4 + 4 {
            let (from, to) = (place % ACCOUNTS, (place + 1) % ACCOUNTS);
            let node = ["a", "b", "c"][place % 3];
            text.push_str(&format!(
                "[[events]]\nat_s = {at}\nact = \"transfer\"\nnode = \"{node}\"\nfrom = {from}\nto = {to}\n\
                 amount = 1000\ncount = {EACH}\n"
            ));
        }
    }
    for (at, what) in [
        (seconds / 4, "act = \"kill\"\nnode = \"b\"\nfor_s = 10\n"),
        (
            seconds / 2,
            "act = \"cut\"\ngroups = [[\"c\"]]\nfor_s = 30\n",
        ),
        (
            seconds / 3,
            "act = \"weather\"\ngroups = [[\"b\"]]\nloss = 0.05\nfor_s = 60\n",
        ),
    ] {
        text.push_str(&format!("[[events]]\nat_s = {at}\n{what}"));
    }
    Plan::parse(&text, Format::Toml, "the plan of bench under load").expect("a test parses it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loaded_network_and_a_seed_of_the_swarm_have_their_cost() {
        let cost = loaded(240).unwrap();
        assert!(cost.simulated_s > 240.0 && cost.cpu_s > 0.0, "{cost:?}");
        let cost = swarm(1).unwrap();
        assert!(cost.runs == 1 && cost.runs_a_core_hour() > 0.0, "{cost:?}");
    }
}
