use super::*;
use crate::time::extent::Extent;
use crate::time::period::Period;

fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

fn wall(date: &str) -> NaiveDateTime {
    format!("{date}T00:00:00").parse().unwrap()
}

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

#[test]
fn each_interval_has_its_own_form() {
    let name = |interval: &str, from: &str| {
        let template = Template::of_interval(period(interval));
        assert_eq!(template.lacks(period(interval)), None);
        template.cell(&ident("events"), wall(from), 1).as_str().to_owned()
    };
    assert_eq!(name("1 year", "2026-01-01"), "events_p2026");
    assert_eq!(name("2 years", "2026-01-01"), "events_p2026");
    assert_eq!(name("1 quarter", "2026-04-01"), "events_p2026q2");
    assert_eq!(name("6 months", "2026-07-01"), "events_p2026q3");
    assert_eq!(name("1 month", "2026-01-01"), "events_p2026_01");
    assert_eq!(name("2 months", "2026-03-01"), "events_p2026_03");
    assert_eq!(name("1 week", "2026-12-28"), "events_p2026w53");
    assert_eq!(name("1 week", "2024-12-30"), "events_p2025w01");
    assert_eq!(name("2 weeks", "2026-01-26"), "events_p2026_01_26");
    assert_eq!(name("1 day", "2026-01-31"), "events_p2026_01_31");
    assert_eq!(name("6 hours", "2026-01-31"), "events_p2026_01_31_00");
    assert_eq!(name("15 minutes", "2026-01-31"), "events_p2026_01_31_00_00");
}

#[test]
fn templates_are_read_and_refused() {
    let text = "log {table} {year}/{month}";
    let template: Template = text.parse().unwrap();
    assert_eq!(template.to_string(), text);
    assert_eq!(template.cell(&ident("t"), wall("2026-02-01"), 3).as_str(), "log t 2026/02_3");
    let weeks: Template = "{table}_{year}w{week}".parse().unwrap();
    assert_eq!(weeks.to_string(), "{table}_{year}w{week}");
    assert_eq!(weeks.cell(&ident("t"), wall("2024-12-30"), 1).as_str(), "t_2025w01");

    let message = |text: &str| text.parse::<Template>().unwrap_err().to_string();
    assert_eq!(message("{table}_{yaer}"), "{yaer} is not known");
    assert_eq!(message("{}"), "{} is not known");
    assert_eq!(message("{table"), "a { is not closed");
    assert_eq!(message("table}"), "a } stands without its {");
}

#[test]
fn a_template_must_tell_the_cells_of_its_grid_apart() {
    let lacks =
        |text: &str, interval: &str| text.parse::<Template>().unwrap().lacks(period(interval));
    for (text, interval) in [
        ("{year}", "1 year"),
        ("{year}", "5 years"),
        ("{year}{quarter}", "6 months"),
        ("{year}{month}", "1 quarter"),
        ("{year}{month}", "1 month"),
        ("{year}w{week}", "1 week"),
        ("{year}{month}{day}", "1 week"),
        ("{year}{month}{day}", "2 weeks"),
        ("{day}.{month}.{year}", "1 day"),
        ("{year}{month}{day}{hour}", "6 hours"),
        ("{year}{month}{day}T{hour}{minute}", "15 minutes"),
    ] {
        assert_eq!(lacks(text, interval), None, "{text} for {interval}");
    }
    assert_eq!(lacks("{table}", "1 year"), Some("{year}"));
    assert_eq!(lacks("{year}", "1 quarter"), Some("{year}, and {quarter} or {month}"));
    assert_eq!(lacks("{year}{quarter}", "1 month"), Some("{year} and {month}"));
    assert_eq!(
        lacks("{year}{month}{day}", "1 hour"),
        Some("{year}, {month}, {day} and {hour}, or {from}")
    );
    assert_eq!(
        lacks("{year}{month}{day}{hour}", "90 minutes"),
        Some("{year}, {month}, {day}, {hour} and {minute}, or {from}")
    );
    assert_eq!(lacks("{year}{week}{month}", "1 day"), Some("{year}, {month} and {day}"));
    assert_eq!(
        lacks("{year}{month}", "1 week"),
        Some("{year} and {week}, or {year}, {month} and {day}")
    );
}

#[test]
fn ids_have_ten_digits_and_more() {
    let of_ids = Template::of_interval(Extent::Ids(1_000));
    let name =
        |template: &Template, from: i64| template.cell(&ident("t"), from, 1).as_str().to_owned();
    assert_eq!(name(&of_ids, 0), "t_p0000000000");
    assert_eq!(name(&of_ids, 1_000_000), "t_p0001000000");
    assert_eq!(name(&of_ids, -1_000), "t_pm0000001000");
    assert_eq!(name(&of_ids, i64::MIN), "t_pm9223372036854775808");
    let odd = of_ids.odd(&ident("t"), -5, 10, 2);
    assert_eq!(odd.as_str(), "t_pm0000000005_to_0000000010_2");

    assert_eq!(of_ids.to_string(), "{table}_p{from}");
    let dated: Template = "{table}_{year}".parse().unwrap();
    assert_eq!((dated.lacks(Extent::Ids(1)), dated.has_date()), (Some("{from}"), true));
    let from: Template = "{table}_from_{from}".parse().unwrap();
    assert_eq!((from.lacks(Extent::Ids(1)), from.has_date()), (None, false));
    assert_eq!(from.lacks(period("1 hour")), None);
    assert_eq!(from.cell(&ident("t"), wall("2026-02-01"), 1).as_str(), "t_from_2026_02_01");

    for (names, third) in [
        (["t_0001000", "t_0002000"], None),
        (["t_p1000", "t_p2000"], Some("t_p3000")),
        (["t_p0000001000", "t_p0000002000"], Some("t_p0000003000")),
    ] {
        let siblings = names.into_iter().zip([1_000_i64, 2_000]);
        let template = Template::of_siblings(siblings, &ident("t"), Extent::Ids(1_000));
        assert_eq!(template.map(|template| name(&template, 3_000)).as_deref(), third);
    }
}

#[test]
fn hours_go_on_as_they_began() {
    for (first, second, third) in [
        ("t_p20260131_120000", "t_p20260131_130000", "t_p20260131_140000"),
        ("t_p2026_01_31_1200", "t_p2026_01_31_1300", "t_p2026_01_31_1400"),
        ("t_2026013112", "t_2026013113", "t_2026013114"),
    ] {
        let at = |hour: u32| wall("2026-01-31") + chrono::TimeDelta::hours(hour.into());
        let siblings = [(first, at(12)), (second, at(13))];
        let template = Template::of_siblings(siblings.into_iter(), &ident("t"), period("1 hour"));
        assert_eq!(template.unwrap().cell(&ident("t"), at(14), 1).as_str(), third);
    }
}

#[test]
fn names_go_on_as_they_began() {
    let go_on = |names: &[(&str, &str)], interval: &str, next: &str| {
        let siblings = names.iter().map(|&(name, from)| (name, wall(from)));
        let template = Template::of_siblings(siblings, &ident("logs"), period(interval))?;
        Some(template.cell(&ident("logs"), wall(next), 1).as_str().to_owned())
    };
    for (first, second, third) in [
        ("logs_2025_01", "logs_2025_02", "logs_2025_03"),
        ("logs_y2025m01", "logs_y2025m02", "logs_y2025m03"),
        ("logs_202501", "logs_202502", "logs_202503"),
        ("old.name-2025-01.part", "old.name-2025-02.part", "old.name-2025-03.part"),
        ("logs_p20250101", "logs_p20250201", "logs_p20250301"),
        ("logs_2024_2025_01", "logs_2024_2025_02", "logs_2024_2025_03"),
        ("logs_2025_1", "logs_2025_2", "logs_2025_3"),
        ("logs_01_2025", "logs_02_2025", "logs_03_2025"),
        ("logs_2025_jan", "logs_2025_feb", "logs_2025_mar"),
        ("logs_jan2025", "logs_feb2025", "logs_mar2025"),
        ("logs_2025_jan_01", "logs_2025_feb_01", "logs_2025_mar_01"),
        ("logs_p20250101_000000", "logs_p20250201_000000", "logs_p20250301_000000"),
    ] {
        let siblings = [(first, "2025-01-01"), (second, "2025-02-01")];
        assert_eq!(go_on(&siblings, "1 month", "2025-03-01").as_deref(), Some(third));
    }
    let years = [("logs_2024", "2024-01-01"), ("logs_2025", "2025-01-01")];
    assert_eq!(go_on(&years, "1 year", "2026-01-01").as_deref(), Some("logs_2026"));
    assert_eq!(go_on(&years, "1 month", "2026-02-01"), None, "every month would be logs_2026");
    let quarters = [("logs_2025_q1", "2025-01-01"), ("logs_2025_q2", "2025-04-01")];
    assert_eq!(go_on(&quarters, "1 quarter", "2025-07-01").as_deref(), Some("logs_2025_q3"));
    let weeks = [("logs_w2025_01", "2024-12-30"), ("logs_w2025_02", "2025-01-06")];
    assert_eq!(go_on(&weeks, "1 week", "2025-01-13").as_deref(), Some("logs_w2025_03"));

    let weeks = [("logs_2025_week_01", "2024-12-30"), ("logs_2025_week_02", "2025-01-06")];
    assert_eq!(go_on(&weeks, "1 week", "2025-01-13").as_deref(), Some("logs_2025_week_03"));
    // Two digits say nothing of zeros; one digit does.
    let late = [("logs_2025_11", "2025-11-01"), ("logs_2025_10", "2025-10-01")];
    assert_eq!(go_on(&late, "1 month", "2026-01-01").as_deref(), Some("logs_2026_01"));
    let bare = [late[0], late[1], ("logs_2025_9", "2025-09-01")];
    assert_eq!(go_on(&bare, "1 month", "2026-01-01").as_deref(), Some("logs_2026_1"));

    assert_eq!(go_on(&[("logs_2025_01", "2025-01-01")], "1 month", "2025-02-01"), None);
    let shifted = [("logs_2025_01", "2025-02-01"), ("logs_2025_02", "2025-03-01")];
    assert_eq!(go_on(&shifted, "1 month", "2025-04-01"), None, "these name the month before");
    let numbers = [("logs_1", "2025-01-01"), ("logs_2", "2025-02-01")];
    assert_eq!(go_on(&numbers, "1 month", "2025-03-01"), None);
}

#[test]
fn odd_ranges_have_both_ends_in_their_name() {
    let odd = |template: &str, from: &str, to: &str| {
        let template: Template = template.parse().unwrap();
        let [from, to] = [from, to].map(|at| at.parse::<NaiveDateTime>().unwrap());
        template.odd(&ident("t"), from, to, 1).as_str().to_owned()
    };
    let (from, to) = ("2026-01-15T00:00:00", "2026-02-01T06:30:00");
    assert_eq!(odd("{table}_p{year}_{month}", from, to), "t_p2026_01_15_to_2026_02_01_0630");
    assert_eq!(odd("{year}_{month}_{table}", from, to), "2026_01_15_to_2026_02_01_0630_t");
    assert_eq!(
        odd("{table}_y{year}m{month}", "2026-01-15T00:00:05", "2026-01-15T00:00:05.000007"),
        "t_y2026_01_15_000005_to_2026_01_15_000005_000007"
    );
}

#[test]
fn long_names_keep_their_date_and_stay_apart() {
    let template = Template::of_interval(period("1 month"));
    let name = |table: &str, number| {
        let name = template.cell(&ident(table), wall("2026-01-01"), number);
        assert!(name.as_str().len() <= IDENT_BYTES_MAX);
        name.as_str().to_owned()
    };
    let ours = format!("{}{}", "x".repeat(55), "ourtable");
    let other = format!("{}{}", "x".repeat(55), "theirtab");
    assert_eq!(name(&ours, 1), format!("{}_9c3eb4e9_p2026_01", "x".repeat(45)));
    assert_ne!(name(&ours, 1), name(&other, 1));
    assert_ne!(name(&ours, 1), name(&ours, 2));
    let cyrillic = "ж".repeat(31);
    assert_eq!(name(&cyrillic, 1), format!("{}_9370133b_p2026_01", "ж".repeat(22)));
    assert_eq!(name(&"x".repeat(54), 1), format!("{}_p2026_01", "x".repeat(54)));

    let all_text: Template = format!("{}{{year}}{{month}}", "y".repeat(70)).parse().unwrap();
    let [january, february] = ["2026-01-01", "2026-02-01"]
        .map(|from| all_text.cell(&ident("t"), wall(from), 1).as_str().to_owned());
    assert_eq!(january.len(), IDENT_BYTES_MAX);
    assert_ne!(january, february);
}
