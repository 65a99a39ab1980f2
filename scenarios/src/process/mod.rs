//! The world of real processes: `archivas` binaries on loopback, every link through a proxy that can
//! be cut, SIGKILL, SIGTERM and restarts, judged through the API by the same player as in the
//! simulator. This is the one part of the crate that names the tokio runtime and processes.

mod binary;
mod clock;
mod mining;
mod node;
mod proxy;
mod tree;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;

use archivas_core::primitives::Millis;

pub use self::binary::Build;
pub use self::world::ProcessWorld;
use crate::draws::Draws;
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::player::play;
use crate::world::{HarnessError, WorldKind};

/// What the command line says about the binary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The binary to run; else `ARCHIVAS_BIN`, else `archivas` beside the running program.
    pub bin: Option<PathBuf>,
    /// What the binary must have been built from; a binary of another commit tells of other code.
    pub build: Option<Build>,
}

/// Plays `plan` on real processes, with the block times and choices of `seed`. No process and no
/// file is left over, however it ends.
pub fn run(plan: &Plan, seed: u64, options: &Options, observer: &mut dyn Observer) -> Outcome {
    let draws = Draws::new(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let story = async {
                let world = ProcessWorld::launch(plan, options).await?;
                Ok(play(plan, &draws, world, observer).await)
            };
            tokio::select! {
                biased;
                // Dropping the story kills its processes and removes its files.
                _ = tokio::signal::ctrl_c() => Err(HarnessError("interrupted".to_owned())),
                outcome = story => outcome,
            }
        }),
        Err(error) => Err(HarnessError(format!("cannot start a runtime: {error}"))),
    };
    result.unwrap_or_else(|error| never_began(plan, seed, error))
}

/// The outcome of a run that did not begin.
fn never_began(plan: &Plan, seed: u64, error: HarnessError) -> Outcome {
    Outcome {
        scenario: plan.name.clone(),
        world: WorldKind::Processes,
        seed,
        violations: Vec::new(),
        vacuous: Vec::new(),
        harness: Some(error),
        checks: BTreeMap::new(),
        faults: BTreeMap::new(),
        probes: BTreeMap::new(),
        digest: None,
        nodes: Vec::new(),
        simulated: Millis::ZERO,
    }
}
