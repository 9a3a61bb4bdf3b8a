//! The questions of `archive verify`.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::account::layout::Layout;
use super::super::columns::ARCHIVED_AT;
use crate::config::checked::Age;
use crate::pg::ident::TableName;

/// Batches by what their checksum is of, and by how their rows are told from others. `$1`: archive,
/// `$2` and `$3`: the window.
pub const GROUPS: &str = "\
SELECT layout, stamp IS NOT NULL, count(*), sum(row_count)::bigint FROM archive_batch
WHERE target = $1 AND kind = 'move' AND checksum IS NOT NULL
  AND ($2::timestamptz IS NULL OR age_last >= $2::timestamptz)
  AND ($3::timestamptz IS NULL OR age_first < $3::timestamptz)
GROUP BY 1, 2 ORDER BY min(batch_id)";

/// Partitions whose hand-over is on record, and not what they hold. `$1`: archive.
pub const UNREAD: &str =
    "SELECT part FROM archive_batch WHERE target = $1 AND checksum IS NULL ORDER BY batch_id";

/// What differs, or what is not on record.
#[derive(Debug)]
pub struct Found {
    /// `differs`, `unknown` (on no record, and younger than it) or `before` (older than the record).
    pub kind: String,
    /// The batch and its run, where it is one.
    pub batch: Option<(i64, i64)>,
    /// The rule that moved it, where its table had several.
    pub rule: Option<String>,
    /// When it was moved.
    pub moved_at: Option<DateTime<Utc>>,
    /// The ages of its rows.
    pub ages: [Option<DateTime<Utc>>; 2],
    /// Rows recorded.
    pub recorded: i64,
    /// Rows found.
    pub rows: i64,
}

/// A row of either question.
///
/// # Errors
/// It is of another shape.
pub fn read(row: &PgRow) -> Result<Found, sqlx::Error> {
    let batch: Option<i64> = row.try_get(1)?;
    let run: Option<i64> = row.try_get(2)?;
    Ok(Found {
        kind: row.try_get(0)?,
        batch: batch.zip(run),
        rule: row.try_get(8)?,
        moved_at: row.try_get(3)?,
        ages: [row.try_get(4)?, row.try_get(5)?],
        recorded: row.try_get(6)?,
        rows: row.try_get(7)?,
    })
}

/// The rule of a batch; an older schema names none.
fn rule(names_rules: bool) -> &'static str {
    if names_rules { "rule" } else { "NULL::text" }
}

/// The rows and the checksum that are still there by the record: moves less what went out again.
const LEFT: &str = "\
sum(CASE kind WHEN 'move' THEN row_count ELSE -row_count END) AS row_count,
    sum(CASE kind WHEN 'move' THEN checksum ELSE -checksum END) AS checksum";

/// Each batch has its own `archived_at`. `$1`: archive, `$2`: layout, `$3` and `$4`: the window.
#[must_use]
pub fn by_stamp(into: &TableName, layout: &Layout, names_rules: bool) -> String {
    let rule = rule(names_rules);
    format!(
        "WITH recorded AS (
  SELECT stamp, min(batch_id) FILTER (WHERE kind = 'move') AS batch_id, min(run_id) AS run_id,
    min({rule}) AS rule, min(age_first) AS age_first, max(age_last) AS age_last,
    {LEFT}
  FROM archive_batch WHERE target = $1 AND stamp IN (
    SELECT stamp FROM archive_batch WHERE target = $1 AND kind = 'move' AND layout = $2::jsonb
      AND ($3::timestamptz IS NULL OR age_last >= $3::timestamptz)
      AND ($4::timestamptz IS NULL OR age_first < $4::timestamptz))
  GROUP BY stamp),
bounds AS (SELECT min(stamp) AS low, max(stamp) AS high FROM recorded),
held AS (
  SELECT {ARCHIVED_AT}::timestamptz AS stamp, count(*) AS row_count,
    sum(CASE WHEN {ARCHIVED_AT} BETWEEN (SELECT low FROM bounds) AND (SELECT high FROM bounds)
      THEN {} END) AS checksum
  FROM {into} GROUP BY 1),
compared AS (
  SELECT CASE WHEN r.stamp IS NOT NULL THEN 'differs'
      WHEN h.stamp >= (SELECT min(stamp) FROM archive_batch WHERE target = $1) THEN 'unknown'
      ELSE 'before' END AS kind,
    batch_id, run_id, rule, coalesce(r.stamp, h.stamp) AS stamp, age_first, age_last,
    coalesce(r.row_count, 0)::bigint AS recorded, coalesce(h.row_count, 0) AS found
  FROM recorded AS r FULL JOIN held AS h ON h.stamp = r.stamp
  WHERE r.stamp IS NULL AND NOT EXISTS (
      SELECT FROM archive_batch AS other WHERE other.target = $1 AND other.stamp = h.stamp)
    OR r.stamp IS NOT NULL AND (coalesce(h.row_count, 0) <> r.row_count
      OR coalesce(h.checksum, 0) <> r.checksum))
SELECT kind, batch_id, run_id, stamp, age_first, age_last, recorded, found, rule
FROM compared WHERE kind = 'differs' OR kind = 'unknown' AND $3::text IS NULL AND $4::text IS NULL
UNION ALL
SELECT 'before', NULL, NULL, NULL, NULL, NULL, 0, sum(found)::bigint, NULL
FROM compared WHERE kind = 'before' HAVING count(*) > 0
ORDER BY 1, 4",
        layout.hash()
    )
}

/// Nothing in a row tells its batch: batches whose ages meet are compared together, as one window. The
/// edges of the batches and the rows pass by in the order of their age; between a window's first edge
/// and its last, rows belong to it. Values as for [`by_stamp`].
#[must_use]
pub fn by_age(
    into: &TableName,
    layout: &Layout,
    age: &Age,
    (has_stamps, names_rules): (bool, bool),
) -> String {
    let rule = rule(names_rules);
    // Rows with a stamp on record belong to their own batch.
    let stamped = format!(
        "WHERE {ARCHIVED_AT} IS NULL OR NOT EXISTS (
    SELECT FROM archive_batch AS other WHERE other.target = $1 AND other.stamp = {ARCHIVED_AT}::timestamptz)"
    );
    let only = if has_stamps { stamped } else { String::new() };
    format!(
        "WITH recorded AS (
  SELECT batch_id, run_id, {rule} AS rule, at, age_first, age_last,
    CASE kind WHEN 'move' THEN row_count ELSE -row_count END AS row_count,
    CASE kind WHEN 'move' THEN checksum ELSE -checksum END AS checksum,
    kind = 'move' AND ($3::timestamptz IS NULL OR age_last >= $3::timestamptz)
      AND ($4::timestamptz IS NULL OR age_first < $4::timestamptz) AS wanted
  FROM archive_batch WHERE target = $1 AND layout = $2::jsonb AND stamp IS NULL AND checksum IS NOT NULL),
passing AS (
  SELECT age_first AS age, 0 AS turn, batch_id, run_id, rule, at, wanted, row_count, checksum, NULL::bigint AS hash
  FROM recorded
  UNION ALL SELECT age_last, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM recorded
  UNION ALL SELECT {age}::timestamptz, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {}
  FROM {into} {only}),
deep AS (
  SELECT *, sum(1 - turn) OVER (ORDER BY age, turn ROWS UNBOUNDED PRECEDING) AS depth FROM passing),
numbered AS (
  SELECT *, sum((turn = 0 AND depth = 1)::integer)
    OVER (ORDER BY age, turn ROWS UNBOUNDED PRECEDING) AS number FROM deep),
compared AS (
  SELECT number, bool_or(wanted) AS wanted, count(batch_id) AS batches, min(batch_id) AS batch_id,
    min(run_id) AS run_id, min(rule) AS rule, min(at) AS at, min(age) AS age_first, max(age) AS age_last,
    sum(row_count)::bigint AS recorded, sum(checksum) AS checksum,
    count(hash) AS found, sum(hash) AS hash
  FROM numbered WHERE turn <> 1 OR depth > 0 GROUP BY number)
SELECT 'differs' AS kind, CASE WHEN batches = 1 THEN batch_id END, CASE WHEN batches = 1 THEN run_id END,
  CASE WHEN batches = 1 THEN at END, age_first, age_last, recorded, found,
  CASE WHEN batches = 1 THEN rule END
FROM compared
WHERE wanted AND (recorded <> found OR checksum <> coalesce(hash, 0))
UNION ALL
SELECT 'before', NULL, NULL, NULL, NULL, NULL, 0, count(*), NULL
FROM numbered WHERE turn = 1 AND depth = 0 HAVING count(*) > 0
ORDER BY 1, 5",
        layout.hash()
    )
}
