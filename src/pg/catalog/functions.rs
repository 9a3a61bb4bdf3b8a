//! Functions that an operator's condition calls.

use sqlx::PgConnection;

use super::failed;
use crate::pg::condition::FunctionName;
use crate::pg::fault::Fault;

const AMONG: &str = "\
SELECT DISTINCT concat_ws('.', quote_ident(f.schema), quote_ident(f.name)) \
FROM unnest($1::text[], $2::text[]) AS f (schema, name) \
JOIN pg_proc AS p ON p.proname = f.name \
JOIN pg_namespace AS n ON n.oid = p.pronamespace \
WHERE p.provolatile = ANY ($3::text[]::\"char\"[]) \
  AND CASE WHEN f.schema IS NULL THEN pg_function_is_visible(p.oid) ELSE n.nspname = f.schema END \
ORDER BY 1";

/// Those of the functions that may answer differently each time: `VOLATILE`, which is also what a
/// function is that was declared without a word about it.
///
/// # Errors
/// Where the server does not answer.
pub async fn volatile_among(
    conn: &mut PgConnection,
    functions: &[FunctionName],
) -> Result<Vec<String>, Fault> {
    among(conn, functions, &["v"]).await
}

/// Those that are not `IMMUTABLE`: what they answer may depend on a setting or a table.
///
/// # Errors
/// Where the server does not answer.
pub async fn unsteady_among(
    conn: &mut PgConnection,
    functions: &[FunctionName],
) -> Result<Vec<String>, Fault> {
    among(conn, functions, &["v", "s"]).await
}

async fn among(
    conn: &mut PgConnection,
    functions: &[FunctionName],
    volatilities: &[&str],
) -> Result<Vec<String>, Fault> {
    if functions.is_empty() {
        return Ok(Vec::new());
    }
    let schemas: Vec<Option<&str>> = functions.iter().map(|f| f.schema.as_deref()).collect();
    let names: Vec<&str> = functions.iter().map(|f| f.name.as_str()).collect();
    let asked = sqlx::query_scalar(AMONG).bind(schemas).bind(names).bind(volatilities);
    asked.fetch_all(conn).await.map_err(failed)
}
