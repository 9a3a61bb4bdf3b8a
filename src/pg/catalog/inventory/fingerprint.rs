//! Whether anything of the inventory has changed since: one short text, read again under the lock.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::pg::catalog::failed;
use crate::pg::fault::Fault;
use crate::pg::ident::literal;

/// What a table and all that depends on it amount to, as an SQL expression; what pgtend itself adds
/// under these names is left out, as are NOT NULL constraints.
#[must_use]
pub fn sql(table: i64, own: &[&str]) -> String {
    let own: Vec<String> = own.iter().map(|name| literal(name)).collect();
    let own = own.join(", ");
    format!(
        "\
(SELECT hashtextextended(string_agg(fact, ' ' ORDER BY fact COLLATE \"C\"), 0)::text FROM (
  SELECT concat_ws(' ', relowner, relacl, relrowsecurity, relforcerowsecurity, relreplident, relkind)
  FROM pg_class WHERE oid = {table}
  UNION ALL SELECT concat_ws(' ', attnum, attname, atttypid, atttypmod, attidentity, attgenerated, attacl)
  FROM pg_attribute WHERE attrelid = {table} AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT concat_ws(' ', 'k', oid, convalidated) FROM pg_constraint
  WHERE {table} IN (conrelid, confrelid) AND contype <> 'n' AND conname NOT IN ({own})
  UNION ALL SELECT concat_ws(' ', 'i', oid) FROM pg_index JOIN pg_class ON oid = indexrelid
  WHERE indrelid = {table} AND relname NOT IN ({own})
  UNION ALL SELECT concat_ws(' ', 't', oid, tgenabled, xmin) FROM pg_trigger
  WHERE tgrelid = {table} AND NOT tgisinternal
  UNION ALL SELECT concat_ws(' ', 'p', oid, xmin) FROM pg_policy WHERE polrelid = {table}
  UNION ALL SELECT concat_ws(' ', 'r', oid, prpubid) FROM pg_publication_rel WHERE prrelid = {table}
  UNION ALL SELECT concat_ws(' ', 'h', inhrelid, inhparent) FROM pg_inherits WHERE {table} IN (inhrelid, inhparent)
  UNION ALL SELECT DISTINCT concat_ws(' ', 'd', d.classid, d.objid, coalesce(r.xmin, f.xmin))
  FROM pg_depend d LEFT JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
  LEFT JOIN pg_proc f ON f.oid = d.objid AND d.classid = 'pg_proc'::regclass
  WHERE d.deptype = 'n' AND d.classid <> 'pg_constraint'::regclass
    AND d.refobjid IN ({table}, (SELECT reltype FROM pg_class WHERE oid = {table}))
) AS s (fact))"
    )
}

/// The same now.
///
/// # Errors
/// Where the server does not answer.
pub async fn fingerprint(
    conn: &mut PgConnection,
    table: i64,
    own: &[&str],
) -> Result<String, Fault> {
    let value: Option<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", sql(table, own))))
            .fetch_one(conn)
            .await
            .map_err(failed)?;
    Ok(value.unwrap_or_default())
}
