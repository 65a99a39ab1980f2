//! Stories that a network of nodes must survive, and everything that plays them: the plan format,
//! the draws, the player with its checks, the `World` that a story needs, and the world of real
//! processes. The simulated world lives in `archivas-sim`, which implements `World` too.

pub mod attack;
pub mod checks;
pub mod disturb;
pub mod draws;
pub mod http;
pub mod observer;
pub mod outcome;
pub mod plan;
pub mod player;
pub mod process;
mod swarm;
pub mod world;
