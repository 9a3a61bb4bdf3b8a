use proptest::prelude::*;

use super::*;

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

#[test]
fn periods_parse_and_print() {
    for (text, printed) in [
        ("1 month", "1 month"),
        ("90 days", "90 days"),
        ("2 Weeks", "2 weeks"),
        ("14 days", "2 weeks"),
        ("1 quarter", "3 months"),
        ("  1  YEAR 6 months ", "1 year 6 months"),
        ("18 months", "1 year 6 months"),
        ("6 hours", "6 hours"),
        ("24 hours", "24 hours"),
        ("90 minutes", "1 hour 30 minutes"),
        ("1 week 3 days 5 seconds", "10 days 5 seconds"),
        ("9999 years", "9999 years"),
    ] {
        assert_eq!(period(text).to_string(), printed);
    }
}

#[test]
fn what_is_not_a_period_is_refused_with_the_accepted_forms() {
    let refused = |text: &str| text.parse::<Period>().unwrap_err();
    assert_eq!(refused(" "), PeriodError::Empty);
    assert_eq!(refused("30"), PeriodError::NoUnit("30".into()));
    assert_eq!(refused("1 month 2"), PeriodError::NoUnit("2".into()));
    for number in ["-1", "0", "00", "1.5", "1_000", "+1", "month", "30d", "²"] {
        assert_eq!(refused(&format!("{number} days")), PeriodError::Number(number.into()));
    }
    for unit in ["moon", "d", "m", "min", "mon", "dayss", "s", ""] {
        let text = format!("1 {unit}x");
        assert_eq!(refused(&text), PeriodError::Unit(format!("{unit}x")));
    }
    assert_eq!(refused("1 month 1 year"), PeriodError::Order("year".into()));
    assert_eq!(refused("1 day 1 day"), PeriodError::Order("day".into()));
    for long in ["10000 years", "99999999999999999999999 days", "9999 years 1 month"] {
        assert_eq!(refused(long), PeriodError::TooLong(long.into()));
    }
    assert_eq!(
        refused("30").to_string(),
        "`30` has no unit; write whole numbers with units, the larger unit first: `90 days`, \
         `2 weeks`, `1 month`, `1 quarter`, `1 year 6 months`, `6 hours`, `30 minutes`"
    );
}

/// Checks both directions: `from` + period = `after`, and `from` − period = `before`.
fn check(tz: Tz, from: &str, text: &str, after: &str, before: &str) {
    let from: DateTime<Utc> = from.parse().unwrap();
    assert_eq!(
        period(text).after(from, tz),
        after.parse::<DateTime<Utc>>().unwrap(),
        "{text} after"
    );
    assert_eq!(
        period(text).before(from, tz),
        before.parse::<DateTime<Utc>>().unwrap(),
        "{text} before"
    );
}

#[test]
fn months_are_calendar_months_and_days_are_local_days() {
    let berlin = Tz::Europe__Berlin;
    check(
        Tz::UTC,
        "2024-01-31T12:00:00Z",
        "1 month",
        "2024-02-29T12:00:00Z",
        "2023-12-31T12:00:00Z",
    );
    check(
        Tz::UTC,
        "2024-02-29T00:00:00Z",
        "1 year",
        "2025-02-28T00:00:00Z",
        "2023-02-28T00:00:00Z",
    );
    // 12:00 in Berlin stays 12:00 over the spring change, the day has 23 hours …
    check(berlin, "2026-03-29T10:00:00Z", "1 day", "2026-03-30T10:00:00Z", "2026-03-28T11:00:00Z");
    // … and 24 hours stay 24 hours.
    check(
        berlin,
        "2026-03-29T10:00:00Z",
        "24 hours",
        "2026-03-30T10:00:00Z",
        "2026-03-28T10:00:00Z",
    );
    // 02:30 does not exist on the 29th: right after the gap.
    check(berlin, "2026-03-28T01:30:00Z", "1 day", "2026-03-29T01:00:00Z", "2026-03-27T01:30:00Z");
    // 02:30 exists twice on 25 October: the earlier.
    check(berlin, "2026-10-24T00:30:00Z", "1 day", "2026-10-25T00:30:00Z", "2026-10-23T00:30:00Z");
    // An hour after the first 02:30 is the second 02:30.
    check(berlin, "2026-10-25T00:30:00Z", "1 hour", "2026-10-25T01:30:00Z", "2026-10-24T23:30:00Z");
}

#[test]
fn arithmetic_stops_at_the_ends_of_the_calendar() {
    let now: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(period("9999 years").before(now, Tz::Asia__Tokyo), zone::INSTANT_MIN);
    assert_eq!(period("9999 years").after(now, Tz::Asia__Tokyo), zone::INSTANT_MAX);
    let all = period("9999 years 3652059 days");
    assert_eq!(all.after(DateTime::<Utc>::MAX_UTC, Tz::UTC), zone::INSTANT_MAX);
    assert_eq!(all.before(DateTime::<Utc>::MIN_UTC, Tz::UTC), zone::INSTANT_MIN);
}

proptest! {
    #[test]
    fn a_printed_period_parses_to_itself(months in 0..=119_988_u32, days in 0..=3_652_059_u32, seconds: u32) {
        prop_assume!(months + days > 0 || seconds > 0);
        let period = Period { months, days, seconds };
        prop_assert_eq!(period.to_string().parse(), Ok(period));
    }

    #[test]
    fn any_text_parses_or_is_refused(text in "[0-9 a-z.-]{0,20}") {
        let _ = text.parse::<Period>();
    }
}
