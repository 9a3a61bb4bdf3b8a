//! Foreign keys that point at a table.

use sqlx::postgres::PgRow;
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, Executor, FromRow, PgConnection, Row};

use super::{failed, ident, table_name};
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName, quoted};

/// A foreign key, seen from the table it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The constraint.
    pub constraint: Ident,
    /// The table that has it.
    pub table: TableName,
}

/// One line per constraint as somebody declared it: the copies that the server makes for each
/// partition are left out.
const REFERRERS: &str = "\
SELECT f.conname::text, n.nspname::text, c.relname::text \
FROM pg_constraint AS f \
JOIN pg_class AS c ON c.oid = f.conrelid \
JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE f.contype = 'f' AND f.confrelid = ANY ($1) \
  AND NOT EXISTS (SELECT FROM pg_constraint AS p \
                  WHERE p.oid = f.conparentid AND p.confrelid = ANY ($1)) \
ORDER BY n.nspname, c.relname, f.conname";

/// The foreign keys that point at any of these tables.
///
/// # Errors
/// Where the server does not answer.
pub async fn pointing_at(conn: &mut PgConnection, tree: &[Oid]) -> Result<Vec<Referrer>, Fault> {
    let rows = sqlx::query(REFERRERS).bind(tree).fetch_all(conn).await.map_err(failed)?;
    rows.iter()
        .map(|row| Ok(Referrer { constraint: ident(row, 0)?, table: table_name(row, 1)? }))
        .collect()
}

/// A foreign key with the columns it joins by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The constraint.
    pub constraint: Ident,
    /// The columns of the table that has it.
    pub columns: Vec<Ident>,
    /// The columns it points at, in the same order.
    pub referenced: Vec<Ident>,
}

const BETWEEN: &str = "\
SELECT f.conname::text, \
       ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k (n, place) \
             JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.n ORDER BY place), \
       ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k (n, place) \
             JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = k.n ORDER BY place) \
FROM pg_constraint AS f \
WHERE f.contype = 'f' AND f.conrelid = $1 AND f.confrelid = ANY ($2) \
  AND NOT EXISTS (SELECT FROM pg_constraint AS p \
                  WHERE p.oid = f.conparentid AND p.conrelid = f.conrelid) \
ORDER BY f.conname";

/// The foreign keys of one table that point at any of these.
///
/// # Errors
/// Where the server does not answer.
pub async fn between(
    conn: &mut PgConnection,
    child: Oid,
    parents: &[Oid],
) -> Result<Vec<ForeignKey>, Fault> {
    let rows = sqlx::query(BETWEEN).bind(child).bind(parents).fetch_all(conn).await;
    let columns = |row: &PgRow, index: usize| -> Result<Vec<Ident>, Fault> {
        let names: Vec<String> = row.try_get(index).map_err(failed)?;
        // A name of the catalog is always an identifier.
        Ok(names.into_iter().filter_map(|name| Ident::new(name).ok()).collect())
    };
    let key = |row: &PgRow| -> Result<ForeignKey, Fault> {
        let (columns, referenced) = (columns(row, 1)?, columns(row, 2)?);
        Ok(ForeignKey { constraint: ident(row, 0)?, columns, referenced })
    };
    rows.map_err(failed)?.iter().map(key).collect()
}

/// A foreign key that points at a partitioned table, with its columns.
#[derive(Debug, Clone, FromRow)]
pub struct Reference {
    /// The table pointed at.
    pub parent: i64,
    /// The constraint.
    pub constraint: String,
    /// The schema of the table that has it.
    pub schema: String,
    /// The table that has it.
    pub table: String,
    /// It points at itself.
    pub is_own: bool,
    /// Our role may lock it.
    pub may_lock: bool,
    /// The pairs of columns: `r."user" = c.id`.
    pub join: String,
}

const REFERENCES: &str = "\
SELECT f.confrelid::int8 AS parent, f.conname::text AS constraint, n.nspname::text AS schema, \
       c.relname::text AS table, f.conrelid = f.confrelid AS is_own, \
       has_table_privilege(c.oid, 'UPDATE') AS may_lock, \
       (SELECT string_agg(format('r.%I = c.%I', a.attname, b.attname), ' AND ') \
        FROM unnest(f.conkey, f.confkey) AS k(ours, theirs) \
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.ours \
        JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.theirs) AS join \
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid \
JOIN pg_namespace n ON n.oid = c.relnamespace \
WHERE f.contype = 'f' AND f.confrelid = ANY ($1::int8[]::oid[]) \
  AND NOT EXISTS (SELECT FROM pg_constraint p \
                  WHERE p.oid = f.conparentid AND p.confrelid = f.confrelid) \
ORDER BY n.nspname, c.relname, f.conname";

/// The foreign keys that point at these tables, as they were declared.
///
/// # Errors
/// Where the server does not answer.
pub async fn references(conn: &mut PgConnection, parents: &[i64]) -> Result<Vec<Reference>, Fault> {
    sqlx::query_as(REFERENCES).bind(parents).fetch_all(conn).await.map_err(failed)
}

/// The tables that these tables' foreign keys point at: each with the oid of the one that points.
///
/// # Errors
/// Where the server does not answer.
pub async fn pointed_at(
    conn: &mut PgConnection,
    tables: &[i64],
) -> Result<Vec<(i64, String, String)>, Fault> {
    sqlx::query_as(
        "SELECT DISTINCT f.conrelid::int8, n.nspname::text, c.relname::text \
         FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE f.contype = 'f' AND f.conrelid = ANY ($1::int8[]::oid[]) \
           AND NOT EXISTS (SELECT FROM pg_constraint p \
                           WHERE p.oid = f.conparentid AND p.conrelid = f.conrelid) \
         ORDER BY 1, 2, 3",
    )
    .bind(tables)
    .fetch_all(conn)
    .await
    .map_err(failed)
}

/// How long one look for referencing rows may take.
const QUESTION_MS: u32 = 5_000;

/// Whether any row refers to a row of this partition by that foreign key.
///
/// # Errors
/// Where the question takes too long, a table is locked, or our role may not read it.
pub async fn is_referenced(
    conn: &mut PgConnection,
    partition: &TableName,
    reference: &Reference,
) -> Result<bool, Fault> {
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {QUESTION_MS}; SET LOCAL lock_timeout = 200"
    );
    let Reference { schema, table, join, .. } = reference;
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {}.{} r JOIN ONLY {partition} c ON {join})",
        quoted(schema),
        quoted(table)
    );
    let failed =
        |error: sqlx::Error| Fault::from_sqlx("look for rows that refer to", &error).on(partition);
    conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(failed)?;
    let asked = conn.fetch_one(sqlx::query(AssertSqlSafe(sql)).persistent(false)).await;
    conn.execute("ROLLBACK").await.map_err(failed)?;
    asked.and_then(|row| row.try_get(0)).map_err(failed)
}
