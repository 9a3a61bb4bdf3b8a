//! The ledger that other tests rely on: it finds each kind of damage.

use crate::support::{Application, Difference, World, on_every_major};

#[test]
fn the_ledger_finds_what_was_lost_doubled_stale_and_extra() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE t (id bigint, v bigint, ts timestamptz);
             INSERT INTO t SELECT i, 1, now() FROM generate_series(1, 2000) i;
             CREATE INDEX ON t (id)",
        )
        .await;
        let app = Application::start(&db, World::new("t", "'2026-01-01'::timestamptz")).await;
        app.goes_on().await;
        let ledger = app.stop().await;
        ledger.holds(&db, "SELECT id, v FROM t").await;
        let is_there = |id: &i64| ledger.rows.contains_key(id) && id % 10 == 0;
        assert!((1..=2000).filter(is_there).eq((10..=2000).step_by(10)), "these are never deleted");
        assert!(ledger.rows.values().any(|&v| v > 1), "nothing was updated");
        assert!((1..=2000).any(|id| !ledger.rows.contains_key(&id)), "nothing was deleted");
        assert!(ledger.rows.keys().any(|&id| id > 2000), "nothing was inserted");

        db.execute(
            "DELETE FROM t WHERE id = 10; UPDATE t SET v = v - 1 WHERE id = 20;
             INSERT INTO t SELECT * FROM t WHERE id = 30; INSERT INTO t VALUES (-1, 1, now())",
        )
        .await;
        let found = ledger.compare(&db, "SELECT id, v FROM t").await;
        let expected =
            Difference { lost: vec![10], extra: vec![-1], stale: vec![20], doubled: vec![30] };
        assert_eq!(found, expected, "{found}");
    });
}

/// A reader that looks while a row is away sees it.
#[test]
fn the_reader_sees_a_row_that_is_missing_for_a_moment() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE t (id bigint, v bigint, ts timestamptz);
             INSERT INTO t SELECT i, 1, now() FROM generate_series(1, 2000) i;
             CREATE INDEX ON t (id)",
        )
        .await;
        let app = Application::start(&db, World::new("t", "'2026-01-01'::timestamptz")).await;
        let (id, v) = (40_i64, db.value("DELETE FROM t WHERE id = 40 RETURNING v").await);
        app.goes_on().await;
        db.execute(&format!("INSERT INTO t VALUES ({id}, {v}, now())")).await;
        app.goes_on().await;
        let ledger = app.stop().await;
        assert!(
            ledger.anomalies.iter().any(|words| words.starts_with("the reader saw")),
            "{:?}",
            ledger.anomalies
        );
    });
}
