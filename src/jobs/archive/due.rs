//! Which rows are due: older than a fixed instant, and as the condition says.

use chrono::{DateTime, Utc};

use crate::config::checked::Age;
use crate::pg::condition::Condition;
use crate::pg::ident::TableName;

/// How a column tells a row's age. A value without a zone is read as UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeType {
    /// `timestamptz`
    Instant,
    /// `timestamp`
    WallClock,
    /// `date`: a row counts as old once its whole day is.
    Day,
}

impl AgeType {
    /// By the type's name as `format_type` gives it.
    #[must_use]
    pub fn of(base_type: &str) -> Option<Self> {
        match base_type {
            "timestamp with time zone" => Some(Self::Instant),
            "timestamp without time zone" => Some(Self::WallClock),
            "date" => Some(Self::Day),
            _ => None,
        }
    }

    /// The type, as SQL writes it.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Instant => "timestamptz",
            Self::WallClock => "timestamp",
            Self::Day => "date",
        }
    }

    /// The cut-off as a value of this type: rows below it are old.
    #[must_use]
    pub fn cutoff(self, instant: DateTime<Utc>) -> String {
        let form = match self {
            Self::Instant => "%Y-%m-%d %H:%M:%S%.f+00",
            Self::WallClock => "%Y-%m-%d %H:%M:%S%.f",
            Self::Day => "%Y-%m-%d",
        };
        instant.format(form).to_string()
    }
}

/// No age is below this one, of whichever type it is.
pub const ANY_AGE: &str = "-infinity";

/// Counting stops here: an operator wants to know whether it is ten rows or many.
pub const COUNT_MAX: u64 = 100_000;

/// The rows of a table that are due, as SQL. `$1` is the cut-off.
#[derive(Debug, Clone)]
pub struct DueRows {
    /// The hot table.
    pub source: TableName,
    /// What tells the age.
    pub age: Age,
    /// How it does.
    pub age_type: AgeType,
    /// An index leads with the age.
    pub by_index: bool,
    /// Which of the old rows; absent: all.
    pub condition: Option<Condition>,
    /// Those that may move one by one, as a condition; absent: all.
    pub within: Option<String>,
}

impl DueRows {
    /// What follows WHERE. NULL is never below the cut-off.
    ///
    /// The cut-off arrives as text. In an index condition its cast is done once; elsewhere it would
    /// be done for each row, so there it stands in a sub-select.
    #[must_use]
    pub fn predicate(&self) -> String {
        self.served(self.by_index)
    }

    fn served(&self, by_index: bool) -> String {
        let cutoff = format!("$1::{}", self.age_type.sql());
        let once = if by_index { cutoff } else { format!("(SELECT {cutoff})") };
        let age = format!("{} < {once}", self.age);
        let within =
            self.within.as_ref().map_or_else(String::new, |within| format!(" AND {within}"));
        match &self.condition {
            Some(condition) => format!("{age}{within} AND {condition}"),
            None => age + &within,
        }
    }

    /// The same for a walk by place: no index can serve it, so that rows come in that order.
    #[must_use]
    pub fn predicate_by_place(&self) -> String {
        format!("({}) IS TRUE", self.served(false))
    }

    /// Counts them, up to one more than [`COUNT_MAX`], and tells the lowest age among those counted.
    #[must_use]
    pub fn count(&self) -> String {
        format!(
            "SELECT count(*), min(age)::text FROM (SELECT {} AS age FROM {} WHERE {} LIMIT {}) AS due",
            self.age,
            self.source,
            self.predicate(),
            COUNT_MAX + 1
        )
    }

    /// Whether any row is younger, whatever the condition says of it.
    #[must_use]
    pub fn any_younger(&self) -> String {
        let Self { source, age, age_type, .. } = self;
        format!(
            "SELECT EXISTS (SELECT FROM {source} WHERE {age} >= (SELECT $1::{}))",
            age_type.sql()
        )
    }

    /// Asks the planner how many there are.
    #[must_use]
    pub fn estimate(&self) -> String {
        let (source, predicate) = (&self.source, self.predicate());
        format!("EXPLAIN (FORMAT JSON) SELECT FROM {source} WHERE {predicate}")
    }

    /// The place in the condition that a place in this statement stands for; both count characters from
    /// 1.
    #[must_use]
    pub fn place_in_condition(&self, sql: &str, place: usize) -> Option<usize> {
        let condition = self.condition.as_ref()?.as_str();
        let start = sql.rfind(&format!("(\n{condition}\n)"))? + "(\n".len();
        let before = sql[..start].chars().count();
        place.checked_sub(before).filter(|at| (1..=condition.chars().count()).contains(at))
    }
}
