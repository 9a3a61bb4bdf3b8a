//! pgtend's own record of partitions that leave, beside what the catalog says of them now.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::failed;
use super::own::has_table;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::version::Version;

/// The constraint that blocks writes, and the trigger beside it.
pub const BLOCK: &str = "pgtend_quarantine";
/// The check that proves the bound, for attaching again without a scan.
pub const BOUND_CHECK: &str = "pgtend_bound";

/// A partition in the record.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Held {
    /// Its oid.
    pub relation: i64,
    /// Its name when it was recorded, as SQL writes it.
    pub name: String,
    /// What it was a partition of.
    pub parent: i64,
    /// Its bound, `FOR VALUES …`.
    pub bound: String,
    /// Since when it is detached and blocked; absent where that was only intended.
    pub detached_at: Option<DateTime<Utc>>,
    /// When a person attached it again.
    pub restored_at: Option<DateTime<Utc>>,
    /// The schema of the relation of this oid now; absent where there is none.
    pub schema_now: Option<String>,
    /// Its name now.
    pub name_now: Option<String>,
    /// The schema of what it was a partition of; absent where that is gone.
    pub parent_schema_now: Option<String>,
    /// Its name.
    pub parent_name_now: Option<String>,
    /// What it is attached to now.
    pub attached_to: Option<i64>,
    /// Its `DETACH CONCURRENTLY` was begun and not finished.
    pub detach_pending: bool,
    /// The constraint that blocks writes is there.
    pub is_blocked: bool,
    /// The check of its bound was not validated yet.
    pub is_unproven: bool,
}

impl Held {
    /// Its name now.
    #[must_use]
    pub fn now(&self) -> Option<TableName> {
        TableName::new(self.schema_now.as_deref()?, self.name_now.as_deref()?).ok()
    }

    /// The name now of what it was a partition of.
    #[must_use]
    pub fn parent_now(&self) -> Option<TableName> {
        let (schema, name) = (self.parent_schema_now.as_deref()?, self.parent_name_now.as_deref()?);
        TableName::new(schema, name).ok()
    }
}

/// The policy a table's partitions last expired by, as texts of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Agreed {
    /// The partitioned table.
    pub parent: i64,
    /// `12 months`
    pub retention: String,
    /// `detach` or `drop`
    pub on_expiry: String,
    /// `7 days`
    pub quarantine: String,
    /// How the key told time.
    pub reading: String,
}

/// Whether the record exists yet: `plan` works before it does.
///
/// # Errors
/// Where the server does not answer.
pub async fn exists(conn: &mut PgConnection) -> Result<bool, Fault> {
    has_table(conn, "partition_quarantine").await.map_err(failed)
}

/// What is recorded of any table's partitions, oldest detach first.
///
/// # Errors
/// Where the server does not answer.
pub async fn held(conn: &mut PgConnection, version: Version) -> Result<Vec<Held>, Fault> {
    let pending = if version.has_detach_concurrently() {
        "COALESCE(i.inhdetachpending, false)"
    } else {
        "false"
    };
    let constraint = |name: &str, more: &str| {
        format!(
            "EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' \
             AND k.conname = '{name}'{more})"
        )
    };
    let sql = format!(
        "SELECT q.relation::int8 AS relation, q.name, q.parent::int8 AS parent, q.bound, \
                q.detached_at, q.restored_at, n.nspname::text AS schema_now, \
                c.relname::text AS name_now, pn.nspname::text AS parent_schema_now, \
                p.relname::text AS parent_name_now, i.inhparent::int8 AS attached_to, \
                {pending} AS detach_pending, {} AS is_blocked, {} AS is_unproven \
         FROM partition_quarantine q LEFT JOIN pg_class c ON c.oid = q.relation \
         LEFT JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_inherits i ON i.inhrelid = c.oid \
         LEFT JOIN pg_class p ON p.oid = q.parent LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         ORDER BY q.detached_at, q.relation",
        constraint(BLOCK, ""),
        constraint(BOUND_CHECK, " AND NOT k.convalidated"),
    );
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(conn).await.map_err(failed)
}

/// The policies on record.
///
/// # Errors
/// Where the server does not answer.
pub async fn agreed(conn: &mut PgConnection, parents: &[i64]) -> Result<Vec<Agreed>, Fault> {
    sqlx::query_as(
        "SELECT parent::int8 AS parent, retention, on_expiry, quarantine, reading FROM partition_policy \
         WHERE parent = ANY ($1::int8[]::oid[])",
    )
    .bind(parents)
    .fetch_all(conn)
    .await
    .map_err(failed)
}
