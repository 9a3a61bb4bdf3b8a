//! Claims: one run per slot over all processes, and never two at once.
//!
//! There is no leader. A unique row is the election, per run; time comes from the server's clock
//! only. A holder trusts itself no longer than its lease, counted from before it asked.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row};

use crate::job::{JobName, Outcome, Verdict};
use crate::pg::fault::Fault;
use crate::pg::session::Fence;
use crate::pg::wal::Wal;
use crate::time::clock;

/// How long a claim lives without renewal: a killed process's run is free after this.
pub const LEASE_TTL: Duration = Duration::from_secs(30);
/// A third of the lease: one renewal may be lost without losing the claim.
pub const LEASE_RENEW: Duration = Duration::from_secs(10);
/// The holder stops this much before the lease ends, so that it is still when the next one begins.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How long it trusts itself, counted from before it asked.
const LEASE_TRUST: Duration = LEASE_TTL.saturating_sub(LEASE_MARGIN);

/// Why a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Its slot is due.
    Schedule,
    /// A person, or a `CronJob`, asked for it.
    Manual,
}

impl Trigger {
    /// The word in history and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
        }
    }

    fn from_word(word: &str) -> Self {
        if word == Self::Manual.as_str() { Self::Manual } else { Self::Schedule }
    }
}

/// One process's right to run one slot.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The fence of every write.
    pub fence: Fence,
    /// The job.
    pub job: JobName,
    /// The slot.
    pub slot: DateTime<Utc>,
    /// Why it runs.
    pub trigger: Trigger,
    /// When it was claimed, by the server's clock.
    pub claimed_at: DateTime<Utc>,
    /// The holder trusts itself until then.
    pub trust_until: Instant,
}

/// What became of asking for a claim.
#[derive(Debug)]
pub enum Claimed {
    /// It is ours.
    Won(Claim),
    /// This slot has its run already; its status.
    Taken(String),
    /// Another run of this job is under way since then, started so.
    Running(DateTime<Utc>, Trigger),
    /// The job is paused, with the reason.
    Paused(String),
}

const PAUSED: &str = "\
SELECT coalesce(reason, 'no reason given') FROM job_control \
WHERE job = $1 AND paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > clock_timestamp())";

// Expiry and insert are two statements: in one, the insert would not see the expired row gone.
const EXPIRE: &str = "\
UPDATE job_run SET status = 'abandoned', finished_at = clock_timestamp(), \
       error = 'the process that ran it died or lost the server' \
WHERE run_id IN (SELECT run_id FROM job_run WHERE job = $1 AND status = 'running' \
                 AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED)";

// Whoever deletes the request runs it.
const TAKE_REQUEST: &str = "\
UPDATE job_control SET triggered_at = NULL, triggered_by = NULL \
WHERE job = $1 AND triggered_at IS NOT NULL";

const INSERT: &str = "\
INSERT INTO job_run (job, slot, trigger, status, holder, lease_until) \
VALUES ($1, $2, $3, 'running', $4, clock_timestamp() + $5 * interval '1 second') \
ON CONFLICT DO NOTHING RETURNING run_id, attempt, started_at";

const WHO: &str = "\
SELECT status, started_at, trigger, slot = $2 AS this_slot FROM job_run \
WHERE job = $1 AND (slot = $2 OR status = 'running') ORDER BY this_slot DESC LIMIT 1";

const RECORD: &str = "\
INSERT INTO job_run (job, slot, trigger, status, holder, finished_at, error) \
VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6) ON CONFLICT DO NOTHING RETURNING run_id";

/// Asks for the claim of one slot.
///
/// # Errors
/// Where the server does not answer.
pub async fn claim(
    control: &PgPool,
    holder: &str,
    job: JobName,
    slot: DateTime<Utc>,
    trigger: Trigger,
) -> Result<Claimed, Fault> {
    let answer = async {
        let asked = clock::monotonic();
        let mut tx = control.begin().await?;
        let claimed = try_claim(&mut tx, asked, holder, job, slot, trigger).await?;
        tx.commit().await?;
        Ok(claimed)
    };
    answer.await.map_err(|error| Fault::from_sqlx("claim a run of", &error).on(job))
}

/// Takes a run that was asked for by hand, together with the request for it: of several processes
/// one runs it, and a request whose run cannot begin now stands. None where nobody asks any more.
///
/// # Errors
/// Where the server does not answer.
pub async fn claim_asked_for(
    control: &PgPool,
    holder: &str,
    job: JobName,
    slot: DateTime<Utc>,
) -> Result<Option<Claimed>, Fault> {
    let answer = async {
        let asked = clock::monotonic();
        let mut tx = control.begin().await?;
        if sqlx::query(TAKE_REQUEST).bind(job.as_str()).execute(&mut *tx).await?.rows_affected()
            == 0
        {
            return Ok(None);
        }
        let claimed = try_claim(&mut tx, asked, holder, job, slot, Trigger::Manual).await?;
        if let Claimed::Won(_) = claimed {
            tx.commit().await?;
        }
        Ok(Some(claimed))
    };
    answer.await.map_err(|error| Fault::from_sqlx("claim a run of", &error).on(job))
}

async fn try_claim(
    tx: &mut PgConnection,
    asked: Instant,
    holder: &str,
    job: JobName,
    slot: DateTime<Utc>,
    trigger: Trigger,
) -> Result<Claimed, sqlx::Error> {
    if let Some(reason) =
        sqlx::query_scalar(PAUSED).bind(job.as_str()).fetch_optional(&mut *tx).await?
    {
        return Ok(Claimed::Paused(reason));
    }
    sqlx::query(EXPIRE).bind(job.as_str()).execute(&mut *tx).await?;
    let won = sqlx::query(INSERT)
        .bind(job.as_str())
        .bind(slot)
        .bind(trigger.as_str())
        .bind(holder)
        .bind(LEASE_TTL.as_secs_f64())
        .fetch_optional(&mut *tx)
        .await?;
    match won {
        Some(row) => Ok(Claimed::Won(Claim {
            fence: Fence { run_id: row.try_get(0)?, attempt: row.try_get(1)? },
            job,
            slot,
            trigger,
            claimed_at: row.try_get(2)?,
            trust_until: asked + LEASE_TRUST,
        })),
        None => who(tx, job, slot).await,
    }
}

/// Who has it. Under READ COMMITTED this statement sees what the insert ran into; if that is gone
/// again, the slot is simply still free and the next pass claims it.
async fn who(
    tx: &mut PgConnection,
    job: JobName,
    slot: DateTime<Utc>,
) -> Result<Claimed, sqlx::Error> {
    let row = sqlx::query(WHO).bind(job.as_str()).bind(slot).fetch_optional(tx).await?;
    Ok(match row {
        Some(row) if row.try_get("this_slot")? => Claimed::Taken(row.try_get("status")?),
        Some(row) => Claimed::Running(
            row.try_get("started_at")?,
            Trigger::from_word(row.try_get("trigger")?),
        ),
        None => Claimed::Taken("gone".to_owned()),
    })
}

/// Records a slot that is not run, under the same unique key. False where it has its row already.
///
/// # Errors
/// Where the server does not answer.
pub async fn record_skipped(
    control: &PgPool,
    holder: &str,
    job: JobName,
    slot: DateTime<Utc>,
    verdict: Verdict,
    why: &str,
) -> Result<bool, Fault> {
    sqlx::query(RECORD)
        .bind(job.as_str())
        .bind(slot)
        .bind(Trigger::Schedule.as_str())
        .bind(verdict.as_str())
        .bind(holder)
        .bind(why)
        .fetch_optional(control)
        .await
        .map(|row| row.is_some())
        .map_err(|error| Fault::from_sqlx("record a skipped slot of", &error).on(job))
}

// The slot of a run whose holder died deserves another try, as long as the job is not paused.
const TAKE_OVER: &str = "\
UPDATE job_run SET holder = $2, attempt = attempt + 1, \
       lease_until = clock_timestamp() + $4 * interval '1 second' \
WHERE run_id = (SELECT run_id FROM job_run WHERE job = $1 AND status = 'running' \
                AND lease_until < clock_timestamp() AND attempt < $3 FOR UPDATE SKIP LOCKED) \
  AND NOT EXISTS (SELECT FROM job_control WHERE job = $1 AND paused_at IS NOT NULL \
                  AND (paused_until IS NULL OR paused_until > clock_timestamp())) \
RETURNING run_id, attempt, slot, trigger, clock_timestamp()";

/// Takes over the run of a process that died; or ends it as `abandoned`, where its slot has no tries
/// left or the job is paused.
///
/// # Errors
/// Where the server does not answer.
pub async fn take_over(
    control: &PgPool,
    holder: &str,
    job: JobName,
    max_attempts: u32,
) -> Result<Option<Claim>, Fault> {
    let answer = async {
        let asked = clock::monotonic();
        let row = sqlx::query(TAKE_OVER)
            .bind(job.as_str())
            .bind(holder)
            .bind(i32::try_from(max_attempts).unwrap_or(i32::MAX))
            .bind(LEASE_TTL.as_secs_f64())
            .fetch_optional(control)
            .await?;
        let Some(row) = row else {
            sqlx::query(EXPIRE).bind(job.as_str()).execute(control).await?;
            return Ok(None);
        };
        Ok::<_, sqlx::Error>(Some(Claim {
            fence: Fence { run_id: row.try_get(0)?, attempt: row.try_get(1)? },
            job,
            slot: row.try_get(2)?,
            trigger: Trigger::from_word(row.try_get(3)?),
            claimed_at: row.try_get(4)?,
            trust_until: asked + LEASE_TRUST,
        }))
    };
    answer.await.map_err(|error| Fault::from_sqlx("take over a run of", &error).on(job))
}

const RENEW: &str = "\
UPDATE job_run SET lease_until = clock_timestamp() + $3 * interval '1 second' \
WHERE run_id = $1 AND attempt = $2 AND status = 'running' \
RETURNING ARRAY(SELECT unnest($4::int[]) EXCEPT SELECT pid FROM pg_stat_activity)";

/// A lease that was renewed.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// Until when the holder may trust itself.
    pub trust_until: Instant,
    /// Of the processes asked about, those that the server does not have any more.
    pub missing: Vec<i32>,
}

/// Renews the lease, and looks after the server processes that work under it. None where the claim
/// is lost.
///
/// # Errors
/// Where the server does not answer in time; then the old trust holds.
pub async fn renew(
    control: &PgPool,
    fence: Fence,
    backends: &[i32],
) -> Result<Option<Renewal>, Fault> {
    let asked = clock::monotonic();
    let missing: Option<Vec<i32>> = sqlx::query_scalar(RENEW)
        .bind(fence.run_id)
        .bind(fence.attempt)
        .bind(LEASE_TTL.as_secs_f64())
        .bind(backends)
        .fetch_optional(control)
        .await
        .map_err(|error| Fault::from_sqlx("renew the lease", &error))?;
    Ok(missing.map(|missing| Renewal { trust_until: asked + LEASE_TRUST, missing }))
}

const FINISH: &str = "\
UPDATE job_run SET status = $3, finished_at = clock_timestamp(), actions_done = $4, \
       actions_failed = $5, spared = $6, row_count = $7, error = $8, sqlstate = $9, \
       wal_bytes = $10, server_wal_bytes = $11 \
WHERE run_id = $1 AND attempt = $2 AND status = 'running'";

/// Writes the outcome into history and frees the job. Does nothing where the claim is lost.
///
/// # Errors
/// Where the server does not answer.
pub async fn finish(control: &PgPool, fence: Fence, outcome: &Outcome) -> Result<(), Fault> {
    let fault = outcome.first_fault();
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let (ours, servers) = outcome.wal().map_or((None, None), Wal::columns);
    sqlx::query(FINISH)
        .bind(fence.run_id)
        .bind(fence.attempt)
        .bind(outcome.verdict.as_str())
        .bind(count(outcome.done()))
        .bind(count(outcome.failed()))
        .bind(count(outcome.spared.len()))
        .bind(i64::try_from(outcome.rows()).unwrap_or(i64::MAX))
        .bind(fault.map(ToString::to_string))
        .bind(fault.and_then(|fault| fault.sqlstate.clone()))
        .bind(ours)
        .bind(servers)
        .execute(control)
        .await
        .map(|_| ())
        .map_err(|error| Fault::from_sqlx("write history of", &error).on(outcome.job))
}
