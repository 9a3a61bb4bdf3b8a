//! The planner's one question: everything a pass decides on, in one round trip.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

use super::due;
use crate::config::checked::Schedule;
use crate::job::JobName;
use crate::pg::fault::Fault;

/// What the server knows, at one moment of its clock.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The server's clock: it decides.
    pub now: DateTime<Utc>,
    /// It became a standby: nothing can be claimed.
    pub standby: bool,
    /// In the order asked for.
    pub jobs: Vec<JobFacts>,
}

/// What it knows of one job.
#[derive(Debug, Clone)]
pub struct JobFacts {
    /// The job.
    pub job: JobName,
    /// The newest slot of the schedule that has its row.
    pub newest: Option<DateTime<Utc>>,
    /// The newest of those at or before `now`.
    pub newest_past: Option<DateTime<Utc>>,
    /// When the job was first seen; slots before it are not missed ones.
    pub known_since: DateTime<Utc>,
    /// Paused, and why.
    pub paused: Option<String>,
    /// A run was asked for by hand, by this role.
    pub triggered_by: Option<String>,
    /// A run is under way, here or elsewhere, and its lease ends then.
    pub lease_until: Option<DateTime<Utc>>,
    /// The newest run's outcome and start, of whatever trigger.
    pub last_run: Option<(String, DateTime<Utc>)>,
}

impl JobFacts {
    /// A run's holder let its lease end.
    #[must_use]
    pub fn is_orphaned(&self, now: DateTime<Utc>) -> bool {
        self.lease_until.is_some_and(|until| until < now)
    }

    /// What the pure planner wants to know.
    #[must_use]
    pub fn due<'a>(&self, schedule: &'a Schedule) -> due::Facts<'a> {
        due::Facts {
            job: self.job.as_str(),
            schedule,
            newest: self.newest,
            newest_past: self.newest_past,
            known_since: self.known_since,
            paused: self.paused.is_some(),
        }
    }
}

const LOOK: &str = "\
SELECT clock_timestamp() AS now, pg_is_in_recovery() AS standby, j.job, \
  coalesce(k.since, clock_timestamp()) AS since, \
  (SELECT max(slot) FROM job_run r WHERE r.job = j.job AND r.trigger = 'schedule') AS newest, \
  (SELECT max(slot) FROM job_run r WHERE r.job = j.job AND r.trigger = 'schedule' \
   AND r.slot <= clock_timestamp()) AS newest_past, \
  CASE WHEN c.paused_at IS NOT NULL \
        AND (c.paused_until IS NULL OR c.paused_until > clock_timestamp()) \
       THEN coalesce(c.reason, 'no reason given') END AS paused, \
  CASE WHEN c.triggered_at IS NOT NULL THEN coalesce(c.triggered_by, '') END AS triggered_by, \
  (SELECT lease_until FROM job_run r WHERE r.job = j.job AND r.status = 'running') AS lease_until, \
  l.status, l.started_at \
FROM unnest($1::text[]) WITH ORDINALITY AS j(job, n) \
LEFT JOIN job_known k USING (job) LEFT JOIN job_control c USING (job) \
LEFT JOIN LATERAL (SELECT status, started_at FROM job_run r WHERE r.job = j.job \
                   ORDER BY slot DESC LIMIT 1) l ON true \
ORDER BY j.n";

const REMEMBER: &str = "\
INSERT INTO job_known (job) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING";

/// Remembers when each job was first seen.
///
/// # Errors
/// Where the server does not answer.
pub async fn remember(control: &PgPool, jobs: &[JobName]) -> Result<(), Fault> {
    sqlx::query(REMEMBER)
        .bind(words(jobs))
        .execute(control)
        .await
        .map(|_| ())
        .map_err(|error| Fault::from_sqlx("remember the jobs", &error))
}

/// Looks.
///
/// # Errors
/// Where the server does not answer.
pub async fn look(control: &PgPool, jobs: &[JobName]) -> Result<Facts, Fault> {
    let rows = sqlx::query(LOOK)
        .bind(words(jobs))
        .fetch_all(control)
        .await
        .map_err(|error| Fault::from_sqlx("look at the schedule", &error))?;
    read(jobs, &rows).map_err(|error| Fault::from_sqlx("look at the schedule", &error))
}

fn read(jobs: &[JobName], rows: &[sqlx::postgres::PgRow]) -> Result<Facts, sqlx::Error> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let job_facts = |(&job, row): (&JobName, &sqlx::postgres::PgRow)| {
        let status: Option<String> = row.try_get("status")?;
        let started_at: Option<DateTime<Utc>> = row.try_get("started_at")?;
        Ok::<_, sqlx::Error>(JobFacts {
            job,
            newest: row.try_get("newest")?,
            newest_past: row.try_get("newest_past")?,
            known_since: row.try_get("since")?,
            paused: row.try_get("paused")?,
            triggered_by: row.try_get("triggered_by")?,
            lease_until: row.try_get("lease_until")?,
            last_run: status.zip(started_at),
        })
    };
    Ok(Facts {
        now: first.try_get("now")?,
        standby: first.try_get("standby")?,
        jobs: jobs.iter().zip(rows).map(job_facts).collect::<Result<_, _>>()?,
    })
}

fn words(jobs: &[JobName]) -> Vec<&'static str> {
    jobs.iter().map(|job| job.as_str()).collect()
}
