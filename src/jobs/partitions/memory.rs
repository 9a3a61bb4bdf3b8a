//! What a daemon saw in its last run, for as long as it is still true.
//!
//! Nearly every run finds that nothing is to be done, and asks the server for the same thousands of
//! bounds to find it. So the facts are kept, with a stamp of the catalog (see
//! [`crate::pg::catalog::stamp`]); a run whose stamp is the same plans from them, with the clock of
//! today. A memory only ever says that nothing is to be done: a plan that holds anything else is
//! thrown away, and made again from a look at everything. Nothing is dropped, made or told from memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::action::PartitionAction;
use super::facts::{Facts, Seen};
use super::plan::plan;
use super::premake::frontier;
use super::tended::{Tended, all_tended};
use super::{Task, observe, split};
use crate::config::checked::Partitions;
use crate::job::Plan;
use crate::job::clocks::Clocks;
use crate::pg::catalog::stamp::{Stamp, stamp};
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::session::Reader;

/// After this time everything is looked at again: what no stamp shows, as a partition that is no longer
/// like its parent, is told within a day. Shorter than a day, so that a daily run always looks.
const LOOK_AGAIN: TimeDelta = TimeDelta::hours(20);

/// Facts and what they were true with. Empty in a process that has not run the job yet.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Option<Remembered>>);

#[derive(Debug)]
struct Remembered {
    seen: Arc<Seen>,
    stamp: Stamp,
    /// When, by the server's clock.
    at: DateTime<Utc>,
    /// What was planned from it, and for when: the run asks for it next.
    plan: Option<(DateTime<Utc>, Plan<PartitionAction>)>,
}

impl Memory {
    /// What is there: from memory where nothing has changed and nothing is to be done, else by a look
    /// at everything.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn observe(
        &self,
        section: &Partitions,
        task: &Task,
        reader: &mut Reader<'_>,
    ) -> Result<Arc<Seen>, Fault> {
        if *task != (Task::Tend { confirm: false }) {
            return observe::observe(section, task, reader).await.map(Arc::new);
        }
        let names: Vec<&TableName> = section.tables.keys().collect();
        // Before the look: what changes in between makes the next stamp differ.
        let stamp = stamp(reader.conn, &names).await?;
        let remembered = self.slot().take();
        if let Some(Remembered { mut seen, stamp: before, at, .. }) = remembered
            && stamp.as_ref() == Some(&before)
            && (at..at + LOOK_AGAIN).contains(&reader.now)
        {
            // Nobody else holds it any more: nothing is copied.
            let facts = Arc::make_mut(&mut seen);
            facts.clocks = Clocks::read(reader.conn).await?;
            Box::pin(frontier::highest_ids(section, reader, facts)).await?;
            if let Some(plan) = quiet(section, task, &seen, reader.now) {
                self.keep(&seen, before, at, (reader.now, plan));
                return Ok(seen);
            }
        }
        let seen = Arc::new(observe::observe(section, task, reader).await?);
        if let Some(stamp) = stamp
            && let Some(plan) = quiet(section, task, &seen, reader.now)
        {
            self.keep(&seen, stamp, reader.now, (reader.now, plan));
        }
        Ok(seen)
    }

    /// The plan that was made of these facts for this moment, once.
    pub fn planned(&self, seen: &Arc<Seen>, now: DateTime<Utc>) -> Option<Plan<PartitionAction>> {
        let mut slot = self.slot();
        let known = slot.as_mut().filter(|known| Arc::ptr_eq(&known.seen, seen))?;
        known.plan.take_if(|(at, _)| *at == now).map(|(_, plan)| plan)
    }

    fn keep(
        &self,
        seen: &Arc<Seen>,
        stamp: Stamp,
        at: DateTime<Utc>,
        plan: (DateTime<Utc>, Plan<PartitionAction>),
    ) {
        let seen = Arc::clone(seen);
        *self.slot() = Some(Remembered { seen, stamp, at, plan: Some(plan) });
    }

    fn slot(&self) -> MutexGuard<'_, Option<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The plan, if nothing is to be done, refused or told, and nothing but what a stamp shows can change that.
fn quiet(
    section: &Partitions,
    task: &Task,
    seen: &Seen,
    now: DateTime<Utc>,
) -> Option<Plan<PartitionAction>> {
    let is_alike = |facts: &Facts| matches!(&facts.differences, Ok(all) if all.is_empty());
    let plan = plan(section, task, seen, now);
    let is_quiet = plan.actions.is_empty() && plan.refused.is_empty() && plan.warnings.is_empty();
    // A wide partition that is empty is split as soon as a row comes.
    let awaits_rows =
        |table: Tended<'_>| table.config.split && !split::plan::candidates(&table, now).is_empty();
    let is_remembered = is_quiet
        && seen.tables.values().all(is_alike)
        && !all_tended(section, seen).any(awaits_rows);
    is_remembered.then_some(plan)
}
