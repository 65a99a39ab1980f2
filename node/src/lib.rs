//! Skeleton.
pub mod store;
