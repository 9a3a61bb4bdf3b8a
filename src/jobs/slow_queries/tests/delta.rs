use std::time::Duration;

use proptest::prelude::*;

use super::world::{ALL, Extension, World, key};
use crate::jobs::slow_queries::delta::{
    Anew, Comparison, Counter, Delta, Interval, Snapshot, compare,
};

const HOUR: Duration = Duration::from_hours(1);

fn since(before: &Snapshot, world: &World) -> Interval {
    match compare(Some(before), &world.look(), HOUR) {
        Comparison::Since(interval) => interval,
        Comparison::Anew(why) => panic!("no comparison: {why:?}"),
    }
}

fn calls_and_ms(delta: &Delta) -> (u64, u64) {
    (delta.sums[Counter::Calls], delta.sums[Counter::Time] / 1000)
}

/// One statement between two polls a minute apart.
fn check(
    extensions: &[Extension],
    before: impl Fn(&mut World),
    between: impl Fn(&mut World),
    expected: impl Fn(Extension, Option<&Delta>),
) {
    for &extension in extensions {
        let mut world = World::new(extension);
        before(&mut world);
        let base = world.poll();
        world.pass(60);
        between(&mut world);
        expected(extension, since(&base, &world).deltas.get(&key(1)));
    }
}

#[test]
fn a_difference_is_the_interval_alone() {
    check(
        &ALL,
        |world| world.run(1, 1_000_000, 5),
        |world| world.run(1, 100, 500),
        |_, delta| {
            let delta = delta.expect("it ran");
            assert_eq!((calls_and_ms(delta), delta.mean_us()), ((100, 50_000), 500_000));
            assert!(delta.max_is_new && !delta.partial);
            assert_eq!((delta.max_us, delta.length.as_secs()), (500_000, 60));
        },
    );
}

#[test]
fn what_was_not_called_is_not_there() {
    check(&ALL, |world| world.run(1, 5, 100), |_| {}, |_, delta| assert_eq!(delta, None));
}

#[test]
fn an_old_maximum_is_not_new() {
    check(
        &ALL,
        |world| world.run(1, 1, 9000),
        |world| world.run(1, 1, 8000),
        |_, delta| assert!(!delta.expect("it ran").max_is_new),
    );
}

#[test]
fn a_new_statement_counts_whole() {
    check(
        &ALL,
        |world| world.run(2, 1, 1),
        |world| world.run(1, 7, 100),
        |_, delta| {
            let delta = delta.expect("it ran");
            assert_eq!(calls_and_ms(delta), (7, 700));
            assert!(delta.max_is_new && !delta.partial);
        },
    );
}

#[test]
fn in_a_full_house_a_new_statement_is_partial_unless_its_age_is_known() {
    check(
        &ALL,
        |world| {
            world.entries_max = 100;
            (2..=101).for_each(|id| world.run(id, 5, 1));
        },
        |world| world.run(1, 7, 100),
        |extension, delta| {
            let delta = delta.expect("it ran");
            assert_eq!(calls_and_ms(delta), (7, 700));
            assert_eq!(delta.partial, extension != Extension::Ages);
        },
    );
}

/// Measured on version 15: 10 calls, reset, 13 calls; a naive difference is 3.
#[test]
fn after_a_full_reset_the_value_is_the_interval() {
    check(
        &[Extension::Counts, Extension::Ages],
        |world| world.run(1, 10, 100),
        |world| {
            world.run(1, 5, 100);
            world.reset();
            world.pass(30);
            world.run(1, 13, 100);
        },
        |_, delta| {
            let delta = delta.expect("it ran");
            assert_eq!(calls_and_ms(delta), (13, 1300));
            assert!(!delta.partial, "exact since the reset");
            assert!(delta.length.as_secs() <= 30, "since the reset, not since the poll");
        },
    );
}

/// It does not move `stats_reset`.
#[test]
fn a_targeted_reset_shows_by_age_or_by_a_fallen_counter() {
    check(
        &ALL,
        |world| world.run(1, 10, 100),
        |world| {
            world.forget(1);
            world.run(1, 4, 100);
        },
        |extension, delta| {
            let delta = delta.expect("it ran");
            assert_eq!(calls_and_ms(delta), (4, 400));
            assert_eq!(delta.partial, extension != Extension::Ages);
        },
    );
}

#[test]
fn a_re_creation_with_more_calls_shows_by_its_extremes() {
    for (before_ms, after_ms) in [(100, 150), (100, 50)] {
        check(
            &ALL,
            |world| world.run(1, 2, before_ms),
            |world| {
                world.forget(1);
                world.run(1, 40, after_ms);
            },
            |_, delta| assert_eq!(calls_and_ms(delta.expect("it ran")), (40, 40 * after_ms)),
        );
    }
}

#[test]
fn a_reset_of_extremes_alone_is_no_re_creation() {
    check(
        &[Extension::Ages],
        |world| world.run(1, 10, 900),
        |world| {
            world.run(1, 1, 300);
            let entry = world.entries.get_mut(&1).expect("it ran");
            (entry.min_us, entry.max_us) = (300_000, 300_000);
            entry.since.as_mut().expect("1.11").minmax = world.now.timestamp_micros();
        },
        |_, delta| {
            let delta = delta.expect("it ran");
            assert_eq!(calls_and_ms(delta), (1, 300));
            assert!(delta.max_is_new, "all of the maximum's time lies in this interval");
        },
    );
}

#[test]
fn a_clean_restart_changes_nothing() {
    check(
        &ALL,
        |world| world.run(1, 10, 100),
        |world| {
            world.restart();
            world.run(1, 3, 100);
        },
        |_, delta| assert_eq!(calls_and_ms(delta.expect("it ran")), (3, 300)),
    );
}

#[test]
fn a_crash_loses_all_and_begins_anew() {
    check(
        &ALL,
        |world| {
            world.run(1, 10, 100);
            world.run(2, 10, 100);
        },
        |world| {
            world.reset();
            world.restart();
            world.pass(30);
            world.run(1, 13, 100);
        },
        |_, delta| {
            let delta = delta.expect("it ran");
            assert_eq!(calls_and_ms(delta), (13, 1300));
            assert!(!delta.partial && delta.length.as_secs() <= 30);
        },
    );
}

#[test]
fn what_was_hidden_before_is_not_new() {
    check(
        &ALL,
        |world| world.hidden = 3,
        |world| {
            world.hidden = 0;
            let now = world.now;
            world.now -= chrono::TimeDelta::hours(5);
            world.run(1, 1_000_000, 700);
            world.now = now;
        },
        |_, delta| assert_eq!(delta, None),
    );
}

#[test]
fn without_a_usable_baseline_there_is_no_interval() {
    let mut world = World::new(Extension::Ages);
    world.run(1, 1, 9000);
    let base = world.poll();
    let anew = |base: Option<&Snapshot>, world: &World| match compare(base, &world.look(), HOUR) {
        Comparison::Anew(why) => why,
        Comparison::Since(interval) => panic!("compared: {interval:?}"),
    };
    assert_eq!(anew(None, &world), Anew::First);
    assert_eq!(anew(Some(&base), &world), Anew::ClockWentBack, "no time has passed");
    world.pass(3601);
    assert_eq!(anew(Some(&base), &world), Anew::Stale(Duration::from_secs(3601)));
    world.now = base.marks.taken_at - chrono::TimeDelta::seconds(1);
    assert_eq!(anew(Some(&base), &world), Anew::ClockWentBack);

    world.pass(61);
    let mut foreign = base.clone();
    foreign.marks.origin.system += 1;
    assert_eq!(anew(Some(&foreign), &world), Anew::OtherOrigin);
    foreign = base.clone();
    foreign.marks.origin.extension = "1.12".into();
    assert_eq!(anew(Some(&foreign), &world), Anew::OtherOrigin);
}

#[test]
fn entries_that_left_are_counted() {
    let mut world = World::new(Extension::Counts);
    world.entries_max = 30;
    (1..=30).for_each(|id| world.run(id, id.unsigned_abs(), 1));
    let base = world.poll();
    world.pass(60);
    world.run(99, 1, 1);
    let interval = since(&base, &world);
    assert_eq!((interval.evictions, interval.vanished), (Some(1), 10));
}

#[derive(Debug, Clone)]
enum Happening {
    Run { id: i64, calls: u64, each_ms: u64 },
    RunMany(i64),
    Forget(i64),
    Reset,
    Restart,
    Poll,
}

fn happening() -> impl Strategy<Value = Happening> {
    let run = (0..140i64, 1..6u64, prop::sample::select(vec![1, 2, 5, 30, 100, 700]));
    prop_oneof![
        60 => run.prop_map(|(id, calls, each_ms)| Happening::Run { id, calls, each_ms }),
        10 => (0..100i64).prop_map(Happening::RunMany),
        2 => (0..140i64).prop_map(Happening::Forget),
        1 => Just(Happening::Reset),
        1 => Just(Happening::Restart),
        4 => Just(Happening::Poll),
    ]
}

/// Whatever happens: no figure exceeds the truth, none is invented, and where the age of entries
/// is known, each is exact for the time it says it covers.
fn check_against_truth(extension: Extension, happenings: &[Happening]) {
    let mut world = World::new(extension);
    world.entries_max = 100;
    let mut base = world.poll();
    for happening in happenings {
        world.pass(1);
        match *happening {
            Happening::Run { id, calls, each_ms } => world.run(id, calls, each_ms),
            Happening::RunMany(from) => (from..from + 40).for_each(|id| world.run(id, 1, 3)),
            Happening::Forget(id) => world.forget(id),
            Happening::Reset => world.reset(),
            // Without `stats_reset`, a targeted reset in the minute of a restart looks like a crash.
            Happening::Restart if extension == Extension::Blind => {}
            Happening::Restart => world.restart(),
            Happening::Poll => {
                for (key, delta) in &since(&base, &world).deltas {
                    let (calls, micros) = world.truth[&key.queryid];
                    let found = (delta.sums[Counter::Calls], delta.sums[Counter::Time]);
                    assert!(found.0 <= calls && found.1 <= micros, "{key:?} {found:?}");
                    assert!(found.0 > 0 && delta.length <= Duration::from_secs(1000));
                    let lived_on = !world.recreated.contains_key(&key.queryid);
                    if lived_on || extension == Extension::Ages {
                        let entry = &world.entries[&key.queryid];
                        let whole = (entry.sums[Counter::Calls], entry.sums[Counter::Time]);
                        assert_eq!(found, if lived_on { (calls, micros) } else { whole });
                    }
                }
                base = world.poll();
            }
        }
    }
}

proptest! {
    #[test]
    fn never_more_than_the_truth(happenings in prop::collection::vec(happening(), 1..300)) {
        for extension in ALL {
            check_against_truth(extension, &happenings);
        }
    }
}
