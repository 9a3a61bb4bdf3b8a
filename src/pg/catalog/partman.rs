//! What `pg_partman` has on record: `part_config`, of whatever version.
//!
//! Rows are read as JSON, so that a column a version lacks, or one that a later version adds, is no
//! error.

use serde::Deserialize;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::failed;
use crate::pg::fault::Fault;
use crate::pg::ident::Ident;

/// A `part_config` that was found.
#[derive(Debug, Clone, FromRow)]
pub struct Home {
    /// Its schema.
    pub schema: String,
    /// The version of the extension, where that is installed there.
    pub version: Option<String>,
    /// We may read it.
    pub may_read: bool,
}

/// A row of `part_config`, and what the catalog says of the table it names.
#[derive(Debug, Clone, FromRow)]
pub struct Set {
    /// The row.
    #[sqlx(json)]
    pub config: PartConfig,
    /// The table's schema; absent where there is no such table.
    pub schema: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its partitions are partitioned themselves, or it is such a partition.
    pub is_nested: bool,
    /// What new partitions were given beyond the parent's own: indexes and options of the template.
    pub template_has: Vec<String>,
}

/// The columns we read. They are text that `pg_partman` has checked when it was told.
#[derive(Debug, Clone, Deserialize)]
pub struct PartConfig {
    /// `schema.table`, without quotes.
    pub parent_table: String,
    /// `native` or, from 5 on, `range`; `list`; `partman` where triggers do the work.
    pub partition_type: String,
    /// An interval as PostgreSQL writes it, or a number of ids.
    pub partition_interval: String,
    /// Partitions ahead of the present one.
    pub premake: u32,
    /// How an integer tells time: `none`, `seconds`, …
    #[serde(default)]
    pub epoch: Option<String>,
    /// The function that reads the time off a key (5.2 and later).
    #[serde(default)]
    pub time_decoder: Option<String>,
    /// How the time stands in names, in the words of `to_char`.
    #[serde(default)]
    pub datetime_string: Option<String>,
    /// An interval, or a number of ids.
    #[serde(default)]
    pub retention: Option<String>,
    /// Where expired partitions are moved to.
    #[serde(default)]
    pub retention_schema: Option<String>,
    /// Expired partitions are detached and kept.
    #[serde(default)]
    pub retention_keep_table: Option<bool>,
    /// Columns whose least and greatest value stand in constraints of old partitions.
    #[serde(default)]
    pub constraint_cols: Option<Vec<String>>,
    /// `on`, `off`, `none`
    #[serde(default)]
    pub automatic_maintenance: Option<String>,
    /// `undo_partition` was begun.
    #[serde(default)]
    pub undo_in_progress: Option<bool>,
}

/// Looks for it in every schema: the extension may be gone and its table kept.
///
/// # Errors
/// Where the server does not answer.
pub async fn homes(conn: &mut PgConnection) -> Result<Vec<Home>, Fault> {
    sqlx::query_as(
        "SELECT n.nspname::text AS schema, e.extversion AS version, \
                has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_extension e ON e.extname = 'pg_partman' AND e.extnamespace = n.oid \
         WHERE c.relname = 'part_config' AND c.relkind = 'r' \
           AND 4 = (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attname IN \
                    ('parent_table', 'partition_type', 'partition_interval', 'premake')) \
         ORDER BY 1",
    )
    .fetch_all(conn)
    .await
    .map_err(failed)
}

/// All of its rows.
///
/// # Errors
/// Where the server does not answer, or a row has not the columns that every version has.
pub async fn sets(conn: &mut PgConnection, schema: &Ident) -> Result<Vec<Set>, Fault> {
    let sql = format!(
        "SELECT to_jsonb(p) AS config, n.nspname::text AS schema, c.relname::text AS name, \
                EXISTS (SELECT FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid \
                        WHERE i.inhparent = c.oid AND k.relkind = 'p') \
                OR EXISTS (SELECT FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhparent \
                           JOIN pg_namespace m ON m.oid = k.relnamespace \
                           JOIN {schema}.part_config o \
                             ON o.parent_table = m.nspname || '.' || k.relname \
                           WHERE i.inhrelid = c.oid) AS is_nested, \
                ARRAY(SELECT 'index ' || k.relname::text FROM pg_index x \
                      JOIN pg_class k ON k.oid = x.indexrelid WHERE x.indrelid = t.oid \
                      UNION ALL SELECT unnest(t.reloptions) \
                      UNION ALL SELECT 'UNLOGGED' WHERE t.relpersistence = 'u' \
                      ORDER BY 1) AS template_has \
         FROM {schema}.part_config p \
         LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) \
           ON n.nspname || '.' || c.relname = p.parent_table \
         LEFT JOIN (pg_class t JOIN pg_namespace tn ON tn.oid = t.relnamespace) \
           ON tn.nspname || '.' || t.relname = to_jsonb(p) ->> 'template_table' \
         ORDER BY p.parent_table"
    );
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(conn).await.map_err(failed)
}

/// Months, days and seconds of an interval, as the server reads it.
///
/// # Errors
/// Where the server does not answer, or the text is no interval.
pub async fn interval(conn: &mut PgConnection, text: &str) -> Result<(i64, i64, i64), Fault> {
    sqlx::query_as(
        "SELECT (extract(year FROM i) * 12 + extract(month FROM i))::int8, extract(day FROM i)::int8, \
                (extract(hour FROM i) * 3600 + extract(minute FROM i) * 60 \
                 + floor(extract(second FROM i)))::int8 \
         FROM CAST($1::text AS interval) AS i",
    )
    .bind(text)
    .fetch_one(conn)
    .await
    .map_err(failed)
}

/// Zones in which partitions may have been laid: those set for this database or a role, and the one
/// the server's log is written in, which `initdb` sets to the host's as it does `TimeZone`. Our own
/// session's says nothing.
///
/// # Errors
/// Where the server does not answer.
pub async fn zones(conn: &mut PgConnection) -> Result<Vec<String>, Fault> {
    sqlx::query_scalar(
        "SELECT split_part(setting, '=', 2) \
         FROM pg_db_role_setting, unnest(setconfig) AS setting \
         WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
           AND lower(setting) LIKE 'timezone=%' \
         UNION SELECT setting FROM pg_settings WHERE name = 'log_timezone'",
    )
    .fetch_all(conn)
    .await
    .map_err(failed)
}
