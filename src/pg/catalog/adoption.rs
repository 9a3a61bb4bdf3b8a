//! pgtend's own record of tables on their way to become partitioned, and how far they are.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor, FromRow, PgConnection, Row};

use super::failed;
use super::own::has_table;
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// An adoption on record.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Record {
    /// The plain table's oid; after the swap, the first partition's.
    pub relation: i64,
    /// Its name when it began, as SQL writes it.
    pub name: String,
    /// The partition key to be.
    pub key_column: String,
    /// Where its first partition ends, a literal.
    pub cut: String,
    /// The key took NULL before.
    pub was_nullable: bool,
    /// The partitioned table made for it.
    pub parent: Option<i64>,
    /// That one's schema now; absent where it is not made, or gone.
    pub parent_schema: Option<String>,
    /// Its name now.
    pub parent_name: Option<String>,
    /// When it was asked for.
    pub begun_at: DateTime<Utc>,
    /// When the swap was committed.
    pub adopted_at: Option<DateTime<Utc>>,
}

/// How far the work on a plain table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromRow)]
pub struct Progress {
    /// The widened key's index is there, and valid or not.
    pub key_index: Option<bool>,
    /// The check of the first partition's bound is there, and validated or not.
    pub check: Option<bool>,
}

/// What is on record of a table, by its oid now or by its name.
///
/// # Errors
/// Where the server does not answer.
pub async fn record(
    conn: &mut PgConnection,
    name: &TableName,
    oid: Option<i64>,
) -> Result<Option<Record>, Fault> {
    let exists = has_table(&mut *conn, "partition_adoption").await.map_err(failed)?;
    if !exists {
        return Ok(None);
    }
    sqlx::query_as(
        "SELECT a.relation::int8 AS relation, a.name, a.key_column, a.cut, a.was_nullable, \
                a.parent::int8 AS parent, n.nspname::text AS parent_schema, \
                c.relname::text AS parent_name, a.begun_at, a.adopted_at \
         FROM partition_adoption a LEFT JOIN pg_class c ON c.oid = a.parent \
         LEFT JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE $2::int8::oid IN (a.relation, a.parent) OR a.name = $1 AND a.adopted_at IS NULL \
         ORDER BY a.adopted_at NULLS FIRST LIMIT 1",
    )
    .bind(name.to_string())
    .bind(oid)
    .fetch_optional(conn)
    .await
    .map_err(failed)
}

/// Looks for what an earlier run has left on the table.
///
/// # Errors
/// Where the server does not answer.
pub async fn progress(
    conn: &mut PgConnection,
    table: i64,
    key_index: &Ident,
    check: &str,
) -> Result<Progress, Fault> {
    sqlx::query_as(
        "SELECT (SELECT x.indisvalid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
                 WHERE x.indrelid = $1::int8::oid AND i.relname = $2) AS key_index, \
                (SELECT convalidated FROM pg_constraint \
                 WHERE conrelid = $1::int8::oid AND conname = $3 AND contype = 'c') AS check",
    )
    .bind(table)
    .bind(key_index.as_str())
    .bind(check)
    .fetch_one(conn)
    .await
    .map_err(failed)
}

/// How long the question for the highest key may take: an index answers at once, and without one a
/// few million rows are read.
const QUESTION_MS: u32 = 20_000;

/// The highest key of a table, as text in UTC and ISO; absent where it has none.
///
/// # Errors
/// Where the question takes too long, the table is locked, or our role may not read it.
pub async fn highest(
    conn: &mut PgConnection,
    table: &TableName,
    key: &Ident,
) -> Result<Option<String>, Fault> {
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {QUESTION_MS}; SET LOCAL lock_timeout = 200"
    );
    let failed =
        |error: sqlx::Error| Fault::from_sqlx("look for the highest key in", &error).on(table);
    conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(failed)?;
    // max() of a uuid is of 18 and later.
    let sql = format!(
        "SELECT {key}::text FROM ONLY {table} WHERE {key} IS NOT NULL ORDER BY {key} DESC LIMIT 1"
    );
    let answer = conn.fetch_optional(sqlx::query(AssertSqlSafe(sql)).persistent(false)).await;
    conn.execute("ROLLBACK").await.map_err(failed)?;
    answer.and_then(|row| row.map(|row| row.try_get(0)).transpose()).map_err(failed)
}
