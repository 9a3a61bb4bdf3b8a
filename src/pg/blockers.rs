//! Who stands in the way of a lock.

use sqlx::{PgPool, Row};

use super::fault::Blocker;

const BLOCKERS: &str = "\
SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), \
       coalesce(a.state, a.backend_type, ''), \
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::bigint \
FROM unnest(pg_blocking_pids($1)) AS b(pid) JOIN pg_stat_activity AS a USING (pid) \
ORDER BY a.xact_start NULLS LAST LIMIT 5";

/// The sessions that block this backend now, oldest transaction first, five at most. Empty where
/// nobody does or the look itself fails: it only adds to a message.
pub async fn blockers_of(control: &PgPool, pid: Option<i32>) -> Vec<Blocker> {
    let Some(pid) = pid else { return Vec::new() };
    let rows = sqlx::query(BLOCKERS).bind(pid).fetch_all(control).await.unwrap_or_default();
    rows.iter().filter_map(|row| read(row).ok()).collect()
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
