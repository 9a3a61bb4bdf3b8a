//! How far the ids of a table have come.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// How long the question for the highest id of one partition may take: an index answers at once.
const QUESTION_MS: u32 = 1_000;

/// The last value of the ascending sequence that belongs to a column, or its first where none was
/// given out; absent where there is none that our role may read.
///
/// # Errors
/// Where the server does not answer.
pub async fn sequence(
    conn: &mut PgConnection,
    table: i64,
    column: &Ident,
) -> Result<Option<i64>, Fault> {
    // pg_sequence_last_value is NULL for a sequence that was never used.
    let sql = "\
SELECT max(COALESCE(pg_sequence_last_value(s.seqrelid), s.seqstart))
FROM pg_depend d
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
JOIN pg_sequence s ON s.seqrelid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
  AND d.refobjid = $1::int8::oid AND a.attname = $2::name AND d.deptype IN ('a', 'i')
  AND s.seqincrement > 0 AND has_sequence_privilege(s.seqrelid, 'SELECT, USAGE')";
    sqlx::query_scalar(sql)
        .bind(table)
        .bind(column.as_str())
        .fetch_one(conn)
        .await
        .map_err(|error| Fault::from_sqlx("read the sequences of partition keys", &error))
}

/// The highest value of an integer key in one partition.
///
/// # Errors
/// Where the question takes too long, the partition is locked, or our role may not read it.
pub async fn highest_in(
    conn: &mut PgConnection,
    partition: &TableName,
    key: &Ident,
) -> Result<Option<i64>, Fault> {
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {QUESTION_MS}; SET LOCAL lock_timeout = 200"
    );
    let failed =
        |error: sqlx::Error| Fault::from_sqlx("look for the highest id in", &error).on(partition);
    conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(failed)?;
    let sql = format!("SELECT max({key})::int8 FROM {partition}");
    let answer = conn.fetch_one(sqlx::query(AssertSqlSafe(sql)).persistent(false)).await;
    conn.execute("ROLLBACK").await.map_err(failed)?;
    answer.and_then(|row| row.try_get(0)).map_err(failed)
}
