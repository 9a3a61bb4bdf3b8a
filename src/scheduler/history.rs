//! History: what the planner, `status` and `history` read, and how it stays small.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

use crate::job::JobName;
use crate::pg::fault::Fault;
use crate::pg::wal::Wal;

/// One row of history.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Entry {
    /// The row of `job_run`, as text: 64 bits break JSON consumers.
    pub run_id: String,
    /// The job's name; it may be one this version does not know.
    pub job: String,
    /// When it was due.
    pub slot: DateTime<Utc>,
    /// Why it ran: `schedule` or `manual`.
    pub trigger: String,
    /// `running`, or the outcome.
    pub status: String,
    /// Tries of this slot.
    pub attempt: i32,
    /// When it was claimed.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Actions that succeeded.
    pub actions_done: i32,
    /// Actions that failed.
    pub actions_failed: i32,
    /// Rows moved or touched.
    pub rows: i64,
    /// WAL written in heavy actions, where it was measured: `wal_bytes`, or `server_wal_bytes`.
    #[serde(flatten)]
    pub wal: Option<Wal>,
    /// What went wrong first.
    pub error: Option<String>,
}

const RECENT: &str = "\
SELECT run_id, job, slot, trigger, status, attempt, started_at, finished_at, actions_done, \
       actions_failed, row_count, error, wal_bytes, server_wal_bytes \
FROM job_run WHERE $1::text IS NULL OR job = $1 ORDER BY started_at DESC, run_id DESC LIMIT $2";

const LAST: &str = "\
SELECT DISTINCT ON (job) run_id, job, slot, trigger, status, attempt, started_at, finished_at, \
       actions_done, actions_failed, row_count, error, wal_bytes, server_wal_bytes \
FROM job_run ORDER BY job, slot DESC";

/// The newest entries first, of one job or of all.
///
/// # Errors
/// Where the server does not answer or the schema is missing.
pub async fn recent(
    control: &PgPool,
    job: Option<JobName>,
    limit: u32,
) -> Result<Vec<Entry>, Fault> {
    let query = sqlx::query(RECENT).bind(job.map(JobName::as_str)).bind(i64::from(limit));
    entries(query, control).await
}

/// The entry with the newest slot of each job.
///
/// # Errors
/// Where the server does not answer or the schema is missing.
pub async fn last(control: &PgPool) -> Result<Vec<Entry>, Fault> {
    entries(sqlx::query(LAST), control).await
}

async fn entries(
    query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    control: &PgPool,
) -> Result<Vec<Entry>, Fault> {
    query
        .fetch_all(control)
        .await
        .and_then(|rows| rows.iter().map(read).collect())
        .map_err(|error| Fault::from_sqlx("read history", &error))
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Entry, sqlx::Error> {
    Ok(Entry {
        run_id: row.try_get::<i64, _>(0)?.to_string(),
        job: row.try_get(1)?,
        slot: row.try_get(2)?,
        trigger: row.try_get(3)?,
        status: row.try_get(4)?,
        attempt: row.try_get(5)?,
        started_at: row.try_get(6)?,
        finished_at: row.try_get(7)?,
        actions_done: row.try_get(8)?,
        actions_failed: row.try_get(9)?,
        rows: row.try_get(10)?,
        error: row.try_get(11)?,
        wal: Wal::of_columns(row.try_get(12)?, row.try_get(13)?),
    })
}

// The newest slot of the schedule stays whatever its age: the planner counts from it.
const PURGE: &str = "\
DELETE FROM job_run WHERE run_id IN (\
  SELECT run_id FROM job_run WHERE job = $1 AND slot < $2 AND status <> 'running' \
  AND run_id <> coalesce((SELECT run_id FROM job_run WHERE job = $1 AND trigger = 'schedule' \
                         ORDER BY slot DESC LIMIT 1), 0) ORDER BY slot LIMIT 100)";

// A batch that went out of the archive counts against the one that went in, and stays as long as it.
const PURGE_BATCHES: &str = "\
DELETE FROM archive_batch WHERE batch_id IN (\
  SELECT batch_id FROM archive_batch WHERE coalesce(stamp, at) < $1 AND at < $1 \
  ORDER BY at LIMIT 20000)";

// A rule that is gone leaves its position behind. Whether it is gone the configuration at hand cannot tell, as
// another pgtend may have another one: what nobody has moved for so long is of no use. Who comes back begins at
// the start, and skips nothing.
const PURGE_POSITIONS: &str = "\
DELETE FROM archive_position WHERE updated_at < least($1, now() - interval '90 days')";

/// Deletes up to 100 entries of a job with a slot before this: more than one run adds, so that
/// history shrinks to its limit, and a run never pays for a backlog.
///
/// # Errors
/// Where the server does not answer.
pub async fn purge(control: &PgPool, job: JobName, before: DateTime<Utc>) -> Result<(), Fault> {
    let failed = |error| Fault::from_sqlx("shorten history of", &error).on(job);
    let runs = sqlx::query(PURGE).bind(job.as_str()).bind(before);
    runs.execute(control).await.map_err(failed)?;
    if job == JobName::Archive {
        for purge in [PURGE_BATCHES, PURGE_POSITIONS] {
            sqlx::query(purge).bind(before).execute(control).await.map_err(failed)?;
        }
    }
    Ok(())
}
