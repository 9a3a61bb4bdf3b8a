//! How a partition is attached: chosen from the catalog, said in the plan, and never in the way of
//! anybody for long.

use pgtend::job::JobName;
use pgtend::pg::fault::Kind;
use sqlx::PgConnection;

use super::{now, once, plan, shown, succeeded, tending};
use crate::support::{Db, on_every_major, rows, run, wait_until};

/// The strongest lock this session has on each of these tables.
async fn strongest(conn: &mut PgConnection, tables: &[&str]) -> Vec<(String, String)> {
    let sql = format!(
        "SELECT relname, (ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', \
                'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', \
                'AccessExclusiveLock'])[max(array_position(ARRAY['AccessShareLock', 'RowShareLock', \
                'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', \
                'ExclusiveLock', 'AccessExclusiveLock'], mode))] \
         FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
         WHERE pid = pg_backend_pid() AND relname IN ('{}') GROUP BY 1 ORDER BY 1",
        tables.join("', '")
    );
    let found = rows(conn, &sql).await;
    found.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect()
}

/// Cases 34 and 35: the locks that a foreign key of the parent, and one that points at it, cost are
/// those the plan names.
#[test]
fn foreign_keys_lock_what_the_plan_names_and_no_more() {
    on_every_major(|db| async move {
        db.execute("
            CREATE TABLE users (id int PRIMARY KEY);
            CREATE TABLE events (id int, ts date, user_id int REFERENCES users, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
            CREATE TABLE notes (event_id int, event_ts date, FOREIGN KEY (event_id, event_ts) REFERENCES events);
        ").await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let planned = plan(&app).await;
        let action = &planned.actions[0];
        let mut conn = db.connect().await;
        run(&mut conn, "BEGIN").await;
        for sql in &action.sql {
            run(&mut conn, sql).await;
        }
        let locks = strongest(&mut conn, &["events", "notes", "users"]).await;
        let referring = if db.major() >= 15 { "ShareRowExclusiveLock" } else { "AccessShareLock" };
        let expected = [
            ("events", "ShareUpdateExclusiveLock"),
            ("notes", referring),
            ("users", "ShareRowExclusiveLock"),
        ];
        assert_eq!(locks, expected.map(|(table, mode)| (table.to_owned(), mode.to_owned())));
        run(&mut conn, "ROLLBACK").await;
        assert!(
            action.reason.contains("its foreign keys lock public.users against writes"),
            "{}",
            action.reason
        );
        let names_notes = action.reason.contains("foreign keys that point at it lock public.notes");
        assert_eq!(names_notes, db.major() >= 15, "{}", action.reason);
        succeeded(&once(&app).await);
    });
}

/// Neither: nothing that a reader or a writer waits for, and the plan says so.
#[test]
fn without_default_partition_and_foreign_keys_nobody_notices() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE events (ts date, id int, PRIMARY KEY (ts, id)) PARTITION BY RANGE (ts)",
        )
        .await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let action = plan(&app).await.actions.swap_remove(0);
        let mut conn = db.connect().await;
        run(&mut conn, "BEGIN").await;
        for sql in &action.sql {
            run(&mut conn, sql).await;
        }
        let locks = strongest(&mut conn, &["events"]).await;
        assert_eq!(locks, [("events".to_owned(), "ShareUpdateExclusiveLock".to_owned())]);
        assert!(action.reason.ends_with("attached under a lock that no reader or writer waits for: neither a default partition nor a foreign key asks for more"), "{}", action.reason);
        run(&mut conn, "ROLLBACK").await;
    });
}

/// Waits until this session's transaction has been open for so long; the job takes 2 s for young.
async fn grows_old(db: &Db, application: &str, age: &str) {
    let old = format!(
        "SELECT 1 FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = '{application}' \
         AND xact_start < clock_timestamp() - interval '{age}'"
    );
    wait_until("the transaction is old", || async { !db.rows(&old).await.is_empty() }).await;
}

/// Case 22, beside a default partition: an old reader is looked up first and named; nobody ever
/// queues behind us. A young one is waited for briefly, as the server's own log shows.
#[test]
fn an_old_transaction_is_named_before_any_strong_lock_is_asked_for() {
    on_every_major(|db| async move {
        let name = db.name();
        db.execute(&format!(
            "
            ALTER DATABASE \"{name}\" SET deadlock_timeout = '5ms';
            ALTER DATABASE \"{name}\" SET log_lock_waits = on;
            CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
            CREATE TABLE rest PARTITION OF events DEFAULT PARTITION BY RANGE (ts);
            CREATE TABLE rest_of_it PARTITION OF rest DEFAULT;
        "
        ))
        .await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let waited = "still waiting for AccessExclusiveLock";
        let mut reader = db.connect().await;
        run(
            &mut reader,
            "SET application_name = 'nightly report'; BEGIN; SELECT * FROM rest_of_it",
        )
        .await;
        grows_old(&db, "nightly report", "2.1 s").await;
        let planned = plan(&app).await;
        let told = planned.spared.iter().find(|spared| spared.reason.contains("nightly report"));
        assert!(
            told.is_some_and(|told| told.reason.starts_with("attaching waits for pid ")),
            "{planned}"
        );
        let mark = db.log_mark();
        let outcome = app.once_at(JobName::Partitions, now()).await;
        let fault = outcome.first_fault().expect("it is left to the next run");
        assert_eq!(fault.kind, Kind::LockNotHad, "{outcome:#?}");
        assert!(fault.message.starts_with("not tried"), "{fault}");
        assert_eq!(fault.blockers[0].application, "nightly report");
        assert!(!db.server_log_since(mark).contains(waited), "{}", db.server_log_since(mark));

        // The witness: a young transaction is waited for, in short tries.
        run(&mut reader, "COMMIT; BEGIN; SELECT * FROM rest_of_it").await;
        let outcome = tokio::spawn(async move { (once(&app).await, app) });
        wait_until("it waits for the reader", || async {
            db.server_log_since(mark).contains(waited)
        })
        .await;
        run(&mut reader, "COMMIT").await;
        succeeded(&outcome.await.unwrap().0);
    });
}

/// The CHECK that spares a large default partition its scan refuses rows: it does not stand while an
/// ANALYZE of ours keeps the partition from being attached.
#[test]
fn no_row_is_refused_while_an_analyze_of_our_own_is_waited_for() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
            CREATE TABLE events_default PARTITION OF events DEFAULT;
            INSERT INTO events SELECT '1999-01-01' FROM generate_series(1, 50001);
        ",
        )
        .await;
        let name = db.name();
        db.execute(&format!("ALTER DATABASE \"{name}\" SET log_statement = 'ddl'")).await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let mut analyze = db.connect().await;
        run(
            &mut analyze,
            "SET application_name = 'pgtend/analyze'; BEGIN; \
             LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE",
        )
        .await;
        grows_old(&db, "pgtend/analyze", "2.1 s").await;
        let mark = db.log_mark();
        let outcome = tokio::spawn(async move { (once(&app).await, app) });
        grows_old(&db, "pgtend/analyze", "7 s").await;
        assert!(!db.server_log_since(mark).contains("pgtend_hole"), "it refuses rows meanwhile");
        run(&mut analyze, "COMMIT").await;
        succeeded(&outcome.await.unwrap().0);
        assert!(db.server_log_since(mark).contains("pgtend_hole"), "the log shows it");
        assert!(shown(&db, "events").await.contains("events_p2026_01 "));
    });
}

/// Case 43, where the ANALYZE is our own: the job waits its turn for longer than any ladder lasts, and
/// no reader or writer notices. An ANALYZE of a partition, or a reader, is nothing to wait for.
#[test]
fn an_analyze_of_our_own_is_waited_for() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
            CREATE TABLE events_p2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        ",
        )
        .await;
        let app = tending(&db, &[("events", "premake = \"1 month\"")]).await;
        let mut analyze = db.connect().await;
        run(
            &mut analyze,
            "SET application_name = 'pgtend/analyze'; BEGIN; \
             LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE",
        )
        .await;
        let outcome = tokio::spawn(async move { (once(&app).await, app) });
        // The ladder is three tries of 2 s, half a second apart.
        grows_old(&db, "pgtend/analyze", "8.5 s").await;
        assert_eq!(shown(&db, "events").await.lines().count(), 1, "not yet");
        db.execute(
            "SET lock_timeout = 10; INSERT INTO events VALUES ('2026-01-20'); SELECT * FROM events",
        )
        .await;
        run(&mut analyze, "COMMIT; BEGIN; LOCK TABLE ONLY events_p2026_01 IN SHARE UPDATE EXCLUSIVE MODE; SELECT * FROM events").await;
        succeeded(&outcome.await.unwrap().0);
        assert_eq!(shown(&db, "events").await.lines().count(), 2);
    });
}
