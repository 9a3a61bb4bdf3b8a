//! Which statements became slow, when, and what they cost.
//!
//! Each poll reads the counters of `pg_stat_statements` without their texts, compares them with
//! those of the poll before, and logs one line per change of state. The baseline is stored, so that
//! a `CronJob` or another replica carries on where this process left off. It never resets the
//! statistics, never logs or stores a literal, and looks at the statements of one database only:
//! more databases, more instances.
//!
//! [`delta`] and [`plan`] decide, and are pure; [`redact`] makes texts harmless; [`pack`] keeps the
//! baseline small.

use chrono::{DateTime, Utc};

use crate::config::checked;
use crate::job::{Applied, Context, Job, JobName, Plan};
use crate::pg::fault::Fault;
use crate::pg::session::Reader;
use crate::telemetry;

mod action;
mod delta;
mod extension;
mod observe;
mod pack;
mod plan;
mod policy;
mod redact;
mod report;
mod state;
mod stored;
#[cfg(test)]
mod tests;

pub use action::Record;
pub use state::Seen;

use policy::Policy;

/// The job.
pub struct SlowQueries {
    policy: Policy,
}

impl SlowQueries {
    /// The job of this section.
    #[must_use]
    pub fn new(section: checked::SlowQueries) -> Self {
        Self { policy: Policy(section) }
    }
}

impl Job for SlowQueries {
    type Seen = Seen;
    type Action = Record;

    fn name(&self) -> JobName {
        JobName::SlowQueries
    }

    async fn observe(&self, reader: &mut Reader<'_>) -> Result<Seen, Fault> {
        observe::observe(reader, &self.policy).await
    }

    fn plan(&self, seen: &Seen, now: DateTime<Utc>) -> Plan<Record> {
        plan::plan(&self.policy, seen, now)
    }

    /// Stores first: after a crash in between, a line is missing rather than told twice.
    async fn apply(&self, cx: &mut Context<'_>, record: &Record) -> Result<Applied, Fault> {
        cx.session.run(&record.step).await?;
        for event in &record.events {
            telemetry::emit(event.clone());
        }
        Ok(Applied { rows: None, batches: 1, note: Some(record.summary.clone()) })
    }
}
