//! What a table has that `LIKE` and `ATTACH` leave behind.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::{FromRow, PgConnection};

use super::failed;
use crate::pg::fault::Fault;

/// What `LIKE` and `ATTACH` leave behind of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Traits {
    /// `ENABLE ROW LEVEL SECURITY`
    pub row_security: bool,
    /// `FORCE ROW LEVEL SECURITY`
    pub row_security_forced: bool,
    /// It has policies.
    pub has_policies: bool,
    /// `pg_class.relreplident`: `d`, `n`, `f` or `i`.
    pub replica_identity: String,
    /// The index of `REPLICA IDENTITY USING INDEX`.
    pub replica_index: Option<i64>,
    /// Its access method, where it has one of its own (17 and later).
    pub access_method: Option<String>,
    /// Its tablespace, where it is not the database's.
    pub tablespace: Option<String>,
    /// What is granted on it to others than its owner.
    #[sqlx(json)]
    pub grants: Vec<Grant>,
    /// What is granted on its columns to others than its owner.
    #[sqlx(json)]
    pub column_grants: Vec<ColumnGrant>,
    /// Its columns that have a statistics target or options.
    #[sqlx(json)]
    pub columns: Vec<ColumnTraits>,
    /// Some of its extended statistics have a target.
    pub has_statistics_targets: bool,
    /// To whom our own default privileges grant something on what we create; `None` is PUBLIC.
    pub default_grantees: Vec<Option<String>>,
}

/// Privileges of one role on a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Grant {
    /// The role; `None` is PUBLIC.
    pub grantee: Option<String>,
    /// `INSERT, SELECT`
    pub privileges: String,
    /// `WITH GRANT OPTION`
    pub grantable: bool,
}

/// One privilege of one role on some columns.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ColumnGrant {
    /// The role; `None` is PUBLIC.
    pub grantee: Option<String>,
    /// `SELECT`
    pub privilege: String,
    /// The columns.
    pub columns: Vec<String>,
    /// `WITH GRANT OPTION`
    pub grantable: bool,
}

/// What a column has beyond its definition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ColumnTraits {
    /// The column.
    pub name: String,
    /// `SET STATISTICS`
    pub target: Option<i32>,
    /// `n_distinct=500, n_distinct_inherited=-0.2`
    pub options: Option<String>,
}

#[derive(FromRow)]
struct Row {
    relation: i64,
    #[sqlx(flatten)]
    traits: Traits,
}

/// The traits of these tables, by oid.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(conn: &mut PgConnection, tables: &[i64]) -> Result<BTreeMap<i64, Traits>, Fault> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("traits.sql"))
        .bind(tables)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    Ok(rows.into_iter().map(|row| (row.relation, row.traits)).collect())
}

/// The storage parameters of these tables and of their TOAST tables, by oid: `fillfactor=70`,
/// `toast.…=…`. A table without any is left out.
///
/// # Errors
/// Where the server does not answer.
pub async fn storage(
    conn: &mut PgConnection,
    tables: &[i64],
) -> Result<BTreeMap<i64, Vec<String>>, Fault> {
    if tables.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, Vec<String>)> = sqlx::query_as(
        "SELECT c.oid::int8, coalesce(c.reloptions, '{}') \
                             || ARRAY(SELECT 'toast.' || o FROM unnest(t.reloptions) o) \
         FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid \
         WHERE c.oid = ANY ($1::int8[]::oid[]) \
           AND (c.reloptions IS NOT NULL OR t.reloptions IS NOT NULL)",
    )
    .bind(tables)
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().collect())
}

/// The same of one table.
///
/// # Errors
/// Where the server does not answer.
pub async fn storage_of(conn: &mut PgConnection, table: i64) -> Result<Vec<String>, Fault> {
    Ok(storage(conn, &[table]).await?.remove(&table).unwrap_or_default())
}
