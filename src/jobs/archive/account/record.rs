//! How a batch is recorded.
//!
//! A checksum costs a third of what it costs to move the rows. So a move at full pace asks for it beside
//! the batch: on a second connection, at the same time, of the same snapshot. One that rests between its
//! batches keeps to its own connection. What is rarer records the rows that its own DELETE returns.

use super::layout::Layout;
use crate::config::checked::RuleName;
use crate::pg::ident::{TableName, literal};

/// What a batch did to the archive table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows came into it.
    Move,
    /// Rows went back to the hot table.
    Restore,
    /// Rows were deleted from it.
    Purge,
}

impl Kind {
    /// The word in the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Restore => "restore",
            Self::Purge => "purge",
        }
    }
}

/// What is the same in all batches of one table and run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the batches do.
    pub kind: Kind,
    /// The hot table.
    pub source: TableName,
    /// The archive table.
    pub target: TableName,
    /// Which of the hot table's rules moves them; `None`: it has but one, or rows do not move by a rule.
    pub rule: Option<RuleName>,
    /// [`crate::jobs::archive::walk::Walk::signature`].
    pub walk: String,
    /// What the checksum is of.
    pub layout: Layout,
    /// What tells a row's age: a column, or an expression.
    pub age: String,
    /// The value of `archived_at` in the rows of a batch, as an SQL expression over the rows that are
    /// deleted; `None`: the archive has no such column.
    pub stamp: Option<String>,
}

/// The statements that record a batch; values as for its INSERT, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Asked beside the batch: how many rows, their checksum, their ages.
    pub question: String,
    /// Records the answer; `$1`: first row, `$2`: last row, then what `question` returns.
    pub answered: String,
    /// Deletes the same rows, and records them by what that returns, in the batch's own connection. Returns how
    /// many.
    pub deleting: String,
}

const INSERT: &str = "\
INSERT INTO archive_batch (run_id, kind, source, target, rule, walk, first, last, stamp, layout,
  row_count, checksum, age_first, age_last, duration_ms)";

/// Since the transaction began.
pub(super) const DURATION: &str = "extract(epoch FROM clock_timestamp() - now()) * 1000";

/// A rule's name in SQL.
pub(super) fn named(rule: Option<&RuleName>) -> String {
    rule.map_or_else(|| "NULL".to_owned(), |rule| literal(&rule.to_string()))
}

impl Record {
    /// What a DELETE returns to be recorded.
    #[must_use]
    pub fn returning(&self) -> String {
        let stamp = self.stamp.as_deref().unwrap_or("NULL");
        format!(
            "{} AS batch_hash,\n  ({})::timestamptz AS batch_age, ({stamp})::timestamptz AS batch_stamp",
            self.layout.hash(),
            self.age
        )
    }

    /// Records the rows of a `WITH` term of this name, which has what [`Self::returning`] says. So many
    /// values of the first row stand from `$2` on, then as many of the last.
    #[must_use]
    pub fn insert(&self, gone: &str, columns: usize) -> String {
        let values = |from: usize| {
            let texts: Vec<String> =
                (from..from + columns).map(|place| format!("${place}::text")).collect();
            format!("jsonb_build_array({})", texts.join(", "))
        };
        format!(
            "{INSERT}\nSELECT run_id, {}, {}, {}, batch_stamp, {},\n  \
             count(*), sum(batch_hash), min(batch_age), max(batch_age), {DURATION}\n\
             FROM {gone}, job_run WHERE job_run.job = 'archive' AND job_run.status = 'running'\n\
             GROUP BY run_id, batch_stamp",
            self.names(),
            values(2),
            values(2 + columns),
            literal(&self.layout.json()),
        )
    }

    fn names(&self) -> String {
        format!(
            "'{}', {}, {}, {}, {}",
            self.kind.as_str(),
            literal(&self.source.to_string()),
            literal(&self.target.to_string()),
            named(self.rule.as_ref()),
            literal(&self.walk)
        )
    }

    /// How a batch is recorded that moves the rows of this table that this WHERE finds, along a walk of
    /// so many columns.
    #[must_use]
    pub fn entry(&self, source: &TableName, condition: &str, columns: usize) -> Entry {
        Entry {
            question: self.question(source, condition),
            answered: self.answered(),
            deleting: self.deleting(source, condition, columns),
        }
    }

    /// Deletes the rows that this WHERE finds, and records them. Returns how many rows.
    fn deleting(&self, source: &TableName, condition: &str, columns: usize) -> String {
        format!(
            "-- counted and recorded by the batch itself\n\
             WITH gone AS (\nDELETE FROM {source}\nWHERE {condition}\nRETURNING {})\n{}\nRETURNING row_count",
            self.returning(),
            self.insert("gone", columns)
        )
    }

    /// Records the rows that this WHERE finds, which may have come by several batches: they are told by their
    /// stamps.
    #[must_use]
    pub fn of(&self, source: &TableName, condition: &str, columns: usize) -> String {
        format!(
            "WITH going AS (\nSELECT {}\nFROM {source}\nWHERE {condition})\n{}",
            self.returning(),
            self.insert("going", columns)
        )
    }

    /// Asked beside the batch, of the rows of the source that this WHERE finds: how many, their
    /// checksum, their ages.
    fn question(&self, source: &TableName, condition: &str) -> String {
        format!(
            "-- meanwhile, on a second connection that sees the same snapshot\n\
             SELECT count(*)::text, sum({})::text,\n  min({age})::text, max({age})::text\n\
             FROM {source}\nWHERE {condition}",
            self.layout.hash(),
            age = self.age,
        )
    }

    /// Records a batch by its question's answer: `$1` and `$2` are the first and the last row's values,
    /// the answer follows. Returns how many rows.
    fn answered(&self) -> String {
        let stamp = self.stamp.as_deref().unwrap_or("NULL");
        format!(
            "{}\nSELECT run_id, {}, $1::jsonb, $2::jsonb, {stamp}, {},\n  \
             $3::bigint, $4::numeric, $5::timestamptz, $6::timestamptz, {DURATION}\n\
             FROM job_run WHERE job = 'archive' AND status = 'running' AND $3::bigint > 0\n\
             RETURNING row_count",
            INSERT,
            self.names(),
            literal(&self.layout.json()),
        )
    }
}
