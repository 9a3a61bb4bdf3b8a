//! A table's shape: one short text that changes when what was looked at in the catalog changes.

use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, PgConnection};

use super::failed;
use crate::pg::fault::Fault;
use crate::pg::ident::{TableName, literal};

/// The shape of these tables as an SQL expression: names, columns, row security, triggers (those of
/// foreign keys too) and rules. It is short, because it travels with every batch that relies on it.
#[must_use]
pub fn sql(tables: &[&TableName]) -> String {
    let table = |name: &&TableName| format!("{}::regclass", literal(&name.to_string()));
    expression(&format!("ARRAY[{}]", tables.iter().map(table).collect::<Vec<_>>().join(", ")))
}

fn expression(tables: &str) -> String {
    format!(
        "\
(SELECT hashtextextended(string_agg(fact, ' ' ORDER BY fact COLLATE \"C\"), 0)::text
FROM unnest({tables}) AS t (id), LATERAL (
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

/// The shape of these tables now; empty for no table. By their identity, as a role that may not yet
/// reach a table may not name it either.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(conn: &mut PgConnection, tables: &[Oid]) -> Result<String, Fault> {
    if tables.is_empty() {
        return Ok(String::new());
    }
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", expression("$1::oid[]"))))
        .bind(tables)
        .fetch_one(conn)
        .await
        .map_err(failed)
}
