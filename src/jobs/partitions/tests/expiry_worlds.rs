//! Whatever the bounds, the zone, the clock and the policy: what leaves is old, whole, agreed to and
//! within the brakes.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::super::retention::choice::{Choice, Part, Policy, choose};
use super::coverage;
use crate::config::checked::{Expiry, OnExpiry};
use crate::jobs::partitions::grid::axis::Axis;
use crate::jobs::partitions::grid::bounds::Edge;
use crate::time::period::Period;

#[derive(Debug)]
struct World {
    axis: Axis,
    now: DateTime<Utc>,
    parts: Vec<Part>,
    expiry: Expiry,
    agreed: Option<Policy>,
}

fn retentions() -> impl Strategy<Value = Period> {
    prop_oneof![
        (1_u32..600).prop_map(|n| format!("{n} days")),
        (1_u32..24).prop_map(|n| format!("{n} months")),
        (1_u32..9_000).prop_map(|n| format!("{n} hours")),
        (1_u32..12, 1_u32..31, 1_u32..50)
            .prop_map(|(m, d, h)| format!("{m} months {d} days {h} hours")),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn policies() -> impl Strategy<Value = Policy> {
    (retentions(), any::<bool>(), retentions()).prop_map(|(retention, drops, quarantine)| {
        let on_expiry = if drops { OnExpiry::Drop } else { OnExpiry::Detach };
        Policy { retention, on_expiry, quarantine }
    })
}

fn worlds() -> impl Strategy<Value = World> {
    let flags = prop::collection::vec((0_u8..10, 0_u8..10, 0_u8..10), 14);
    let brakes = (1_u32..12, 0.01_f64..=1.0);
    (coverage::worlds(), policies(), prop::option::of(policies()), any::<bool>(), flags, brakes)
        .prop_map(|(world, policy, other, is_agreed, flags, (max_per_run, max_share))| {
            let (axis, existing) = world.laid_out();
            let parts = existing.iter().zip(flags).zip(1..).map(
                |((existing, (kind, pending, restored)), oid)| Part {
                    oid,
                    name: format!("public.p{oid}").parse().unwrap(),
                    span: existing.span,
                    bound: String::new(),
                    is_plain: kind > 0,
                    is_pending: pending == 0,
                    restored_at: (restored == 0).then_some(world.now),
                },
            );
            let Policy { retention, on_expiry, quarantine } = policy;
            World {
                parts: parts.collect(),
                axis,
                now: world.now,
                expiry: Expiry { retention, on_expiry, quarantine, max_per_run, max_share },
                agreed: if is_agreed { Some(policy) } else { other },
            }
        })
}

impl World {
    fn choose(&self) -> Choice<'_> {
        choose(&self.parts, &self.axis, &self.expiry, self.agreed, self.now)
    }

    /// The instant a range ends at.
    fn end(&self, part: &Part) -> Option<DateTime<Utc>> {
        let Edge::At(to) = part.span.to else { return None };
        self.axis.instant(to)
    }

    /// The age in which no row may leave, counted without any calendar: months of 28 days, and days
    /// and clocks that may shift by 26 hours.
    fn age_least(&self) -> TimeDelta {
        let kept = self.expiry.retention;
        let days = i64::from(kept.months()) * 28 + i64::from(kept.days());
        let slack = if days == 0 && !self.axis.key.is_local() { 0 } else { 26 };
        TimeDelta::days(days) + TimeDelta::seconds(kept.seconds().into()) - TimeDelta::hours(slack)
    }
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let (choice, axis, now) = (world.choose(), &world.axis, world.now);
    let horizon = axis.at(world.expiry.retention.before(now, axis.tz)).unwrap();
    for part in choice.leaving.iter().chain(&choice.later) {
        prop_assert!(part.span.to <= Edge::At(horizon), "{part:?} is beyond {horizon:?}");
        prop_assert!(part.span.to < Edge::At(axis.at(now).unwrap()), "{part:?} is not past");
        let end = world.end(part).unwrap();
        prop_assert!(now - end >= world.age_least(), "{part:?} ended at {end} only");
        prop_assert!(part.is_plain && !part.is_pending && part.restored_at.is_none());
        prop_assert!(
            world.agreed.unwrap().expires(part.span, axis, now),
            "{part:?} was not agreed to"
        );
    }
    let standing = world.parts.iter().filter(|part| !part.is_pending).count();
    let leaving = choice.leaving.len();
    prop_assert!(leaving == 0 || leaving < standing, "the last one leaves");
    prop_assert!(leaving <= world.expiry.max_per_run as usize);
    let share = f64::from(u32::try_from(standing).unwrap()) * world.expiry.max_share;
    prop_assert!(leaving <= 1 || f64::from(u32::try_from(leaving).unwrap()) <= share);
    // What may leave does leave, oldest first.
    prop_assert!(choice.later.is_empty() || leaving > 0 || standing == 1);
    let all: Vec<_> = choice.leaving.iter().chain(&choice.later).map(|part| part.span).collect();
    prop_assert!(all.is_sorted());
    // Every partition is accounted for once.
    let told = all.len() + choice.not_agreed.len() + choice.restored.len() + choice.not_plain.len();
    let old = |part: &&Part| !part.is_pending && part.span.to <= Edge::At(horizon);
    prop_assert_eq!(told, world.parts.iter().filter(old).count());
    Ok(())
}

/// A drop needs all of it: the policy, the age, the quarantine.
fn check_drop(world: &World, hours_ago: i64) -> Result<(), TestCaseError> {
    let policy = Policy::of(&world.expiry);
    let at = world.now - TimeDelta::hours(hours_ago);
    for part in &world.parts {
        if policy.drops(part.span, at, &world.axis, world.now) {
            prop_assert!(policy.on_expiry == OnExpiry::Drop);
            prop_assert!(policy.expires(part.span, &world.axis, world.now));
            let days =
                i64::from(policy.quarantine.months()) * 28 + i64::from(policy.quarantine.days());
            prop_assert!(
                hours_ago >= days * 24 + i64::from(policy.quarantine.seconds()) / 3_600 - 26
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_what_is_old_leaves(world in worlds()) {
        check(&world)?;
    }

    #[test]
    fn nothing_is_dropped_before_its_time(world in worlds(), hours_ago in 0_i64..20_000) {
        check_drop(&world, hours_ago)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "minutes long; by name: cargo test --release --lib a_million_worlds -- --ignored"]
    fn only_what_is_old_leaves_in_a_million_worlds(world in worlds(), hours_ago in 0_i64..20_000) {
        check(&world)?;
        check_drop(&world, hours_ago)?;
    }
}
