//! What the shell's unit tests share.

mod broken_disk;
pub(crate) mod world;
