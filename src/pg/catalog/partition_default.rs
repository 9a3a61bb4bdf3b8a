//! What a default partition holds: the one place where this job reads rows.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// A default partition with more rows than this is not scanned under a strong lock: that many take
/// a few milliseconds (1.5 million took 67 to 138 ms).
pub const ROWS_SCANNED_MAX: u32 = 50_000;

/// How long one question about its rows may take.
const QUESTION_MS: u32 = 2_000;

/// What is known of a default partition's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRows {
    /// More than [`ROWS_SCANNED_MAX`] rows.
    pub is_large: bool,
    /// For each range asked about, whether rows lie in it.
    pub occupied: Vec<bool>,
}

/// Asks whether rows of the default partition lie in these ranges of its key, given as literals.
///
/// # Errors
/// Where the question takes too long, the table is locked, or our role may not read it.
pub async fn rows_in(
    conn: &mut PgConnection,
    table: &TableName,
    key: &Ident,
    ranges: &[(String, String)],
) -> Result<DefaultRows, Fault> {
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {QUESTION_MS}; SET LOCAL lock_timeout = 200"
    );
    let doing = "look into the default partition";
    let failed = |error: sqlx::Error| Fault::from_sqlx(doing, &error).on(table);
    conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(failed)?;
    let asked = ask(conn, table, key, ranges).await;
    conn.execute("ROLLBACK").await.map_err(failed)?;
    asked.map_err(failed)
}

async fn ask(
    conn: &mut PgConnection,
    table: &TableName,
    key: &Ident,
    ranges: &[(String, String)],
) -> Result<DefaultRows, sqlx::Error> {
    let large = format!(
        "SELECT count(*) > {ROWS_SCANNED_MAX} FROM (SELECT FROM {table} LIMIT {ROWS_SCANNED_MAX} + 1) s"
    );
    let is_large = conn.fetch_one(sqlx::raw_sql(AssertSqlSafe(large))).await?.try_get(0)?;
    let columns: Vec<String> = ranges
        .iter()
        .map(|(from, to)| {
            format!("EXISTS (SELECT FROM {table} WHERE {key} >= {from} AND {key} < {to})")
        })
        .collect();
    let mut occupied = Vec::with_capacity(ranges.len());
    // A query has at most 1,664 columns.
    for chunk in columns.chunks(500) {
        let sql = format!("SELECT ARRAY[{}]", chunk.join(", "));
        let answer: Vec<bool> =
            conn.fetch_one(sqlx::query(AssertSqlSafe(sql)).persistent(false)).await?.try_get(0)?;
        occupied.extend(answer);
    }
    Ok(DefaultRows { is_large, occupied })
}

/// What the catalog says of a default partition.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct DefaultCatalog {
    /// Its oid.
    pub oid: i64,
    /// Rows, as the last VACUUM or ANALYZE and the counters since know them; absent where neither
    /// does.
    pub rows_estimate: Option<i64>,
    /// It has a CHECK constraint of the name asked for.
    pub has_check: bool,
}

/// Looks at default partitions without a lock on them.
///
/// # Errors
/// Where the server does not answer.
pub async fn in_catalog(
    conn: &mut PgConnection,
    tables: &[i64],
    check: &str,
) -> Result<Vec<DefaultCatalog>, Fault> {
    // Before 14, a table that was never analyzed has 0 rows.
    sqlx::query_as(
        "SELECT c.oid::int8 AS oid, \
                NULLIF(GREATEST(c.reltuples::int8, pg_stat_get_live_tuples(c.oid)), -1) AS rows_estimate, \
                EXISTS (SELECT FROM pg_constraint \
                        WHERE conrelid = c.oid AND contype = 'c' AND conname = $2::name) AS has_check \
         FROM pg_class c WHERE c.oid = ANY($1::int8[]::oid[])",
    )
    .bind(tables)
    .bind(check)
    .fetch_all(conn)
    .await
    .map_err(|error| Fault::from_sqlx("look at the default partitions", &error))
}
