//! The fence: no write is committed by a run that has lost its claim.

use super::fault::{Fault, Kind};

/// The claim a write stands under: no transaction commits unless this run still holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The row of `job_run`.
    pub run_id: i64,
    /// Raised by each take-over, so that the old holder of the same row is refused.
    pub attempt: i32,
}

impl Fence {
    /// One row while the claim is held, none afterwards.
    pub(super) fn look(self) -> String {
        format!(
            "SELECT true FROM job_run WHERE run_id = {} AND attempt = {} AND status = 'running' \
             AND lease_until > clock_timestamp()",
            self.run_id, self.attempt
        )
    }

    /// The same, holding the row until the commit: the lease can be renewed, but not taken over.
    pub(super) fn hold(self) -> String {
        self.look() + " FOR KEY SHARE"
    }

    /// What follows from the answer: whether there was a row.
    pub(super) fn still_ours(self, there_was_a_row: bool) -> Result<(), Fault> {
        if there_was_a_row {
            return Ok(());
        }
        Err(Fault::new(
            Kind::LeaseLost,
            "write",
            format!("run {} no longer holds its claim; another process may have it", self.run_id),
        ))
    }
}
