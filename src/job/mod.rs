//! The contract of a job: observe, plan, apply.
//!
//! `observe` reads facts and has no policy. `plan` is policy and asks nothing: it is not async and
//! has no connection, so it cannot cheat. `apply` runs one action and decides nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::pg::fault::Fault;
use crate::pg::session::{Reader, Session};

mod apply;
pub mod batch;
pub mod clocks;
pub mod consent;
pub mod end;
mod lanes;
mod line;
pub mod outcome;
pub mod pace;
pub mod plan;
mod progress;
pub mod run;

pub use outcome::{Applied, Outcome, Verdict};
pub use plan::{Action, Plan, Refused, Spared, Standing};

/// The jobs by name: configuration section, log field, folder and page use the same word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobName {
    /// Pre-creates partitions.
    Partitions,
    /// Moves old finished rows away.
    Archive,
    /// Refreshes planner statistics.
    Analyze,
    /// Reports statements that became slow.
    SlowQueries,
}

impl JobName {
    /// All of them, in the order `once` runs them: what makes room first, then what moves rows,
    /// then what looks at the result.
    pub const ALL: [Self; 4] = [Self::Partitions, Self::Archive, Self::Analyze, Self::SlowQueries];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partitions => "partitions",
            Self::Archive => "archive",
            Self::Analyze => "analyze",
            Self::SlowQueries => "slow_queries",
        }
    }

    /// The job of that name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.as_str() == word)
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `apply` works with.
pub struct Context<'a> {
    /// The one door for writes.
    pub session: &'a mut Session,
    /// The run's `now`, from the server's clock.
    pub now: DateTime<Utc>,
    /// When it was that, by the monotonic clock.
    pub started: Instant,
    /// How long this run has worked on which object, where that is limited.
    pub spent: BTreeMap<String, Duration>,
    /// Asked to stop: finish the batch in hand, then return what was done.
    pub stop: &'a CancellationToken,
}

/// One kind of work.
pub trait Job: Send + Sync {
    /// Facts, plain data.
    type Seen: Send + Sync;
    /// What may be done, plain data: its words, its SQL, the facts to check again first.
    type Action: Action;

    /// Its name.
    fn name(&self) -> JobName;

    /// Reads what the plan needs; writes nothing. A table that cannot be read is a fact, not an
    /// error: only what concerns the whole job is returned as a fault.
    fn observe(
        &self,
        reader: &mut Reader<'_>,
    ) -> impl Future<Output = Result<Self::Seen, Fault>> + Send;

    /// Decides everything. Pure.
    fn plan(&self, seen: &Self::Seen, now: DateTime<Utc>) -> Plan<Self::Action>;

    /// Does one action. It may be cut off at any statement; the next run must carry on by itself.
    fn apply(
        &self,
        cx: &mut Context<'_>,
        action: &Self::Action,
    ) -> impl Future<Output = Result<Applied, Fault>> + Send;

    /// Looks at what was done, behind the last action: what a person should know of it. Reads only.
    fn look_back(
        &self,
        _cx: &mut Context<'_>,
        _done: &[&Self::Action],
    ) -> impl Future<Output = Vec<String>> + Send {
        std::future::ready(Vec::new())
    }
}
