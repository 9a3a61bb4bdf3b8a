//! Rows leave the default partition for partitions of their own: which ranges (`look`), by which
//! method (`plan`). How it is done is the matter of [`carve`](super::carve).

pub mod look;
pub mod plan;

/// The job drains by itself up to so many rows in the default partition: more take a while and as
/// much room again on disk, so a person asks for it, by `pgtend partitions drain`.
pub const UNASKED_ROWS_MAX: u64 = 1_000_000;
/// Ranges that are asked about at most, between the oldest row and the end of `premake`.
pub const RANGES_MAX: usize = 10_000;
