//! What is in the application's database: looked at before and after, by plain SQL of the demo's own.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Row};

use super::data::JOBS;
use crate::pg::fault::Fault;

/// The partitioned tables.
pub const PARENTS: [&str; 2] = ["activity_logs", "events"];

const JOB_COLUMNS: &str = "id, job_uuid, customer_id, status, created_at, finished_at, payload";

/// What was found.
#[derive(Debug, Clone)]
pub struct Survey {
    /// When, by the server's clock.
    pub now: DateTime<Utc>,
    /// Rows of `ml_jobs`.
    pub hot: i64,
    /// Rows of `ml_jobs_archive`, if there is one.
    pub archived: Option<i64>,
    /// The loaded jobs, wherever they are.
    pub jobs: Fingerprint,
    /// The partitioned tables, in the order of [`PARENTS`].
    pub parents: Vec<Parent>,
}

/// Enough to tell whether two sets of rows are the same.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Fingerprint {
    /// Rows.
    pub rows: i64,
    /// Different keys.
    pub keys: i64,
    /// The sum of a 64-bit hash over each whole row: any order, any difference.
    pub checksum: String,
}

/// A partitioned table.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: i64,
    /// Its partitions, in order.
    pub partitions: Vec<Span>,
    /// Columns with statistics over the whole tree.
    pub statistics: i64,
    /// How many customers the planner believes are in it.
    pub customers_guessed: i64,
}

/// What one partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Span {
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
}

impl Parent {
    /// Until when every moment from `now` on has a partition, and the first that is missing between
    /// others.
    #[must_use]
    pub fn coverage(&self, now: DateTime<Utc>) -> (DateTime<Utc>, Option<Span>) {
        let mut until = now;
        for span in &self.partitions {
            if span.from > until {
                return (until, Some(Span { from: until, to: span.from }));
            }
            until = until.max(span.to);
        }
        (until, None)
    }
}

/// Jobs that are not where they should be.
#[derive(Debug, Clone, Copy)]
pub struct Misplaced {
    /// Due before pgtend worked, and still in the hot table.
    pub due_left: i64,
    /// Not due even after that, and in the archive.
    pub wrongly_moved: i64,
}

/// Looks at everything.
///
/// # Errors
/// What the server reports.
pub async fn survey(conn: &mut PgConnection) -> Result<Survey, Fault> {
    look(conn).await.map_err(|error| Fault::from_sqlx("look at", &error).on("the demo's tables"))
}

/// Looks for jobs that the archive forgot or should not have taken.
///
/// # Errors
/// What the server reports.
pub async fn misplaced(
    conn: &mut PgConnection,
    before: &Survey,
    after: &Survey,
) -> Result<Misplaced, Fault> {
    let counted = async {
        let due_left = count(conn, &format!("FROM ml_jobs WHERE {}", due(before.now))).await?;
        let wrong = format!("FROM ml_jobs_archive WHERE NOT ({})", due(after.now));
        let wrongly_moved = if after.archived.is_some() { count(conn, &wrong).await? } else { 0 };
        Ok(Misplaced { due_left, wrongly_moved })
    };
    counted.await.map_err(|error| Fault::from_sqlx("count", &error).on("the demo's jobs"))
}

/// The condition of demo.toml, as of this moment.
fn due(at: DateTime<Utc>) -> String {
    let at = at.to_rfc3339();
    format!(
        "status IN ('completed', 'failed') AND created_at < '{at}'::timestamptz - interval '30 days'"
    )
}

async fn look(conn: &mut PgConnection) -> Result<Survey, sqlx::Error> {
    let now = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *conn).await?;
    let archive: bool =
        sqlx::query_scalar("SELECT to_regclass('public.ml_jobs_archive') IS NOT NULL")
            .fetch_one(&mut *conn)
            .await?;
    let archived = if archive { Some(count(conn, "FROM ml_jobs_archive").await?) } else { None };
    let mut parents = Vec::new();
    for name in PARENTS {
        parents.push(parent(conn, name).await?);
    }
    let hot = count(conn, "FROM ml_jobs").await?;
    Ok(Survey { now, hot, archived, jobs: fingerprint(conn, archive).await?, parents })
}

async fn count(conn: &mut PgConnection, from: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) {from}"))).fetch_one(conn).await
}

async fn fingerprint(conn: &mut PgConnection, archive: bool) -> Result<Fingerprint, sqlx::Error> {
    let archived = if archive {
        format!("UNION ALL SELECT {JOB_COLUMNS} FROM ml_jobs_archive")
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT count(*) AS rows, count(DISTINCT id) AS keys, \
         coalesce(sum(hashtextextended(job::text, 0)), 0)::text AS checksum \
         FROM (SELECT {JOB_COLUMNS} FROM ml_jobs {archived}) AS job WHERE id <= {JOBS}"
    );
    sqlx::query_as(AssertSqlSafe(sql)).fetch_one(conn).await
}

async fn parent(conn: &mut PgConnection, name: &'static str) -> Result<Parent, sqlx::Error> {
    let partitions = sqlx::query_as(
        "SELECT bound[1]::timestamptz AS from, bound[2]::timestamptz AS to \
         FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid, \
         regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \\('(.+)'\\) TO \\('(.+)'\\)$$) AS bound \
         WHERE inhparent = $1::regclass ORDER BY 1",
    )
    .bind(name)
    .fetch_all(&mut *conn)
    .await?;
    let statistics =
        sqlx::query_scalar("SELECT count(*) FROM pg_stats WHERE tablename = $1 AND inherited")
            .bind(name)
            .fetch_one(&mut *conn)
            .await?;
    let explain =
        format!("EXPLAIN (FORMAT JSON) SELECT customer_id FROM {name} GROUP BY customer_id");
    let explained: serde_json::Value =
        sqlx::query(AssertSqlSafe(explain)).fetch_one(&mut *conn).await?.try_get(0)?;
    let customers_guessed = explained[0]["Plan"]["Plan Rows"].as_i64().unwrap_or_default();
    let rows = count(conn, &format!("FROM {name}")).await?;
    Ok(Parent { name, rows, partitions, statistics, customers_guessed })
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn day(month: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, month, 1, 0, 0, 0).unwrap()
    }

    #[test]
    fn a_missing_month_ends_the_coverage() {
        let month = |n| Span { from: day(n), to: day(n + 1) };
        let parent = |months: &[u32]| Parent {
            name: "events",
            rows: 0,
            partitions: months.iter().map(|n| month(*n)).collect(),
            statistics: 0,
            customers_guessed: 0,
        };
        let now = day(5) + chrono::Duration::days(9);
        assert_eq!(parent(&[4, 5, 6]).coverage(now), (day(7), None));
        assert_eq!(parent(&[4, 5, 7]).coverage(now), (day(6), Some(month(6))));
        assert_eq!(parent(&[3, 4]).coverage(now), (now, None));
    }
}
