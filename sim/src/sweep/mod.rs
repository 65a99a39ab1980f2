//! The sweep: one run of a plan is recorded, and then one of its nodes dies at *every* operation of
//! its disk, with every outcome for what was not synced; and, nested, once more at every operation of
//! each recovery. Nothing is sampled.
//!
//! A crash image is built from the tape, never by running the prefix again: a cursor walks over the
//! recorded operations once, and each state is a clone of its image with one outcome applied. What
//! reopens is judged by the rows and by the model (`judge.rs`); what is *new* among the reopened
//! states lives on with its peers in the simulator (`peers.rs`). An error, a full disk or a failed
//! sync must be seen by the living node: for those the whole plan is run again in the simulator with
//! the fault armed, up to the fault (`live.rs`). `awaits.rs` kills a node at every poll of its tasks.

pub mod awaits;
pub mod checks;
pub mod judge;
pub mod live;
pub mod peers;
pub mod plans;
pub mod recording;
pub mod state;
pub mod tally;
pub mod work;

pub use recording::{NotRecorded, Recording, record};
pub use state::{Found, Outcome, StateId};
pub use tally::Tally;
pub use work::{Sweep, Swept};
