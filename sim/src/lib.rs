//! Whole networks of the real node in one thread, in virtual time, from a seed: the simulated
//! world, the runner, and the commands around them. The same driver, connections, store, database
//! and HTTP server as in production run on the twins of `archivas::live`: disk, network, clock,
//! checker. Only this package names madsim.

#[cfg(not(madsim))]
compile_error!(
    "the simulator is built with `--cfg madsim`, which `.cargo/config.toml` sets; RUSTFLAGS in the \
     environment replaces it, so unset RUSTFLAGS"
);

pub mod agenda;
pub mod bench;
pub mod checker;
pub mod cli;
pub mod clock;
pub mod disk;
mod disturb;
pub mod events;
pub mod explore;
pub mod failure;
pub mod faults;
pub mod feed;
mod guest;
pub mod host;
pub mod http;
mod import;
pub mod judges;
pub mod log;
pub mod meter;
pub mod miner;
pub mod network;
pub mod node;
pub mod panics;
pub mod pause;
pub mod recording;
pub mod report;
pub mod runner;
pub mod seed;
pub mod shrink;
pub mod spawner;
pub mod stopwatch;
pub mod sweep;
pub mod thread;
pub mod trace;
pub mod why;
pub mod world;
