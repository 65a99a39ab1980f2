//! Traffic between peers as pure state: frames, messages, what each peer knows and owes.
//!
//! Nothing here waits, sends or reads a clock: [`crate::node`] asks and acts.

pub mod dial;
pub mod early;
pub mod frame;
pub mod known;
pub mod message;
pub mod peer;
pub mod timers;
pub mod wanted;
