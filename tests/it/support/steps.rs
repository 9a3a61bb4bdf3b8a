//! A job that does what the test says: steps that wait where the test wants them to.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use pgtend::config::checked::{Catchup, Schedule};
use pgtend::job::{Action, Applied, Context, Job, JobName, Plan};
use pgtend::pg::fault::Fault;
use pgtend::pg::session::Reader;
use pgtend::pg::step::{LockWait, Mode, Statement, Step};
use sqlx::{AssertSqlSafe, Executor};

/// Reads, then takes these steps, each an action of its own. It goes by the name of `archive`.
#[derive(Default)]
pub struct Steps {
    /// Run by `observe`.
    pub read: Option<String>,
    /// Run by `apply`.
    pub steps: Vec<Step>,
}

/// One of them.
pub struct OneStep(Step);

impl Action for OneStep {
    fn kind(&self) -> &'static str {
        "step"
    }

    fn object(&self) -> String {
        self.0.object.clone()
    }

    fn reason(&self) -> String {
        "the test says so".to_owned()
    }

    fn sql(&self) -> Vec<String> {
        self.0.sql().collect()
    }
}

impl Job for Steps {
    type Seen = ();
    type Action = OneStep;

    fn name(&self) -> JobName {
        JobName::Archive
    }

    async fn observe(&self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let Some(sql) = self.read.clone() else { return Ok(()) };
        let read = reader.conn.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        read.map(|_| ()).map_err(|error| Fault::from_sqlx("read", &error))
    }

    fn plan(&self, (): &(), _: DateTime<Utc>) -> Plan<OneStep> {
        Plan { actions: self.steps.iter().cloned().map(OneStep).collect(), ..Plan::default() }
    }

    async fn apply(&self, cx: &mut Context<'_>, action: &OneStep) -> Result<Applied, Fault> {
        let done = cx.session.run(&action.0).await?;
        let rows = done.iter().map(|done| done.rows).sum();
        Ok(Applied { rows: Some(rows), batches: 1, note: None })
    }
}

/// A step on `public.t`: one transaction that waits 10 s for a lock, once.
pub fn step(statements: &[&str]) -> Step {
    let statements = statements.iter().map(|sql| Statement::new(*sql)).collect();
    Step {
        doing: "test",
        object: "public.t".to_owned(),
        mode: Mode::Transaction,
        lock: tries(&[10_000]),
        statements,
    }
}

/// Tries of so many milliseconds each, 10 ms apart.
pub fn tries(lock_timeouts_ms: &[u64]) -> LockWait {
    let tries = lock_timeouts_ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
    LockWait { tries, pause: Duration::from_millis(10), hold_max: None, strong: Vec::new() }
}

/// At each full hour, one attempt, an hour at most.
pub fn hourly() -> Schedule {
    Schedule {
        cron: "0 * * * *".parse().expect("a cron line"),
        timezone: Tz::UTC,
        jitter: Duration::ZERO,
        timeout: Duration::from_hours(1),
        max_attempts: 1,
        catchup: Catchup::Latest,
        start_deadline: None,
    }
}
