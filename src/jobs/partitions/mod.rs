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
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::checked;
use crate::job::{Applied, Context, Job, JobName, Plan};
use crate::pg::blockers::is_at_work_on;
use crate::pg::catalog::likeness;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;
use crate::pg::session::Reader;
use crate::time::clock;

pub mod action;
pub mod adopt;
mod alike;
mod block;
pub mod carve;
mod drain;
pub mod facts;
pub mod grid;
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
        if let PartitionAction::Carve(carve) = action {
            return Box::pin(carve::run::carve(cx, carve)).await.map_err(|fault| {
                match fault.sqlstate {
                    Some(_) => explained(fault, action),
                    None => fault,
                }
            });
        }
        if let PartitionAction::Adopt(adoption) = action {
            // Boxed: its state would be part of every run's.
            return Box::pin(adopt::apply::apply(cx, adoption)).await;
        }
        let mut done = Applied::default();
        if let PartitionAction::Create(new) = action {
            their_turn(cx, &new.parent).await?;
        }
        for step in action.steps() {
            if let Err(fault) = cx.session.run(&step).await {
                undo(cx, action).await;
                return Err(explained(fault, action));
            }
            done.batches += 1;
        }
        done.note = compared(cx, action).await;
        Ok(done)
    }
}

/// What a partition that was made or repaired still lacks of its parent's: the parent may have changed
/// since the plan, and what the server does beside our statements is not ours to know.
async fn compared(cx: &mut Context<'_>, action: &PartitionAction) -> Option<String> {
    let child = match action {
        PartitionAction::Create(new) => &new.child,
        PartitionAction::Repair(repair) => &repair.child,
        _ => return None,
    };
    match likeness::of_partition(cx.session.reader().conn, child).await {
        Ok(differences) if differences.is_empty() => None,
        Ok(differences) => {
            Some(format!("it differs from its parent: {}", alike::cure::words(&differences)))
        }
        Err(fault) => Some(fault.to_string()),
    }
}

/// How long another job of ours may keep a partition waiting. The server lets neither of the two locks
/// wait behind the other for ever, but a ladder ends long before an ANALYZE of a large table does, and a
/// schedule may let them meet again in the next run.
const TURN_MAX: Duration = Duration::from_mins(10);
/// How often it is looked after.
const TURN_POLL: Duration = Duration::from_millis(500);

/// Lets another job of pgtend finish its ANALYZE or its index of this table. No lock is waited for
/// meanwhile, so nobody queues behind us; what is still at work in the end is named by the ladder.
async fn their_turn(cx: &mut Context<'_>, table: &TableName) -> Result<(), Fault> {
    let since = clock::monotonic();
    while is_at_work_on(cx.session.reader().conn, table).await? {
        if clock::monotonic().saturating_duration_since(since) > TURN_MAX {
            break;
        }
        tokio::select! {
            () = cx.stop.cancelled() => break,
            () = tokio::time::sleep(TURN_POLL) => {}
        }
    }
    Ok(())
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
fn explained(fault: Fault, action: &PartitionAction) -> Fault {
    if let (Kind::TimedOut, PartitionAction::Leave(leaving)) = (fault.kind, action)
        && let Some(cure) = leaving.slow_search()
    {
        let limit = fault.hint.as_deref().map(|hint| format!("{hint}; ")).unwrap_or_default();
        return fault.clone().with_hint(limit + &cure);
    }
    match fault.sqlstate.as_deref() {
        // duplicate_table, duplicate_object, unique_violation (in the catalog, by a race),
        // invalid_object_definition (the range overlaps), undefined_table
        Some("42P07" | "42710" | "23505" | "42P17" | "42P01") => {
            Fault { kind: Kind::Changed, ..fault }
                .with_hint("somebody else changed the table meanwhile; the next run looks again")
        }
        // object_not_in_prerequisite_state
        Some("55000") => Fault { kind: Kind::Changed, ..fault }
            .with_hint("another detach of this table is pending; the next run finishes it first"),
        // dependent_objects_still_exist
        Some("2BP01") => Fault { kind: Kind::Refused, ..fault }
            .with_hint("something else is made of this table; drop that first"),
        // foreign_key_violation
        Some("23503") => Fault { kind: Kind::Refused, ..fault }
            .with_hint("rows refer to its rows; delete or move them first"),
        // check_violation
        Some("23514") => Fault { kind: Kind::Refused, ..fault }
            .with_hint("the default partition holds rows of this range; drain it"),
        None if fault.kind == Kind::Changed => fault.with_hint(
            "nothing was changed; look at that table, and drop it if nobody needs it any more",
        ),
        _ => fault,
    }
}
