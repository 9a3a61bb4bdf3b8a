//! Whatever stands, whatever the zone and the clock: the time ahead is covered once, without a gap.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::bounds::{Axis, Edge, KeyType, Span};
use super::super::coverage::{Coverage, Existing, coverage, covered_until};
use crate::pg::ident::Ident;
use crate::pg::partition_name::Template;
use crate::time::grid::Grid;
use crate::time::period::Period;

/// Zones that skip or repeat midnight, skip a whole day, are off by half an hour, or rarely change.
const ZONES: [Tz; 8] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Asia__Beirut,
    Tz::America__Havana,
    Tz::Pacific__Apia,
    Tz::Australia__Lord_Howe,
    Tz::America__St_Johns,
];
const INTERVALS: [&str; 9] = [
    "1 day", "3 days", "1 week", "2 weeks", "1 month", "2 months", "1 quarter", "6 months", "1 year",
];
const KEYS: [KeyType; 3] = [KeyType::Date, KeyType::Timestamp, KeyType::TimestampTz];

#[derive(Debug)]
pub struct World {
    pub axis: Axis,
    pub interval: Period,
    pub premake: Period,
    pub now: DateTime<Utc>,
    pub existing: Vec<Existing>,
}

/// Partitions between random bounds around now, about every second range left out.
pub fn worlds() -> impl Strategy<Value = World> {
    let bounds = prop::collection::btree_set(-800_i64..1_200, 0..12);
    let kept = prop::collection::vec(any::<bool>(), 13);
    (0..ZONES.len(), 0..INTERVALS.len(), 0..KEYS.len(), 1_u32..400, bounds, kept, instants())
        .prop_map(|(zone, interval, key, premake_days, bounds, kept, now)| {
            let interval: Period = INTERVALS[interval].parse().unwrap();
            let grid = Grid::new(interval, ZONES[zone]).unwrap();
            let axis = Axis { grid, key: KEYS[key] };
            // Dates lie on days; other keys have bounds at odd times of the day, and on the grid.
            let at = |hours: i64| {
                let at = axis.at(now + TimeDelta::hours(hours * 7));
                match axis.key {
                    KeyType::Date => at.date().and_time(chrono::NaiveTime::MIN),
                    _ if hours % 3 == 0 => axis.next(at),
                    _ => at,
                }
            };
            let mut edges: Vec<Edge> = vec![Edge::Start];
            edges.extend(bounds.into_iter().map(|hours| Edge::At(at(hours))));
            edges.push(Edge::End);
            edges.sort_unstable();
            edges.dedup();
            let spans = edges.windows(2).map(|pair| Span { from: pair[0], to: pair[1] });
            let existing = spans
                .zip(kept)
                .filter(|(span, kept)| *kept && *span != Span { from: Edge::Start, to: Edge::End })
                .map(|(span, _)| Existing { span, detach_pending: false })
                .collect();
            let premake = format!("{premake_days} days").parse().unwrap();
            World { axis, interval, premake, now, existing }
        })
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    // 1990 to 2050, with Apia's lost day and the hours around the shifts within reach.
    prop_oneof![
        (631_152_000_i64..2_524_608_000).prop_map(|second| DateTime::from_timestamp(second, 0)),
        (1_325_203_200_i64..1_325_376_000).prop_map(|second| DateTime::from_timestamp(second, 0)),
    ]
    .prop_map(Option::unwrap)
}

impl World {
    fn look(&self, existing: &[Existing]) -> Coverage {
        coverage(existing, &self.axis, self.now, self.premake, 10_000)
    }

    /// All partitions once the missing ones are made.
    fn after(&self, found: &Coverage) -> Vec<Existing> {
        let made = found.missing.iter().map(|piece| Existing {
            span: Span { from: Edge::At(piece.from), to: Edge::At(piece.to) },
            detach_pending: false,
        });
        let mut all: Vec<Existing> = self.existing.iter().cloned().chain(made).collect();
        all.sort_by_key(|partition| partition.span);
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_time_ahead_is_covered_once(world in worlds()) {
        let found = world.look(&world.existing);
        let all = world.after(&found);
        for pair in all.windows(2) {
            prop_assert!(pair[0].span.to <= pair[1].span.from, "{:?} overlap", pair);
        }
        let until = covered_until(&all, found.now);
        prop_assert!(until > Some(Edge::At(found.target)), "covered until {:?} only", until);
        let again = world.look(&all);
        prop_assert!(again.missing.is_empty(), "a second run makes {:?}", again.missing);
    }

    #[test]
    fn pieces_lie_on_the_grid_and_have_names_of_their_own(world in worlds()) {
        let found = world.look(&world.existing);
        let template = Template::of_interval(world.interval);
        let table = Ident::new("Ж".repeat(31)).unwrap();
        let mut names = BTreeSet::new();
        for piece in &found.missing {
            prop_assert!(piece.from < piece.to && piece.to > found.now);
            prop_assert!(piece.to <= world.axis.next(piece.from), "{:?} spans two cells", piece);
            let (from, to) = (world.axis.wall(piece.from), world.axis.wall(piece.to));
            let name = if piece.whole_cell {
                template.cell(&table, from, 1)
            } else {
                template.odd(&table, from, to, 1)
            };
            prop_assert!(names.insert(name.clone()), "{} twice", name);
        }
    }

    #[test]
    fn bounds_do_not_depend_on_the_day_a_table_is_first_seen(
        world in worlds(),
        later in 0_i64..90,
    ) {
        let bounds = |now| -> BTreeSet<NaiveDateTime> {
            let found = coverage(&[], &world.axis, now, world.premake, 10_000);
            found.missing.iter().map(|piece| piece.from).collect()
        };
        let then = world.now + TimeDelta::days(later);
        let (first, second) = (bounds(world.now), bounds(then));
        let (Some(from), Some(to)) = (second.first(), first.last()) else { return Ok(()) };
        if from <= to {
            prop_assert_eq!(first.range(from..=to).collect::<Vec<_>>(), second.range(from..=to).collect::<Vec<_>>());
        }
    }
}
