//! The plans that are swept by name: short stories with little hash power and no draws that matter,
//! each about one way in which a database changes. The first node is the swept one.

use archivas_scenarios::plan::{Format, LoadError, Overrides, Scenario, find};

/// A plan that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct SweepPlan {
    /// The file's name, as messages call it.
    pub file: &'static str,
    /// The file.
    pub text: &'static str,
    /// So many of its last operations are swept; without it, all of them. What comes before them
    /// other plans sweep.
    pub last: Option<usize>,
}

macro_rules! plans {
    ($($file:literal $last:expr),* $(,)?) => {
        &[$(SweepPlan {
            file: concat!("scenarios/sweep/", $file),
            text: include_str!(concat!("../../../scenarios/sweep/", $file)),
            last: $last,
        }),*]
    };
}

/// All of them, in the order in which they are swept.
pub const PLANS: &[SweepPlan] = plans![
    "first-blocks.toml" None,
    "plain-growth.toml" None,
    "reorg-1.toml" None,
    "reorg-5.toml" None,
    "reorg-30.toml" Some(600),
    "long-walk.toml" Some(600),
    "own-transfers.toml" None,
    "snapshot-import.toml" None,
    "prune.toml" None,
    "ibd-batch.toml" Some(600),
];

impl SweepPlan {
    /// The scenario's name, which is the file's.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let name = self.file.trim_start_matches("scenarios/sweep/");
        name.trim_end_matches(".toml")
    }

    /// The scenario.
    ///
    /// # Panics
    /// Never in a program whose tests pass.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        Scenario::parse(self.text, Format::Toml, self.file, Overrides::default())
            .expect("a test parses every plan")
    }
}

/// The scenario called `asked`, a sweep's or any other, and how much of it is swept.
///
/// # Errors
/// As [`find`].
pub fn find_plan(asked: &str) -> Result<(Scenario, Option<usize>), LoadError> {
    if let Some(plan) = PLANS.iter().find(|plan| plan.name() == asked) {
        return Ok((plan.scenario(), plan.last));
    }
    Ok((find(asked, Overrides::default())?, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_parses_and_is_called_as_its_file() {
        for plan in PLANS {
            assert_eq!(plan.name(), plan.scenario().name);
        }
    }
}
