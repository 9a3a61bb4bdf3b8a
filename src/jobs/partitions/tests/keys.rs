//! Each kind of key, each kind of grid, as an operator reads it.

use chrono::DateTime;
use chrono_tz::Tz;

use super::world::{Table, table, world};
use crate::config::checked::{EpochUnit, Snowflake, TimeCode};

const NOW: &str = "2026-01-20T10:00:00Z";

/// The plan as of [`NOW`].
fn shown(tables: impl IntoIterator<Item = Table>) -> String {
    world(tables).show(NOW)
}

fn epoch(unit: EpochUnit) -> TimeCode {
    TimeCode::Epoch(unit)
}

fn snowflake() -> TimeCode {
    let epoch = DateTime::from_timestamp_millis(1_288_834_974_657).unwrap();
    TimeCode::Snowflake(Snowflake { epoch, shift: 22 })
}

#[test]
fn each_code_writes_its_own_literals() {
    let berlin = |name| table(name).zone(Tz::Europe__Berlin).premake("1 day");
    insta::assert_snapshot!(shown([
        berlin("public.a_s").key(23, "integer", epoch(EpochUnit::Seconds)),
        berlin("public.b_ms").key(20, "bigint", epoch(EpochUnit::Milliseconds)),
        berlin("public.c_us").key(20, "bigint", epoch(EpochUnit::Microseconds)),
        berlin("public.d_ns").key(20, "bigint", epoch(EpochUnit::Nanoseconds)),
        berlin("public.e_uuid").key(2950, "uuid", TimeCode::UuidV7),
        berlin("public.f_snowflake").key(20, "bigint", snowflake())]), @r"
    create_partition public.a_s_p2026_01 '1767222000' '1769900400'
    create_partition public.b_ms_p2026_01 '1767222000000' '1769900400000'
    create_partition public.c_us_p2026_01 '1767222000000000' '1769900400000000'
    create_partition public.d_ns_p2026_01 '1767222000000000000' '1769900400000000000'
    create_partition public.e_uuid_p2026_01 '019b76a3-b980-0000-0000-000000000000' '019c1648-dd80-0000-0000-000000000000'
    create_partition public.f_snowflake_p2026_01 '2006500613944246272' '2017734637777846272'
    spared public.a_s: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.b_ms: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.c_us: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.d_ns: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.e_uuid: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.f_snowflake: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    ");
}

#[test]
fn hours_and_minutes_are_exact_in_utc_and_local_on_a_wall_clock() {
    // In Berlin it is 02:00 to 03:00 twice.
    let berlin = |name| table(name).zone(Tz::Europe__Berlin).interval("1 hour").premake("1 hour");
    let autumn = world([berlin("public.exact"), berlin("public.wall").timestamp_key()]);
    insta::assert_snapshot!(autumn.show("2026-10-25T00:30:00Z"), @r"
    create_partition public.exact_p2026_10_25_00 '2026-10-25 00:00:00+00' '2026-10-25 01:00:00+00'
    create_partition public.exact_p2026_10_25_01 '2026-10-25 01:00:00+00' '2026-10-25 02:00:00+00'
    create_partition public.wall_p2026_10_25_02 '2026-10-25 02:00:00' '2026-10-25 03:00:00'
    spared public.exact: no partition holds now; premake = 1 hour asks for 2026-10-25 01:30:00 UTC
    spared public.wall: no partition holds now; premake = 1 hour asks for 2026-10-25 02:59:00
    ");
    let kolkata =
        table("public.events").zone(Tz::Asia__Kolkata).interval("1 hour").premake("1 minute");
    insta::assert_snapshot!(shown([kolkata.anchor("2024-01-01")]), @r"
    create_partition public.events_p2026_01_20_09 '2026-01-20 09:30:00+00' '2026-01-20 10:30:00+00'
    spared public.events: no partition holds now; premake = 1 minute asks for 2026-01-20 10:01:00 UTC
    ");
    insta::assert_snapshot!(shown([table("public.events").interval("15 minutes").premake("15 minutes")]), @r"
    create_partition public.events_p2026_01_20_10_00 '2026-01-20 10:00:00+00' '2026-01-20 10:15:00+00'
    create_partition public.events_p2026_01_20_10_15 '2026-01-20 10:15:00+00' '2026-01-20 10:30:00+00'
    spared public.events: no partition holds now; premake = 15 minutes asks for 2026-01-20 10:15:00 UTC
    ");
}

#[test]
fn an_anchor_says_where_partitions_begin() {
    let weeks = |name| table(name).interval("2 weeks").premake("1 day");
    insta::assert_snapshot!(shown([
        weeks("public.a_monday"),
        weeks("public.b_other_monday").anchor("2024-01-01"),
        weeks("public.c_sunday").anchor("2024-01-07"),
        table("public.d_month").premake("1 day").anchor("2024-01-15"),
        table("public.e_year").interval("1 year").premake("1 day").anchor("2024-10-01")]), @r"
    create_partition public.e_year_p2025 '2025-10-01 00:00:00+00' '2026-10-01 00:00:00+00'
    create_partition public.b_other_monday_p2026_01_12 '2026-01-12 00:00:00+00' '2026-01-26 00:00:00+00'
    create_partition public.d_month_p2026_01 '2026-01-15 00:00:00+00' '2026-02-15 00:00:00+00'
    create_partition public.c_sunday_p2026_01_18 '2026-01-18 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.a_monday_p2026_01_19 '2026-01-19 00:00:00+00' '2026-02-02 00:00:00+00'
    spared public.a_monday: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.b_other_monday: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.c_sunday: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.d_month: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.e_year: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    ");
}

#[test]
fn ids_are_made_ahead_of_the_highest() {
    insta::assert_snapshot!(shown([
        table("public.a_empty").ids("1000000", "2000000", None),
        table("public.b_used").ids("1000000", "1500000", Some(2_000_000))
            .child("b_used_p0002000000", "'2000000'", "'3000000'"),
        table("public.c_odd").ids("1000", "1000", Some(1_700))
            .child("c_odd_1", "'1'", "'1001'").child("c_odd_1001", "'1001'", "'2001'"),
        table("public.d_default").ids("1000", "1000", Some(5)).default(None)]), @r"
    create_partition public.a_empty_p0000000000 '0' '1000000'
    create_partition public.b_used_p0003000000 '3000000' '4000000'
    create_partition public.c_odd_2001 '2001' '3001'
    create_partition public.d_default_p0000000000 '0' '1000'
    create_partition public.a_empty_p0001000000 '1000000' '2000000'
    create_partition public.d_default_p0000001000 '1000' '2000'
    create_partition public.a_empty_p0002000000 '2000000' '3000000'
    spared public.a_empty: no partition holds the first id; premake = 2000000 asks for 2000000
    spared public.b_used: covered until 3000000; premake = 1500000 asks for 3500000
    spared public.c_odd: covered until 2001; premake = 1000 asks for 2700
    spared public.d_default: no partition holds id 5; premake = 1000 asks for 1005
    ");
}

#[test]
fn a_type_that_ends_is_told_before_it_does() {
    let int4 = |name| table(name).key(23, "integer", epoch(EpochUnit::Seconds));
    insta::assert_snapshot!(world([int4("public.events")]).show("2037-11-20T10:00:00Z"), @r"
    create_partition public.events_p2037_11 '2140646400' '2143238400'
    create_partition public.events_p2037_12 '2143238400' '2145916800'
    spared public.events: no partition holds now; premake = 2 months asks for 2038-01-19 03:14:07 UTC
    refused tend partitions of public.events: its key id of type integer ends at 2038-01-19 03:14:07 UTC: the partition from 2038-01-01 UTC has no upper bound there; the type of a partition key cannot be altered: move to a table whose id is bigint; until then a partition made by hand FROM ('2145916800') TO (MAXVALUE) holds what is left
    ");
    insta::assert_snapshot!(world([int4("public.events")]).show("2039-11-20T10:00:00Z"), @r"
    refused tend partitions of public.events: its key id of type integer has no value for 2039-11-20; check key = … in [partitions.tables]; if it is right, the table needs a wider key
    ");
    let ids = table("public.ids")
        .ids("1000000000", "1000000000", Some(2_000_000_000))
        .key(23, "integer", None);
    insta::assert_snapshot!(shown([ids]), @r"
    spared public.ids: no partition holds id 2000000000; premake = 1000000000 asks for 2147483647
    refused tend partitions of public.ids: its key id of type integer ends at 2147483647: the partition from 2000000000 has no upper bound there; the type of a partition key cannot be altered: move to a table whose id is bigint; until then a partition made by hand FROM ('2000000000') TO (MAXVALUE) holds what is left
    ");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    insta::assert_snapshot!(shown(vec![
        table("a.date_hours").date_key().interval("1 hour"),
        table("b.date_ids").date_key().interval("1000").premake("1000"),
        table("c.date_code").key(1082, "date", TimeCode::UuidV7),
        table("d.uuid").key(2950, "uuid", None),
        table("e.uuid_epoch").key(2950, "uuid", epoch(EpochUnit::Seconds)),
        table("f.int_uuid").key(20, "bigint", TimeCode::UuidV7),
        table("g.small_epoch").key(21, "smallint", epoch(EpochUnit::Seconds)),
        table("h.int4_snowflake").key(23, "integer", snowflake()),
        table("i.int4_ms").key(23, "integer", epoch(EpochUnit::Milliseconds)),
        table("j.numeric").key(1700, "numeric", None)]), @r#"
    refused tend partitions of a.date_hours: its key ts is of type timestamp with time zone, which has no hours, but interval = 1 hour; write interval = "1 day" or longer
    refused tend partitions of b.date_ids: its key ts is of type timestamp with time zone, but interval = 1000 is a number of ids; write interval as time, such as "1 month"
    refused tend partitions of c.date_code: its key id is of type date, but key = "uuidv7"; remove key: the type says it all
    refused tend partitions of d.uuid: its key id is of type uuid, which tells time only in version 7; write key = "uuidv7" if all of its values are of that version, or remove it from [partitions.tables]
    refused tend partitions of e.uuid_epoch: its key id is of type uuid, but key = "epoch_s" is kept in integer or bigint; write the key as the column has it, or change the column's type
    refused tend partitions of f.int_uuid: its key id is of type bigint, but key = "uuidv7" is kept in uuid; write the key as the column has it, or change the column's type
    refused tend partitions of g.small_epoch: its key id is of type smallint, but key = "epoch_s" is kept in integer or bigint; write the key as the column has it, or change the column's type
    refused tend partitions of h.int4_snowflake: its key id is of type integer, but key = "snowflake" is kept in bigint; write the key as the column has it, or change the column's type
    refused tend partitions of i.int4_ms: its key id of type integer has no value for 2026-01-20; check key = … in [partitions.tables]; if it is right, the table needs a wider key
    refused tend partitions of j."numeric": its key id is of type numeric; dates, timestamps, integers and uuid are supported; partition it by a column of such a type, or remove it from [partitions.tables]
    "#);
}

/// The edge between the old grid and the new is filled, and new names do not follow the old ones.
#[test]
fn a_change_of_the_interval_leaves_no_gap() {
    let months = |name| {
        table(name).children("m_p", &["2025-12-01", "2026-01-01"]).child(
            "m_p2026_01",
            "'2026-01-01 00:00:00+00'",
            "'2026-02-01 00:00:00+00'",
        )
    };
    insta::assert_snapshot!(shown([months("public.weeks").interval("1 week").premake("3 weeks")]), @r"
    create_partition public.weeks_p2026_02_01_to_2026_02_02 '2026-02-01 00:00:00+00' '2026-02-02 00:00:00+00'
    create_partition public.weeks_p2026w06 '2026-02-02 00:00:00+00' '2026-02-09 00:00:00+00'
    create_partition public.weeks_p2026w07 '2026-02-09 00:00:00+00' '2026-02-16 00:00:00+00'
    spared public.weeks: covered until 2026-02-01 UTC; premake = 3 weeks asks for 2026-02-10 10:00:00 UTC
    warning public.weeks: its newest partitions hold 1 month each, since 2025-12-01 UTC; interval = 1 week goes on from where they end
    ");
    let weeks = |name: &str| {
        table(name)
            .child("w_p2026w03", "'2026-01-12 00:00:00+00'", "'2026-01-19 00:00:00+00'")
            .child("w_p2026w04", "'2026-01-19 00:00:00+00'", "'2026-01-26 00:00:00+00'")
    };
    insta::assert_snapshot!(shown([weeks("public.days").interval("1 day").premake("7 days")]), @r"
    create_partition public.days_p2026_01_26 '2026-01-26 00:00:00+00' '2026-01-27 00:00:00+00'
    create_partition public.days_p2026_01_27 '2026-01-27 00:00:00+00' '2026-01-28 00:00:00+00'
    spared public.days: covered until 2026-01-26 UTC; premake = 1 week asks for 2026-01-27 10:00:00 UTC
    warning public.days: its newest partitions hold 1 week each, since 2026-01-12 UTC; interval = 1 day goes on from where they end
    ");
    let days = |name: &str| {
        table(name).children("d_p", &["2026-01-19", "2026-01-20", "2026-01-21", "2026-01-22"])
    };
    insta::assert_snapshot!(shown([days("public.months").premake("1 month")]), @r"
    create_partition public.months_p2026_01_22_to_2026_02_01 '2026-01-22 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.months_p2026_02 '2026-02-01 00:00:00+00' '2026-03-01 00:00:00+00'
    spared public.months: covered until 2026-01-22 UTC; premake = 1 month asks for 2026-02-20 10:00:00 UTC
    warning public.months: its newest partitions hold 1 day each, since 2026-01-20 UTC; interval = 1 month goes on from where they end
    ");
    insta::assert_snapshot!(shown([days("public.hours").interval("6 hours").premake("2 days")]), @r"
    create_partition public.hours_p2026_01_22_00 '2026-01-22 00:00:00+00' '2026-01-22 06:00:00+00'
    create_partition public.hours_p2026_01_22_06 '2026-01-22 06:00:00+00' '2026-01-22 12:00:00+00'
    spared public.hours: covered until 2026-01-22 UTC; premake = 2 days asks for 2026-01-22 10:00:00 UTC
    warning public.hours: its newest partitions hold 1 day each, since 2026-01-20 UTC; interval = 6 hours goes on from where they end
    ");
}

#[test]
fn a_partition_by_the_same_key_keeps_to_its_own_bound() {
    let within = |name: &str, from: &str, to: &str| {
        let bound = format!("FOR VALUES FROM ('{from} 00:00:00+00') TO ('{to} 00:00:00+00')");
        table(name)
            .interval("1 week")
            .premake("2 months")
            .seen(|facts| facts.relation.own_bound = Some(bound))
    };
    insta::assert_snapshot!(shown([
        within("public.january", "2026-01-01", "2026-02-01"),
        within("public.past", "2025-12-01", "2026-01-01"),
        within("public.next", "2026-03-01", "2026-04-01")]), @r"
    create_partition public.january_p2026w04 '2026-01-19 00:00:00+00' '2026-01-26 00:00:00+00'
    create_partition public.january_p2026_01_26_to_2026_02_01 '2026-01-26 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.next_p2026_03_01_to_2026_03_02 '2026-03-01 00:00:00+00' '2026-03-02 00:00:00+00'
    create_partition public.next_p2026w10 '2026-03-02 00:00:00+00' '2026-03-09 00:00:00+00'
    create_partition public.next_p2026w11 '2026-03-09 00:00:00+00' '2026-03-16 00:00:00+00'
    create_partition public.next_p2026w12 '2026-03-16 00:00:00+00' '2026-03-23 00:00:00+00'
    spared public.january: no partition holds now; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    spared public.next: now lies outside its own bound; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    spared public.past: now lies outside its own bound; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}
