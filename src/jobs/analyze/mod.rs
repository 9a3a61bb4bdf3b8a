//! `analyze`: planner statistics, where autovacuum leaves them missing or stale.
//!
//! Autovacuum never analyzes a partitioned parent, and it looks at a table only after a tenth of it
//! has changed: until then a fresh load, a new expression index or a new statistics object is planned
//! for by guess. This job finds those tables from the catalogs alone and analyzes them, the most
//! changed first.
//!
//! It never reads a table itself, never asks for the size of one (that waits behind an ALTER TABLE),
//! never analyzes two relations at once, and never the same relation twice for the same reason: what
//! an ANALYZE could not mend is remembered in `analyze_memory`.

use chrono::{DateTime, Utc};

use crate::config::checked;
use crate::job::{Applied, Context, Job, JobName, Plan};
use crate::pg::fault::Fault;
use crate::pg::session::Reader;

mod action;
mod apply;
mod observe;
mod plan;
mod seen;
#[cfg(test)]
mod tests;

pub use action::Refresh;
pub use seen::Seen;

/// The job, with what `[analyze]` says.
pub struct Analyze {
    settings: checked::Analyze,
}

impl Analyze {
    /// From its section.
    #[must_use]
    pub fn new(settings: checked::Analyze) -> Self {
        Self { settings }
    }
}

impl Job for Analyze {
    type Seen = Seen;
    type Action = Refresh;

    fn name(&self) -> JobName {
        JobName::Analyze
    }

    async fn observe(&self, reader: &mut Reader<'_>) -> Result<Seen, Fault> {
        observe::observe(reader).await
    }

    fn plan(&self, seen: &Seen, now: DateTime<Utc>) -> Plan<Refresh> {
        plan::plan(&self.settings, seen, now)
    }

    async fn apply(&self, cx: &mut Context<'_>, action: &Refresh) -> Result<Applied, Fault> {
        action.apply(cx.session).await
    }
}
