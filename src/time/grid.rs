//! Calendar grids: the boundaries that cut time into minutes, days, weeks, months or multiples of
//! these.
//!
//! Everyone who lays the same grid gets the same boundaries, whatever the day they start on:
//!
//! | period | boundaries |
//! | --- | --- |
//! | months, quarters, years | counted from the start of year 0: quarters start in January, April, July and October; years in January; 2 months in January, March, … |
//! | weeks, and days that make whole weeks | counted from Monday 1970-01-05: every week starts on a Monday |
//! | other numbers of days | counted from 1970-01-01 |
//! | hours and minutes | counted from midnight of 1970-01-01 |
//!
//! An anchor takes the place of these origins.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::period::Period;
use super::zone;

/// A grid of boundaries on the wall clock of one zone; those of days and more are its midnights.
///
/// Works for all of years 1 to 9999; instants outside are clamped to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    step: Step,
    tz: Tz,
}

/// One kind of unit, and how many of it lie between boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Months since `origin`, itself in months since the start of year 0, and on which day of the
    /// month, from 0.
    Months { count: i64, origin: i64, day0: u32 },
    /// Days since `origin`, itself in days since the start of our calendar.
    Days { count: i64, origin: i64 },
    /// Seconds since `origin`, itself in seconds since 1970 on the wall clock.
    Seconds { count: i64, origin: i64 },
}

/// The period has no grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be an interval; write minutes and hours, or one larger unit: `15 minutes`, \
     `1 hour`, `1 day`, `1 week`, `1 month`, `1 quarter`, `1 year`, or a multiple of one"
)]
pub struct GridError(Period);

/// The last day that every month has.
pub const ANCHOR_DAY_MAX: u32 = 28;

/// 1970-01-01, in days since 0001-01-01 is day 1.
const EPOCH_DAY: i64 = 719_163;
/// Monday 1970-01-05.
const MONDAY: i64 = EPOCH_DAY + 4;

impl Grid {
    /// The grid of `period` on the wall clock of `tz`.
    ///
    /// # Errors
    /// The period mixes months, days and hours, or has seconds.
    pub fn new(period: Period, tz: Tz) -> Result<Self, GridError> {
        let step = match (period.months(), period.days(), period.seconds()) {
            (months, 0, 0) => Step::Months { count: months.into(), origin: 0, day0: 0 },
            (0, days, 0) => Step::Days {
                count: days.into(),
                origin: if days.is_multiple_of(7) { MONDAY } else { EPOCH_DAY },
            },
            (0, 0, seconds) if seconds.is_multiple_of(60) => {
                Step::Seconds { count: seconds.into(), origin: 0 }
            }
            _ => return Err(GridError(period)),
        };
        Ok(Self { step, tz })
    }

    /// The same grid, shifted so that this wall time is one of its boundaries; of days and more its
    /// midnight is. For months the day must be [`ANCHOR_DAY_MAX`] at most.
    #[must_use]
    pub fn anchored(mut self, at: NaiveDateTime) -> Self {
        match &mut self.step {
            Step::Months { origin, day0, .. } => {
                (*origin, *day0) = (months(at), at.day0().min(ANCHOR_DAY_MAX - 1));
            }
            Step::Days { origin, .. } => *origin = at.num_days_from_ce().into(),
            Step::Seconds { origin, .. } => *origin = at.and_utc().timestamp(),
        }
        self
    }

    /// The zone whose midnights these are.
    #[must_use]
    pub const fn tz(&self) -> Tz {
        self.tz
    }

    /// The instant of a boundary, or of any wall time: where midnight is skipped the first instant
    /// after the gap, where it happens twice the earlier.
    ///
    /// In a zone that skipped a whole day, that day's boundary and the next have the same instant:
    /// between them there is no time.
    #[must_use]
    pub fn instant(&self, boundary: NaiveDateTime) -> DateTime<Utc> {
        zone::instant(boundary, self.tz)
    }

    /// The last boundary whose instant is at or before `instant`.
    ///
    /// That is not always the midnight of the wall clock's date: where a clock goes back over
    /// midnight, the old date returns for a while after the new one has begun.
    #[must_use]
    pub fn floor(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        let instant = instant.clamp(zone::INSTANT_MIN, zone::INSTANT_MAX);
        let mut boundary = self.floor_local(zone::wall(instant, self.tz));
        loop {
            let next = self.next(boundary);
            if self.instant(next) > instant {
                return boundary;
            }
            boundary = next;
        }
    }

    /// The last boundary at or before a wall time.
    #[must_use]
    pub fn floor_local(&self, wall: NaiveDateTime) -> NaiveDateTime {
        self.boundary(self.index(wall))
    }

    /// The first boundary after a wall time, which need not be a boundary.
    #[must_use]
    pub fn next(&self, wall: NaiveDateTime) -> NaiveDateTime {
        self.boundary(self.index(wall) + 1)
    }

    /// The number of the cell that holds a wall time: one more from each boundary to the next.
    #[must_use]
    pub fn index(&self, wall: NaiveDateTime) -> i64 {
        match self.step {
            Step::Months { count, origin, day0 } => {
                let begun = i64::from(wall.day0() >= day0);
                (months(wall) - 1 + begun - origin).div_euclid(count)
            }
            Step::Days { count, origin } => {
                (i64::from(wall.num_days_from_ce()) - origin).div_euclid(count)
            }
            Step::Seconds { count, origin } => {
                (wall.and_utc().timestamp() - origin).div_euclid(count)
            }
        }
    }

    /// Where the cell of this number starts.
    fn boundary(&self, index: i64) -> NaiveDateTime {
        let boundary = match self.step {
            Step::Months { count, origin, day0 } => {
                let months = index * count + origin;
                let year = i32::try_from(months.div_euclid(12)).ok();
                let month = u32::try_from(months.rem_euclid(12) + 1).ok();
                year.zip(month)
                    .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, day0 + 1))
                    .map(midnight)
            }
            Step::Days { count, origin } => i32::try_from(index * count + origin)
                .ok()
                .and_then(NaiveDate::from_num_days_from_ce_opt)
                .map(midnight),
            Step::Seconds { count, origin } => TimeDelta::try_seconds(index * count + origin)
                .and_then(|since| DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(since)),
        };
        // Reached only by callers more than 250,000 years away.
        boundary.unwrap_or(midnight(NaiveDate::MIN))
    }
}

/// Months since the start of year 0.
fn months(at: NaiveDateTime) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

/// The first moment of a day.
#[must_use]
pub const fn midnight(date: NaiveDate) -> NaiveDateTime {
    date.and_time(NaiveTime::MIN)
}

#[cfg(test)]
mod tests;
