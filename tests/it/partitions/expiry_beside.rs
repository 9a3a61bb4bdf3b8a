//! What stands beside partitions that leave: readers, writers, a default partition, foreign keys.

use std::time::Duration;

use pgtend::job::{JobName, Verdict};
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;
use pgtend::time::clock;

use super::expiry::{COLUMNS, DROP, POLICY, confirmed, days_later, kinds, months, quarantined};
use super::{config, once, plan, succeeded, tending};
use crate::support::{Db, InProcess, on_every_major, run, wait_until};

/// Reads the whole table and writes to it, as an application does meanwhile.
async fn works(db: &Db) -> Duration {
    let mut conn = db.connect().await;
    let started = clock::monotonic();
    run(&mut conn, "SET statement_timeout = '20s'; SELECT count(*) FROM events; INSERT INTO events (id, ts) VALUES (9, '2026-01-20')").await;
    started.elapsed()
}

/// 14 and later, no default partition, no foreign keys: nobody waits, however long others read; what
/// could not be finished is finished by the next run.
#[test]
fn an_open_reader_and_an_open_writer_hold_up_nobody_but_us() {
    on_every_major(|db| async move {
        if db.major() < 14 {
            return;
        }
        months(&db, "events", COLUMNS).await;
        let app = confirmed(&db, &[("events", POLICY)]).await;
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events")
            .await;
        let mut writer = db.connect().await;
        run(&mut writer, "BEGIN; INSERT INTO events VALUES (8, '2026-01-20')").await;
        let running = tokio::spawn(async move { (once(&app).await, app) });
        wait_until("the detach waits", || async {
            !db.rows(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                      AND wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%CONCURRENTLY'",
            )
            .await
            .is_empty()
        })
        .await;
        let worked = works(&db).await;
        assert!(worked < Duration::from_secs(1), "the application waited {worked:?}");
        let (outcome, mut app) = running.await.unwrap();
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        assert_eq!(outcome.first_fault().unwrap().kind, Kind::LockNotHad);
        let pending = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhdetachpending";
        assert_eq!(db.column(pending).await, ["events_p2025_01"]);

        // The next run finishes that one first, and goes on with the others.
        run(&mut reader, "COMMIT").await;
        run(&mut writer, "COMMIT").await;
        app.ask(&Task::Tend { confirm: false });
        let outcome = once(&app).await;
        succeeded(&outcome);
        assert_eq!(kinds(&outcome)[0], ("finalize_detach", "public.events_p2025_01".to_owned()));
        assert_eq!(quarantined(&db).await.len(), 6);
        assert_eq!(db.column(pending).await, [""; 0]);
        assert!(plan(&app).await.actions.is_empty());
    });
}

/// 13, or with a default partition: strong locks, asked for briefly.
#[test]
fn with_a_default_partition_the_strong_lock_is_asked_for_briefly() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        db.execute("CREATE TABLE events_default PARTITION OF events DEFAULT; INSERT INTO events VALUES (5, '1999-01-01')").await;
        // A patient wait would be longer than anybody here has patience for.
        let patient = format!("lock_timeout = \"60s\"\n{}", config(&[("events", POLICY)]));
        let mut app = InProcess::new(&db, &patient).await;
        app.ask(&Task::Tend { confirm: true });
        let shown = plan(&app).await.to_string();
        assert!(!shown.contains("CONCURRENTLY") && shown.contains("pgtend_bound"), "{shown}");
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT count(*) FROM events").await;
        let running = tokio::spawn(async move { (once(&app).await, app) });
        let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass";
        // On a slow machine the reader is old by then, and nobody queues behind it at all.
        wait_until("the detach waits, or has seen who stands in its way", || async {
            running.is_finished() || !db.rows(waits).await.is_empty()
        })
        .await;
        let worked = works(&db).await;
        assert!(worked < Duration::from_secs(1), "the application waited {worked:?}");
        let (outcome, app) = running.await.unwrap();
        assert_eq!(outcome.first_fault().unwrap().kind, Kind::LockNotHad, "{outcome:#?}");
        assert!(!outcome.first_fault().unwrap().blockers.is_empty());
        assert_eq!(quarantined(&db).await, [""; 0]);
        run(&mut reader, "COMMIT").await;
        succeeded(&once(&app).await);
        assert_eq!(quarantined(&db).await.len(), 6);
        assert_eq!(db.value("SELECT count(*) FROM events_default").await, "1");
    });
}

#[test]
fn a_table_that_refers_to_another_leaves_and_is_dropped() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(202501, 202606)").await;
        months(&db, "events", "id bigint REFERENCES users, ts timestamptz NOT NULL").await;
        let app = confirmed(&db, &[("events", DROP)]).await;
        succeeded(&once(&app).await);
        assert_eq!(quarantined(&db).await.len(), 6);
        // To drop it locks the referenced table: an open writer of that is named, not queued behind.
        let mut writer = db.connect().await;
        run(&mut writer, "BEGIN; INSERT INTO users VALUES (1)").await;
        let outcome = app.once_at(JobName::Partitions, days_later(8)).await;
        assert_eq!(outcome.first_fault().unwrap().kind, Kind::LockNotHad, "{outcome:#?}");
        assert_eq!(quarantined(&db).await.len(), 6);
        run(&mut writer, "COMMIT").await;
        succeeded(&app.once_at(JobName::Partitions, days_later(8)).await);
        assert_eq!(quarantined(&db).await, [""; 0]);
    });
}

#[test]
fn rows_that_are_referred_to_keep_their_partition() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        db.execute(
            "SET TimeZone = 'UTC';
             CREATE TABLE notes (event_id bigint, event_ts timestamptz, CONSTRAINT \"of Event\" FOREIGN KEY (event_id, event_ts) REFERENCES events);
             INSERT INTO notes VALUES (202502, '2025-02-04'), (202601, '2026-01-04')",
        )
        .await;
        let mut app = confirmed(&db, &[("events", DROP)]).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        let faults: Vec<_> =
            outcome.actions.iter().filter_map(|action| action.result.as_ref().err()).collect();
        assert_eq!(faults.len(), 1, "{outcome:#?}");
        assert!(faults[0].message.contains("public.events_p2025_02 is expired, and rows refer to its rows by \"of Event\" of public.notes"), "{}", faults[0]);
        assert_eq!(quarantined(&db).await.len(), 5);
        db.execute("DELETE FROM notes WHERE event_id = 202502").await;
        succeeded(&once(&app).await);
        assert_eq!(quarantined(&db).await.len(), 6);
        app.ask(&Task::Tend { confirm: false });
        succeeded(&app.once_at(JobName::Partitions, days_later(8)).await);
        assert_eq!(quarantined(&db).await, [""; 0]);
        assert_eq!(db.value("SELECT count(*) FROM events").await, "11");
    });
}

#[test]
fn a_table_that_refers_to_itself() {
    on_every_major(|db| async move {
        months(&db, "events", &format!("{COLUMNS}, before_id bigint, before_ts timestamptz")).await;
        db.execute("SET TimeZone = 'UTC'; ALTER TABLE events ADD FOREIGN KEY (before_id, before_ts) REFERENCES events;
                    UPDATE events SET before_id = 202503, before_ts = '2025-03-04' WHERE id = 202601").await;
        let app = confirmed(&db, &[("events", POLICY)]).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.failed(), 1, "{outcome:#?}");
        assert_eq!(quarantined(&db).await.len(), 5);
    });
}

#[test]
fn a_sub_partitioned_tree_and_odd_names() {
    on_every_major(|db| async move {
        db.execute("CREATE SCHEMA \"Odd.Schema\"; CREATE TABLE \"Odd.Schema\".\"Parent\" (id bigint, ts date NOT NULL, kind text) PARTITION BY LIST (kind);
                    CREATE TABLE \"Odd.Schema\".\"It's\" PARTITION OF \"Odd.Schema\".\"Parent\" FOR VALUES IN ('a') PARTITION BY RANGE (ts);
                    CREATE TABLE \"Odd.Schema\".\"old \"\"one\" PARTITION OF \"Odd.Schema\".\"It's\" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
                    CREATE TABLE \"Odd.Schema\".tree PARTITION OF \"Odd.Schema\".\"It's\" FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
                    CREATE TABLE \"Odd.Schema\".ahead PARTITION OF \"Odd.Schema\".\"It's\" FOR VALUES FROM ('2025-01-01') TO ('2030-01-01')").await;
        let name = "\"Odd.Schema\".\"It's\"";
        let mut app = confirmed(
            &db,
            &[(name, "retention = \"12 months\"\non_expiry = \"drop\"\nexpire_max_share = 1")],
        )
        .await;
        let outcome = once(&app).await;
        succeeded(&outcome);
        assert!(
            outcome.spared.iter().any(|spared| spared.reason.contains("partitioned itself")),
            "{outcome:#?}"
        );
        assert_eq!(quarantined(&db).await, ["\"Odd.Schema\".\"old \"\"one\""]);
        app.ask(&Task::Restore { table: name.parse().unwrap(), partition: None });
        succeeded(&once(&app).await);
        app.ask(&Task::Tend { confirm: true });
        succeeded(&once(&app).await);
        succeeded(&app.once_at(JobName::Partitions, days_later(8)).await);
        assert_eq!(db.column("SELECT relname FROM pg_class WHERE relname ~ '^old'").await, [""; 0]);
    });
}

/// Two processes, one table: one of them works, the other is told so.
#[test]
fn two_processes_detach_each_partition_once() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let first = confirmed(&db, &[("events", POLICY)]).await;
        let second = confirmed(&db, &[("events", POLICY)]).await;
        let (one, other) =
            tokio::join!(first.once(JobName::Partitions), second.once(JobName::Partitions));
        for outcome in [&one, &other].into_iter().flatten() {
            assert_eq!(outcome.failed(), 0, "{outcome:#?}");
        }
        assert!(one.is_some() || other.is_some());
        let third = tending(&db, &[("events", POLICY)]).await;
        let _ = third.once(JobName::Partitions).await;
        let held = db.value("SELECT count(*) FROM pgtend.partition_quarantine").await;
        let detached = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^events_p' AND NOT relispartition";
        assert_eq!(db.value(detached).await, held);
    });
}
