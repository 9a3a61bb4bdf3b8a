//! Who stands in the way of a lock.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Row};

use super::fault::{Blocker, Fault, Kind};
use super::step::{Step, Strong};

/// A transaction that has been open for as long will be there for a ladder's two seconds too. What
/// is younger is most likely done before the next try.
pub const STANDING: Duration = Duration::from_secs(2);

const BLOCKERS: &str = "\
SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), \
       coalesce(a.state, a.backend_type, ''), \
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::bigint \
FROM unnest(pg_blocking_pids($1)) AS b(pid) JOIN pg_stat_activity AS a USING (pid) \
ORDER BY a.xact_start NULLS LAST LIMIT 5";

/// A look at a session from beside it.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The connections to look by.
    pub control: PgPool,
    /// Its process id on the server.
    pub pid: Option<i32>,
}

/// The sessions that block this backend now, oldest transaction first, five at most. Empty where
/// nobody does or the look itself fails: it only adds to a message.
pub async fn blockers_of(control: &PgPool, pid: Option<i32>) -> Vec<Blocker> {
    let Some(pid) = pid else { return Vec::new() };
    let rows = sqlx::query(BLOCKERS).bind(pid).fetch_all(control).await.unwrap_or_default();
    rows.iter().filter_map(|row| read(row).ok()).collect()
}

/// Whether any session waits for a lock that this one holds. False where the look itself fails: it only
/// makes the next batch smaller.
pub async fn is_waited_for(session: &Watch) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks AS l \
               WHERE NOT l.granted AND $1 = ANY (pg_blocking_pids(l.pid)))";
    sqlx::query_scalar(sql).bind(session.pid).fetch_one(&session.control).await.unwrap_or(false)
}

/// Cancels what a session does now. A refusal is only worth a debug line.
pub async fn cancel(session: &Watch) {
    let asked = sqlx::query("SELECT pg_cancel_backend($1)").bind(session.pid);
    if let Err(error) = asked.execute(&session.control).await {
        tracing::debug!(%error, pid = session.pid, "could not cancel the session");
    }
}

/// Most often there is none, and nothing more is to be asked.
const STANDING_AT_ALL: &str = "\
SELECT EXISTS (SELECT FROM pg_stat_activity AS a \
               WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() \
                 AND a.xact_start < clock_timestamp() - $1::int8 * interval '1 millisecond')";

/// `pg_partition_tree` would itself lock what it walks.
const STANDING_IN_THE_WAY: &str = "\
WITH RECURSIVE asked AS ( \
  SELECT to_regclass(t.name)::oid AS relation, t.passes, t.below \
  FROM unnest($1::text[], $2::text[], $4::bool[]) AS t(name, passes, below) \
  UNION \
  SELECT i.inhrelid, asked.passes, asked.below \
  FROM asked JOIN pg_inherits i ON i.inhparent = asked.relation WHERE asked.below) \
SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), \
       coalesce(a.state, a.backend_type, ''), \
       extract(epoch FROM clock_timestamp() - a.xact_start)::bigint \
FROM pg_stat_activity AS a \
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() \
  AND a.xact_start < clock_timestamp() - $3::int8 * interval '1 millisecond' \
  AND EXISTS (SELECT FROM pg_locks AS l JOIN asked ON asked.relation = l.relation \
              WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation' \
                AND l.mode <> ALL (string_to_array(asked.passes, ','))) \
ORDER BY a.xact_start LIMIT 5";

/// Sessions whose transaction has been open for [`STANDING`] and holds a lock that one of these would
/// wait for, oldest first, five at most. Whose transactions we may not see (another role's, without
/// `pg_read_all_stats`) count as young.
///
/// # Errors
/// Where the server does not answer.
pub async fn in_the_way_of(
    conn: &mut PgConnection,
    strong: &[Strong],
) -> Result<Vec<Blocker>, sqlx::Error> {
    let standing = i64::try_from(STANDING.as_millis()).unwrap_or(i64::MAX);
    if !sqlx::query_scalar(STANDING_AT_ALL).bind(standing).fetch_one(&mut *conn).await? {
        return Ok(Vec::new());
    }
    let (tables, passes): (Vec<&str>, Vec<&str>) =
        strong.iter().map(|lock| (lock.table.as_str(), lock.mode.passes())).unzip();
    let rows = sqlx::query(STANDING_IN_THE_WAY)
        .bind(tables)
        .bind(passes)
        .bind(standing)
        .bind(strong.iter().map(|lock| lock.with_partitions).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    rows.iter().map(read).collect()
}

/// Before a try: whether an old transaction holds what this step would wait for. Then waiting is of no
/// use, and whoever came next would queue behind us.
///
/// # Errors
/// `LockNotHad` with those who stand in the way.
pub async fn look_first(conn: &mut PgConnection, step: &Step) -> Result<(), Fault> {
    let strong = &step.lock.strong;
    if strong.is_empty() {
        return Ok(());
    }
    let looked = in_the_way_of(conn, strong).await;
    let blockers = looked
        .map_err(|error| Fault::from_sqlx("look who stands in the way", &error).on(&step.object))?;
    if blockers.is_empty() {
        return Ok(());
    }
    let message = format!(
        "not tried, because a transaction open for more than {} s holds a lock in the way",
        STANDING.as_secs()
    );
    let mut fault = Fault::new(Kind::LockNotHad, step.doing, message).on(&step.object);
    fault.blockers = blockers;
    Err(fault.with_hint("the next run tries again; end that transaction if it is not to last"))
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Blocker, sqlx::Error> {
    Ok(Blocker {
        pid: row.try_get(0)?,
        application: row.try_get(1)?,
        user: row.try_get(2)?,
        state: row.try_get(3)?,
        age_s: row.try_get(4)?,
    })
}
