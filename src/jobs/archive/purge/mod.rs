//! Rows that leave for good: those of an archive that are older than `archive_retention`, those of a hot
//! table with `delete = true`.
//!
//! They go the way all rows go, in batches, by the same walks and at the same pace; only that nothing is
//! inserted. What refers to them in the archives of the children goes first, in the same transaction. Each
//! DELETE says itself what may go: older than the run's cut-off, and as the condition says. Before the first
//! one, a person has agreed to the policy; one that deletes less needs no word. Nothing is deleted by a clock
//! that may be wrong, or if nothing younger would stay.

mod agreement;
mod before;
mod check;
mod children;
mod observe;
mod plan;
mod record;
#[cfg(test)]
mod tests;

pub use agreement::{Agreement, Policy};
pub use observe::{PurgeFacts, due_rows, observe};
pub use plan::plan;
