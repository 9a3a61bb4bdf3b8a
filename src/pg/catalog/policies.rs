//! Row security policies.

use sqlx::{AssertSqlSafe, Executor, FromRow, PgConnection};

use crate::pg::fault::Fault;

/// A policy, as `CREATE POLICY` writes it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// `PERMISSIVE`, not `RESTRICTIVE`.
    pub is_permissive: bool,
    /// `pg_policy.polcmd`: `r`, `a`, `w`, `d`, or `*` for all.
    pub command: String,
    /// The roles it applies to; `None` is PUBLIC.
    pub roles: Vec<Option<String>>,
    /// `USING`
    pub using_expr: Option<String>,
    /// `WITH CHECK`
    pub check_expr: Option<String>,
    /// An expression holds a subquery: there, the server writes columns with the table's name.
    pub has_subquery: bool,
}

/// How long the question may wait for a lock: the server opens a table to write out an expression
/// over its columns, and would wait behind an ALTER TABLE.
const LOCK_MS: u32 = 200;

/// The policies of a table, by name.
///
/// # Errors
/// Where the table is locked.
pub async fn of(conn: &mut PgConnection, table: i64) -> Result<Vec<Policy>, Fault> {
    let failed = |error: sqlx::Error| Fault::from_sqlx("read the policies", &error);
    let begin = format!("BEGIN READ ONLY; SET LOCAL lock_timeout = {LOCK_MS}");
    conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(failed)?;
    let asked = sqlx::query_as(
        "SELECT polname::text AS name, polpermissive AS is_permissive, polcmd::text AS command, \
                ARRAY(SELECT r.rolname::text FROM unnest(polroles) WITH ORDINALITY u(role, n) \
                      LEFT JOIN pg_roles r ON r.oid = u.role ORDER BY n) AS roles, \
                pg_get_expr(polqual, polrelid) AS using_expr, \
                pg_get_expr(polwithcheck, polrelid) AS check_expr, \
                concat(polqual::text, polwithcheck::text) LIKE '%{SUBLINK %' AS has_subquery \
         FROM pg_policy WHERE polrelid = $1::int8::oid ORDER BY polname",
    )
    .bind(table)
    .fetch_all(&mut *conn)
    .await;
    conn.execute("ROLLBACK").await.map_err(failed)?;
    asked.map_err(failed)
}
