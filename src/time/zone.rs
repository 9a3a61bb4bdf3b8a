//! Instants and wall clocks, with one rule where they disagree.
//!
//! A wall time that a zone skips (its clock goes forward) means the first instant after the gap; one
//! that it has twice (its clock goes back) means the earlier. Both are the same rule: the first
//! instant at which the wall clock reads that time or later.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// 0001-01-01 00:00 UTC, in seconds since 1970.
const SECOND_MIN: i64 = -62_135_596_800;
/// 9999-12-31 23:59:59 UTC, in seconds since 1970.
const SECOND_MAX: i64 = 253_402_300_799;

/// The earliest instant all calendar arithmetic here is exact for: the start of year 1.
pub const INSTANT_MIN: DateTime<Utc> = at(SECOND_MIN);
/// The latest: the last second of year 9999.
pub const INSTANT_MAX: DateTime<Utc> = at(SECOND_MAX);

const fn at(second: i64) -> DateTime<Utc> {
    match DateTime::from_timestamp(second, 0) {
        Some(instant) => instant,
        None => DateTime::UNIX_EPOCH,
    }
}

/// What the wall clock of `tz` reads at `instant`. Instants outside years 1 to 9999 are clamped.
#[must_use]
pub fn wall(instant: DateTime<Utc>, tz: Tz) -> NaiveDateTime {
    let clamped = instant.clamp(INSTANT_MIN, INSTANT_MAX);
    tz.from_utc_datetime(&clamped.naive_utc()).naive_local()
}

/// The first instant at which the wall clock of `tz` reads `wall` or later.
///
/// Never decreases as `wall` increases. Two wall times in one gap have the same instant.
#[must_use]
pub fn instant(wall: NaiveDateTime, tz: Tz) -> DateTime<Utc> {
    match tz.from_local_datetime(&wall).earliest() {
        Some(found) => found.to_utc(),
        None => end_of_gap(wall, tz),
    }
}

/// The end of the gap that holds `wall`. No zone was ever a day or more away from UTC, so it lies
/// within a day of `wall` read as UTC; zone data has whole seconds.
fn end_of_gap(wall: NaiveDateTime, tz: Tz) -> DateTime<Utc> {
    let day = TimeDelta::days(1).num_seconds();
    let (mut before, mut after) =
        (wall.and_utc().timestamp() - day, wall.and_utc().timestamp() + day);
    while after - before > 1 {
        let middle = before.midpoint(after);
        let reads = tz.from_utc_datetime(&at(middle).naive_utc()).naive_local();
        if reads < wall {
            before = middle;
        } else {
            after = middle;
        }
    }
    at(after)
}

/// Where zones change their offset, for tests.
#[cfg(test)]
pub(crate) mod transitions {
    use chrono::Offset;

    use super::*;

    /// Seconds east of UTC.
    pub(crate) fn offset(instant: DateTime<Utc>, tz: Tz) -> i32 {
        tz.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()
    }

    /// Every instant in a year at which the offset becomes another one.
    pub(crate) fn of_year(tz: Tz, year: i32) -> impl Iterator<Item = DateTime<Utc>> {
        let start = Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap().timestamp();
        (0..366).filter_map(move |day| {
            let (mut before, mut after) = (start + day * 86_400, start + (day + 1) * 86_400);
            let old = offset(at(before), tz);
            if offset(at(after), tz) == old {
                return None;
            }
            while after - before > 1 {
                let middle = before.midpoint(after);
                *(if offset(at(middle), tz) == old { &mut before } else { &mut after }) = middle;
            }
            Some(at(after))
        })
    }

    /// The first of them.
    pub(crate) fn first_of(tz: Tz, year: i32) -> Option<DateTime<Utc>> {
        of_year(tz, year).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tz: Tz, wall_text: &str, utc: &str) {
        let wall_time: NaiveDateTime = wall_text.parse().unwrap();
        let expected: DateTime<Utc> = utc.parse().unwrap();
        assert_eq!(instant(wall_time, tz), expected, "{tz} {wall_text}");
    }

    #[test]
    fn wall_times_in_gaps_and_folds_have_one_instant() {
        check(Tz::UTC, "2026-03-29T02:30:00", "2026-03-29T02:30:00Z");
        check(Tz::Europe__Berlin, "2026-03-29T01:59:59", "2026-03-29T00:59:59Z");
        check(Tz::Europe__Berlin, "2026-03-29T02:30:00", "2026-03-29T01:00:00Z");
        check(Tz::Europe__Berlin, "2026-03-29T03:00:00", "2026-03-29T01:00:00Z");
        check(Tz::Europe__Berlin, "2026-10-25T02:30:00", "2026-10-25T00:30:00Z");
        // Midnight does not exist on these days …
        check(Tz::America__Sao_Paulo, "2018-11-04T00:00:00", "2018-11-04T03:00:00Z");
        check(Tz::Africa__Cairo, "2026-04-24T00:00:00", "2026-04-23T22:00:00Z");
        check(Tz::Asia__Beirut, "2026-03-29T00:00:00", "2026-03-28T22:00:00Z");
        // … nor does this day.
        check(Tz::Pacific__Apia, "2011-12-30T00:00:00", "2011-12-30T10:00:00Z");
        check(Tz::Pacific__Apia, "2011-12-30T17:00:00", "2011-12-30T10:00:00Z");
        check(Tz::Pacific__Apia, "2011-12-31T00:00:00", "2011-12-30T10:00:00Z");
    }

    #[test]
    fn an_instant_far_away_is_clamped() {
        assert_eq!(wall(DateTime::<Utc>::MAX_UTC, Tz::UTC), INSTANT_MAX.naive_utc());
        assert_eq!(wall(DateTime::<Utc>::MIN_UTC, Tz::UTC), INSTANT_MIN.naive_utc());
    }
}
