//! `archive restore`: rows come back, stay for a while, and the record still adds up.
use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, Program, on_every_major, pgtend};

async fn world(db: &Db, archive: &str) -> (Program, InProcess) {
    db.execute(JOBS).await;
    db.execute(archive).await;
    keep(db, "jobs").await;
    let text = config("batch_rows = 4");
    let app = InProcess::new(db, &text).await;
    moved(&app).await;
    (pgtend(db, &text), app)
}

async fn restore(program: &Program, more: &[&str], code: i32) -> serde_json::Value {
    let arguments = [&["archive", "restore", "jobs", "--format", "json"], more].concat();
    let ran = program.run(&arguments).await;
    assert_eq!(ran.code, Some(code), "{ran}");
    ran.json()["jobs"][0].clone()
}

async fn is_as_recorded(program: &Program) {
    let ran = program.run(&["archive", "verify"]).await;
    assert_eq!(ran.code, Some(0), "{ran}");
}

const WHERE: &str = "name IN ('old 2', 'old 5', 'old 7', 'old 8', 'old 10')";

#[test]
fn what_is_asked_for_comes_back_and_the_record_adds_up() {
    on_every_major(|db| async move {
        for archive in [
            ARCHIVE,
            "CREATE TABLE jobs_archive (id bigint PRIMARY KEY, name text, status text, created_at timestamptz)",
        ] {
            db.execute("DROP TABLE IF EXISTS jobs, jobs_archive, kept; DROP SCHEMA IF EXISTS pgtend CASCADE")
                .await;
            let (program, _) = world(&db, archive).await;
            let outcome = restore(&program, &["--where", WHERE], 0).await;
            assert_eq!(outcome["actions"][0]["rows"], 5, "{outcome}");
            assert_eq!(
                names(&db, "jobs WHERE name LIKE 'old %' AND status = 'done'").await,
                ["old 2", "old 5", "old 7", "old 8", "old 10"]
            );
            assert_eq!(names(&db, "jobs_archive").await.len(), 6);
            assert_whole(&db, "jobs", "jobs_archive").await;
            is_as_recorded(&program).await;
        }
    });
}

#[test]
fn what_came_back_stays_until_its_time_is_over() {
    on_every_major(|db| async move {
        let (program, app) = world(&db, ARCHIVE).await;
        restore(&program, &["--where", WHERE], 0).await;
        let next = once(&app).await;
        assert!(next.actions.is_empty(), "{next:#?}");
        assert!(
            next.spared[0].reason.starts_with("rows that were restored stay until"),
            "{next:#?}"
        );
        // A row that nobody brought back is not held.
        db.execute(
            "INSERT INTO jobs (name, created_at) VALUES ('late', now() - interval '99 days')",
        )
        .await;
        assert_eq!(moved(&app).await.rows, Some(1));

        db.execute("UPDATE pgtend.archive_hold SET held_until = now()").await;
        assert_eq!(moved(&app).await.rows, Some(5));
        db.execute(
            "WITH late AS (DELETE FROM jobs_archive WHERE name = 'late' RETURNING archived_at) \
             DELETE FROM pgtend.archive_batch WHERE stamp IN (SELECT archived_at FROM late)",
        )
        .await;
        assert_whole(&db, "jobs", "jobs_archive").await;
        is_as_recorded(&program).await;
    });
}

#[test]
fn a_key_that_is_taken_is_reported_and_never_overwritten() {
    on_every_major(|db| async move {
        let (program, _) = world(&db, ARCHIVE).await;
        db.execute(
            "INSERT INTO jobs SELECT id, 'another', status, created_at FROM jobs_archive WHERE name = 'old 5'",
        )
        .await;
        let outcome = restore(&program, &["--where", WHERE], 0).await;
        assert_eq!(outcome["actions"][0]["rows"], 4, "{outcome}");
        let note = outcome["actions"][0]["note"].as_str().expect("a note");
        assert!(
            note.starts_with("1 rows stay in the archive, as public.jobs has their key"),
            "{note}"
        );
        let look = note.rsplit_once(": ").expect("a query").1;
        assert_eq!(db.rows(look).await.len(), 1, "{look}");
        assert_eq!(names(&db, "jobs WHERE name IN ('old 5', 'another')").await, ["another"]);
        assert_eq!(names(&db, "jobs_archive WHERE name = 'old 5'").await, ["old 5"]);
        is_as_recorded(&program).await;
    });
}

#[test]
fn a_plan_changes_nothing_and_a_wrong_question_is_refused() {
    on_every_major(|db| async move {
        let (program, _) = world(&db, ARCHIVE).await;
        let ran = program
            .run(&[
                "archive",
                "restore",
                "jobs",
                "--since",
                "2020-01-01",
                "--where",
                WHERE,
                "--plan",
            ])
            .await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(ran.stdout.contains("ON CONFLICT DO NOTHING"), "{ran}");
        assert_eq!(names(&db, "jobs_archive").await.len(), 11);
        let all = program.run(&["archive", "restore", "jobs"]).await;
        assert_eq!(all.code, Some(64), "{all}");
        assert!(all.stderr.contains("which rows? say --where, --since or --until"), "{all}");
        let other = program.run(&["archive", "restore", "nothing", "--since", "2020-01-01"]).await;
        assert_eq!(other.code, Some(78), "{other}");
    });
}

#[test]
fn a_restore_that_is_killed_carries_on() {
    on_every_major(|db| async move {
        let (program, _) = world(&db, ARCHIVE).await;
        // The second batch kills its session.
        db.execute(
            "CREATE SEQUENCE deaths; CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('public.deaths') = 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); \
             PERFORM pg_sleep(10); END IF; RETURN NULL; END $$; \
             CREATE TRIGGER die AFTER DELETE ON jobs_archive FOR EACH STATEMENT EXECUTE FUNCTION die()",
        )
        .await;
        let first = program.run(&["archive", "restore", "jobs", "--since", "2020-01-01"]).await;
        assert_ne!(first.code, Some(0), "{first}");
        assert_whole(&db, "jobs", "jobs_archive").await;
        restore(&program, &["--since", "2020-01-01"], 0).await;
        assert_eq!(names(&db, "jobs_archive").await, [""; 0]);
        assert_whole(&db, "jobs", "jobs_archive").await;
        is_as_recorded(&program).await;
    });
}
