//! Runs that are cut off.
use pgtend::job::{JobName, Verdict};

use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, names};
use crate::support::{Db, InProcess, NO_ROWS, on_every_major, pgtend, wait_until};

/// Kills its own session at the n-th time it is called; a sequence does not go back on a rollback.
async fn kill_every(db: &Db, n: u32) {
    db.execute(&format!(
        "CREATE SEQUENCE deaths; \
         CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('public.deaths') % {n} = 0 THEN PERFORM pg_terminate_backend(pg_backend_pid()); \
         PERFORM pg_sleep(10); END IF; RETURN NULL; END $$; \
         CREATE TRIGGER die AFTER INSERT ON jobs_archive FOR EACH STATEMENT EXECUTE FUNCTION die(); \
         CREATE TRIGGER die AFTER DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION die(); \
         CREATE TRIGGER die AFTER INSERT OR UPDATE OR DELETE ON pgtend.archive_position \
         FOR EACH STATEMENT EXECUTE FUNCTION die(); \
         CREATE CONSTRAINT TRIGGER die_at_commit AFTER INSERT OR UPDATE ON pgtend.archive_position \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"
    ))
    .await;
}

#[test]
fn a_session_killed_at_any_statement_loses_and_doubles_nothing() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(&bulk(60)).await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("batch_rows = 2")).await;
        // Each batch calls it five times; 7 hits another statement each time.
        kill_every(&db, 7).await;
        let mut deaths = 0;
        for _ in 0..100 {
            let outcome = app.once(JobName::Archive).await.expect("the claim was given back");
            assert_whole(&db, "jobs", "jobs_archive").await;
            match outcome.verdict {
                Verdict::Succeeded => break,
                _ => deaths += 1,
            }
        }
        assert!(deaths > 10, "{deaths}");
        assert_eq!(
            names(&db, "jobs").await,
            ["young", "ageless", "from the future", "old and pending"]
        );
        assert_eq!(db.rows("SELECT * FROM pgtend.archive_position").await, NO_ROWS);
    });
}

#[test]
fn a_stop_in_the_middle_ends_with_the_batch_in_hand() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM pg_sleep(0.2); RETURN NULL; END $$; \
             CREATE TRIGGER slowly AFTER DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION slowly()",
        )
        .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("batch_rows = 3")).await;
        let stop = async {
            wait_until("the first batch is committed", || async {
                !names(&db, "jobs_archive").await.is_empty()
            })
            .await;
            assert!(!app.stop().escalate(), "the first stop is soft");
        };
        let (outcome, ()) = tokio::join!(app.once(JobName::Archive), stop);
        let outcome = outcome.expect("nobody else runs it");
        assert_eq!(outcome.verdict, Verdict::Cancelled, "{outcome:#?}");
        let applied = outcome.actions[0].result.as_ref().expect("what was done is done");
        assert!(applied.rows.is_some_and(|rows| rows.is_multiple_of(3)), "{applied:?}");
        let note = applied.note.as_deref().unwrap_or_default();
        assert!(note.contains("stopped on request; the next run goes on"), "{note}");
        assert_eq!(names(&db, "jobs_archive").await.len() as u64, applied.rows.unwrap());
        assert_eq!(
            db.rows(
                "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name LIKE 'pgtend/archive' AND state <> 'idle'"
            )
            .await,
            NO_ROWS
        );

        db.execute("DROP TRIGGER slowly ON jobs").await;
        let next = InProcess::new(&db, &config("batch_rows = 3")).await;
        moved(&next).await;
        assert_eq!(names(&db, "jobs WHERE name LIKE 'old _'").await, [""; 0]);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

/// A batch takes a moment, so that a kill lands in the middle of one.
const SLOWLY: &str = "
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END';
CREATE TRIGGER slowly AFTER DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION slowly();
";

/// So many more jobs that are due.
fn bulk(count: u32) -> String {
    format!(
        "INSERT INTO jobs (name, created_at) \
         SELECT 'bulk ' || i, now() - interval '40 days' FROM generate_series(1, {count}) AS i"
    )
}

/// Waits until the server has noticed that the process is gone.
async fn is_gone(db: &Db) {
    wait_until("its sessions are gone", || async {
        db.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name LIKE 'pgtend/%'",
        )
        .await
            == "0"
    })
    .await;
}

#[test]
fn a_process_killed_in_a_loop_loses_and_doubles_nothing() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(&bulk(400)).await;
        db.execute(SLOWLY).await;
        keep(&db, "jobs").await;
        let program = pgtend(&db, &config("batch_rows = 5"));
        for round in 0..8 {
            let before = names(&db, "jobs_archive").await.len();
            let killed = program.spawn(&["once", "archive"]);
            wait_until("some batches are committed", || async {
                names(&db, "jobs_archive").await.len() >= before + 5 * (round % 3 + 1)
            })
            .await;
            killed.kill9().await;
            assert_whole(&db, "jobs", "jobs_archive").await;
            // Its lease would be over in 30 s; a test does not wait for clocks.
            db.execute(
                "UPDATE pgtend.job_run SET lease_until = '2000-01-01' WHERE status = 'running'",
            )
            .await;
            is_gone(&db).await;
        }
        let last = program.run(&["once", "archive", "--format", "json"]).await;
        assert_eq!(last.code, Some(0), "{last}");
        assert_eq!(
            names(&db, "jobs").await,
            ["young", "ageless", "from the future", "old and pending"]
        );
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn a_signal_ends_the_process_after_the_batch_in_hand() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(&bulk(400)).await;
        db.execute(SLOWLY).await;
        keep(&db, "jobs").await;
        let program = pgtend(&db, &config("batch_rows = 5"));
        let running = program.spawn(&["once", "archive"]);
        wait_until("the first batch is committed", || async {
            !names(&db, "jobs_archive").await.is_empty()
        })
        .await;
        running.signal("TERM");
        let ended = running.wait_exit().await;
        assert_eq!(ended.code, Some(0), "{ended}");
        // Whole batches, and not all of them: what is not due stays anyway.
        let stayed = names(&db, "jobs WHERE name LIKE 'bulk%'").await;
        assert_ne!(stayed, Vec::<String>::new(), "it was not stopped");
        let moved = names(&db, "jobs_archive").await.len();
        assert!(moved.is_multiple_of(5), "{moved} rows moved");
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(db.column("SELECT status FROM pgtend.job_run").await, ["cancelled"]);
        is_gone(&db).await;
    });
}
