//! The law and the brake, without a server.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::checked::Size;
use crate::pg::catalog::pressure::{Pressure, Replica, Sight, Slot};

const TARGET: Duration = Duration::from_millis(50);
const MIB: u64 = 1 << 20;

fn law() -> Law {
    Law { target: Some(TARGET), rows_first: 100, rows_max: 1_000_000, bytes_max: 1 << 40 }
}

/// A server that needs so long for each batch, row and byte; microseconds.
#[derive(Clone, Copy)]
struct Cost {
    batch: f64,
    row: f64,
    byte: f64,
}

/// As in the measurements of the reference: 250,000 rows of 300 bytes per second, 2,300 of 20 kB.
const MEASURED: Cost = Cost { batch: 1_500.0, row: 0.5, byte: 0.0115 + 0.0095 };

impl Cost {
    /// One batch of rows of this width, as the mover takes it: within rows and bytes.
    #[expect(clippy::cast_precision_loss, reason = "small")]
    fn run(self, sizer: &mut Sizer, width: u64) -> (u64, Duration) {
        let allowed = sizer.portion();
        let rows = allowed.rows.min((allowed.bytes + allowed.bytes / 4) / width).max(1);
        let micros = self.batch + self.row * rows as f64 + self.byte * (rows * width) as f64;
        let took = Duration::from_secs_f64(micros / 1e6);
        sizer.learn(Measured { rows, bytes: Some(rows * width), hurt: false }, took);
        (rows, took)
    }
}

#[test]
fn the_target_is_reached_from_100_rows_within_10_batches() {
    for (name, cost, width) in [
        ("as measured", MEASURED, 300),
        ("wide rows", MEASURED, 20_000),
        ("narrow rows", MEASURED, 20),
        ("a fast server", Cost { batch: 200.0, row: 0.1, byte: 0.005 }, 300),
        ("a slow one", Cost { batch: 9_000.0, row: 20.0, byte: 0.2 }, 300),
    ] {
        let mut sizer = Sizer::new(law());
        assert_eq!(sizer.portion().rows, 100, "{name}");
        let took: Vec<Duration> = (0..10).map(|_| cost.run(&mut sizer, width).1).collect();
        let last = took.last().unwrap();
        assert!((TARGET * 6 / 10..TARGET * 14 / 10).contains(last), "{name}: {took:?}");
        let most = took.iter().max().unwrap();
        assert!(*most <= TARGET * 2, "{name}: {took:?}");
    }
}

#[test]
fn rows_that_grow_in_the_middle_of_a_run_stay_within_twice_the_target() {
    let mut sizer = Sizer::new(law());
    for _ in 0..30 {
        MEASURED.run(&mut sizer, 300);
    }
    let (before, _) = MEASURED.run(&mut sizer, 300);
    let took: Vec<_> = (0..20).map(|_| MEASURED.run(&mut sizer, 20_000)).collect();
    for (rows, took) in &took {
        assert!(*took <= TARGET * 2, "{rows} rows took {took:?}");
    }
    assert!(before > 40 * took[0].0, "{before} rows, then {}", took[0].0);
    // And back: the first small rows are few for their time, the next are as many as before.
    MEASURED.run(&mut sizer, 300);
    let (rows, took) = (0..5).map(|_| MEASURED.run(&mut sizer, 300)).last().unwrap();
    assert!(took <= TARGET * 2 && rows * 2 > before, "{rows} rows took {took:?}");
}

#[test]
fn locks_halve_the_batch_and_quick_ones_grow_it_by_half_at_most() {
    let mut sizer = Sizer::new(Law { rows_first: 10_000, ..law() });
    let hurt = Measured { rows: 10_000, bytes: None, hurt: true };
    sizer.learn(hurt, TARGET / 5);
    assert_eq!(sizer.portion().rows, 5_000);
    sizer.learn(Measured { rows: 5_000, ..hurt }, TARGET / 5);
    assert_eq!(sizer.portion().rows, 2_500);
    sizer.learn(Measured::of(2_500), TARGET / 5);
    assert_eq!(sizer.portion().rows, 3_750, "no more than half, since locks were met");
    for _ in 0..100 {
        sizer.shrink();
    }
    assert_eq!(sizer.portion().rows, 100, "never below the least");
}

#[test]
fn a_batch_that_was_not_full_tells_nothing_unless_it_was_slow() {
    let mut sizer = Sizer::new(Law { rows_first: 10_000, ..law() });
    sizer.learn(Measured::of(3), Duration::from_millis(1));
    assert_eq!(sizer.portion().rows, 10_000, "the end of the table");
    sizer.learn(Measured::of(0), Duration::from_secs(9));
    assert_eq!(sizer.portion().rows, 10_000, "all of them were locked");
    sizer.learn(Measured::of(1_000), TARGET * 2);
    assert_eq!(sizer.portion().rows, 500);
}

#[test]
fn a_fixed_size_stays() {
    let mut sizer = Sizer::new(Pacing::fixed(5_000).law);
    sizer.learn(Measured { rows: 5_000, bytes: None, hurt: true }, TARGET * 9);
    assert_eq!(sizer.portion(), Portion { rows: 5_000, bytes: u64::MAX });
    assert_eq!(Pacing::fixed(1).rest(TARGET), Duration::ZERO);
}

#[test]
fn the_rest_makes_the_duty() {
    let gentle = Pacing::of(Pace::Gentle, 10_000, Limits::default());
    let rest = gentle.rest(Duration::from_millis(70));
    assert!(rest.abs_diff(Duration::from_millis(30)) < Duration::from_micros(1), "{rest:?}");
    assert_eq!(gentle.rest(Duration::from_mins(1)), REST_MAX, "one that was held up");
    let full = Pacing::of(Pace::Full, 10_000, Limits::default());
    assert_eq!(full.rest(Duration::from_secs(1)), Duration::ZERO);
    assert_eq!(Sizer::new(full.law).portion().rows, 10_000);
}

proptest! {
    /// Whatever is measured: never no row, never more than the caps, never more than twice the work
    /// of before.
    #[test]
    fn sizes_stay_within_their_caps(
        rows_max in 1_u64..100_000,
        bytes_max in 1_u64..1 << 30,
        seen in prop::collection::vec((0_u64..200_000, 0_u64..1 << 32, 0_u64..100_000, any::<bool>()), 1..50),
    ) {
        let mut sizer = Sizer::new(Law { rows_max, bytes_max, ..law() });
        for (rows, bytes, ms, hurt) in seen {
            let allowed = sizer.portion();
            prop_assert!((1..=rows_max).contains(&allowed.rows), "{allowed:?}");
            prop_assert!((1..=bytes_max).contains(&allowed.bytes), "{allowed:?}");
            let batch = Measured { rows: rows.min(allowed.rows), bytes: Some(bytes), hurt };
            sizer.learn(batch, Duration::from_millis(ms));
        }
    }
}

fn replica(name: &str, wal: u64, lag_s: u64) -> Replica {
    let (lag, silent) = (Duration::from_secs(lag_s), Duration::from_secs(1));
    Replica { name: name.to_owned(), wal, lag, silent }
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// What one look says, at a time.
fn judged(brake: &mut Brake, seen: &Pressure, at_s: u64) -> String {
    brake.judge(seen, seconds(at_s)).map_or("go on".to_owned(), |cause| cause.to_string())
}

#[test]
fn the_slowest_replica_counts_and_one_that_is_gone_does_not() {
    let limits = Limits {
        replica_wal: Some(Size(100 * MIB)),
        replica_lag: Some(seconds(10)),
        ..Limits::default()
    };
    let mut brake = Brake::new(limits.clone());
    let look =
        |replicas: &[Replica]| Pressure { replicas: replicas.to_vec(), ..Pressure::default() };
    let near = replica("near", MIB, 1);
    assert_eq!(judged(&mut brake, &look(&[]), 0), "go on");
    assert_eq!(judged(&mut brake, &look(std::slice::from_ref(&near)), 1), "go on");
    let far = replica("far", 200 * MIB, 20);
    assert_eq!(
        judged(&mut brake, &look(&[near.clone(), far.clone()]), 2),
        "replica far has 200 MiB of WAL to replay, limit 100 MiB"
    );
    assert_eq!(
        judged(&mut brake, &look(&[near.clone(), replica("far", 90 * MIB, 5)]), 3),
        "replica far has 90 MiB of WAL to replay, limit 100 MiB",
        "it must come well below"
    );
    assert_eq!(
        judged(&mut brake, &look(&[near.clone(), replica("far", 70 * MIB, 20)]), 4),
        "replica far is 20s behind, limit 10s"
    );
    assert_eq!(judged(&mut brake, &look(&[replica("far", 0, 20)]), 5), "go on", "it has all");
    let gone = Replica { silent: seconds(3600), ..far.clone() };
    assert_eq!(judged(&mut brake, &look(&[near, gone]), 6), "go on");
    let mut named = Brake::new(Limits { replicas: vec!["near".into()], ..limits });
    assert_eq!(judged(&mut named, &look(&[far]), 7), "go on", "it is not named");
}

#[test]
fn slots_archiver_and_sessions_stop_it() {
    let limits = Limits {
        slot_wal: Some(Size(1 << 30)),
        archiver_wal: Some(Size(64 * MIB)),
        active_sessions: Some(4),
        ..Limits::default()
    };
    let slot = |wal, left| Slot { name: "s".into(), wal, left };
    for (seen, says) in [
        (Pressure::default(), "go on"),
        (Pressure { slots: vec![slot(2, None)], ..Pressure::default() }, "go on"),
        (
            Pressure { slots: vec![slot(2 << 30, None)], ..Pressure::default() },
            "replication slot s retains 2 GiB of WAL, limit 1 GiB",
        ),
        (
            Pressure { slots: vec![slot(2, Some(10 * MIB))], ..Pressure::default() },
            "replication slot s is lost after 10 MiB more of WAL (max_slot_wal_keep_size)",
        ),
        (
            Pressure { archiver_wal: Some(65 * MIB), ..Pressure::default() },
            "65 MiB of WAL waits to be archived, limit 64 MiB",
        ),
        (Pressure { active_sessions: Some(4), ..Pressure::default() }, "go on"),
        (
            Pressure { active_sessions: Some(5), ..Pressure::default() },
            "5 sessions are active, limit 4",
        ),
    ] {
        assert_eq!(judged(&mut Brake::new(limits.clone()), &seen, 0), says, "{seen:?}");
        let mut blind = Brake::new(Limits::default());
        assert_eq!(judged(&mut blind, &seen, 0), "go on", "absent means absent");
    }
}

#[test]
fn wal_per_second_is_an_average_over_a_second_or_more() {
    let mut brake =
        Brake::new(Limits { wal_per_second: Some(Size(10 * MIB)), ..Limits::default() });
    let at = |wal: u64| Pressure { wal: wal * MIB, ..Pressure::default() };
    assert_eq!(brake.judge(&at(0), Duration::ZERO), None);
    assert_eq!(brake.judge(&at(20), Duration::from_millis(500)), None, "too early to tell");
    assert_eq!(
        judged(&mut brake, &at(20), 1),
        "the server writes 20 MiB of WAL per second, limit 10 MiB"
    );
    assert_eq!(judged(&mut brake, &at(20), 2), "go on");
    assert_eq!(judged(&mut brake, &at(29), 3), "go on");
}

#[test]
fn forced_checkpoints_too_close_together_stop_it_for_the_gap() {
    let mut brake = Brake::new(Limits { checkpoint_gap: Some(seconds(30)), ..Limits::default() });
    let at = |count| Pressure { forced_checkpoints: Some(count), ..Pressure::default() };
    assert_eq!(judged(&mut brake, &at(7), 0), "go on");
    assert_eq!(judged(&mut brake, &at(8), 40), "go on", "the first that is seen");
    assert_eq!(judged(&mut brake, &at(9), 80), "go on", "far enough apart");
    let says = "checkpoints are forced every 10s, limit 30s (raise max_wal_size)";
    assert_eq!(judged(&mut brake, &at(10), 90), says);
    assert_eq!(judged(&mut brake, &Pressure::default(), 119), says, "not asked again meanwhile");
    assert_eq!(judged(&mut brake, &at(10), 120), "go on");
}

#[test]
fn nothing_is_asked_where_nothing_is_limited() {
    assert_eq!(Brake::new(Limits::default()).wants(), None);
    let wants = Brake::new(Limits { slot_wal: Some(Size(1)), ..Limits::default() }).wants();
    assert!(wants.is_some_and(|wants| !wants.sessions && !wants.archiver && !wants.checkpoints));
}

#[test]
fn what_the_server_hides_is_said_where_a_limit_needs_it() {
    let limits = Limits { replica_wal: Some(Size(1)), ..Limits::default() };
    let role = "tender".parse().unwrap();
    let said = |limits: &Limits, is_clear, replicas| {
        blind_spots(limits, Sight { is_clear, replicas }, &role).unwrap_or_default()
    };
    assert_eq!(said(&limits, true, 1), "");
    assert_eq!(said(&limits, false, 0), "", "there is nothing to see");
    assert_eq!(
        said(&Limits { active_sessions: Some(1), ..limits }, false, 1),
        "the server does not show tender how far replicas are behind and which sessions are active, so \
         nothing waits for it; GRANT pg_read_all_stats TO tender"
    );
    assert_eq!(said(&Limits::default(), false, 1), "");
}
