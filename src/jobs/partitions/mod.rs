//! There is always a partition for tomorrow.
//!
//! For each configured table, time is covered by partitions from now to now + `premake`. What is
//! missing is made as a table of its own and then attached, which open readers and writers of the
//! parent do not notice. The clock decides, never the data; only where the key is a plain number,
//! the highest one in use takes the clock's place.
//!
//! What this job never does: `CREATE TABLE … PARTITION OF`, make a default partition, fill a gap in
//! the past, move or remove a row, or detach or drop anything.

use chrono::{DateTime, Utc};

use crate::config::checked;
use crate::job::{Applied, Context, Job, JobName, Plan};
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::Reader;

pub mod action;
mod aim;
pub mod axis;
pub mod bounds;
pub mod coverage;
mod create;
mod frontier;
pub mod facts;
pub mod key;
mod kind;
mod observe;
mod plan;
mod tended;
#[cfg(test)]
mod tests;

pub use action::PartitionAction;
pub use facts::Seen;

/// The job.
#[derive(Debug)]
pub struct Partitions {
    section: checked::Partitions,
}

impl Partitions {
    /// The job of this section.
    #[must_use]
    pub fn new(section: checked::Partitions) -> Self {
        Self { section }
    }
}

impl Job for Partitions {
    type Seen = Seen;
    type Action = PartitionAction;

    fn name(&self) -> JobName {
        JobName::Partitions
    }

    async fn observe(&self, reader: &mut Reader<'_>) -> Result<Seen, Fault> {
        observe::observe(&self.section, reader).await
    }

    fn plan(&self, seen: &Seen, now: DateTime<Utc>) -> Plan<PartitionAction> {
        plan::plan(&self.section, seen, now)
    }

    async fn apply(
        &self,
        cx: &mut Context<'_>,
        action: &PartitionAction,
    ) -> Result<Applied, Fault> {
        let mut done = Applied::default();
        for step in action.steps() {
            if let Err(fault) = cx.session.run(&step).await {
                undo(cx, action).await;
                return Err(explained(fault));
            }
            done.batches += 1;
        }
        Ok(done)
    }
}

/// Where this fails too, the next run finds what was left and removes it.
async fn undo(cx: &mut Context<'_>, action: &PartitionAction) {
    if let Some(step) = action.undo()
        && let Err(fault) = cx.session.run(&step).await
    {
        tracing::debug!(%fault, "the check is left to the next run");
    }
}

/// What the server says where somebody else was faster, in our words.
fn explained(fault: Fault) -> Fault {
    match fault.sqlstate.as_deref() {
        // duplicate_table, duplicate_object, unique_violation (in the catalog, by a race),
        // invalid_object_definition (the range overlaps), undefined_table
        Some("42P07" | "42710" | "23505" | "42P17" | "42P01") => Fault { kind: Kind::Changed, ..fault }
            .with_hint("somebody else changed the table meanwhile; the next run looks again"),
        // check_violation
        Some("23514") => Fault { kind: Kind::Refused, ..fault }
            .with_hint("the default partition holds rows of this range; drain it"),
        None if fault.kind == Kind::Changed => fault.with_hint(
            "nothing was changed; look at that table, and drop it if nobody needs it any more",
        ),
        _ => fault,
    }
}
