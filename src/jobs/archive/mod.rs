//! `archive`: old finished rows leave the hot table for an archive table.
//!
//! Each batch is one transaction that copies a range of rows, deletes the same range, compares the
//! counts and remembers how far it came. It never moves an old version of a row, never waits long
//! for a row that somebody holds, never passes over a row for good, and never touches a table whose
//! rows could be lost or hidden on the way: `preflight` says why.

use chrono::{DateTime, Utc};

use crate::config::checked;
use crate::job::{Applied, Context, Job, JobName, Plan};
use crate::pg::fault::Fault;
use crate::pg::session::Reader;

mod account;
mod action;
mod apply;
mod children;
mod columns;
mod count;
mod course;
mod doubles;
mod due;
mod explain;
mod few;
mod found;
mod hand_over;
mod observe;
mod plan;
mod preflight;
mod purge;
mod recipe;
mod refusal;
pub mod restore;
mod seen;
mod side;
mod sql;
mod sweep;
#[cfg(test)]
mod tests;
mod vacuum;
pub mod verify;
mod walk;

pub use action::ArchiveAction;
pub use seen::Seen;

/// The job.
pub struct Archive {
    config: checked::Archive,
    task: Task,
}

/// What the job is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// What the configuration says.
    Tend {
        /// What it would newly delete was agreed to by a person.
        confirm: bool,
    },
    /// Bring rows back.
    Restore(restore::Wish),
}

impl Archive {
    /// The job of this section.
    #[must_use]
    pub fn new(config: checked::Archive) -> Self {
        Self { config, task: Task::Tend { confirm: false } }
    }

    /// The same with another task.
    pub fn ask(&mut self, task: Task) {
        self.task = task;
    }
}

impl Job for Archive {
    type Seen = Seen;
    type Action = ArchiveAction;

    fn name(&self) -> JobName {
        JobName::Archive
    }

    async fn observe(&self, reader: &mut Reader<'_>) -> Result<Seen, Fault> {
        let mut seen = Seen::default();
        for (rule, policy) in &self.config.tables {
            if let Task::Restore(wish) = &self.task
                && wish.table != rule.table
            {
                continue;
            }
            match observe::table(reader, rule, policy).await {
                Err(fault) if fault.kind.ends_run() => return Err(fault),
                facts => seen.tables.push((rule.clone(), facts)),
            }
        }
        let purges = self.config.purges.iter();
        let tends = matches!(self.task, Task::Tend { .. });
        for (rule, policy) in purges.filter(|_| tends) {
            match purge::observe(reader, rule, policy).await {
                Err(fault) if fault.kind.ends_run() => return Err(fault),
                facts => seen.purges.push((rule.clone(), facts)),
            }
        }
        Ok(seen)
    }

    fn plan(&self, seen: &Seen, now: DateTime<Utc>) -> Plan<ArchiveAction> {
        match &self.task {
            Task::Tend { confirm } => plan::plan(&self.config, seen, now, *confirm),
            Task::Restore(wish) => restore::plan::plan(&self.config, wish, seen, now),
        }
    }

    async fn apply(&self, cx: &mut Context<'_>, action: &ArchiveAction) -> Result<Applied, Fault> {
        match action {
            ArchiveAction::CreateTarget(create) => {
                cx.session.run(&create.step()).await?;
                Ok(Applied::default())
            }
            ArchiveAction::HandOver(hand_over) => hand_over::apply::hand_over(cx, hand_over).await,
            ArchiveAction::Record(part) => {
                let rows = hand_over::apply::record(cx, part).await?;
                Ok(Applied { rows, ..Applied::default() })
            }
            ArchiveAction::Tidy(tidy) => hand_over::apply::tidy(cx, tidy).await,
            ArchiveAction::AlterTarget(alter) => {
                cx.session.run(&alter.step()).await?;
                Ok(Applied::default())
            }
            ArchiveAction::Agree(agreement) => {
                cx.session.run(&agreement.step()).await?;
                Ok(Applied::default())
            }
            ArchiveAction::Move(rows) | ArchiveAction::Rest(rows) => apply::rows(cx, rows).await,
            ArchiveAction::Vacuum(table) => vacuum::vacuum(cx, table).await,
            ArchiveAction::Restore(restore) => restore::apply::restore(cx, restore).await,
        }
    }
}
