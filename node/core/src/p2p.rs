//! Traffic between peers as pure state: frames, messages, what each peer knows and owes.
//!
//! Nothing here waits, sends or reads a clock: [`crate::node`] asks and acts.

pub mod bans;
pub mod budget;
pub mod dial;
pub mod early;
pub mod frame;
pub mod inbound;
pub mod known;
pub mod message;
pub mod peer;
pub mod place;
pub mod score;
pub mod timers;
pub mod wanted;
