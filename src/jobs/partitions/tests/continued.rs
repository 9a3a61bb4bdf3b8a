//! Sets that others have made go on as they began: their grid, their names.

use chrono::DateTime;
use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::PartitionAction;
use super::coverage;
use super::world::{Table, World, table, world};

const NOW: &str = "2026-01-20T12:00:00Z";

/// The names to be made, each with its bounds.
fn made(world: &World) -> Vec<String> {
    let plan = world.plan(NOW);
    assert!(plan.refused.is_empty(), "{:?}", plan.refused);
    let made = plan.actions.iter().filter_map(|action| match action {
        PartitionAction::Create(new) => {
            Some(format!("{} {} to {}", new.child, new.from, new.to).replace('\'', ""))
        }
        _ => None,
    });
    made.collect()
}

fn told(world: &World) -> String {
    let plan = world.plan(NOW);
    let spared = plan.spared.iter().map(|spared| spared.reason.clone());
    plan.warnings.iter().cloned().chain(spared).collect::<Vec<_>>().join("\n")
}

fn set(names: [&str; 2], bounds: [&str; 3]) -> Table {
    let quoted = bounds.map(|bound| format!("'{bound}'"));
    table("public.events")
        .child(names[0], &quoted[0], &quoted[1])
        .child(names[1], &quoted[1], &quoted[2])
}

#[test]
fn weeks_that_begin_on_sunday_go_on_so() {
    let weeks = set(
        ["events_2026_01_11", "events_2026_01_18"],
        ["2026-01-11 00:00:00+00", "2026-01-18 00:00:00+00", "2026-01-25 00:00:00+00"],
    );
    let world = world([weeks.interval("1 week").premake("10 days")]);
    assert_eq!(
        made(&world),
        ["public.events_2026_01_25 2026-01-25 00:00:00+00 to 2026-02-01 00:00:00+00"]
    );
}

#[test]
fn months_that_begin_on_the_fifteenth_go_on_so() {
    let months = set(
        ["events_y2025m12", "events_y2026m01"],
        ["2025-12-14 23:00:00+00", "2026-01-14 23:00:00+00", "2026-02-14 23:00:00+00"],
    );
    let world = world([months.zone(Tz::Europe__Berlin).premake("2 months")]);
    assert_eq!(
        made(&world),
        [
            "public.events_y2026m02 2026-02-14 23:00:00+00 to 2026-03-14 23:00:00+00",
            "public.events_y2026m03 2026-03-14 23:00:00+00 to 2026-04-14 22:00:00+00",
        ]
    );
}

#[test]
fn quarters_hours_and_ids_go_on_where_they_lie() {
    let quarters = set(
        ["events_p20250801", "events_p20251101"],
        ["2025-08-01 00:00:00+00", "2025-11-01 00:00:00+00", "2026-02-01 00:00:00+00"],
    );
    assert_eq!(
        made(&world([quarters.interval("1 quarter").premake("1 month")])),
        ["public.events_p20260201 2026-02-01 00:00:00+00 to 2026-05-01 00:00:00+00"]
    );
    let hours = set(
        ["events_p2026_01_20_0300", "events_p2026_01_20_0900"],
        ["2026-01-20 03:00:00+00", "2026-01-20 09:00:00+00", "2026-01-20 15:00:00+00"],
    );
    assert_eq!(
        made(&world([hours.interval("6 hours").premake("4 hours")])),
        ["public.events_p2026_01_20_1500 2026-01-20 15:00:00+00 to 2026-01-20 21:00:00+00"]
    );
    let ids = table("public.events")
        .ids("1000", "1000", Some(1_500))
        .child("events_1", "1", "1001")
        .child("events_1001", "1001", "2001");
    assert_eq!(made(&world([ids])), ["public.events_2001 2001 to 3001"]);
}

/// One odd partition is not a grid, and what stands in the configuration is.
#[test]
fn one_partition_or_an_anchor_decides_nothing() {
    let one = table("public.events").child(
        "events_2026_01_18",
        "'2026-01-18 00:00:00+00'",
        "'2026-01-25 00:00:00+00'",
    );
    let world_of_one = world([one.interval("1 week").premake("8 days")]);
    assert_eq!(
        made(&world_of_one),
        [
            "public.events_p2026_01_25_to_2026_01_26 2026-01-25 00:00:00+00 to 2026-01-26 00:00:00+00",
            "public.events_p2026w05 2026-01-26 00:00:00+00 to 2026-02-02 00:00:00+00",
        ]
    );
    let weeks = set(
        ["events_2026_01_11", "events_2026_01_18"],
        ["2026-01-11 00:00:00+00", "2026-01-18 00:00:00+00", "2026-01-25 00:00:00+00"],
    );
    let anchored = world([weeks.interval("1 week").premake("6 days").anchor("2026-01-05")]);
    assert_eq!(
        made(&anchored),
        [
            "public.events_2026_01_25_to_2026_01_26 2026-01-25 00:00:00+00 to 2026-01-26 00:00:00+00",
            "public.events_2026_01_26 2026-01-26 00:00:00+00 to 2026-02-02 00:00:00+00"
        ]
    );
    assert!(told(&anchored).contains(
        "its newest partitions begin at 2026-01-18 UTC, and anchor = 2026-01-05 has another grid"
    ));
}

#[test]
fn another_length_is_told_with_both() {
    let weeks = set(
        ["events_p2026w03", "events_p2026w04"],
        ["2026-01-12 00:00:00+00", "2026-01-19 00:00:00+00", "2026-01-26 00:00:00+00"],
    );
    let both = "its newest partitions hold 1 week each, since 2026-01-12 UTC; interval = 1 month \
                goes on from where they end";
    let changed = world([weeks]);
    assert!(changed.plan(NOW).warnings.iter().any(|warning| warning.ends_with(both)));
    assert_eq!(
        made(&changed)[0],
        "public.events_p2026_01_26_to_2026_02_01 2026-01-26 00:00:00+00 to 2026-02-01 00:00:00+00"
    );
    let ids = table("public.events")
        .ids("500", "1000", Some(1_500))
        .child("events_1", "0", "1000")
        .child("events_1001", "1000", "2000");
    assert!(told(&world([ids])).contains("hold 1000 ids each, since 0; interval = 500"));
}

/// A set of New York's months under a configuration that says UTC.
#[test]
fn midnight_of_another_zone_is_told() {
    let months = set(
        ["events_p2025_12", "events_p2026_01"],
        ["2025-12-01 05:00:00+00", "2026-01-01 05:00:00+00", "2026-02-01 05:00:00+00"],
    );
    assert!(told(&world([months])).contains("begin at 05:00 by the clock of timezone = UTC"));
    let thirty_days = set(
        ["events_a", "events_b"],
        ["2025-12-03 00:00:00+00", "2026-01-02 00:00:00+00", "2026-02-01 12:00:00+00"],
    );
    assert!(told(&world([thirty_days])).contains("no cell of interval = 1 month"));
}

/// A grid has a day that every month has.
#[test]
fn the_end_of_the_month_is_told() {
    let months = set(
        ["events_2025_12", "events_2026_01"],
        ["2025-12-31 00:00:00+00", "2026-01-31 00:00:00+00", "2026-02-28 00:00:00+00"],
    );
    let told = told(&world([months.premake("2 months")]));
    assert!(told.contains("holds 2026-01-31 UTC to 2026-02-28 UTC, which is no cell of"), "{told}");
}

/// Name and bounds of what is made as of then.
fn laid(table: Table, now: &str) -> Vec<[String; 3]> {
    let plan = world([table]).plan(now);
    assert!(plan.refused.is_empty(), "{:?}", plan.refused);
    let created = plan.actions.into_iter().filter_map(|action| match action {
        PartitionAction::Create(new) => Some([new.child.table.to_string(), new.from, new.to]),
        _ => None,
    });
    created.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// What an anchor has laid goes on without it, bound by bound and name by name.
    #[test]
    fn a_grid_goes_on_without_its_anchor(
        zone in prop::sample::select(coverage::ZONES.as_slice()),
        interval in prop::sample::select(coverage::INTERVALS.as_slice()),
        (oid, code) in prop::sample::select(coverage::keys()),
        (month, day) in (1_u32..=12, 1_u32..=28),
        second in 1_325_376_000_i64..2_524_608_000,
        cells in 2_u32..6,
    ) {
        let is_fine = interval.contains("hour") || interval.contains("minute");
        prop_assume!(oid != 1082 || !is_fine);
        let bare = || table("public.events").key(oid, "whatever", code).zone(zone).interval(interval);
        let now = DateTime::from_timestamp(second, 0).unwrap().to_rfc3339();
        let length = bare().config.interval.period().unwrap();
        let ahead = |cells: u32| {
            let (months, days) = (length.months() * cells, length.days() * cells);
            match (months, days) {
                (0, 0) => format!("{} seconds", length.seconds() * cells),
                (0, days) => format!("{days} days"),
                (months, _) => format!("{months} months"),
            }
        };
        let anchored = |premake: &str| {
            laid(bare().anchor(&format!("2025-{month:02}-{day:02}")).premake(premake), &now)
        };
        let (before, after) = (anchored(&ahead(cells)), anchored(&ahead(cells + 3)));
        let others = before.iter().fold(bare(), |table, [name, from, to]| table.child(name, from, to));
        let made = laid(others.premake(&ahead(cells + 3)), &now);
        prop_assert_eq!(&after[before.len()..], &made[..]);
    }
}
