//! What `pg_partman` 5.1 was seen to get wrong, where no other test here shows it. The whole list, with
//! the tests, is in `docs/partition-cases.md`.

use pgtend::job::Verdict;

use super::expiry::{COLUMNS, confirmed, kinds, months, quarantined};
use super::{once, partitions, succeeded, tend, tending};
use crate::support::{on_every_major, rows, run, wait_until};

/// Retention meets rows that are referred to: there, premake of the same run was lost too.
#[test]
fn a_retention_that_is_refused_costs_no_premake() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        db.execute(
            "SET TimeZone = 'UTC';
             CREATE TABLE notes (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES events);
             INSERT INTO notes SELECT id, ts FROM events WHERE ts < '2025-07-01'",
        )
        .await;
        let policy = "retention = \"6 months\"\npremake = \"6 months\"";
        let outcome = once(&confirmed(&db, &[("events", policy)]).await).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        let made: Vec<_> =
            kinds(&outcome).into_iter().filter(|(kind, _)| *kind == "create_partition").collect();
        assert_eq!(
            made,
            [
                ("create_partition", "public.events_p2026_06".to_owned()),
                ("create_partition", "public.events_p2026_07".to_owned())
            ]
        );
        assert_eq!(quarantined(&db).await, [""; 0]);
    });
}

/// A set made in New York and maintained in UTC: there, it was an hour off from the next summer on.
#[test]
fn a_set_made_in_new_york_is_maintained_from_utc_without_a_shift() {
    on_every_major(|db| async move {
        db.execute(
            "SET TimeZone = 'America/New_York';
             CREATE TABLE events (ts timestamptz) PARTITION BY RANGE (ts);
             CREATE TABLE events_p2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
             CREATE TABLE events_p2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
        )
        .await;
        let settings = "premake = \"15 months\"\ntimezone = \"America/New_York\"";
        tend(&tending(&db, &[("events", settings)]).await).await;
        assert_eq!(partitions(&db, "events").await.len(), 16);
        let mut conn = db.connect().await;
        run(&mut conn, "SET TimeZone = 'America/New_York'").await;
        let bounds = rows(
            &mut conn,
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relname ~ '^events_p'",
        )
        .await;
        for bound in bounds {
            let bound = bound[0].clone().unwrap();
            assert_eq!(
                bound.matches("-01 00:00:00-0").count(),
                2,
                "no midnight of a first there: {bound}"
            );
        }
    });
}

/// Case 43: an ANALYZE of the table is running. It is waited for, and nobody waits for us.
#[test]
fn an_analyze_of_the_table_is_waited_for() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE events (id int, ts date) PARTITION BY RANGE (ts); CREATE TABLE events_first PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2026-01-01')").await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let mut analyze = db.connect().await;
        run(&mut analyze, "BEGIN; ANALYZE events").await;
        let running = tokio::spawn(async move { once(&app).await });
        wait_until("it waits", || async {
            let waits =
                "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass";
            !db.rows(waits).await.is_empty()
        })
        .await;
        let mut client = db.connect().await;
        run(&mut client, "SET lock_timeout = '1ms'; INSERT INTO events VALUES (1, '2000-02-02'); SELECT count(*) FROM events").await;
        run(&mut analyze, "COMMIT").await;
        succeeded(&running.await.unwrap());
        assert_eq!(partitions(&db, "events").await.len(), 2);
    });
}
