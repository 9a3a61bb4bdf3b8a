//! Partitions for tomorrow: how far ahead, which SQL makes one, and how it is attached.

pub mod aim;
pub mod attach;
pub mod beside;
pub mod create;
pub mod frontier;
pub mod new;
pub mod recipe;
