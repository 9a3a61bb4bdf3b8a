//! Takes the rows of a range out of one partition into a partition of their own, while they are
//! written: the partition is replaced by others that hold its rows between them.
//!
//! ```text
//!   at_once   make the parts ─▶ [lock, copy, exchange]
//!   copy      make the parts ─▶ capture changes ─▶ copy in batches, replaying what was captured
//!             ─▶ verify ─▶ replay until little is left ─▶ [lock, replay the rest, exchange]
//!   whole     make an empty partition ─▶ prove the range ─▶ [lock, exchange]: no row is moved
//! ```
//!
//! What stands in brackets is one transaction, the only one the application could notice. Each arrow
//! is a commit; the record `partition_carve` says how far it came, so that a crash at any statement
//! is carried on. The old partition is kept, detached and write-blocked, under another name.
//!
//! Nothing here knows why a range is to be taken out. No trigger and no cascade of the application
//! fires: its rows are copied into tables that are not attached yet, and never deleted.

use std::time::Duration;

use crate::jobs::partitions::alike::given::Likeness;
use crate::pg::catalog::carve::Source;
use crate::pg::ident::{Ident, TableName};
use crate::pg::partition_name::beside;
use crate::pg::range::Range;

mod capture;
mod exchange;
mod fill;
pub mod look;
pub mod plan;
pub mod run;
pub mod steps;

/// Rows that are copied under the lock at most: some 30 ms.
pub const AT_ONCE_ROWS_MAX: u64 = 10_000;
/// Pages of 8 KiB that it has then at most, as the catalog knows: large values take longer.
pub const AT_ONCE_PAGES_MAX: i64 = 2_048;
/// Rows of one table that a run of the job copies at most; the next run goes on.
pub const RUN_ROWS_MAX: u64 = 5_000_000;
/// Partitions that are attached in one exchange at most: each takes about a millisecond under the
/// lock.
pub const PARTS_MAX: usize = 24;

/// Who asks that rows be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A default partition is emptied.
    Drain,
    /// A wide partition is cut at the bounds of the grid.
    Split,
}

impl Asker {
    /// The word for it, and the command.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Split => "split",
        }
    }

    /// As the record has it: only a drain makes a default partition anew, under its name.
    #[must_use]
    pub fn of_parts(parts: &[Part]) -> Self {
        if parts.iter().any(|part| part.takes_name) { Self::Drain } else { Self::Split }
    }
}

/// The replacement of one partition by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carve {
    /// Who asks.
    pub asker: Asker,
    /// The partitioned table.
    pub parent: TableName,
    /// Its oid.
    pub parent_oid: i64,
    /// Its key column.
    pub key: Ident,
    /// The partition whose rows are taken.
    pub source: TableName,
    /// Its oid.
    pub source_oid: i64,
    /// Its bound as the catalog has it: `DEFAULT`, or `FOR VALUES …`.
    pub source_bound: String,
    /// What the catalog says of it.
    pub facts: Source,
    /// The tables its foreign keys point at.
    pub points_at: Vec<TableName>,
    /// Ranges of the other partitions: no row of these is in it.
    pub siblings: Vec<Range>,
    /// What takes its place. Together they hold what it could hold.
    pub parts: Vec<Part>,
    /// How.
    pub method: Method,
    /// How far an interrupted run came.
    pub stage: Stage,
    /// What its parts are given beyond columns.
    pub likeness: Likeness,
    /// The same for the part that takes its name.
    pub source_likeness: Likeness,
    /// Its name once it is detached; where no row is moved, its name as the first part.
    pub retired: TableName,
    /// pgtend's own schema.
    pub own_schema: Ident,
    /// Rows it has, where known.
    pub rows: Option<u64>,
    /// Rows that one run copies at most; absent: no limit.
    pub rows_max: Option<u64>,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
    /// Why, and why by this method.
    pub why: String,
}

/// How rows get into their parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Copied under the lock: for few rows.
    AtOnce,
    /// Copied in batches while changes are captured: for any number, with a unique key.
    Copy,
    /// Not at all: the partition is attached again as the first part. For one that holds nothing
    /// else.
    Whole,
}

impl Method {
    /// As recorded.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AtOnce => "at_once",
            Self::Copy => "copy",
            Self::Whole => "whole",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::AtOnce, Self::Copy, Self::Whole].into_iter().find(|method| method.word() == word)
    }
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing is there.
    Planned,
    /// The parts are there, empty.
    Made,
    /// Changes are captured; some rows are copied.
    Captured,
}

/// One partition that takes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name; while it is filled, where it takes the name of the old one.
    pub name: TableName,
    /// Its range; none: it is the default partition.
    pub range: Option<Range>,
    /// It is renamed to what the old partition is called.
    pub takes_name: bool,
}

impl Carve {
    /// A row belongs to this part: what routes it, and the CHECK that lets it be attached unread.
    fn belongs(&self, part: &Part) -> String {
        let key = &self.key;
        if let Some(range) = &part.range {
            return format!("{key} IS NOT NULL AND {}", range.holds(key));
        }
        let mut ranges: Vec<&Range> = self.siblings.iter().collect();
        ranges.extend(self.parts.iter().filter_map(|part| part.range.as_ref()));
        let others: Vec<String> =
            ranges.into_iter().map(|range| format!("({})", range.holds(key))).collect();
        if others.is_empty() {
            return "true".to_owned();
        }
        format!("NOT ({key} IS NOT NULL AND ({}))", others.join(" OR "))
    }

    /// The parts that are tables of their own making: all, but the first where that is the
    /// partition itself.
    fn made(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().skip(usize::from(self.method == Method::Whole))
    }

    /// What stands on a part until it is attached.
    fn mark(&self) -> String {
        format!("pgtend: takes rows of {}, not attached yet", self.source)
    }
}

/// A name for a table beside another one: a number behind it where it is not the first.
#[must_use]
pub fn name_beside(table: &TableName, suffix: &str, number: u32) -> TableName {
    let suffix = if number > 1 { format!("{suffix}_{number}") } else { suffix.to_owned() };
    table.sibling(beside(&table.table, &suffix))
}
