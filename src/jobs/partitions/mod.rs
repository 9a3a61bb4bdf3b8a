//! Placeholder until the job lands.

pub mod bounds;
pub mod coverage;
pub mod names;
use chrono::{DateTime, Utc};

use crate::config::checked;
use crate::job::{Action, Applied, Context, Job, JobName, Plan};
use crate::pg::fault::Fault;
use crate::pg::session::Reader;

/// The job.
pub struct Partitions;

/// Nothing yet.
pub enum Nothing {}

impl Partitions {
    /// The job of this section.
    #[must_use]
    pub fn new(_section: checked::Partitions) -> Self {
        Self
    }
}

impl Action for Nothing {
    fn kind(&self) -> &'static str {
        match *self {}
    }
    fn object(&self) -> String {
        match *self {}
    }
    fn reason(&self) -> String {
        match *self {}
    }
    fn sql(&self) -> Vec<String> {
        match *self {}
    }
}

impl Job for Partitions {
    type Seen = ();
    type Action = Nothing;
    fn name(&self) -> JobName {
        JobName::Partitions
    }
    async fn observe(&self, _reader: &mut Reader<'_>) -> Result<(), Fault> {
        Ok(())
    }
    fn plan(&self, _seen: &(), _now: DateTime<Utc>) -> Plan<Nothing> {
        Plan::default()
    }
    async fn apply(&self, _cx: &mut Context<'_>, action: &Nothing) -> Result<Applied, Fault> {
        match *action {}
    }
}
