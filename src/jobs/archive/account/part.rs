//! How a partition is recorded that is handed over as a whole.
//!
//! Its hand-over copies nothing, and locks the application out for a few milliseconds: no time to read
//! it. So its transaction only says that it was handed over, and what it holds is read right after it,
//! by the same run or, where that was cut off, by the next one. From then on a difference is seen.

use sqlx::{PgConnection, Row};

use super::layout::Layout;
use super::record::{DURATION, named};
use crate::config::checked::{Age, RuleName};
use crate::jobs::archive::columns::ARCHIVED_AT;
use crate::pg::catalog::own::has_column;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{TableName, literal};
use crate::pg::step::{LockWait, Mode, Statement, Step};

/// A partition to be put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The hot table that it left.
    pub source: TableName,
    /// The archive table that it joined.
    pub target: TableName,
    /// Its name.
    pub name: TableName,
    /// What the checksum is of.
    pub layout: Layout,
    /// What tells a row's age.
    pub age: Age,
    /// `archived_at` is ours to fill, the same for all of its rows.
    pub stamps: bool,
}

/// It reads as much as there is; what limits it is the job's own time-out.
const WITHOUT_LIMIT: &str = "SET LOCAL statement_timeout = 0";

impl Part {
    /// Belongs in the transaction of the hand-over by this rule, which stamps its rows. The stamp is indexed: known
    /// from here on, it spares the figures new entries in every index, and their WAL.
    #[must_use]
    pub fn opened(&self, rule: Option<&RuleName>) -> String {
        let stamp = if self.stamps { "now()" } else { "NULL" };
        let [source, target, name] =
            [&self.source, &self.target, &self.name].map(|table| literal(&table.to_string()));
        format!(
            "INSERT INTO archive_batch (run_id, kind, source, target, rule, walk, first, last, stamp, layout, part, duration_ms)\n\
             SELECT run_id, 'move', {source}, {target}, {}, 'partition', '[]', '[]', {stamp}, {}, {name}, {DURATION}\n\
             FROM job_run WHERE job = 'archive' AND status = 'running'",
            named(rule),
            literal(&self.layout.json())
        )
    }

    /// Reads it, and records what it holds. Returns how many rows.
    #[must_use]
    pub fn read(&self) -> Step {
        let Self { target, name, age, .. } = self;
        let stamp = if self.stamps {
            format!(
                "CASE WHEN count({ARCHIVED_AT}) = count(*) AND min({ARCHIVED_AT}) = max({ARCHIVED_AT})\n  \
                 THEN min({ARCHIVED_AT})::timestamptz END"
            )
        } else {
            "NULL::timestamptz".to_owned()
        };
        let sql = format!(
            "UPDATE archive_batch AS batch SET (row_count, checksum, stamp, age_first, age_last) = (\n\
             SELECT count(*), coalesce(sum({}), 0),\n  {stamp},\n  \
             min({age})::timestamptz, max({age})::timestamptz\nFROM ONLY {name})\n\
             WHERE batch.target = {} AND batch.part = {} AND batch.checksum IS NULL\nRETURNING batch.row_count",
            self.layout.hash(),
            literal(&target.to_string()),
            literal(&name.to_string()),
        );
        Step {
            doing: "put on record",
            object: name.to_string(),
            mode: Mode::Transaction,
            lock: LockWait::brief(std::time::Duration::from_millis(100)),
            statements: vec![Statement::new(WITHOUT_LIMIT), Statement::new(sql)],
        }
    }
}

/// A partition that an earlier run handed over and did not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its name.
    pub name: TableName,
    /// What its checksum is to be of.
    pub layout: Layout,
    /// We may read it.
    pub is_readable: bool,
}

/// Those of a table that still exist.
///
/// # Errors
/// The server does not answer.
pub async fn unread(
    conn: &mut PgConnection,
    source: &TableName,
    target: &TableName,
) -> Result<Vec<Unread>, Fault> {
    let failed = |error: sqlx::Error| Fault::from_sqlx("read the record of", &error).on(target);
    let is_kept = has_column(&mut *conn, "archive_batch", "part").await.map_err(failed)?;
    if !is_kept {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT part, layout, has_table_privilege(to_regclass(part), 'SELECT') FROM archive_batch \
         WHERE source = $1 AND target = $2 AND checksum IS NULL AND to_regclass(part) IS NOT NULL \
         ORDER BY batch_id",
    )
    .bind(source.to_string())
    .bind(target.to_string())
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    rows.iter()
        .map(|row| {
            let name: String = row.try_get(0).map_err(failed)?;
            let layout: sqlx::types::Json<Layout> = row.try_get(1).map_err(failed)?;
            let name = name.parse().map_err(|error| {
                Fault::new(Kind::Bug, "read the record of", format!("{name}: {error}")).on(target)
            })?;
            let is_readable: Option<bool> = row.try_get(2).map_err(failed)?;
            Ok(Unread { name, layout: layout.0, is_readable: is_readable == Some(true) })
        })
        .collect()
}
