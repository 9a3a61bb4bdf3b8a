use chrono::{Days, TimeDelta};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;

fn grid(text: &str, tz: Tz) -> Grid {
    Grid::new(text.parse().unwrap(), tz).unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn grids_are_aligned_to_the_calendar() {
    for (period, instant, floor, next) in [
        ("1 day", "2026-03-05T12:00:00Z", "2026-03-05", "2026-03-06"),
        ("3 days", "1970-01-05T00:00:00Z", "1970-01-04", "1970-01-07"),
        ("90 days", "1969-12-31T23:59:59Z", "1969-10-03", "1970-01-01"),
        ("1 week", "2026-03-08T23:59:59Z", "2026-03-02", "2026-03-09"),
        ("7 days", "2026-03-09T00:00:00Z", "2026-03-09", "2026-03-16"),
        ("2 weeks", "1970-01-04T00:00:00Z", "1969-12-22", "1970-01-05"),
        ("1 month", "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
        ("2 months", "2026-02-28T00:00:00Z", "2026-01-01", "2026-03-01"),
        ("1 quarter", "2026-06-30T00:00:00Z", "2026-04-01", "2026-07-01"),
        ("1 year", "2026-06-30T00:00:00Z", "2026-01-01", "2027-01-01"),
        ("10 years", "2026-06-30T00:00:00Z", "2020-01-01", "2030-01-01"),
        ("1 month", "0001-01-01T00:00:00Z", "0001-01-01", "0001-02-01"),
        ("1 week", "9999-12-31T23:59:59Z", "9999-12-27", "+10000-01-03"),
        ("24 hours", "1969-12-31T23:59:59Z", "1969-12-31", "1970-01-01"),
    ] {
        let grid = grid(period, Tz::UTC);
        let found = grid.floor(utc(instant));
        let midnight = |date: &str| date.parse::<NaiveDate>().unwrap().and_time(NaiveTime::MIN);
        assert_eq!(found, midnight(floor), "{period} at {instant}");
        assert_eq!(grid.next(found), midnight(next), "{period} at {instant}");
    }
}

#[test]
fn hours_and_minutes_count_from_midnight_of_1970() {
    for (period, instant, floor, next) in [
        ("1 hour", "2026-03-05T12:34:56Z", "2026-03-05T12:00:00", "2026-03-05T13:00:00"),
        ("15 minutes", "2026-03-05T12:34:56Z", "2026-03-05T12:30:00", "2026-03-05T12:45:00"),
        ("90 minutes", "1970-01-01T02:59:59Z", "1970-01-01T01:30:00", "1970-01-01T03:00:00"),
        ("36 hours", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00", "1970-01-02T12:00:00"),
    ] {
        let grid = grid(period, Tz::UTC);
        let found = grid.floor(utc(instant));
        assert_eq!((found, grid.next(found)), (floor.parse().unwrap(), next.parse().unwrap()));
    }
}

#[test]
fn an_anchor_is_a_boundary_and_shifts_the_others() {
    for (period, anchor, wall, floor, next) in [
        ("2 weeks", "2024-01-01", "2024-01-14", "2024-01-01", "2024-01-15"),
        ("2 weeks", "2024-01-08", "2024-01-14", "2024-01-08", "2024-01-22"),
        ("1 week", "2024-01-07", "2023-12-30", "2023-12-24", "2023-12-31"),
        ("3 days", "2026-01-02", "2026-01-01", "2025-12-30", "2026-01-02"),
        ("1 month", "2024-01-15", "2026-03-14", "2026-02-15", "2026-03-15"),
        ("1 month", "2024-01-15", "2026-03-15", "2026-03-15", "2026-04-15"),
        ("1 quarter", "2024-02-01", "2026-01-31", "2025-11-01", "2026-02-01"),
        ("1 year", "2020-10-01", "2019-09-30", "2018-10-01", "2019-10-01"),
        ("36 hours", "2026-01-02", "2026-01-01", "2025-12-31T12:00:00", "2026-01-02"),
    ] {
        let at = |text: &str| -> NaiveDateTime {
            if text.len() > 10 { text.parse().unwrap() } else { midnight(text.parse().unwrap()) }
        };
        let grid = grid(period, Tz::UTC).anchored(at(anchor));
        let found = grid.floor_local(at(wall));
        assert_eq!((found, grid.next(found)), (at(floor), at(next)), "{period} from {anchor}");
        assert_eq!(grid.floor_local(at(anchor)), at(anchor));
    }
}

#[test]
fn a_boundary_is_midnight_in_the_zone() {
    let check = |tz: Tz, boundary: &str, instant: &str| {
        let grid = grid("1 day", tz);
        let boundary = boundary.parse::<NaiveDate>().unwrap().and_time(NaiveTime::MIN);
        assert_eq!(grid.instant(boundary), utc(instant), "{tz}");
        assert_eq!(grid.floor(utc(instant)), boundary, "{tz}");
        assert_eq!(
            grid.floor(utc(instant) - TimeDelta::seconds(1)),
            boundary - Days::new(1),
            "{tz}"
        );
    };
    check(Tz::Europe__Berlin, "2026-07-01", "2026-06-30T22:00:00Z");
    // Midnight is skipped.
    check(Tz::America__Sao_Paulo, "2018-11-04", "2018-11-04T03:00:00Z");
    check(Tz::Africa__Cairo, "2026-04-24", "2026-04-23T22:00:00Z");
    check(Tz::Asia__Beirut, "2026-03-29", "2026-03-28T22:00:00Z");
    // 00:00 to 01:00 happens twice: the earlier.
    check(Tz::America__Havana, "2026-11-01", "2026-11-01T04:00:00Z");
    // At 00:01 the clock goes back to 23:01 of the day before, which is over all the same.
    check(Tz::America__St_Johns, "2010-11-07", "2010-11-07T02:30:00Z");
}

#[test]
fn a_skipped_day_has_a_boundary_but_no_time() {
    let grid = grid("1 day", Tz::Pacific__Apia);
    let day = |d| NaiveDate::from_ymd_opt(2011, 12, d).unwrap().and_time(NaiveTime::MIN);
    let change = utc("2011-12-30T10:00:00Z");
    assert_eq!((grid.instant(day(30)), grid.instant(day(31))), (change, change));
    assert_eq!(grid.floor(change), day(31));
    assert_eq!(grid.floor(change - TimeDelta::seconds(1)), day(29));
    assert_eq!(grid.next(day(29)), day(30));
}

#[test]
fn mixed_units_and_seconds_have_no_grid() {
    for text in
        ["30 seconds", "1 hour 1 second", "1 month 1 day", "1 day 1 hour", "1 year 30 minutes"]
    {
        let period: Period = text.parse().unwrap();
        assert_eq!(Grid::new(period, Tz::UTC), Err(GridError(period)));
    }
}

fn any_grid() -> impl Strategy<Value = Grid> {
    let period = prop_oneof![
        (1..=500_u32).prop_map(|n| format!("{n} days")),
        (1..=60_u32).prop_map(|n| format!("{n} weeks")),
        (1..=40_u32).prop_map(|n| format!("{n} months")),
        (1..=120_u32).prop_map(|n| format!("{n} years")),
        Just("1 day".to_owned()),
        (1..=3_000_u32).prop_map(|n| format!("{n} minutes")),
        Just("1 month".to_owned()),
    ];
    let anchor = proptest::option::of(-30_000..60_000_i64);
    (period, proptest::sample::select(TZ_VARIANTS.as_slice()), anchor).prop_map(
        |(p, tz, anchor)| {
            // Hours and minutes are laid on clocks that are never set back: in UTC.
            let grid = grid(&p, if p.ends_with("minutes") { Tz::UTC } else { tz });
            let day = |day| DateTime::UNIX_EPOCH.naive_utc() + TimeDelta::days(day);
            anchor.map_or(grid, |anchor| grid.anchored(day(anchor)))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Every instant lies in exactly one cell, and cells meet without gap or overlap.
    #[test]
    fn grids_are_contiguous(
        grid in any_grid(),
        second in zone::INSTANT_MIN.timestamp()..=zone::INSTANT_MAX.timestamp(),
        year in 1850..2100,
        hours in -30..30_i64,
        near_transition: bool,
    ) {
        let instant = match zone::transitions::first_of(grid.tz(), year) {
            Some(transition) if near_transition => transition + TimeDelta::minutes(hours * 60 + 7),
            _ => DateTime::from_timestamp(second, 0).unwrap(),
        };
        let boundary = grid.floor(instant);
        let next = grid.next(boundary);
        prop_assert!(grid.instant(boundary) <= instant || boundary == grid.floor(zone::INSTANT_MIN));
        prop_assert!(instant < grid.instant(next));
        prop_assert_eq!(grid.index(next), grid.index(boundary) + 1);
        prop_assert_eq!(grid.floor_local(next - TimeDelta::microseconds(1)), boundary);
        prop_assert_eq!(grid.floor_local(boundary), boundary);
        prop_assert!(grid.instant(boundary) <= grid.instant(next));
    }

    /// Each boundary of each zone's own past and future starts its own cell.
    #[test]
    fn a_boundary_is_its_own_floor(grid in any_grid(), day in -50_000..50_000_i64) {
        let wall = DateTime::from_timestamp(day * 86_400, 0).unwrap().naive_utc();
        let boundary = grid.next(wall);
        let cell_is_empty = grid.instant(boundary) == grid.instant(grid.next(boundary));
        let floor = grid.floor(grid.instant(boundary));
        prop_assert!(floor == boundary || cell_is_empty, "{} is not {}", floor, boundary);
    }
}
