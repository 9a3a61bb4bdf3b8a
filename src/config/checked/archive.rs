//! What `[archive]` means.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Age, Allowance, Limits, Pace, Schedule};
use crate::pg::condition::Condition;
use crate::pg::ident::TableName;
use crate::time::period::Period;

/// `[archive]`
#[derive(Debug, Clone)]
pub struct Archive {
    /// When.
    pub schedule: Schedule,
    /// Per hot table and rule.
    pub tables: BTreeMap<Rule, ArchiveTable>,
    /// Per table from which rows are deleted for good, and rule.
    pub purges: BTreeMap<Rule, Purge>,
    /// When batches wait, `[archive.limits]` and `database.max_replica_lag`.
    pub limits: Limits,
}

impl Archive {
    /// The rules by which rows of a hot table move, in their order.
    pub fn rules_of<'a>(
        &'a self,
        table: &'a TableName,
    ) -> impl Iterator<Item = (&'a Rule, &'a ArchiveTable)> {
        self.tables.iter().filter(move |(rule, _)| rule.table == *table)
    }
}

/// In which order rows leave a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Whichever costs least: as they lie for a backlog, from the oldest on for daily work.
    Fastest,
    /// From the oldest on, along an index that leads with the age.
    Oldest,
    /// Along the key.
    Key,
}

/// A table, and by which of its rules its rows leave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The table.
    pub table: TableName,
    /// The rule's name; absent: the table has just one.
    pub name: Option<RuleName>,
}

impl Rule {
    /// The only rule of a table.
    #[must_use]
    pub fn of(table: TableName) -> Self {
        Self { table, name: None }
    }
}

/// `public.ml_jobs`, `public.ml_jobs (failed)`
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, name } = self;
        match name {
            None => write!(f, "{table}"),
            Some(name) => write!(f, "{table} ({name})"),
        }
    }
}

/// What a rule is called: letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleName(String);

/// Why a text is no name of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rule is called by 1 to 40 letters, digits, _ or -")]
pub struct RuleNameError;

/// Longer is no name but a description, and stands in every line about the rule.
const RULE_NAME_MAX: usize = 40;

impl FromStr for RuleName {
    type Err = RuleNameError;

    fn from_str(text: &str) -> Result<Self, RuleNameError> {
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits && (1..=RULE_NAME_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RuleNameError)
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Another rule of the same table, by which rows leave for somewhere else.
#[derive(Debug, Clone)]
pub struct Rival {
    /// Its name.
    pub rule: Option<RuleName>,
    /// Which rows it takes; absent: all of their age.
    pub condition: Option<Condition>,
}

/// `[archive.tables."schema.table"]`, or one of its `rules` with what the table says for all of them.
#[derive(Debug, Clone)]
pub struct ArchiveTable {
    /// The archive table.
    pub into: TableName,
    /// What tells a row's age.
    pub age: Age,
    /// Rows older than now − this are due.
    pub older_than: Period,
    /// Which of them: an SQL condition over the table's columns. Absent: all.
    pub condition: Option<Condition>,
    /// Create `into` like the source if it is missing.
    pub create_target: bool,
    /// In which order rows leave.
    pub order: Order,
    /// How fast batches follow each other.
    pub pace: Pace,
    /// Give `into` the columns and the room that the source got meanwhile.
    pub adopt_new_columns: bool,
    /// VACUUM and ANALYZE the hot table after many rows have left.
    pub vacuum: bool,
    /// Tables that refer to this one, whose rows move with the rows they refer to.
    pub children: Vec<TableName>,
    /// Other rules of the table that take rows elsewhere: a partition that holds such rows is not handed
    /// over as a whole.
    pub rivals: Vec<Rival>,
    /// Rows per batch at most.
    pub batch_rows: u32,
    /// Rows per run at most; absent: no limit but the job's timeout.
    pub max_rows: Option<u64>,
    /// How long per run, and in which hours.
    pub allowance: Allowance,
}

impl ArchiveTable {
    /// What all rows of a partition must meet that is handed over as a whole: none of them goes elsewhere.
    #[must_use]
    pub fn whole(&self) -> Option<Condition> {
        let rivals = self.rivals.iter().filter_map(|rival| rival.condition.as_ref());
        Condition::without(self.condition.as_ref(), rivals)
    }
}

/// Rows of a table are deleted: those of an archive by `archive_retention`, those of a hot table by
/// `delete = true`.
#[derive(Debug, Clone)]
pub struct Purge {
    /// The hot table whose archive it is; absent: it is a hot table itself.
    pub archive_of: Option<TableName>,
    /// Its children, which have archives of their own.
    pub children: Vec<TableName>,
    /// What tells a row's age.
    pub age: Age,
    /// Rows older than now − this are due.
    pub older_than: Period,
    /// Which of them. Absent: all.
    pub condition: Option<Condition>,
    /// In which order rows leave.
    pub order: Order,
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
