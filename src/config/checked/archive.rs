//! What `[archive]` means.

use std::collections::BTreeMap;

use super::{Allowance, Limits, Pace, Schedule};
use crate::pg::condition::Condition;
use crate::pg::ident::{Ident, TableName};
use crate::time::period::Period;

/// `[archive]`
#[derive(Debug, Clone)]
pub struct Archive {
    /// When.
    pub schedule: Schedule,
    /// Per hot table.
    pub tables: BTreeMap<TableName, ArchiveTable>,
    /// Per table from which rows are deleted for good.
    pub purges: BTreeMap<TableName, Purge>,
    /// When batches wait, `[archive.limits]` and `database.max_replica_lag`.
    pub limits: Limits,
}

/// `[archive.tables."schema.table"]`
#[derive(Debug, Clone)]
pub struct ArchiveTable {
    /// The archive table.
    pub into: TableName,
    /// The column that tells a row's age.
    pub age_column: Ident,
    /// Rows older than now − this are due.
    pub older_than: Period,
    /// Which of them: an SQL condition over the table's columns. Absent: all.
    pub condition: Option<Condition>,
    /// Create `into` like the source if it is missing.
    pub create_target: bool,
    /// How fast batches follow each other.
    pub pace: Pace,
    /// Give `into` the columns and the room that the source got meanwhile.
    pub adopt_new_columns: bool,
    /// VACUUM and ANALYZE the hot table after many rows have left.
    pub vacuum: bool,
    /// Tables that refer to this one, whose rows move with the rows they refer to.
    pub children: Vec<TableName>,
    /// Rows per batch at most.
    pub batch_rows: u32,
    /// Rows per run at most; absent: no limit but the job's timeout.
    pub max_rows: Option<u64>,
    /// How long per run, and in which hours.
    pub allowance: Allowance,
}

/// Rows of a table are deleted: those of an archive by `archive_retention`, those of a hot table by
/// `delete = true`.
#[derive(Debug, Clone)]
pub struct Purge {
    /// The hot table whose archive it is; absent: it is a hot table itself.
    pub archive_of: Option<TableName>,
    /// Its children, which have archives of their own.
    pub children: Vec<TableName>,
    /// The column that tells a row's age.
    pub age_column: Ident,
    /// Rows older than now − this are due.
    pub older_than: Period,
    /// Which of them. Absent: all.
    pub condition: Option<Condition>,
    /// How fast batches follow each other.
    pub pace: Pace,
    /// VACUUM and ANALYZE the table after many rows have left.
    pub vacuum: bool,
    /// Rows per batch at most.
    pub batch_rows: u32,
    /// Rows per run at most; absent: no limit but the job's timeout.
    pub max_rows: Option<u64>,
    /// How long per run, and in which hours.
    pub allowance: Allowance,
}
