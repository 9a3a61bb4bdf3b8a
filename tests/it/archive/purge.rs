//! Rows that are deleted for good.
use std::fmt::Write as _;

use pgtend::job::{Applied, JobName, Outcome, Verdict};

use super::{ARCHIVE, JOBS, config, config_for, names, once};
use crate::support::{Db, InProcess, KillPoints, NO_ROWS, on_every_major, run, wait_until};

/// An archive with rows of 60 days, of which some are to go, and of 29.
async fn archive(db: &Db) {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    db.execute(
        "CREATE INDEX jobs_archive_age ON jobs_archive (created_at); \
         INSERT INTO jobs_archive SELECT *, now() FROM jobs WHERE name <> 'from the future'; \
         TRUNCATE jobs",
    )
    .await;
}

/// Everything of the archive that is old by this age.
async fn with_retention(db: &Db, retention: &str, more: &str) -> InProcess {
    InProcess::new(db, &config(&format!("archive_retention = '{retention}'\n{more}"))).await
}

/// `delete = true` for `jobs`, with these lines added.
pub(super) fn deletes(more: &str) -> String {
    config_for("jobs", "created_at", more).replace("into = 'jobs_archive'", "delete = true")
}

async fn confirmed(db: &Db, config: &str) -> InProcess {
    let mut app = InProcess::new(db, config).await;
    app.confirm();
    app
}

/// What the deletion of a run did.
fn deletion(outcome: &Outcome) -> Applied {
    let action = outcome.actions.iter().find(|action| action.kind == "delete_rows");
    action.unwrap_or_else(|| panic!("{outcome:#?}")).result.clone().unwrap()
}

/// What stays of an archive from which old rows went.
const STAYS: [&str; 2] = ["young", "ageless"];

#[test]
fn what_a_policy_newly_deletes_is_asked_about_once() {
    on_every_major(|db| async move {
        archive(&db).await;
        let all = names(&db, "jobs_archive").await;
        let mut app = with_retention(&db, "59 days 20 hours", "").await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        assert!(format!("{outcome:?}").contains("it has deleted nothing so far"), "{outcome:#?}");
        assert_eq!(names(&db, "jobs_archive").await, all, "unasked");

        app.confirm();
        let outcome = once(&app).await;
        assert_eq!(deletion(&outcome).rows, Some(6), "{outcome:#?}");
        let old = ["old 5", "old 6", "old 7", "old 8", "old 9"];
        let left = names(&db, "jobs_archive WHERE name LIKE 'old _'").await;
        assert_eq!(left, old, "younger than that");

        // Longer is less: nobody is asked. Then the same is newly deleted.
        let app = with_retention(&db, "60 days", "").await;
        assert_eq!(once(&app).await.verdict, Verdict::Succeeded);
        let record = "SELECT older_than FROM pgtend.archive_policy";
        assert_eq!(db.value(record).await, "60 days");
        let app = with_retention(&db, "50 days", "").await;
        let outcome = once(&app).await;
        assert!(
            format!("{outcome:?}").contains("what was agreed is older than 60 days"),
            "{outcome:#?}"
        );
        assert_eq!(names(&db, "jobs_archive WHERE name LIKE 'old _'").await, old);

        // Agreed to, it goes on by itself.
        let app = confirmed(&db, &config("archive_retention = '50 days'")).await;
        once(&app).await;
        assert_eq!(names(&db, "jobs_archive").await, STAYS);
        db.execute("INSERT INTO jobs_archive VALUES (77, 'late', 'done', now() - interval '51 days', now())")
            .await;
        let app = with_retention(&db, "50 days", "").await;
        assert_eq!(deletion(&once(&app).await).rows, Some(1));
        assert_eq!(names(&db, "jobs_archive").await, STAYS);
        assert!(once(&app).await.actions.is_empty());
    });
}

#[test]
fn rows_are_moved_and_deleted_in_one_run() {
    on_every_major(|db| async move {
        archive(&db).await;
        db.execute("INSERT INTO jobs (id, name, created_at) VALUES (99, 'due', now() - interval '31 days')")
            .await;
        let app = confirmed(&db, &config("archive_retention = '50 days'\nbatch_rows = 3")).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!(names(&db, "jobs_archive").await, ["due", "young", "ageless"]);
        assert_eq!(db.rows("SELECT * FROM pgtend.archive_position").await, NO_ROWS);
    });
}

#[test]
fn a_hot_table_is_deleted_from_only_as_asked() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        let config = deletes("where = \"status <> 'pending'\"\nmax_rows = 7");
        let app = InProcess::new(&db, &config).await;
        let all = names(&db, "jobs").await;
        assert_eq!(once(&app).await.verdict, Verdict::Failed);
        assert_eq!(names(&db, "jobs").await, all);
        let app = confirmed(&db, &config).await;
        assert_eq!(deletion(&once(&app).await).rows, Some(7));
        assert_eq!(deletion(&once(&app).await).rows, Some(4));
        let stays = ["young", "ageless", "from the future", "old and pending"];
        assert_eq!(names(&db, "jobs").await, stays);
        assert_eq!(db.value("SELECT to_regclass('jobs_archive') IS NULL").await, "t");
    });
}

/// From 14 on by blocks, before along the index.
#[test]
fn a_backlog_is_deleted_and_nothing_else() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(
            "INSERT INTO jobs (name, status, created_at) \
             SELECT 'bulk ' || i || repeat(' ', 200), CASE i % 5 WHEN 0 THEN 'pending' ELSE 'done' END, \
               now() - interval '40 days' FROM generate_series(1, 2000) AS i; ANALYZE jobs; \
             CREATE TABLE kept AS SELECT * FROM jobs \
               WHERE status = 'pending' OR created_at IS NULL OR created_at > now() - interval '30 days'",
        )
        .await;
        let config = deletes("where = \"status <> 'pending'\"\nbatch_rows = 150");
        let app = confirmed(&db, &config).await;
        let plan = app.plan(JobName::Archive).await;
        let sweeps = plan.actions.iter().any(|a| a.reason.contains("along (ctid), block by block"));
        assert_eq!(sweeps, db.major() >= 14, "{plan}");
        assert_eq!(deletion(&once(&app).await).rows, Some(1611));
        assert_eq!(db.rows("TABLE kept EXCEPT ALL TABLE jobs").await, NO_ROWS);
        assert_eq!(db.rows("TABLE jobs EXCEPT ALL TABLE kept").await, NO_ROWS);
    });
}

#[test]
fn a_row_that_became_young_in_the_middle_of_a_batch_stays() {
    on_every_major(|db| async move {
        archive(&db).await;
        let app = confirmed(&db, &config("archive_retention = '50 days'")).await;
        let mut other = db.connect().await;
        run(
            &mut other,
            "BEGIN; UPDATE jobs_archive SET created_at = now() WHERE name = 'old 4'; \
             UPDATE jobs_archive SET created_at = created_at - interval '1 s' WHERE name = 'old 5'",
        )
        .await;
        let writer = run(
            &mut other,
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted \
             AND locktype IN ('transactionid', 'tuple') \
             AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())) \
             LOOP PERFORM pg_sleep(0.001); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$; COMMIT",
        );
        let (outcome, ()) = tokio::join!(once(&app), writer);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        wait_until("the rest has gone", || async {
            once(&app).await;
            names(&db, "jobs_archive WHERE name = 'old 5'").await.is_empty()
        })
        .await;
        assert_eq!(names(&db, "jobs_archive").await, ["old 4", "young", "ageless"]);
    });
}

#[test]
fn a_row_that_is_held_stays_and_the_others_go() {
    on_every_major(|db| async move {
        archive(&db).await;
        let app = confirmed(&db, &config("archive_retention = '50 days'\nbatch_rows = 4")).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM jobs_archive WHERE name = 'old 4' FOR UPDATE").await;
        let done = deletion(&once(&app).await);
        let note = done.note.clone().unwrap();
        assert!(note.contains("1 rows that others hold locked are left"), "{note}");
        assert_eq!(names(&db, "jobs_archive").await, ["old 4", "young", "ageless"]);
        run(&mut other, "COMMIT").await;
        once(&app).await;
        assert_eq!(names(&db, "jobs_archive").await, STAYS);
    });
}

#[test]
fn nothing_is_deleted_if_nothing_younger_stays() {
    on_every_major(|db| async move {
        archive(&db).await;
        db.execute("DELETE FROM jobs_archive WHERE name = 'young'").await;
        let app = confirmed(&db, &config("archive_retention = '70 days'")).await;
        assert_eq!(once(&app).await.verdict, Verdict::Succeeded, "agreed");
        let all = names(&db, "jobs_archive").await;
        // Thirty days later, by the clock.
        let app = with_retention(&db, "70 days", "").await;
        let later = pgtend::time::clock::wall() + chrono::TimeDelta::days(30);
        let plan = app.plan_at(JobName::Archive, later).await;
        assert!(plan.to_string().contains("nothing younger would stay"), "{plan}");
        assert!(plan.actions.is_empty(), "{plan}");
        assert_eq!(names(&db, "jobs_archive").await, all);
    });
}

#[test]
fn hazards_of_deleting_are_refused() {
    on_every_major(|db| async move {
        let mut said = String::new();
        for (name, sql) in [
            (
                "a foreign key",
                "CREATE TABLE notes (job bigint REFERENCES jobs_archive ON DELETE CASCADE)",
            ),
            ("row level security", "ALTER TABLE jobs_archive ENABLE ROW LEVEL SECURITY"),
            ("another age", "ALTER TABLE jobs_archive ALTER created_at TYPE text"),
            (
                "a trigger that keeps rows",
                "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN RETURN NULL; END'; CREATE TRIGGER swallow BEFORE DELETE ON jobs_archive \
                 FOR EACH ROW EXECUTE FUNCTION swallow()",
            ),
            (
                "partitions of that age",
                "DROP TABLE jobs_archive; CREATE TABLE jobs_archive (LIKE jobs, archived_at timestamptz, \
                 PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at); \
                 CREATE TABLE jobs_archive_1 PARTITION OF jobs_archive DEFAULT",
            ),
        ] {
            db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
            archive(&db).await;
            db.execute(sql).await;
            let app = confirmed(&db, &config("archive_retention = '50 days'")).await;
            let plan = app.plan(JobName::Archive).await;
            assert!(plan.actions.iter().all(|a| a.kind != "delete_rows"), "{name}: {plan}");
            let _ = writeln!(said, "{name}");
            let of_purge = |fault: &String| fault.starts_with("delete rows of");
            let faults = plan.refused.iter().map(|refused| refused.fault.to_string());
            for fault in faults.filter(of_purge) {
                let _ = writeln!(said, "  {fault}");
            }
        }
        insta::assert_snapshot!("purge_hazards", said);
    });
}

#[test]
fn a_foreign_key_that_comes_after_the_plan_loses_no_child() {
    on_every_major(|db| async move {
        archive(&db).await;
        let app = confirmed(&db, &config("archive_retention = '50 days'\nbatch_rows = 2")).await;
        // After the first batch.
        db.execute(
            "CREATE TABLE notes (job bigint); INSERT INTO notes SELECT id FROM jobs_archive",
        )
        .await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM jobs_archive WHERE name = 'old 6' FOR UPDATE").await;
        let refer = run(
            &mut other,
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted \
             AND locktype IN ('transactionid', 'tuple') \
             AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())) \
             LOOP PERFORM pg_sleep(0.001); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$; COMMIT; \
             BEGIN; LOCK TABLE jobs_archive IN SHARE ROW EXCLUSIVE MODE; \
             DELETE FROM notes AS n WHERE NOT EXISTS (SELECT FROM jobs_archive AS j WHERE j.id = n.job); \
             ALTER TABLE notes ADD FOREIGN KEY (job) REFERENCES jobs_archive ON DELETE CASCADE; \
             CREATE TABLE referring AS SELECT * FROM notes; COMMIT",
        );
        let (_, ()) = tokio::join!(once(&app), refer);
        // Whoever came first: what refers to a row keeps it.
        assert_eq!(db.rows("TABLE referring EXCEPT ALL TABLE notes").await, NO_ROWS);
    });
}

#[test]
fn a_deletion_survives_every_kill() {
    on_every_major(|db| async move {
        archive(&db).await;
        let config = config("archive_retention = '50 days'\nbatch_rows = 6");
        let done = KillPoints::of(&db, &config, &["once", "archive", "--confirm"]).run().await;
        assert!(
            done.iter().any(|sql| sql.contains("DELETE FROM public.jobs_archive")),
            "{done:#?}"
        );
        assert!(done.iter().any(|sql| sql.contains("archive_policy")), "{done:#?}");
    });
}
