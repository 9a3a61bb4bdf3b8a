//! How much of a key: a calendar period where the key tells time, a number of ids where it counts.

use std::fmt;

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
