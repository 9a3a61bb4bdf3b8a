//! Many partitions of several tables: two are made at the same time.

use pgtend::job::{JobName, Outcome, Verdict};

use super::config;
use crate::support::{Db, InProcess, on_every_major, run, wait_until};

/// `slow` comes first in every plan.
const TABLES: [&str; 2] = ["a_slow", "b_fast"];

async fn tending(db: &Db, settings: &str) -> InProcess {
    for table in TABLES {
        db.execute(&format!("CREATE TABLE {table} (ts timestamptz) PARTITION BY RANGE (ts)")).await;
    }
    let tables = TABLES.map(|table| (table, "premake = \"8 months\""));
    InProcess::new(db, &format!("lock_timeout = \"60s\"\n{settings}{}", config(&tables))).await
}

async fn made(db: &Db, table: &str) -> usize {
    db.column(&format!("SELECT inhrelid FROM pg_inherits WHERE inhparent = '{table}'::regclass"))
        .await
        .len()
}

/// How many of our sessions wait for a lock.
async fn waiting(db: &Db) -> usize {
    db.column(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'pgtend/partitions' AND wait_event_type = 'Lock'",
    )
    .await
    .len()
}

async fn once(app: &InProcess) -> Outcome {
    app.once(JobName::Partitions).await.expect("nobody else runs it")
}

#[test]
fn a_table_that_is_held_does_not_hold_up_the_others() {
    on_every_major(|db| async move {
        let app = tending(&db, "").await;
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; LOCK TABLE a_slow IN SHARE UPDATE EXCLUSIVE MODE").await;
        let meanwhile = async {
            wait_until("it waits for a_slow", || async { waiting(&db).await == 1 }).await;
            wait_until("b_fast has all", || async { made(&db, "b_fast").await == 9 }).await;
            assert_eq!((made(&db, "a_slow").await, waiting(&db).await), (0, 1));
            run(&mut holder, "ROLLBACK").await;
        };
        let (outcome, ()) = tokio::join!(once(&app), meanwhile);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let objects: Vec<&str> =
            outcome.actions.iter().map(|action| action.object.as_str()).collect();
        let planned = objects.chunks_exact(2).all(|pair| {
            pair[0].strip_prefix("public.a_slow") == pair[1].strip_prefix("public.b_fast")
        });
        assert!(planned && objects.len() == 18, "as planned, month by month: {objects:?}");
        assert_eq!((made(&db, "a_slow").await, made(&db, "b_fast").await), (9, 9));
    });
}

/// The time-out of a lock is a minute: only a cancel of each ends both.
#[test]
fn a_run_that_is_stopped_by_force_ends_both_on_the_server() {
    on_every_major(|db| async move {
        let app = tending(&db, "").await;
        let mut holder = db.connect().await;
        let locks = "LOCK TABLE a_slow, b_fast IN SHARE UPDATE EXCLUSIVE MODE";
        run(&mut holder, &format!("BEGIN; {locks}")).await;
        let meanwhile = async {
            wait_until("both wait", || async { waiting(&db).await == 2 }).await;
            app.stop().hard.cancel();
        };
        let (outcome, ()) = tokio::join!(once(&app), meanwhile);
        assert_eq!(outcome.verdict, Verdict::Cancelled, "{outcome:#?}");
        wait_until("nobody waits", || async { waiting(&db).await == 0 }).await;
        assert_eq!((made(&db, "a_slow").await, made(&db, "b_fast").await), (0, 0));
    });
}

/// Two jobs at once may need both.
#[test]
fn a_connection_that_another_job_may_need_is_left_to_it() {
    on_every_major(|db| async move {
        let two = "max_connections = 2\n[daemon]\nmax_concurrent_jobs = 2\n";
        let app = tending(&db, two).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!((made(&db, "a_slow").await, made(&db, "b_fast").await), (9, 9));
        assert_eq!(app.server().work.size(), 1);
    });
}
