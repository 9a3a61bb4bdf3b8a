//! What `archive verify` found, for people and for programs.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::sql::Found;
use crate::pg::ident::TableName;

/// So many differences of a table are named.
const NAMED_MAX: usize = 50;

/// All archives that were looked at.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Each once.
    pub tables: Vec<TableReport>,
}

/// One archive.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// The archive table.
    pub archive: String,
    /// It holds what the record says.
    pub clean: bool,
    /// Batches on record.
    pub batches: u64,
    /// Rows they moved.
    pub rows: u64,
    /// Batches, or windows of batches, that differ: the first few.
    pub differences: Vec<Difference>,
    /// All of them.
    pub differences_total: u64,
    /// Rows of which nothing is recorded: they came before the record begins, or from somebody else.
    pub rows_not_on_record: u64,
    /// Batches that cannot be verified, with the reason.
    pub obstacles: Vec<String>,
}

/// A batch, or a window of batches, whose rows are not those that were moved.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The row of `archive_batch`; absent where several batches are compared together, or none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<String>,
    /// The run that moved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The rule that moved it; absent where its table had but one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When it was moved; `archived_at` of its rows, where the archive has that column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<DateTime<Utc>>,
    /// The lowest age among its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_first: Option<DateTime<Utc>>,
    /// The highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_last: Option<DateTime<Utc>>,
    /// Rows that must be there.
    pub rows_recorded: i64,
    /// Rows that are there.
    pub rows_found: i64,
    /// The rows in question, as a query; where nothing tells them from others, their window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<String>,
}

impl Report {
    /// Every archive holds what the record says.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tables.iter().all(|table| table.clean)
    }
}

impl TableReport {
    pub(super) fn new(archive: &TableName) -> Self {
        Self {
            archive: archive.to_string(),
            clean: true,
            batches: 0,
            rows: 0,
            differences: Vec::new(),
            differences_total: 0,
            rows_not_on_record: 0,
            obstacles: Vec::new(),
        }
    }

    /// Something cannot be verified.
    pub(super) fn obstruct(&mut self, why: String) {
        self.clean = false;
        self.obstacles.push(why);
    }

    pub(super) fn add(&mut self, found: Found, is_stamped: bool) {
        if found.kind == "before" {
            self.rows_not_on_record += found.rows.unsigned_abs();
            return;
        }
        self.clean = false;
        self.differences_total += 1;
        if self.differences.len() == NAMED_MAX {
            return;
        }
        let look = found.moved_at.filter(|_| is_stamped).map(|at| {
            let at = at.format("%Y-%m-%d %H:%M:%S%.f+00");
            format!("SELECT * FROM {} WHERE archived_at = '{at}'", self.archive)
        });
        let [age_first, age_last] = found.ages;
        self.differences.push(Difference {
            batch_id: found.batch.map(|(batch, _)| batch.to_string()),
            run_id: found.batch.map(|(_, run)| run.to_string()),
            rule: found.rule,
            moved_at: found.moved_at,
            age_first,
            age_last,
            rows_recorded: found.recorded,
            rows_found: found.rows,
            look,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|table| write!(f, "{table}"))
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { archive, batches, rows, .. } = self;
        if self.clean && *batches == 0 {
            writeln!(f, "{archive}: nothing on record")?;
        } else if self.clean {
            writeln!(f, "{archive}: as recorded, {rows} rows in {batches} batches")?;
        } else {
            writeln!(f, "{archive}: not as recorded ({rows} rows in {batches} batches)")?;
        }
        for difference in &self.differences {
            writeln!(f, "  x {difference}")?;
            if let Some(look) = &difference.look {
                writeln!(f, "      {look}")?;
            }
        }
        let named = u64::try_from(self.differences.len()).unwrap_or(u64::MAX);
        if self.differences_total > named {
            writeln!(f, "  x and {} more", self.differences_total - named)?;
        }
        for obstacle in &self.obstacles {
            writeln!(f, "  ! not verified: {obstacle}")?;
        }
        if self.rows_not_on_record > 0 {
            let rows = self.rows_not_on_record;
            writeln!(
                f,
                "  - {rows} rows are on no record: moved before it begins, or not by pgtend"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S%.6fZ").to_string();
        match (&self.batch_id, &self.run_id, &self.moved_at) {
            (Some(batch), Some(run), Some(moved)) => {
                write!(f, "batch {batch} of run {run}")?;
                self.rule.iter().try_for_each(|rule| write!(f, ", rule {rule}"))?;
                write!(f, ", moved {}", at(moved))?;
            }
            (_, _, Some(moved)) => write!(f, "rows moved {}, by no batch on record", at(moved))?,
            _ => write!(f, "several batches")?,
        }
        if let (Some(first), Some(last)) = (&self.age_first, &self.age_last) {
            write!(f, ", ages {} to {}", at(first), at(last))?;
        }
        let (recorded, found) = (self.rows_recorded, self.rows_found);
        match found - recorded {
            0 => write!(f, ": {found} rows, but not with the content that was moved"),
            missing if missing < 0 => write!(f, ": {} of {recorded} rows are missing", -missing),
            more => write!(f, ": {more} rows more than the {recorded} on record"),
        }
    }
}
