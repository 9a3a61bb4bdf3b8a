//! How much of a key: a calendar period where the key tells time, a number of ids where it counts.

use std::fmt;

use chrono::{Datelike, NaiveDateTime};

use super::period::Period;

/// A length along a partition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Of time.
    Time(Period),
    /// Of ids, 1 or more.
    Ids(i64),
}

impl Extent {
    /// The period, where it is one.
    #[must_use]
    pub const fn period(self) -> Option<Period> {
        match self {
            Self::Time(period) => Some(period),
            Self::Ids(_) => None,
        }
    }
}

impl Extent {
    /// What lies between two wall times, in the largest unit that fits; absent where that is nothing
    /// or more than 9999 years.
    #[must_use]
    pub fn between(from: NaiveDateTime, to: NaiveDateTime) -> Option<Self> {
        let months = (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month0())
            - i64::from(from.month0());
        let seconds = (to - from).num_seconds();
        let words = if from.day() == to.day() && from.time() == to.time() {
            format!("{months} months")
        } else if from.time() == to.time() {
            format!("{} days", seconds / 86_400)
        } else {
            format!("{seconds} seconds")
        };
        words.parse().ok().map(Self::Time)
    }
}

impl From<Period> for Extent {
    fn from(period: Period) -> Self {
        Self::Time(period)
    }
}

/// As the configuration writes it.
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(period) => period.fmt(f),
            Self::Ids(count) => count.fmt(f),
        }
    }
}
