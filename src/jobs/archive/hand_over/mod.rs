//! Whole partitions change tables: DETACH and ATTACH in one transaction of milliseconds, however many
//! rows there are. A row is never in both tables, and never in neither.
//!
//! All of a partition's rows must be due. Their age the bound tells. That the condition holds for
//! each of them must be true at the moment of the change, and nobody may be held up while it is found
//! out:
//!
//! - A scan under the lock takes 60 to 100 ms for a million rows, and more for more.
//! - A validated CHECK of the condition needs no scan, and makes the application's updates fail that
//!   put a job back in the queue.
//! - A lock against writes while a scan runs holds those updates up.
//!
//! So the rows that are *not* due get an index: partial, of that partition, made CONCURRENTLY. The
//! server keeps it true through every write, no write fails or waits for it, and under the lock one
//! look into it (empty, most likely) is the proof. A small partition is simply scanned.
//!
//! Everything else that takes time is done before the lock: the bound is validated as a CHECK, which
//! spares ATTACH its scan, and indexes that the archive has are made CONCURRENTLY, which spares it
//! their making. What is left is a change of the catalog. A partition that the server would scan or
//! index all the same is given up at the limit of the lock's time, and nothing has happened.

use crate::pg::fault::Fault;

pub mod action;
pub mod apply;
pub mod facts;
pub mod look;
mod obstacles;
pub mod plan;
mod provable;
#[cfg(test)]
mod tests;

/// The CHECK of the bound. It stands from its validation to the hand-over, which drops it.
pub const CHECK: &str = "pgtend_hand_over";
/// What the name of an index of rows that are not due begins with.
pub const INDEX_PREFIX: &str = "pgtend_left_";

/// Partitions that are handed over in one run at most. Each may be read once before.
pub const PARTITIONS_MAX: usize = 32;

/// Rows of a partition that are not due.
#[derive(Debug, Clone)]
pub enum Left {
    /// So many, counted up to one more than [`LEFT_MAX`].
    Rows(u64),
    /// The question was not answered.
    Unknown(Fault),
}

/// Counting rows that are not due stops here.
pub const LEFT_MAX: u64 = 100;
/// A partition of up to so many rows is scanned under the lock: it takes a few milliseconds.
pub const SCANNED_MAX: i64 = 50_000;
