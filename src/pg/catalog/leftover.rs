//! pgtend's own record of old partitions whose rows others took over, beside what the catalog says of
//! them now.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::failed;
use super::own::has_column;
use super::quarantine::BLOCK;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;

/// What is left of a partition after a drain or a split: all its rows are in other partitions.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Leftover {
    /// Its oid.
    pub relation: i64,
    /// The name it was given then, as SQL writes it.
    pub name: String,
    /// What it was a partition of.
    pub parent: i64,
    /// When its rows were taken over.
    pub since: DateTime<Utc>,
    /// Whether rows were written to it since can be told.
    pub is_proven: bool,
    /// The schema of the relation of this oid now; absent where there is none.
    pub schema_now: Option<String>,
    /// Its name now.
    pub name_now: Option<String>,
    /// It is a partition or an heir of something.
    pub is_attached: bool,
    /// What blocks writes is there: the constraint, and the trigger, enabled.
    pub is_blocked: bool,
}

impl Leftover {
    /// Its name now.
    #[must_use]
    pub fn now(&self) -> Option<TableName> {
        TableName::new(self.schema_now.as_deref()?, self.name_now.as_deref()?).ok()
    }
}

/// Whether `c` is blocked against writes, as a condition.
#[must_use]
pub fn is_blocked_sql() -> String {
    format!(
        "EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c' AND conname = '{BLOCK}') \
         AND EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = '{BLOCK}' \
         AND tgenabled IN ('O', 'A'))"
    )
}

/// Whether rows were written to the table of this record `q` since, as a condition. A row's
/// transaction is no older than the one that is on record.
#[must_use]
pub fn is_written_sql(table: &TableName, relation: i64) -> String {
    format!(
        "EXISTS (SELECT FROM ONLY {table} s, partition_carve q WHERE q.source = {relation} \
         AND age(s.xmin) <= age(q.replaced_xid::xid))"
    )
}

/// What is left of any table's partitions, oldest first. Nothing where pgtend's own schema is missing
/// or older.
///
/// # Errors
/// Where the server does not answer.
pub async fn leftovers(conn: &mut PgConnection) -> Result<Vec<Leftover>, Fault> {
    let exists = has_column(&mut *conn, "partition_carve", "replaced_xid").await.map_err(failed)?;
    if !exists {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT q.source::int8 AS relation, q.name, q.parent::int8 AS parent, q.done_at AS since, \
                q.replaced_xid IS NOT NULL AS is_proven, n.nspname::text AS schema_now, \
                c.relname::text AS name_now, \
                EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) AS is_attached, {} AS is_blocked \
         FROM partition_carve q LEFT JOIN pg_class c ON c.oid = q.source \
         LEFT JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE q.stage = 'done' AND q.done_at IS NOT NULL ORDER BY q.done_at, q.source",
        is_blocked_sql(),
    );
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(conn).await.map_err(failed)
}

/// Whether rows were written to it since. Reads all of it.
///
/// # Errors
/// Where that takes too long, the table is locked, or our role may not read it.
pub async fn is_written(
    conn: &mut PgConnection,
    table: &TableName,
    relation: i64,
) -> Result<bool, Fault> {
    let sql = format!("SELECT {}", is_written_sql(table, relation));
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(conn)
        .await
        .map_err(|error| Fault::from_sqlx("look for late rows in", &error).on(table))
}
