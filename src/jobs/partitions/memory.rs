//! What a daemon saw in its last run, for as long as it is still true.
//!
//! Nearly every run finds that nothing is to be done, and asks the server for the same thousands of
//! bounds to find it. So the facts are kept, with a stamp of the catalog (see
//! [`crate::pg::catalog::stamp`]); a run whose stamp is the same plans from them, with the clock of
//! today. A memory only ever says that nothing is to be done: a plan that holds anything else is
//! thrown away, and made again from a look at everything. Nothing is dropped, made or told from memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::facts::Seen;
use super::plan::plan;
use super::premake::frontier;
use super::{Task, observe};
use crate::config::checked::Partitions;
use crate::job::clocks::Clocks;
use crate::pg::catalog::stamp::{Stamp, stamp};
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::session::Reader;
use crate::time::clock;

/// After this time everything is looked at again: what no stamp shows, as a partition that is no longer
/// like its parent, is told within a day. Shorter than a day, so that a daily run always looks.
const LOOK_AGAIN: Duration = Duration::from_hours(20);

/// Facts and what they were true with. Empty in a process that has not run the job yet.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Option<Remembered>>);

#[derive(Debug)]
struct Remembered {
    seen: Arc<Seen>,
    stamp: Stamp,
    at: Instant,
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
        if let Some(Remembered { mut seen, stamp: before, at }) = remembered
            && stamp.as_ref() == Some(&before)
            && clock::monotonic().saturating_duration_since(at) < LOOK_AGAIN
        {
            // Nobody else holds it any more: nothing is copied.
            let facts = Arc::make_mut(&mut seen);
            facts.clocks = Clocks::read(reader.conn).await?;
            Box::pin(frontier::highest_ids(section, reader, facts)).await?;
            if is_quiet(section, task, &seen, reader) {
                *self.slot() = Some(Remembered { seen: Arc::clone(&seen), stamp: before, at });
                return Ok(seen);
            }
        }
        let at = clock::monotonic();
        let seen = Arc::new(observe::observe(section, task, reader).await?);
        if let Some(stamp) = stamp
            && is_quiet(section, task, &seen, reader)
        {
            *self.slot() = Some(Remembered { seen: Arc::clone(&seen), stamp, at });
        }
        Ok(seen)
    }

    fn slot(&self) -> MutexGuard<'_, Option<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing is to be done, refused or told.
fn is_quiet(section: &Partitions, task: &Task, seen: &Seen, reader: &Reader<'_>) -> bool {
    let plan = plan(section, task, seen, reader.now);
    let is_alike =
        |differences: &Result<Vec<_>, Fault>| matches!(differences, Ok(all) if all.is_empty());
    plan.actions.is_empty()
        && plan.refused.is_empty()
        && plan.warnings.is_empty()
        && seen.tables.values().all(|facts| is_alike(&facts.differences))
}
