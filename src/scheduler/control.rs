//! What operators say of a job, through the database, so that it reaches every process.

use std::time::Duration;

use sqlx::PgPool;

use crate::job::JobName;
use crate::pg::fault::Fault;

const PAUSE: &str = "\
INSERT INTO job_control (job, paused_at, paused_until, paused_by, reason) \
VALUES ($1, clock_timestamp(), clock_timestamp() + $2 * interval '1 second', session_user, $3) \
ON CONFLICT (job) DO UPDATE SET paused_at = excluded.paused_at, \
  paused_until = excluded.paused_until, paused_by = excluded.paused_by, reason = excluded.reason";

const RESUME: &str = "\
UPDATE job_control SET paused_at = NULL, paused_until = NULL, paused_by = NULL, reason = NULL \
WHERE job = $1 AND paused_at IS NOT NULL";

const TRIGGER: &str = "\
INSERT INTO job_control (job, triggered_at, triggered_by) \
VALUES ($1, clock_timestamp(), session_user) \
ON CONFLICT (job) DO UPDATE SET triggered_at = excluded.triggered_at, \
  triggered_by = excluded.triggered_by \
RETURNING CASE WHEN paused_at IS NOT NULL \
                AND (paused_until IS NULL OR paused_until > clock_timestamp()) \
          THEN coalesce(reason, 'no reason given') END";

/// Keeps a job from starting, for ever or for a while.
///
/// # Errors
/// Where the server does not answer.
pub async fn pause(
    control: &PgPool,
    job: JobName,
    reason: Option<&str>,
    length: Option<Duration>,
) -> Result<(), Fault> {
    sqlx::query(PAUSE)
        .bind(job.as_str())
        .bind(length.map(|length| length.as_secs_f64()))
        .bind(reason)
        .execute(control)
        .await
        .map(|_| ())
        .map_err(|error| Fault::from_sqlx("pause", &error).on(job))
}

/// Lets it start again; false where it was not paused.
///
/// # Errors
/// Where the server does not answer.
pub async fn resume(control: &PgPool, job: JobName) -> Result<bool, Fault> {
    sqlx::query(RESUME)
        .bind(job.as_str())
        .execute(control)
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(|error| Fault::from_sqlx("resume", &error).on(job))
}

/// Asks for a run. Returns the reason where the job is paused: then it begins after the pause.
///
/// # Errors
/// Where the server does not answer.
pub async fn trigger(control: &PgPool, job: JobName) -> Result<Option<String>, Fault> {
    sqlx::query_scalar(TRIGGER)
        .bind(job.as_str())
        .fetch_one(control)
        .await
        .map_err(|error| Fault::from_sqlx("trigger", &error).on(job))
}
