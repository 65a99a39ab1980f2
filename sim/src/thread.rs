//! A fresh operating-system thread for each run. madsim keeps its runtime, and the standard library
//! its hasher's keys, in thread-locals: only a thread that has run nothing before gives the same run.

use std::thread::Builder;

use madsim::Config;
use madsim::runtime::Runtime;

/// Runs `work` on a thread of its own and gives back its value, or what it panicked with.
///
/// # Errors
/// The panic's payload.
///
/// # Panics
/// When the operating system gives no thread.
pub fn try_on_fresh_thread<T: Send>(
    work: impl FnOnce() -> T + Send,
) -> Result<T, Box<dyn std::any::Any + Send>> {
    std::thread::scope(|scope| {
        Builder::new()
            .name(RUN_THREAD.into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .expect("the operating system has a thread left")
            .join()
    })
}

/// Runs `work` in a madsim runtime of its own on a fresh thread; the seed decides in which order
/// tasks that are ready together run.
///
/// # Errors
/// The panic's payload, of `work` or of any task.
pub fn try_simulate<T: Send>(
    seed: u64,
    work: impl AsyncFnOnce() -> T + Send,
) -> Result<T, Box<dyn std::any::Any + Send>> {
    try_on_fresh_thread(move || {
        Runtime::with_seed_and_config(seed, Config::default()).block_on(work())
    })
}

/// The same, for work whose panic is the caller's.
///
/// # Panics
/// As `work` or any task does.
pub fn simulate<T: Send>(seed: u64, work: impl AsyncFnOnce() -> T + Send) -> T {
    try_simulate(seed, work).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The name of every thread that runs a simulation, by which the panic hook knows it.
pub const RUN_THREAD: &str = "archivas-sim-run";

/// Debug builds of deep futures want more than the usual 2 MiB. Reserved, not used.
const STACK_BYTES: usize = 16 << 20;
