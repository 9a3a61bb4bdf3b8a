//! Calendar periods: `1 month`, `90 days`, `6 hours`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, Months, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::zone;

/// A length of time, in calendar units. More than nothing, at most 9999 years.
///
/// A month has as many days as it happens to have, a day as many hours. A quarter is 3 months, a
/// year is 12, a week is 7 days; hours, minutes and seconds are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    months: u32,
    days: u32,
    seconds: u32,
}

/// Why a text is not a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Nothing was written.
    #[error("the period is empty; {FORMS}")]
    Empty,
    /// Where a number belongs stands something else: a sign, a fraction, a word, `0`.
    #[error("`{0}` is not a whole number of 1 or more; {FORMS}")]
    Number(String),
    /// A number without a unit.
    #[error("`{0}` has no unit; {FORMS}")]
    NoUnit(String),
    /// Not a unit.
    #[error("`{0}` is not a unit of time; {FORMS}")]
    Unit(String),
    /// A unit after a smaller one, or twice.
    #[error("`{0}` must come before smaller units, and only once; {FORMS}")]
    Order(String),
    /// Longer than the calendar.
    #[error("`{0}` is longer than 9999 years")]
    TooLong(String),
}

const FORMS: &str = "write whole numbers with units, the larger unit first: `90 days`, `2 weeks`, \
                     `1 month`, `1 quarter`, `1 year 6 months`, `6 hours`, `30 minutes`";

/// Which part of a period a unit adds to, and how much.
#[derive(Clone, Copy)]
enum Unit {
    Months(u64),
    Days(u64),
    Seconds(u64),
}

/// Larger units first, as they must be written.
const UNITS: [(&str, Unit); 8] = [
    ("year", Unit::Months(12)),
    ("quarter", Unit::Months(3)),
    ("month", Unit::Months(1)),
    ("week", Unit::Days(7)),
    ("day", Unit::Days(1)),
    ("hour", Unit::Seconds(3600)),
    ("minute", Unit::Seconds(60)),
    ("second", Unit::Seconds(1)),
];

/// 9999 years.
const MONTHS_MAX: u64 = 9_999 * 12;
/// Also 9999 years.
const DAYS_MAX: u64 = 3_652_059;
/// The most that fits, 136 years: nobody counts longer in hours.
const SECONDS_MAX: u64 = u32::MAX as u64;

impl Period {
    /// So many days, 1 or more.
    pub(crate) const fn of_days(days: u32) -> Self {
        Self { months: 0, days, seconds: 0 }
    }

    /// Calendar months, years and quarters included.
    #[must_use]
    pub const fn months(self) -> u32 {
        self.months
    }

    /// Calendar days, weeks included.
    #[must_use]
    pub const fn days(self) -> u32 {
        self.days
    }

    /// Exact seconds, hours and minutes included.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// `instant` plus this period: months, then days on the wall clock of `tz` (the 31st becomes
    /// the last of a shorter month), then exact seconds. Stops at the end of year 9999.
    #[must_use]
    pub fn after(self, instant: DateTime<Utc>, tz: Tz) -> DateTime<Utc> {
        let day = self.on_calendar(instant, tz, |wall, months, days| {
            wall.checked_add_months(months)?.checked_add_days(days)
        });
        bounded(day + self.exact())
    }

    /// `instant` minus this period, by the same rules. Stops at the start of year 1.
    #[must_use]
    pub fn before(self, instant: DateTime<Utc>, tz: Tz) -> DateTime<Utc> {
        let day = self.on_calendar(instant, tz, |wall, months, days| {
            wall.checked_sub_months(months)?.checked_sub_days(days)
        });
        bounded(day - self.exact())
    }

    /// Moves by months and days. A period without either leaves the wall clock alone: it would
    /// confuse the two passes of an hour that happens twice.
    fn on_calendar(
        self,
        instant: DateTime<Utc>,
        tz: Tz,
        shift: impl FnOnce(NaiveDateTime, Months, Days) -> Option<NaiveDateTime>,
    ) -> DateTime<Utc> {
        let instant = bounded(instant);
        if self.months == 0 && self.days == 0 {
            return instant;
        }
        let wall = zone::wall(instant, tz);
        // Three times 9999 years fit into chrono's calendar, so the shift always succeeds.
        let moved = shift(wall, Months::new(self.months), Days::new(self.days.into()));
        zone::instant(moved.unwrap_or(wall), tz)
    }

    fn exact(self) -> TimeDelta {
        TimeDelta::seconds(self.seconds.into())
    }
}

fn bounded(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.clamp(zone::INSTANT_MIN, zone::INSTANT_MAX)
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let mut words = text.split_whitespace();
        let (mut months, mut days, mut seconds) = (0, 0, 0);
        let mut next_rank = 0;
        while let Some(number) = words.next() {
            let count = parse_count(number)?;
            let name = words.next().ok_or_else(|| PeriodError::NoUnit(number.to_owned()))?;
            let rank = parse_unit(name)?;
            if rank < next_rank {
                return Err(PeriodError::Order(name.to_owned()));
            }
            next_rank = rank + 1;
            let (sum, factor) = match UNITS[rank].1 {
                Unit::Months(factor) => (&mut months, factor),
                Unit::Days(factor) => (&mut days, factor),
                Unit::Seconds(factor) => (&mut seconds, factor),
            };
            *sum = count.saturating_mul(factor).saturating_add(*sum);
        }
        if next_rank == 0 {
            return Err(PeriodError::Empty);
        }
        let part = |sum: u64, max: u64| {
            u32::try_from(sum)
                .ok()
                .filter(|_| sum <= max)
                .ok_or_else(|| PeriodError::TooLong(text.trim().to_owned()))
        };
        Ok(Self {
            months: part(months, MONTHS_MAX)?,
            days: part(days, DAYS_MAX)?,
            seconds: part(seconds, SECONDS_MAX)?,
        })
    }
}

fn parse_count(word: &str) -> Result<u64, PeriodError> {
    let wrong = || PeriodError::Number(word.to_owned());
    if !word.bytes().all(|b| b.is_ascii_digit()) || word.bytes().all(|b| b == b'0') {
        return Err(wrong());
    }
    // Digits that do not fit are too many, not a wrong form.
    Ok(word.parse().unwrap_or(u64::MAX))
}

/// The index into [`UNITS`].
fn parse_unit(word: &str) -> Result<usize, PeriodError> {
    let lower = word.to_ascii_lowercase();
    let singular = lower.strip_suffix('s').unwrap_or(&lower);
    UNITS
        .iter()
        .position(|(name, _)| *name == singular)
        .ok_or_else(|| PeriodError::Unit(word.to_owned()))
}

/// The shortest form that parses to the same: `18 months` prints as `1 year 6 months`, `14 days`
/// as `2 weeks`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (weeks, days) =
            if self.days.is_multiple_of(7) { (self.days / 7, 0) } else { (0, self.days) };
        let parts = [
            (self.months / 12, "year"),
            (self.months % 12, "month"),
            (weeks, "week"),
            (days, "day"),
            (self.seconds / 3600, "hour"),
            (self.seconds / 60 % 60, "minute"),
            (self.seconds % 60, "second"),
        ];
        let mut separator = "";
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{separator}{count} {unit}{plural}")?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
