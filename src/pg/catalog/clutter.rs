//! Dead rows: how many a table has, who removes them, and who needs them still.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::failed;
use crate::pg::fault::Fault;
use crate::pg::version::Version;

/// What stands in a table beside its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clutter {
    /// Rows, by the server's estimate.
    pub rows: u64,
    /// Dead ones, by its counters.
    pub dead: u64,
    /// Our role may VACUUM it.
    pub may_vacuum: bool,
}

const CLUTTER: &str = "\
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::int8, \
       coalesce(sum(pg_stat_get_dead_tuples(c.oid)), 0)::int8, \
       bool_and(pg_has_role(c.relowner, 'USAGE') \
                OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') \
                OR {maintain}) \
FROM pg_class AS c WHERE c.oid = ANY ($1) AND c.relkind = 'r'";

/// Of a table and its partitions together.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(conn: &mut PgConnection, tree: &[Oid], version: Version) -> Result<Clutter, Fault> {
    let maintain =
        if version.has_maintain() { "has_table_privilege(c.oid, 'MAINTAIN')" } else { "false" };
    let row = sqlx::query(sqlx::AssertSqlSafe(CLUTTER.replace("{maintain}", maintain)))
        .bind(tree)
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    let count = |index| row.try_get::<i64, _>(index).map(i64::unsigned_abs).map_err(failed);
    let may_vacuum = row.try_get::<Option<bool>, _>(2).map_err(failed)?.unwrap_or(false);
    Ok(Clutter { rows: count(0)?, dead: count(1)?, may_vacuum })
}

/// Up to 14 a collector process writes the counters out, every 0.5 s at most.
///
/// # Errors
/// Where the server does not answer.
pub async fn settle(conn: &mut PgConnection, is_immediate: bool) -> Result<(), Fault> {
    if !is_immediate {
        sqlx::query("SELECT pg_sleep(0.7)").execute(conn).await.map_err(failed)?;
    }
    Ok(())
}

/// Dead rows of a table and its partitions together, by the server's counters.
///
/// # Errors
/// Where the server does not answer.
pub async fn dead_rows(conn: &mut PgConnection, tree: &[u32]) -> Result<u64, Fault> {
    let tree: Vec<Oid> = tree.iter().copied().map(Oid).collect();
    let sql = "SELECT coalesce(sum(pg_stat_get_dead_tuples(oid)), 0)::int8 FROM unnest($1) AS oid";
    let dead: i64 = sqlx::query_scalar(sql).bind(tree).fetch_one(conn).await.map_err(failed)?;
    Ok(dead.unsigned_abs())
}

/// The process that vacuums one of them. The progress views hide the table from a plain role, but not
/// the process; the lock names the table.
///
/// # Errors
/// Where the server does not answer.
pub async fn vacuumed_by(conn: &mut PgConnection, tree: &[u32]) -> Result<Option<i32>, Fault> {
    let tree: Vec<Oid> = tree.iter().copied().map(Oid).collect();
    let sql = "SELECT l.pid FROM pg_locks AS l \
               WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY ($1) \
                 AND l.mode = 'ShareUpdateExclusiveLock' \
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                 AND l.pid IN (SELECT pid FROM pg_stat_progress_vacuum) LIMIT 1";
    sqlx::query_scalar(sql).bind(tree).fetch_optional(conn).await.map_err(failed)
}

/// Somebody who may still look at rows that are dead to all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What it is, and which.
    pub who: String,
    /// For how long; absent where nobody knows.
    pub age_s: Option<i64>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who)?;
        self.age_s.map_or(Ok(()), |age_s| write!(f, " for {age_s} s"))
    }
}

const HOLDERS: &str = "\
SELECT who, extract(epoch FROM clock_timestamp() - since)::int8 FROM ( \
  SELECT CASE WHEN a.backend_type = 'walsender' THEN format('standby %s (hot_standby_feedback)', a.application_name) \
         ELSE format('pid %s (\"%s\" as %s, %s)', a.pid, a.application_name, a.usename, a.state) END AS who, \
         CASE WHEN a.backend_type <> 'walsender' THEN a.xact_start END AS since, age(a.backend_xmin) AS age \
  FROM pg_stat_activity AS a \
  WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid() \
    AND (a.backend_type = 'walsender' OR a.datname = current_database() AND a.xact_start < $1) \
  UNION ALL \
  SELECT format('replication slot %s', s.slot_name), NULL, age(s.xmin) \
  FROM pg_replication_slots AS s WHERE s.xmin IS NOT NULL \
  UNION ALL \
  SELECT format('prepared transaction %L', p.gid), p.prepared, age(p.transaction) \
  FROM pg_prepared_xacts AS p WHERE p.database = current_database()) AS holder \
ORDER BY age DESC LIMIT 3";

/// Those whose snapshot began before this moment, or who keep one for others; the oldest first, three
/// at most.
///
/// # Errors
/// Where the server does not answer.
pub async fn holders(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<Vec<Holder>, Fault> {
    let rows: Vec<(String, Option<i64>)> =
        sqlx::query_as(HOLDERS).bind(before).fetch_all(conn).await.map_err(failed)?;
    Ok(rows.into_iter().map(|(who, age_s)| Holder { who, age_s }).collect())
}
