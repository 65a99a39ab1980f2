//! What the shell's unit tests share.

pub(crate) mod world;
