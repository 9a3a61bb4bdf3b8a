//! There is always a partition for tomorrow.
//!
//! For each configured table, time is covered by partitions from now to now + `premake`. What is
//! missing is made as a table of its own and then attached, which open readers and writers of the
//! parent do not notice. The clock decides, never the data; only where the key is a plain number,
//! the highest one in use takes the clock's place.
//!
//! With `retention`, partitions whose real upper bound is older leave: detached, kept in quarantine
//! where nothing writes to them, and dropped only if `on_expiry = "drop"` says so.
//!
//! Rows that stand in the way in a default partition go to partitions of their own; with `split`, so do
//! those of a partition that spans several intervals.
//!
//! What this job never does: `CREATE TABLE … PARTITION OF`, give a table its first default partition,
//! fill a gap in the past unasked, drop what is attached, or drop what it has not detached itself.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::checked;
use crate::job::{Applied, Context, Job, JobName, Plan};
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::session::Reader;

pub mod action;
pub mod adopt;
mod alike;
mod apply;
mod block;
pub mod carve;
mod draft;
mod drain;
pub mod facts;
pub mod grid;
mod lacking;
mod laid;
mod memory;
mod naming;
mod observe;
pub mod partman;
mod plan;
mod premake;
mod refusal;
pub mod retention;
mod split;
mod standing;
mod tended;
#[cfg(test)]
mod tests;
mod turn;

pub use action::PartitionAction;
pub use facts::Seen;

/// The job.
#[derive(Debug)]
pub struct Partitions {
    section: checked::Partitions,
    task: Task,
    memory: memory::Memory,
}

/// What the job is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// What the configuration says.
    Tend {
        /// What a policy would newly expire was agreed to by a person.
        confirm: bool,
    },
    /// Make the partitions of this table like it again.
    Repair {
        /// The partitioned table.
        table: TableName,
        /// Which; absent: all that differ.
        partition: Option<String>,
    },
    /// Turn a plain table into a partitioned one, or take that back.
    Adopt(adopt::Wish),
    /// Attach a partition of this table again that is in quarantine.
    Restore {
        /// The partitioned table.
        table: TableName,
        /// Which; absent: the newest.
        partition: Option<String>,
    },
    /// Empty the default partition of this table.
    Drain {
        /// The partitioned table.
        table: TableName,
        /// Take back what was begun.
        abort: bool,
    },
    /// Cut the partitions of this table that span several cells of its grid.
    Split {
        /// The partitioned table.
        table: TableName,
        /// Take back what was begun.
        abort: bool,
    },
}

impl Partitions {
    /// The job of this section.
    #[must_use]
    pub fn new(section: checked::Partitions) -> Self {
        Self { section, task: Task::Tend { confirm: false }, memory: memory::Memory::default() }
    }

    /// The same with another task.
    pub fn ask(&mut self, task: Task) {
        self.task = task;
    }
}

impl Job for Partitions {
    type Seen = Arc<Seen>;
    type Action = PartitionAction;

    fn name(&self) -> JobName {
        JobName::Partitions
    }

    async fn observe(&self, reader: &mut Reader<'_>) -> Result<Arc<Seen>, Fault> {
        self.memory.observe(&self.section, &self.task, reader).await
    }

    fn plan(&self, seen: &Arc<Seen>, now: DateTime<Utc>) -> Plan<PartitionAction> {
        let planned = self.memory.planned(seen, now);
        planned.unwrap_or_else(|| plan::plan(&self.section, &self.task, seen, now))
    }

    async fn apply(
        &self,
        cx: &mut Context<'_>,
        action: &PartitionAction,
    ) -> Result<Applied, Fault> {
        apply::apply(cx, action).await
    }

    async fn look_back(&self, cx: &mut Context<'_>, done: &[&PartitionAction]) -> Vec<String> {
        apply::compared(cx, done).await
    }
}
