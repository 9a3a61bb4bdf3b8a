use chrono::{NaiveDate, Timelike};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;
use crate::time::zone::transitions;

fn cron(line: &str) -> Cron {
    line.parse().unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn lines_print_as_written_and_wake_with_seconds() {
    for (line, wake) in [
        ("17 * * * *", "0 17 * * * *"),
        ("  */5  1-3 * jan MON ", "0 */5 1-3 * jan MON"),
        ("0 0 L * ?", "0 0 0 L * ?"),
        ("0 0 LW * FRIL", "0 0 0 LW * FRIL"),
        ("0 0 15W * MON-FRI,SUN#2", "0 0 0 15W * MON-FRI,SUN#2"),
        ("@Daily", "0 0 0 * * *"),
    ] {
        assert_eq!(cron(line).to_string(), line.trim());
        assert_eq!(cron(line).wake_expression(), wake);
    }
}

#[test]
fn what_is_not_a_line_is_refused_with_the_form() {
    let refused = |line: &str| line.parse::<Cron>().unwrap_err().to_string();
    insta::assert_snapshot!(
        [
            "", "* * * *", "0 0 3 * * *", "0 0 3 * * * 2027", "@reboot", "61 * * * *", "* 24 * * *",
            "0 3 * * XYZ", "*/0 * * * *", "5-1 * * * *", "0 3 0 * *", "a * * * *", "MON * * * *", "0 0 * MON *", "0 0 * * JAN", "0 0 * * 8",
            "0 0 30 2 *", "0 0 31 4,6 *",
        ]
        .map(refused)
        .join("\n"),
        @r"
        `` has 0 field(s); write five: minute hour day-of-month month day-of-week, for example `30 2 * * *`; there are no fields for seconds or years
        `* * * *` has 4 field(s); write five: minute hour day-of-month month day-of-week, for example `30 2 * * *`; there are no fields for seconds or years
        `0 0 3 * * *` has 6 field(s); write five: minute hour day-of-month month day-of-week, for example `30 2 * * *`; there are no fields for seconds or years
        `0 0 3 * * * 2027` has 7 field(s); write five: minute hour day-of-month month day-of-week, for example `30 2 * * *`; there are no fields for seconds or years
        `@reboot` is not known; use @hourly, @daily, @weekly, @monthly or @yearly, or five fields
        `61` is not a minute (0 to 59); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `24` is not an hour (0 to 23); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `XYZ` is not a day of the week (0 to 7, or SUN to SAT; 0 and 7 are Sunday); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `*/0` is not a minute (0 to 59); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `5-1` is not a minute (0 to 59); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `0` is not a day of the month (1 to 31, or `L` for the last); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `a` is not a minute (0 to 59); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `MON` is not a minute (0 to 59); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `MON` is not a month (1 to 12, or JAN to DEC); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `JAN` is not a day of the week (0 to 7, or SUN to SAT; 0 and 7 are Sunday); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `8` is not a day of the week (0 to 7, or SUN to SAT; 0 and 7 are Sunday); lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too
        `0 0 30 2 *` is never due: no year has such a day
        `0 0 31 4,6 *` is never due: no year has such a day
        "
    );
}

fn check_day(tz: Tz, line: &str, day: &str, slots: &str) {
    let day: NaiveDate = day.parse().unwrap();
    let midnight = |date: NaiveDate| zone::instant(date.and_hms_opt(0, 0, 0).unwrap(), tz);
    let just_before = midnight(day) - TimeDelta::seconds(1);
    let end = midnight(day.succ_opt().unwrap()) - TimeDelta::seconds(1);
    let found: Vec<_> = cron(line)
        .slots_between(just_before, end, tz, 1_000)
        .map(|slot| slot.with_timezone(&tz).format("%H:%M%:::z").to_string())
        .collect();
    assert_eq!(found.join(" "), slots, "{line} in {tz} on {day}");
}

#[test]
fn daylight_saving_follows_the_documented_rule() {
    let berlin = Tz::Europe__Berlin;
    let (spring, autumn) = ("2026-03-29", "2026-10-25");
    check_day(berlin, "30 2 * * *", spring, "03:00+02");
    check_day(berlin, "30 2 * * *", autumn, "02:30+02");
    check_day(berlin, "0,30 2 * * *", spring, "03:00+02");
    check_day(berlin, "0,30 2 * * *", autumn, "02:00+02 02:30+02");
    check_day(berlin, "0 1-4 * * *", spring, "01:00+01 03:00+02 04:00+02");
    check_day(berlin, "0 1-4 * * *", autumn, "01:00+02 02:00+02 03:00+01 04:00+01");
    check_day(berlin, "0 */12 * * *", spring, "00:00+01 12:00+02");
    check_day(
        berlin,
        "30 */2 * * 0",
        spring,
        "00:30+01 04:30+02 06:30+02 08:30+02 10:30+02 12:30+02 14:30+02 16:30+02 18:30+02 20:30+02 22:30+02",
    );
    check_day(berlin, "*/30 2 * * *", spring, "");
    check_day(berlin, "*/30 2 * * *", autumn, "02:00+02 02:30+02 02:00+01 02:30+01");
    check_day(berlin, "0 18 * * *", spring, "18:00+02");
    // Midnight is skipped; the day is not.
    check_day(Tz::Africa__Cairo, "0 0 * * *", "2026-04-24", "01:00+03");
    check_day(Tz::Africa__Cairo, "30 0 * * 5", "2026-04-24", "01:00+03");
    // A gap over midnight: a Thursday's 23:45 is due in the first minute of that Friday.
    check_day(Tz::America__Toronto, "45 23 * * 4", "1919-03-31", "");
    check_day(Tz::America__Toronto, "45 23 * * 0", "1919-03-31", "00:30-04");
    // A day that does not exist has no slot, and its neighbours keep theirs.
    check_day(Tz::Pacific__Apia, "0 5 * * *", "2011-12-29", "05:00-10");
    check_day(Tz::Pacific__Apia, "0 5 * * *", "2011-12-30", "");
    check_day(Tz::Pacific__Apia, "0 5 * * *", "2011-12-31", "05:00+14");
}

#[test]
fn the_next_slot_is_strictly_later_and_the_latest_is_not() {
    let hourly = cron("@hourly");
    for (instant, next, latest) in [
        ("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:00:00.999999Z", "2026-01-01T11:00:00Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T09:59:59.5Z", "2026-01-01T10:00:00Z", "2026-01-01T09:00:00Z"),
    ] {
        assert_eq!(hourly.next_after(utc(instant), Tz::UTC), Some(utc(next)));
        assert_eq!(hourly.latest_at_or_before(utc(instant), Tz::UTC), Some(utc(latest)));
    }
    let leap_day = cron("0 0 29 2 *");
    let now = utc("2027-01-01T00:00:00Z");
    assert_eq!(leap_day.next_after(now, Tz::UTC), Some(utc("2028-02-29T00:00:00Z")));
    assert_eq!(leap_day.latest_at_or_before(now, Tz::UTC), Some(utc("2024-02-29T00:00:00Z")));
}

#[test]
fn the_ends_of_the_calendar_have_no_slot() {
    for line in ["* * * * *", "30 2 * * *", "0 0 29 2 *"] {
        let line = cron(line);
        assert_eq!(line.next_after(DateTime::<Utc>::MAX_UTC, Tz::Asia__Tokyo), None);
        assert_eq!(
            line.latest_at_or_before(DateTime::<Utc>::MIN_UTC, Tz::UTC)
                .filter(|slot| *slot > zone::INSTANT_MIN),
            None
        );
    }
}

/// What a person with a watch would see around a change of the clock: looks at every minute.
///
/// A fixed line is due when the wall clock first reads one of its times or is first past it; any
/// other line is due whenever the wall clock matches.
fn slots_seen(
    line: &Daily,
    tz: Tz,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<DateTime<Utc>> {
    let minute = TimeDelta::minutes(1);
    let mut furthest = zone::wall(from, tz);
    let mut seen = Vec::new();
    let mut instant = from + minute;
    while instant <= until {
        let wall = zone::wall(instant, tz);
        let mut due = !line.fixed && line.matches(wall);
        while furthest < wall {
            furthest += minute;
            due |= line.fixed && line.matches(furthest);
        }
        if due {
            seen.push(instant);
        }
        instant += minute;
    }
    seen
}

/// A line for every day: the minutes and hours it names.
#[derive(Debug)]
struct Daily {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    fixed: bool,
    line: String,
}

impl Daily {
    fn matches(&self, wall: NaiveDateTime) -> bool {
        self.minutes.contains(&wall.minute()) && self.hours.contains(&wall.hour())
    }

    fn fixed(mut minutes: Vec<u32>, mut hours: Vec<u32>) -> Self {
        minutes.sort_unstable();
        hours.sort_unstable();
        let list =
            |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let line = format!("{} {} * * *", list(&minutes), list(&hours));
        Self { minutes, hours, fixed: true, line }
    }

    fn stepping(minute_step: usize, hour_step: usize) -> Self {
        let minutes = (0..60).step_by(minute_step).collect();
        let hours = (0..24).step_by(hour_step).collect();
        Self { minutes, hours, fixed: false, line: format!("*/{minute_step} */{hour_step} * * *") }
    }
}

fn check_around(line: &Daily, tz: Tz, transition: DateTime<Utc>) {
    let (from, until) = (transition - TimeDelta::hours(3), transition + TimeDelta::hours(3));
    let found: Vec<_> = cron(&line.line).slots_between(from, until, tz, 1_000).collect();
    assert_eq!(found, slots_seen(line, tz, from, until), "{} in {tz} at {transition}", line.line);
    let latest = cron(&line.line).latest_at_or_before(until, tz);
    assert!(found.is_empty() || latest == found.last().copied(), "{} in {tz}", line.line);
}

/// A fixed time is due as often as there are local days, here 7.
fn check_once_per_day(hour: u32, minute: u32, tz: Tz, transition: DateTime<Utc>) {
    let line = cron(&format!("{minute} {hour} * * *"));
    let day = zone::wall(transition, tz).date();
    let midnight = |days| {
        let local = day.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::days(days);
        zone::instant(local, tz) - TimeDelta::seconds(1)
    };
    let slots: Vec<_> = line.slots_between(midnight(-3), midnight(4), tz, 100).collect();
    assert_eq!(slots.len(), 7, "{line} in {tz} around {transition}: {slots:?}");
}

fn check_year(tz: Tz, year: i32) {
    for transition in transitions::of_year(tz, year) {
        let wall = zone::wall(transition - TimeDelta::seconds(1), tz);
        let (hour, minute) = (wall.hour(), wall.minute());
        check_around(&Daily::fixed(vec![minute], vec![hour]), tz, transition);
        check_around(&Daily::fixed(vec![0, 15, 30, 45], (0..24).collect()), tz, transition);
        check_around(&Daily::stepping(20, 1), tz, transition);
        let next = (hour + 1) % 24;
        check_once_per_day(hour, 30, tz, transition);
        check_once_per_day(next, 0, tz, transition);
        check_once_per_day(next, 30, tz, transition);
    }
}

#[test]
fn zones_are_right_around_a_change_of_their_clock() {
    for (year, tz) in (2020..=2037).cycle().zip(TZ_VARIANTS.iter().step_by(7)) {
        check_year(*tz, year);
    }
}

#[test]
#[ignore = "takes a minute; the sample above runs always"]
fn every_zone_is_right_around_every_change_until_2037() {
    for tz in TZ_VARIANTS {
        (2020..=2037).for_each(|year| check_year(tz, year));
    }
}

fn any_daily() -> impl Strategy<Value = Daily> {
    let minutes = proptest::collection::hash_set(0..60_u32, 1..4);
    let hours = proptest::collection::hash_set(0..24_u32, 1..24);
    prop_oneof![
        (minutes, hours)
            .prop_map(|(m, h)| Daily::fixed(m.into_iter().collect(), h.into_iter().collect())),
        (1..60_usize, 1..24_usize).prop_map(|(m, h)| Daily::stepping(m, h)),
    ]
}

proptest! {
    #[test]
    fn random_lines_are_due_when_a_person_would_say(
        line in any_daily(),
        tz in proptest::sample::select(TZ_VARIANTS.as_slice()),
        year in 2020..=2037,
    ) {
        if let Some(transition) = transitions::first_of(tz, year) {
            check_around(&line, tz, transition);
        }
    }

    #[test]
    fn any_text_parses_or_is_refused(line in "[0-9*/,LW#A-Z@? -]{0,20}") {
        let _ = line.parse::<Cron>();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Over all of history, with its odd offsets and skipped days.
    #[test]
    fn slots_strictly_increase_and_the_latest_agrees(
        line in prop_oneof![
            any_daily().prop_map(|daily| daily.line),
            Just("0 0 29 2 *".to_owned()),
            Just("30 2 L * *".to_owned()),
            Just("*/7 * 1,15 * MON#1".to_owned()),
        ],
        tz in proptest::sample::select(TZ_VARIANTS.as_slice()),
        second in -5_000_000_000..4_000_000_000_i64,
    ) {
        let (line, start) = (cron(&line), DateTime::from_timestamp(second, 0).unwrap());
        let slots: Vec<_> = line.slots_between(start, zone::INSTANT_MAX, tz, 5).collect();
        prop_assert_eq!(slots.len(), 5);
        prop_assert!(start < slots[0]);
        for pair in slots.windows(2) {
            prop_assert!(pair[0] < pair[1]);
            let between = pair[1] - TimeDelta::microseconds(1);
            prop_assert_eq!(line.latest_at_or_before(between, tz), Some(pair[0]));
        }
    }
}
