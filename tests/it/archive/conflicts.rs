//! Others at work on the same rows.
use pgtend::job::{JobName, Verdict};
use pgtend::pg::fault::Kind;

use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, on_every_major, run, wait_until};

/// Whether a session of ours waits for a lock, or has just given up.
async fn archiver_waits(db: &Db) -> bool {
    db.value(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'pgtend/archive' AND wait_event_type = 'Lock')",
    )
    .await
        == "t"
}

async fn world(db: &Db) -> InProcess {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    InProcess::new(db, &config("batch_rows = 4")).await
}

#[test]
fn a_locked_row_is_left_and_the_rest_goes() {
    on_every_major(|db| async move {
        let app = world(&db).await;
        keep(&db, "jobs").await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM jobs WHERE name IN ('old 2', 'old 9') FOR UPDATE")
            .await;

        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(9));
        let note = applied.note.unwrap();
        assert!(
            note.contains("2 rows that others hold locked are left for the next run"),
            "{note}"
        );
        assert_eq!(names(&db, "jobs WHERE name LIKE 'old _'").await, ["old 2", "old 9"]);

        run(&mut other, "COMMIT").await;
        assert_eq!(moved(&app).await.rows, Some(2));
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn a_row_queued_again_in_the_middle_of_a_batch_stays() {
    on_every_major(|db| async move {
        let app = world(&db).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; UPDATE jobs SET status = 'pending' WHERE name = 'old 3'").await;
        let editor = async {
            wait_until("the batch waits for the row", || archiver_waits(&db)).await;
            run(&mut other, "COMMIT").await;
        };
        let (outcome, ()) = tokio::join!(once(&app), editor);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!(outcome.rows(), 10);
        assert_eq!(
            names(&db, "jobs WHERE status = 'pending'").await,
            ["old 3", "old and pending"],
            "its new version lives"
        );
        assert_eq!(names(&db, "jobs_archive WHERE name = 'old 3'").await, [""; 0]);
    });
}

#[test]
fn a_row_edited_in_the_middle_of_a_batch_is_archived_as_edited() {
    on_every_major(|db| async move {
        let app = world(&db).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; UPDATE jobs SET status = 'new' WHERE name = 'old 3'").await;
        let editor = async {
            wait_until("the batch waits for the row", || archiver_waits(&db)).await;
            run(&mut other, "COMMIT").await;
        };
        let (outcome, ()) = tokio::join!(once(&app), editor);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!(
            db.column("SELECT status FROM jobs_archive WHERE name = 'old 3'").await,
            ["new"]
        );
        assert_eq!(names(&db, "jobs WHERE name LIKE 'old _'").await, [""; 0]);
    });
}

#[test]
fn a_row_deleted_in_the_middle_of_a_batch_is_gone() {
    on_every_major(|db| async move {
        let app = world(&db).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; DELETE FROM jobs WHERE name = 'old 3'").await;
        let editor = async {
            wait_until("the batch waits for the row", || archiver_waits(&db)).await;
            run(&mut other, "COMMIT").await;
        };
        let (outcome, ()) = tokio::join!(once(&app), editor);
        assert_eq!(outcome.rows(), 10, "{outcome:#?}");
        assert_eq!(names(&db, "jobs_archive WHERE name = 'old 3'").await, [""; 0]);
    });
}

#[test]
fn a_locked_table_is_named_with_its_blocker_and_left() {
    on_every_major(|db| async move {
        let app = world(&db).await;
        let mut other = db.connect().await;
        run(&mut other, "SET application_name = 'a deployment'; BEGIN; LOCK jobs IN SHARE MODE")
            .await;
        let outcome = once(&app).await;
        let fault = outcome.actions[0].result.as_ref().unwrap_err();
        assert_eq!(fault.kind, Kind::LockNotHad, "{fault}");
        assert_eq!(fault.blockers[0].application, "a deployment");
        assert_eq!(names(&db, "jobs_archive").await, [""; 0]);

        run(&mut other, "COMMIT").await;
        assert_eq!(moved(&app).await.rows, Some(11));
    });
}

#[test]
fn two_archivers_move_each_row_once() {
    on_every_major(|db| async move {
        let first = world(&db).await;
        db.execute(
            "INSERT INTO jobs (name, created_at) \
             SELECT 'bulk ' || i, now() - interval '40 days' FROM generate_series(1, 2000) AS i",
        )
        .await;
        keep(&db, "jobs").await;
        let second = InProcess::new(&db, &config("batch_rows = 4")).await;
        let runs = |app: InProcess| async move {
            for _ in 0..20 {
                app.once(JobName::Archive).await;
            }
        };
        tokio::join!(runs(first), runs(second));
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(names(&db, "jobs WHERE name LIKE 'bulk%'").await, [""; 0]);
    });
}

/// An application that updates, locks, deletes and re-inserts eligible rows all the while: a ledger
/// of triggers says what each row's last version must be.
#[test]
fn an_application_at_work_on_eligible_rows_loses_nothing() {
    on_every_major(|db| async move {
        let app = world(&db).await;
        db.execute(
            "ALTER TABLE jobs ADD COLUMN version int NOT NULL DEFAULT 0; \
             ALTER TABLE jobs_archive ADD COLUMN version int; \
             INSERT INTO jobs (name, created_at) SELECT 'bulk ' || i, now() - interval '40 days' \
               FROM generate_series(1, 3000) AS i; \
             CREATE TABLE ledger (id bigint PRIMARY KEY, version int); \
             INSERT INTO ledger SELECT id, version FROM jobs",
        )
        .await;
        let edit = |seed: u32, mut conn: sqlx::PgConnection| async move {
            for round in 0..60 {
                let id = 1 + (seed * 7919 + round * 101) % 3000;
                // The ledger is written only if the row is still here to be edited.
                run(
                    &mut conn,
                    &format!(
                        "WITH e AS (UPDATE jobs SET version = version + 1 WHERE id BETWEEN {id} AND {id} + 5 \
                         RETURNING id, version) UPDATE ledger SET version = e.version FROM e \
                         WHERE ledger.id = e.id"
                    ),
                )
                .await;
                let gone = id + 1500;
                run(
                    &mut conn,
                    &format!(
                        "WITH d AS (DELETE FROM jobs WHERE id = {gone} RETURNING *), \
                         l AS (UPDATE ledger SET version = d.version + 100 FROM d WHERE ledger.id = d.id) \
                         SELECT FROM d"
                    ),
                )
                .await;
            }
        };
        let (a, b) = (db.connect().await, db.connect().await);
        let archive = async {
            for _ in 0..10 {
                once(&app).await;
            }
        };
        tokio::join!(archive, edit(1, a), edit(2, b));
        once(&app).await;
        let wrong = db
            .rows(
                "WITH both_tables AS (SELECT id, version FROM jobs UNION ALL \
                                SELECT id, version FROM jobs_archive) \
                 SELECT l.id, l.version, b.version FROM ledger AS l \
                 FULL JOIN both_tables AS b USING (id) \
                 WHERE l.version < 100 AND b.version IS DISTINCT FROM l.version \
                    OR l.version >= 100 AND b.id IS NOT NULL OR l.id IS NULL",
            )
            .await;
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}

#[test]
fn a_foreign_key_that_comes_in_the_middle_of_a_batch_loses_no_child() {
    on_every_major(|db| async move {
        let app = world(&db).await;
        let mut other = db.connect().await;
        db.execute("CREATE TABLE events AS SELECT id AS job_id FROM jobs").await;
        run(
            &mut other,
            "BEGIN; ALTER TABLE events ADD FOREIGN KEY (job_id) REFERENCES jobs ON DELETE CASCADE",
        )
        .await;
        // The server itself commits, within a millisecond: the batch waits only 50.
        let maker = run(
            &mut other,
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted \
             AND relation = 'jobs'::regclass) LOOP PERFORM pg_sleep(0.001); END LOOP; END $$; COMMIT",
        );
        let (outcome, ()) = tokio::join!(once(&app), maker);
        assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
        assert_eq!(outcome.rows(), 0, "{outcome:#?}");
        assert_eq!(db.value("SELECT count(*) FROM events").await, "15", "no child is gone");
        assert_eq!(names(&db, "jobs_archive").await, [""; 0]);
    });
}
