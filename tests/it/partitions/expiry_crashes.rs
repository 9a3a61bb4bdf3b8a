//! A process that dies between any two statements: the next run carries on to the same end.

use pgtend::job::JobName;
use pgtend::jobs::partitions::Task;
use sqlx::AssertSqlSafe;

use super::expiry::{COLUMNS, DROP, POLICY, confirmed, days_later, kinds, months, quarantined};
use super::{once, plan, succeeded};
use crate::support::{Db, InProcess, on_every_major, pgtend, run, wait_until};

/// The SQL of the first action of this kind, as the plan shows it.
pub async fn sql_of(app: &InProcess, kind: &str, days: i64) -> Vec<String> {
    let plan = app.plan_at(JobName::Partitions, days_later(days)).await;
    let action = plan.actions.into_iter().find(|action| action.kind == kind);
    action.unwrap_or_else(|| panic!("no {kind}")).sql
}

/// Runs statements as a session of pgtend would. Where transactions end is told by `committed`.
pub async fn session(db: &Db) -> sqlx::PgConnection {
    let mut conn = db.connect().await;
    run(&mut conn, "SET search_path = pgtend; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'")
        .await;
    conn
}

async fn ends_well(db: &Db, app: &mut InProcess) {
    app.ask(&Task::Tend { confirm: false });
    succeeded(&once(app).await);
    assert_eq!(quarantined(db).await.len(), 6);
    let blocked = "SELECT count(*) FROM pg_constraint k JOIN pgtend.partition_quarantine q ON q.relation = k.conrelid WHERE conname = 'pgtend_quarantine'";
    assert_eq!(db.value(blocked).await, "6");
    assert_eq!(db.value("SELECT count(*) || ' ' || min(id) FROM events").await, "11 202507");
    assert!(plan(app).await.actions.is_empty());
}

/// After each statement: those of a transaction that was not committed are undone, as by a crash.
#[test]
fn a_detach_that_dies_after_any_statement_is_carried_on() {
    on_every_major(|db| async move {
        for statements in 0.. {
            let table = "events";
            months(&db, table, COLUMNS).await;
            let mut app = confirmed(&db, &[(table, POLICY)]).await;
            let agree = sql_of(&app, "agree_policy", 0).await;
            let detach = sql_of(&app, "detach_partition", 0).await;
            let mut conn = session(&db).await;
            for sql in &agree {
                run(&mut conn, sql).await;
            }
            let concurrently = detach.iter().position(|sql| sql.contains("CONCURRENTLY"));
            // [record] [look, detach] [quarantine], or all in one.
            let begins: &[usize] = &match concurrently {
                Some(at) => [0, at - 1, at + 1],
                None => [0, 0, 0],
            };
            for (index, sql) in detach.iter().enumerate().take(statements) {
                let alone = concurrently.is_some_and(|at| index == at || index + 1 == at);
                if begins.contains(&index) {
                    run(&mut conn, if index == 0 || alone { "COMMIT" } else { "COMMIT; BEGIN" })
                        .await;
                    if index == 0 {
                        run(&mut conn, "BEGIN").await;
                    }
                }
                run(&mut conn, sql).await;
            }
            let done = statements >= detach.len();
            if done {
                run(&mut conn, "COMMIT").await;
            }
            drop(conn);
            gone(&db).await;
            ends_well(&db, &mut app).await;
            app.server().close().await;
            if done {
                return;
            }
            db.execute("DROP TABLE events; DROP SCHEMA pgtend CASCADE; DO $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relname ~ '^events_p[0-9_]+$' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$").await;
        }
    });
}

/// Waits until the server has undone what a dropped connection left open.
pub async fn gone(db: &Db) {
    wait_until("the server has undone it", || async {
        db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await == "0"
    })
    .await;
}

#[test]
fn a_drop_that_dies_leaves_all_or_nothing() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let mut app = confirmed(&db, &[("events", DROP)]).await;
        succeeded(&once(&app).await);
        let drop_it = sql_of(&app, "drop_partition", 8).await;
        for statements in 1..=drop_it.len() {
            let mut conn = session(&db).await;
            run(&mut conn, "BEGIN").await;
            for sql in &drop_it[..statements] {
                run(&mut conn, sql).await;
            }
            drop(conn);
            gone(&db).await;
            assert_eq!(quarantined(&db).await.len(), 6);
        }
        app.ask(&Task::Tend { confirm: false });
        let outcome = app.once_at(JobName::Partitions, days_later(8)).await;
        succeeded(&outcome);
        assert_eq!(kinds(&outcome).len(), 6);
    });
}

#[test]
fn a_restore_that_dies_can_be_asked_for_again() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let mut app = confirmed(&db, &[("events", POLICY)]).await;
        succeeded(&once(&app).await);
        app.ask(&Task::Restore { table: "events".parse().unwrap(), partition: None });
        let restore = sql_of(&app, "restore_partition", 0).await;
        for statements in 1..restore.len() {
            let mut conn = session(&db).await;
            for sql in &restore[..statements] {
                if sql.starts_with("LOCK") {
                    run(&mut conn, "BEGIN").await;
                }
                run(&mut conn, sql).await;
            }
            drop(conn);
            gone(&db).await;
            assert_eq!(quarantined(&db).await.len(), 6);
        }
        succeeded(&once(&app).await);
        assert_eq!(quarantined(&db).await.len(), 5);
    });
}

/// The program itself, killed while it waits in DETACH CONCURRENTLY behind a reader.
#[test]
fn a_process_killed_in_the_middle_of_a_detach() {
    on_every_major(|db| async move {
        if db.major() < 14 {
            return;
        }
        db.execute(
            "SET TimeZone = 'UTC'; CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
             CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
             CREATE TABLE events_ahead PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2099-01-01')",
        )
        .await;
        let app = pgtend(
            &db,
            "[partitions]\nschedule = \"17 * * * *\"\n[partitions.tables.\"public.events\"]\ninterval = \"1 year\"\nretention = \"2 years\"\n",
        );
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events")
            .await;
        let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                     AND query LIKE 'ALTER TABLE%CONCURRENTLY' AND state = 'active'";
        let once = app.spawn(&["once", "partitions", "--confirm"]);
        wait_until("it waits for the reader", || async { !db.column(waits).await.is_empty() })
            .await;
        once.kill9().await;
        // The backend ends by its own time-out, or notices that nobody listens; then the claim is free.
        wait_until("its backend is gone", || async { db.column(waits).await.is_empty() }).await;
        run(&mut reader, "COMMIT").await;
        let mut conn = db.connect().await;
        let freed =
            "UPDATE pgtend.job_run SET lease_until = clock_timestamp() WHERE status = 'running'";
        sqlx::raw_sql(AssertSqlSafe(freed)).execute(&mut conn).await.unwrap();
        let ran = app.run(&["once", "partitions"]).await;
        assert!(
            ran.code == Some(0) && ran.stdout.contains("+ finalize_detach public.events_2020"),
            "{ran}"
        );
        assert_eq!(quarantined(&db).await, ["public.events_2020"]);
    });
}
