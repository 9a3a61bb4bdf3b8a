//! Rows come back with what refers to them, or not at all.
use pgtend::job::JobName;

use super::{ARCHIVE, JOBS, assert_events_in_one, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, Program, on_every_major, pgtend};

const EVENTS: &str = "
CREATE TABLE events (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bigint NOT NULL REFERENCES jobs ON DELETE CASCADE, name text, data json);
CREATE INDEX events_job ON events (job_id);
INSERT INTO events (job_id, name, data)
SELECT id, name || ' ' || n, '{\"a\": 1}' FROM jobs, generate_series(1, 2) AS n ORDER BY n, id;";
const MORE: &str = "batch_rows = 4\ncreate_target = true\nchildren = ['events']";
const WHERE: &str = "name IN ('old 2', 'old 5', 'old 7', 'old 8', 'old 10')";

async fn world(db: &Db, archive: &str) -> (Program, InProcess) {
    db.execute(JOBS).await;
    db.execute(archive).await;
    db.execute(EVENTS).await;
    keep(db, "jobs").await;
    db.execute("CREATE TABLE kept_events AS SELECT * FROM events").await;
    let app = InProcess::new(db, &config(MORE)).await;
    moved(&app).await;
    (pgtend(db, &config(MORE)), app)
}

/// Each job and each event is in one of both tables, unchanged, and events are beside their jobs.
async fn assert_all_whole(db: &Db) {
    assert_whole(db, "jobs", "jobs_archive").await;
    assert_events_in_one(db).await;
    let apart = "SELECT id FROM events_archive WHERE job_id IN (SELECT id FROM jobs)";
    assert_eq!(db.column(apart).await, [""; 0], "apart from their jobs");
}

async fn verified(program: &Program) {
    let ran = program.run(&["archive", "verify"]).await;
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn what_refers_to_restored_rows_comes_back_with_them() {
    on_every_major(|db| async move {
        for archive in [
            ARCHIVE,
            // Without a key, and in another order.
            "CREATE TABLE jobs_archive (created_at timestamptz, name text, id bigint, status text, archived_at timestamptz); \
             CREATE TABLE events_archive (data json, id int, name text, job_id bigint, archived_at timestamptz)",
        ] {
            db.execute(
                "DROP TABLE IF EXISTS events, events_archive, jobs, jobs_archive, kept, kept_events; \
                 DROP SCHEMA IF EXISTS pgtend CASCADE",
            )
            .await;
            let (program, app) = world(&db, archive).await;
            verified(&program).await;
            let ran = program
                .run(&["archive", "restore", "jobs", "--where", WHERE, "--format", "json"])
                .await;
            assert_eq!(ran.code, Some(0), "{ran}");
            let action = &ran.json()["jobs"][0]["actions"][0];
            assert_eq!(action["rows"], 5, "{ran}");
            let note = action["note"].as_str().expect("a note");
            assert!(note.contains("with 10 rows of public.events"), "{note}");
            let back =
                names(&db, "events WHERE name LIKE 'old % 1' AND name NOT LIKE '%pending%'").await;
            assert_eq!(back, ["old 2 1", "old 5 1", "old 7 1", "old 8 1", "old 10 1"]);
            assert_all_whole(&db).await;
            verified(&program).await;
            assert!(once(&app).await.actions.is_empty(), "they stay for a while");
            db.execute("UPDATE pgtend.archive_hold SET held_until = now()").await;
            moved(&app).await;
            assert_eq!(names(&db, &format!("jobs WHERE {WHERE}")).await, [""; 0]);
            assert_all_whole(&db).await;
            verified(&program).await;
        }
    });
}

/// A job whose key is taken stays, and so does what refers to it.
#[test]
fn children_of_a_row_that_stays_in_the_archive_stay_too() {
    on_every_major(|db| async move {
        let (program, _) = world(&db, ARCHIVE).await;
        db.execute(
            "INSERT INTO jobs SELECT id, 'another', status, created_at FROM jobs_archive WHERE name = 'old 5'",
        )
        .await;
        let ran = program.run(&["archive", "restore", "jobs", "--where", WHERE]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(ran.stdout.contains("1 rows stay in the archive"), "{ran}");
        assert_eq!(
            names(&db, "events_archive WHERE name LIKE 'old 5 %'").await,
            ["old 5 1", "old 5 2"]
        );
        assert_eq!(names(&db, "events WHERE name LIKE 'old 5 %'").await, [""; 0]);
        assert_eq!(names(&db, "events WHERE name LIKE 'old 8 %'").await, ["old 8 1", "old 8 2"]);
        verified(&program).await;
    });
}

#[test]
fn children_that_cannot_come_back_keep_everything_in_the_archive() {
    on_every_major(|db| async move {
        let mut said = String::new();
        for change in [
            "DROP TABLE events",
            "ALTER TABLE events DROP CONSTRAINT events_job_id_fkey",
            "ALTER TABLE events ADD COLUMN last bigint REFERENCES jobs",
            "ALTER TABLE events DROP COLUMN data",
            "ALTER TABLE events ALTER COLUMN name TYPE varchar(3) USING 'x'",
            "ALTER TABLE events ADD COLUMN must text NOT NULL DEFAULT 'x'; ALTER TABLE events ALTER must DROP DEFAULT",
            "ALTER TABLE events_archive ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE jobs ALTER COLUMN status TYPE varchar(30)",
        ] {
            db.execute(
                "DROP TABLE IF EXISTS events, events_archive, jobs, jobs_archive, kept, kept_events",
            )
            .await;
            let (program, _) = world(&db, ARCHIVE).await;
            db.execute(change).await;
            let ran = program
                .run(&["archive", "restore", "jobs", "--where", WHERE, "--format", "json"])
                .await;
            assert_ne!(ran.code, Some(0), "{change}: {ran}");
            let told = ran.json()["jobs"][0]["actions"][0]["error"].clone();
            said = format!("{said}{change}\n  {told:#}\n");
            assert_eq!(names(&db, "jobs_archive").await.len(), 11, "{change}");
            assert_eq!(db.value("SELECT count(*) FROM events_archive").await, "22", "{change}");
        }
        insta::assert_snapshot!("cannot_come_back", said);
    });
}

/// A child that came meanwhile under the same key: nothing of the batch comes back.
#[test]
fn a_child_whose_key_is_taken_keeps_its_batch_in_the_archive() {
    on_every_major(|db| async move {
        let (program, _) = world(&db, ARCHIVE).await;
        db.execute(
            "INSERT INTO events OVERRIDING SYSTEM VALUE SELECT e.id, j.id, 'new', NULL \
             FROM events_archive AS e, jobs AS j WHERE e.name = 'old 5 1' AND j.name = 'young'",
        )
        .await;
        let ran = program.run(&["archive", "restore", "jobs", "--where", "name = 'old 5'"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        assert_eq!(names(&db, "jobs WHERE name = 'old 5'").await, [""; 0]);
        assert_eq!(
            names(&db, "events_archive WHERE name LIKE 'old 5 %'").await,
            ["old 5 1", "old 5 2"]
        );
    });
}

/// The hot table has less room by now: what would be rounded is seen, and nothing of its batch comes back.
#[test]
fn a_value_that_would_change_on_its_way_back_stops_the_restore() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE prices (id int PRIMARY KEY, name text, at timestamptz, price numeric(9, 3)); \
             INSERT INTO prices SELECT n, 'p' || n, now() - interval '60 days', 1.5 FROM generate_series(1, 3) AS n; \
             UPDATE prices SET price = 1.005 WHERE id = 3",
        )
        .await;
        let text = super::config_for("prices", "at", "create_target = true\nbatch_rows = 1");
        moved(&InProcess::new(&db, &text).await).await;
        db.execute("ALTER TABLE prices ALTER COLUMN price TYPE numeric(9, 2)").await;
        let ran =
            pgtend(&db, &text).run(&["archive", "restore", "prices", "--where", "id = 3"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains("a value has no room here"), "{ran}");
        assert_eq!(names(&db, "prices").await, [""; 0]);
        assert_eq!(names(&db, "prices_archive").await, ["p1", "p2", "p3"]);
    });
}

#[test]
fn a_restore_of_parents_and_children_survives_every_kill() {
    on_every_major(|db| async move {
        let (_, app) = world(&db, ARCHIVE).await;
        assert!(app.plan(JobName::Archive).await.actions.is_empty());
        // Neither is what is compared: when, and how often it was begun.
        db.execute(
            "ALTER TABLE jobs_archive DROP COLUMN archived_at; \
             ALTER TABLE events_archive DROP COLUMN archived_at; \
             ALTER TABLE pgtend.archive_hold ALTER hold_id DROP IDENTITY; \
             ALTER TABLE pgtend.archive_hold ALTER hold_id SET DEFAULT 1",
        )
        .await;
        let done = KillPoints::of(
            &db,
            &config(MORE),
            &["archive", "restore", "jobs", "--where", WHERE, "--keep", "10 years"],
        )
        .then_exits(&[0])
        .run()
        .await;
        assert!(done.iter().any(|sql| sql.contains("INSERT INTO public.events")), "{done:#?}");
    });
}
