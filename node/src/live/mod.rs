//! The real world, and nothing but adapters: tokio's clock, sockets and tasks, a pool of checking
//! threads, files, signals, logs, the operating system's randomness, and the miner, which is a
//! client like any other. What stands here the simulator does not run: keep it small.

pub mod admin;
pub mod checker;
pub mod clock;
pub mod data_dir;
pub mod entropy;
pub mod host;
pub mod logging;
pub mod machine;
pub mod miner;
pub mod network;
pub mod record_file;
pub mod signals;
pub mod snapshot_file;
pub mod supervisor;
