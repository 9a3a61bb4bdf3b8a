//! A range of rows, and what was found in it.

use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::time::clock;

/// A range of the walk, both ends included; values as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Its first row.
    pub first: Vec<String>,
    /// Its last row.
    pub last: Vec<String>,
    /// It was guessed, and holds no more rows than that, or it is not moved.
    pub rows_max: Option<u64>,
}

/// A range, and what is in it; in what it was cut from, where it was.
#[derive(Debug, Clone)]
pub struct Found {
    /// It.
    pub range: Range,
    /// How many rows that are due.
    pub rows: u64,
    /// Their bytes, but for what each row has beside its values.
    pub bytes: u64,
    /// Nothing behind it was due.
    pub is_last: bool,
    /// When it was asked for.
    pub asked: Instant,
}

/// Later, more rows of the range may have become due than a batch may have. To look again costs some
/// milliseconds.
const FRESH: Duration = Duration::from_secs(2);

impl Found {
    /// Reads what [`super::sql::Texts::first_range`] returns, of a walk by so many columns.
    ///
    /// # Errors
    /// Where the row is another one.
    pub fn read(row: &PgRow, columns: usize, asked: Instant) -> Result<Self, sqlx::Error> {
        let value = |index: usize| row.try_get::<String, _>(index);
        let values = |from: usize| (from..from + columns).map(value).collect::<Result<_, _>>();
        let count = |index| row.try_get::<i64, _>(index).map(i64::unsigned_abs);
        let range = Range { first: values(0)?, last: values(columns)?, rows_max: None };
        let (rows, bytes) = (count(2 * columns)?, count(2 * columns + 1)?);
        Ok(Self { range, rows, bytes, is_last: false, asked })
    }

    /// It was asked for a moment ago.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        clock::monotonic().saturating_duration_since(self.asked) < FRESH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_long_ago_is_looked_for_again() {
        let range = Range { first: Vec::new(), last: Vec::new(), rows_max: None };
        let at = |asked| Found { range: range.clone(), rows: 1, bytes: 8, is_last: true, asked };
        let now = clock::monotonic();
        assert!(at(now).is_fresh());
        assert!(!at(now.checked_sub(FRESH).unwrap()).is_fresh());
    }
}
