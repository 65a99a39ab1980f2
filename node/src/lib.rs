//! A production blockchain node whose logic also runs inside a deterministic simulator: the shell
//! around the pure core, and the `archivas` command.
//!
//! `driver`, `connections`, `store`, `api`, `http` and `service` are the same in both worlds and
//! touch them only through `ports`; `live` is the real world's half of the ports, `cli` the program,
//! `keys` what its wallet keeps.

pub mod api;
pub mod cli;
pub mod config;
pub mod connections;
pub mod driver;
pub mod http;
pub mod keys;
pub mod life;
pub mod live;
pub mod metrics;
pub mod ports;
pub mod record;
pub mod service;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod tests;
