//! A table's shape: one short text that changes when what was looked at in the catalog changes.

use sqlx::{AssertSqlSafe, PgConnection};

use super::failed;
use crate::pg::fault::Fault;
use crate::pg::ident::{TableName, literal};

/// The shape of these tables as an SQL expression: names, columns, row security, triggers (those of
/// foreign keys too) and rules. It is short, because it travels with every batch that relies on it.
#[must_use]
pub fn sql(tables: &[&TableName]) -> String {
    let list = tables
        .iter()
        .map(|table| format!("{}::regclass", literal(&table.to_string())))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "\
(SELECT hashtextextended(string_agg(fact, ' ' ORDER BY fact COLLATE \"C\"), 0)::text
FROM unnest(ARRAY[{list}]) AS t (id), LATERAL (
  SELECT concat_ws(' ', 'table', oid, relkind, relrowsecurity) FROM pg_class WHERE oid = t.id
  UNION ALL
  SELECT concat_ws(' ', 'column', t.id::oid, attname, atttypid, atttypmod, attgenerated, attidentity)
  FROM pg_attribute WHERE attrelid = t.id AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT concat_ws(' ', 'trigger', oid, tgenabled) FROM pg_trigger WHERE tgrelid = t.id
  UNION ALL
  SELECT concat_ws(' ', 'rule', oid, ev_enabled) FROM pg_rewrite WHERE ev_class = t.id
) AS facts (fact))"
    )
}

/// The shape of these tables now; empty for no table.
///
/// # Errors
/// Where one of them is missing, or the server does not answer.
pub async fn of(conn: &mut PgConnection, tables: &[&TableName]) -> Result<String, Fault> {
    if tables.is_empty() {
        return Ok(String::new());
    }
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", sql(tables))))
        .fetch_one(conn)
        .await
        .map_err(failed)
}
