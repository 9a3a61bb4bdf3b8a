//! Whatever stands, whatever the key, the zone and the clock: the time ahead is covered once,
//! without a gap.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::facts::Seen;
use super::super::tended::{Tended, tended};
use super::world::{Table, World as Plain, table, world};
use crate::config::checked::{EpochUnit, Snowflake, TimeCode};
use crate::jobs::partitions::grid::axis::Axis;
use crate::jobs::partitions::grid::bounds::{Edge, Span};
use crate::jobs::partitions::grid::coverage::{Aim, Coverage, Existing, coverage, covered_until};
use crate::jobs::partitions::grid::key::{KeyType, Point};
use crate::pg::ident::Ident;
use crate::pg::partition_name::Template;

/// Zones that skip or repeat midnight, skip a whole day, are off by half an hour, or rarely change.
pub const ZONES: [Tz; 9] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Asia__Beirut,
    Tz::America__Havana,
    Tz::Pacific__Apia,
    Tz::Australia__Lord_Howe,
    Tz::America__St_Johns,
    Tz::Africa__Cairo,
];
pub const INTERVALS: [&str; 13] = [
    "1 day",
    "3 days",
    "1 week",
    "2 weeks",
    "1 month",
    "2 months",
    "1 quarter",
    "6 months",
    "1 year",
    "1 hour",
    "15 minutes",
    "6 hours",
    "7 minutes",
];

/// Every way in which a key tells time.
pub fn keys() -> Vec<(i64, Option<TimeCode>)> {
    let epoch = |unit| Some(TimeCode::Epoch(unit));
    let began = DateTime::from_timestamp_millis(1_288_834_974_657).unwrap();
    vec![
        (1082, None),
        (1114, None),
        (1184, None),
        (20, epoch(EpochUnit::Seconds)),
        (20, epoch(EpochUnit::Milliseconds)),
        (20, epoch(EpochUnit::Microseconds)),
        (20, epoch(EpochUnit::Nanoseconds)),
        (2950, Some(TimeCode::UuidV7)),
        (20, Some(TimeCode::Snowflake(Snowflake { epoch: began, shift: 22 }))),
        (20, Some(TimeCode::Snowflake(Snowflake { epoch: DateTime::UNIX_EPOCH, shift: 16 }))),
    ]
}

#[derive(Debug)]
pub struct World {
    table: Table,
    pub now: DateTime<Utc>,
    /// Hours from now of what stands, and which of the ranges between them do.
    bounds: BTreeSet<i64>,
    kept: Vec<bool>,
}

pub fn worlds() -> impl Strategy<Value = World> {
    let bounds = prop::collection::btree_set(-800_i64..1_200, 0..12);
    let kept = prop::collection::vec(any::<bool>(), 13);
    let anchor = prop::option::of(-3_000_i64..30_000);
    let key = prop::sample::select(keys());
    let interval = prop::sample::select(INTERVALS.as_slice());
    let zone = prop::sample::select(ZONES.as_slice());
    (zone, interval, key, 1_u32..400, bounds, kept, instants(), anchor)
        .prop_filter("a date has no hours", |(_, interval, (oid, _), ..)| {
            *oid != 1082 || !(interval.contains("hour") || interval.contains("minute"))
        })
        .prop_map(|(zone, interval, (oid, code), premake, bounds, kept, now, anchor)| {
            let is_fine = interval.contains("hour") || interval.contains("minute");
            let premake = format!("{premake} {}", if is_fine { "minutes" } else { "days" });
            let mut table = table("public.events")
                .key(oid, "whatever", code)
                .zone(zone)
                .interval(interval)
                .premake(&premake);
            if let Some(days) = anchor {
                let day = DateTime::UNIX_EPOCH + TimeDelta::days(days);
                table = table.anchor(&day.format("%Y-%m-%d").to_string());
            }
            World { table, now, bounds, kept }
        })
}

/// 1990 to 2050, with Apia's lost day and the hours around Berlin's shifts within reach.
fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    prop_oneof![
        631_152_000_i64..2_524_608_000,
        1_325_203_200_i64..1_325_376_000,
        1_792_875_600_i64..1_792_897_200,
        1_774_735_200_i64..1_774_756_800,
    ]
    .prop_map(|second| DateTime::from_timestamp(second, 0).unwrap())
}

/// What stands, and what is to be.
struct Laid<'a> {
    table: Tended<'a>,
    aim: Aim,
    existing: Vec<Existing>,
}

impl World {
    fn plain(&self) -> Plain {
        let Table { name, config, facts } = &self.table;
        world([Table { name: name.clone(), config: config.clone(), facts: facts.clone() }])
    }

    /// The grid, and what stands on it.
    pub fn laid_out(&self) -> (Axis, Vec<Existing>) {
        let plain = self.plain();
        let laid = self.lay(&plain, self.now);
        (laid.table.axis, laid.existing)
    }

    fn lay<'a>(&self, plain: &'a Plain, now: DateTime<Utc>) -> Laid<'a> {
        let Seen { tables, .. } = &plain.seen;
        let (name, facts) = tables.first_key_value().unwrap();
        let table = tended(name, &plain.section.tables[name], facts, &plain.seen).unwrap();
        let aim = table.aim(now).unwrap();
        let existing = self.existing(&table);
        Laid { table, aim, existing }
    }

    /// Partitions between random bounds around now, about every second range left out. Dates lie on
    /// days; other keys have bounds at odd times of the day, and on the grid.
    fn existing(&self, table: &Tended<'_>) -> Vec<Existing> {
        let axis = &table.axis;
        let at = |hours: i64| {
            let at = axis.at(self.now + TimeDelta::hours(hours * 7)).unwrap();
            match (axis.key, at) {
                (KeyType::Date, Point::Time(at)) => Point::Time(at.date().and_time(NaiveTime::MIN)),
                _ if hours % 3 == 0 => axis.next(at).unwrap(),
                (_, Point::Integer(id)) => Point::Integer(id + hours),
                (_, Point::Uuid(id)) => Point::Uuid(id + 0x7000_8000_0000_0000_0000),
                _ => at,
            }
        };
        let mut edges: Vec<Edge> = vec![Edge::Start];
        edges.extend(self.bounds.iter().map(|hours| Edge::At(at(*hours))));
        edges.push(Edge::End);
        edges.sort_unstable();
        edges.dedup();
        let spans = edges.windows(2).map(|pair| Span { from: pair[0], to: pair[1] });
        spans
            .zip(&self.kept)
            .filter(|(span, kept)| **kept && *span != Span { from: Edge::Start, to: Edge::End })
            .map(|(span, _)| Existing { span, detach_pending: false })
            .collect()
    }
}

impl Laid<'_> {
    fn look(&self, existing: &[Existing]) -> Coverage {
        coverage(existing, &self.table.axis, self.aim, 10_000)
    }

    /// All partitions once the missing ones are made.
    fn after(&self, found: &Coverage) -> Vec<Existing> {
        let made = found
            .missing
            .iter()
            .map(|piece| Existing { span: piece.span(), detach_pending: false });
        let mut all: Vec<Existing> = self.existing.iter().cloned().chain(made).collect();
        all.sort_by_key(|partition| partition.span);
        all
    }
}

/// From now to the target every moment has one partition, and a second run finds nothing to make.
fn covered_once(world: &World) -> Result<(), TestCaseError> {
    let plain = world.plain();
    let laid = world.lay(&plain, world.now);
    let found = laid.look(&laid.existing);
    let all = laid.after(&found);
    for pair in all.windows(2) {
        prop_assert!(pair[0].span.to <= pair[1].span.from, "{:?} overlap", pair);
    }
    let until = covered_until(&all, found.aim.first);
    prop_assert!(until > Some(Edge::At(found.aim.target)), "covered until {:?} only", until);
    let again = laid.look(&all);
    prop_assert!(again.missing.is_empty(), "a second run makes {:?}", again.missing);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_time_ahead_is_covered_once(world in worlds()) {
        covered_once(&world)?;
    }

    /// Whatever row comes until premake is over has its partition, minute by minute.
    #[test]
    fn every_minute_ahead_has_its_partition(world in worlds()) {
        let plain = world.plain();
        let laid = world.lay(&plain, world.now);
        let all = laid.after(&laid.look(&laid.existing));
        let premake = laid.table.config.premake.period().unwrap();
        // A day of spring has 23 hours.
        let until = premake.after(world.now, laid.table.config.timezone);
        let minutes = (0..1_440).map(|minute| world.now + TimeDelta::minutes(minute));
        for row in minutes.take_while(|row| *row <= until) {
            let key = laid.table.axis.at(row).unwrap();
            let index = all.partition_point(|partition| partition.span.to <= Edge::At(key));
            let home = all.get(index).filter(|partition| partition.span.holds(key));
            prop_assert!(home.is_some(), "{} has none", row);
        }
    }

    #[test]
    fn pieces_lie_on_the_grid_and_have_names_of_their_own(world in worlds()) {
        let plain = world.plain();
        let laid = world.lay(&plain, world.now);
        let found = laid.look(&laid.existing);
        let template = Template::of_interval(laid.table.config.interval);
        let table = Ident::new("Ж".repeat(31)).unwrap();
        let axis = &laid.table.axis;
        let mut names = BTreeSet::new();
        for piece in &found.missing {
            prop_assert!(piece.from < piece.to && piece.to > found.aim.first);
            prop_assert!(Some(piece.to) <= axis.next(piece.from), "{:?} spans two cells", piece);
            let (from, to) = (axis.mark(piece.from), axis.mark(piece.to));
            let name = if piece.whole_cell {
                template.cell(&table, from, 1)
            } else {
                template.odd(&table, from, to, 1)
            };
            prop_assert!(name.as_str().len() <= 63);
            prop_assert!(names.insert(name.clone()), "{} twice", name);
        }
    }

    #[test]
    fn bounds_do_not_depend_on_the_day_a_table_is_first_seen(
        world in worlds(),
        later in 0_i64..90,
    ) {
        let plain = world.plain();
        let bounds = |now| -> BTreeSet<Point> {
            world.lay(&plain, now).look(&[]).missing.iter().map(|piece| piece.from).collect()
        };
        let then = world.now + TimeDelta::hours(later * later);
        let (first, second) = (bounds(world.now), bounds(then));
        let (Some(from), Some(to)) = (second.first(), first.last()) else { return Ok(()) };
        if from <= to {
            prop_assert_eq!(first.range(from..=to).collect::<Vec<_>>(), second.range(from..=to).collect::<Vec<_>>());
        }
    }

    /// Ids are numbers like any other: from the highest in use, without a gap.
    #[test]
    fn the_ids_ahead_are_covered_once(
        highest in prop::option::of(-1_000_000_i64..10_000_000),
        width in 1_i64..500_000,
        cells in 1_i64..50,
        bounds in prop::collection::btree_set(-2_000_000_i64..12_000_000, 0..12),
        kept in prop::collection::vec(any::<bool>(), 13),
    ) {
        let ids = table("public.events").ids(&width.to_string(), &(width * cells).to_string(), highest);
        let plain = world([ids]);
        let (name, facts) = plain.seen.tables.first_key_value().unwrap();
        let table = tended(name, &plain.section.tables[name], facts, &plain.seen).unwrap();
        let edges: Vec<i64> = bounds.into_iter().collect();
        let existing = edges.windows(2).zip(kept).filter(|(_, kept)| *kept).map(|(pair, _)| Existing {
            span: Span { from: Edge::At(Point::Integer(pair[0])), to: Edge::At(Point::Integer(pair[1])) },
            detach_pending: false,
        }).collect();
        let laid = Laid { aim: table.aim(DateTime::UNIX_EPOCH).unwrap(), table, existing };
        let found = laid.look(&laid.existing);
        let all = laid.after(&found);
        prop_assert!(all.windows(2).all(|pair| pair[0].span.to <= pair[1].span.from));
        let target = Point::Integer(highest.unwrap_or(0) + width * cells);
        prop_assert!(covered_until(&all, found.aim.now) > Some(Edge::At(target)));
        prop_assert!(laid.look(&all).missing.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    #[ignore = "minutes long; by name: cargo test --release --lib a_million_worlds -- --ignored"]
    fn the_time_ahead_is_covered_once_in_a_million_worlds(world in worlds()) {
        covered_once(&world)?;
    }
}
