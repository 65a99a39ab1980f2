//! A fresh operating-system thread, and a fresh madsim runtime, for each run. madsim keeps its
//! runtime, and the standard library its hasher's keys, in thread-locals: only a thread that has run
//! nothing before gives the same run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;

use madsim::Config;
use madsim::runtime::Runtime;

use crate::panics;
use crate::stopwatch::CpuWatch;

/// The name of every thread that runs a simulation, by which the panic hook knows it.
pub const RUN_THREAD: &str = "archivas-sim-run";

/// Debug builds of deep futures want more than the usual 2 MiB. Reserved, not used.
const STACK_BYTES: usize = 16 << 20;

/// What came of some work in a runtime of its own.
#[derive(Debug)]
pub struct Measured<T> {
    /// Its value, or the payload of the panic that ended it.
    pub result: Result<T, Box<dyn Any + Send>>,
    /// Where it panicked, if `panics::watch` was called before.
    pub place: Option<String>,
    /// CPU time of its thread, in seconds.
    pub cpu_s: f64,
}

/// Runs `work` in a madsim runtime of its own on a fresh thread; the seed decides in which order
/// tasks that are ready together run.
///
/// # Panics
/// When the operating system gives no thread.
pub fn run_measured<T: Send>(seed: u64, work: impl AsyncFnOnce() -> T + Send) -> Measured<T> {
    let run = move || {
        let cpu = CpuWatch::of_this_thread();
        let block = || Runtime::with_seed_and_config(seed, Config::default()).block_on(work());
        let result = catch_unwind(AssertUnwindSafe(block));
        Measured {
            result,
            place: panics::take_place(),
            cpu_s: cpu.seconds(),
        }
    };
    std::thread::scope(|scope| {
        Builder::new()
            .name(RUN_THREAD.into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, run)
            .expect("the operating system has a thread left")
            .join()
            .expect("its panics are caught on the thread itself")
    })
}

/// The same, for work whose panic is the caller's.
///
/// # Panics
/// As `work` or any task does.
pub fn simulate<T: Send>(seed: u64, work: impl AsyncFnOnce() -> T + Send) -> T {
    run_measured(seed, work)
        .result
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
