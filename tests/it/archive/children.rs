//! Tables that refer to the hot table, and whose rows leave with what they refer to.
use std::fmt::Write as _;

use pgtend::job::{JobName, Verdict};

use super::{ARCHIVE, JOBS, assert_events_in_one, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, on_every_major, run, wait_until};

const CHILDREN: &str = "children = ['events']\ncreate_target = true";

/// A child with two rows for each job, which this would become of when the job is deleted.
pub(super) fn events(on_delete: &str) -> String {
    format!(
        "CREATE TABLE events (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         job_id bigint REFERENCES jobs ON DELETE {on_delete}, name text, data json); \
         CREATE INDEX events_job ON events (job_id); \
         INSERT INTO events (job_id, name, data) SELECT id, name || ' ' || n, '{{\"a\": 1}}' \
           FROM jobs, generate_series(1, 2) AS n ORDER BY n, id; \
         INSERT INTO events (name) VALUES ('of no job')"
    )
}

async fn world(db: &Db, sql: &str, more: &str) -> InProcess {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    db.execute(sql).await;
    keep(db, "jobs").await;
    db.execute("CREATE TABLE kept_events AS SELECT * FROM events").await;
    InProcess::new(db, &config(more)).await
}

/// Each event is in exactly one of both tables, beside its job.
async fn assert_events_whole(db: &Db) {
    assert_events_in_one(db).await;
    let apart = "SELECT e.id FROM events_archive AS e \
                 WHERE NOT EXISTS (SELECT FROM jobs_archive AS j WHERE j.id = e.job_id)";
    assert_eq!(db.column(apart).await, [""; 0], "apart from their jobs");
}

#[test]
fn children_leave_with_what_they_refer_to_whatever_the_foreign_key_does() {
    on_every_major(|db| async move {
        for on_delete in ["CASCADE", "SET NULL", "NO ACTION", "RESTRICT"] {
            db.execute(
                "DROP TABLE IF EXISTS events, events_archive, jobs, jobs_archive, kept, kept_events",
            )
            .await;
            let more = format!("batch_rows = 4\n{CHILDREN}");
            let app = world(&db, &events(on_delete), &more).await;
            let applied = moved(&app).await;
            assert_eq!(applied.rows, Some(11), "{on_delete}");
            let note = applied.note.unwrap();
            assert!(note.contains("with 22 rows of public.events"), "{on_delete}: {note}");
            assert_whole(&db, "jobs", "jobs_archive").await;
            assert_events_whole(&db).await;
            let stayed = names(&db, "events WHERE name LIKE '% 1' OR job_id IS NULL").await;
            let expected =
                ["young 1", "ageless 1", "of no job", "from the future 1", "old and pending 1"];
            assert_eq!(stayed, expected, "{on_delete}");
        }
    });
}

#[test]
fn hazards_of_children_are_refused() {
    on_every_major(|db| async move {
        let mut said = String::new();
        for (name, sql) in [
            ("no index", "DROP INDEX events_job"),
            (
                "a partial index",
                "DROP INDEX events_job; CREATE INDEX ON events (job_id) WHERE id > 5",
            ),
            ("no foreign key", "ALTER TABLE events DROP CONSTRAINT events_job_id_fkey"),
            ("two foreign keys", "ALTER TABLE events ADD COLUMN last bigint REFERENCES jobs"),
            ("missing", "DROP TABLE events; CREATE TABLE events_2 ()"),
            ("a grandchild", "CREATE TABLE notes (event int REFERENCES events)"),
            ("another child", "CREATE TABLE others (job bigint REFERENCES jobs)"),
            ("row level security", "ALTER TABLE events ENABLE ROW LEVEL SECURITY"),
            (
                "a trigger that keeps rows",
                "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN RETURN NULL; END'; CREATE TRIGGER swallow BEFORE DELETE ON events \
                 FOR EACH ROW EXECUTE FUNCTION swallow()",
            ),
            (
                "an archive that lacks a column",
                "CREATE TABLE events_archive (id int, job_id bigint)",
            ),
        ] {
            db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
            db.execute(JOBS).await;
            db.execute(ARCHIVE).await;
            db.execute(&events("CASCADE")).await;
            db.execute(sql).await;
            let app = InProcess::new(&db, &config(CHILDREN)).await;
            let plan = app.plan(JobName::Archive).await;
            assert!(plan.actions.is_empty(), "{name}: {plan}");
            let _ = writeln!(said, "{name}");
            for refused in &plan.refused {
                let _ = writeln!(said, "  {}", refused.fault);
            }
        }
        insta::assert_snapshot!("children", said);
    });
}

#[test]
fn a_child_that_comes_in_the_middle_of_a_batch_is_not_lost() {
    on_every_major(|db| async move {
        let app = world(&db, &events("CASCADE"), CHILDREN).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; INSERT INTO events (job_id, name) VALUES (5, 'late 1')").await;
        db.execute("INSERT INTO kept_events (id, job_id, name) VALUES (32, 5, 'late 1')").await;
        let writer = run(
            &mut other,
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted \
             AND locktype IN ('transactionid', 'tuple')) LOOP PERFORM pg_sleep(0.001); END LOOP; \
             END $$; COMMIT",
        );
        let (outcome, ()) = tokio::join!(once(&app), writer);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_events_whole(&db).await;
        assert_eq!(names(&db, "events_archive WHERE name = 'late 1'").await, ["late 1"]);
    });
}

#[test]
fn a_job_whose_child_is_held_stays_and_the_others_go() {
    on_every_major(|db| async move {
        let app = world(&db, &events("CASCADE"), CHILDREN).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM events WHERE name = 'old 5 2' FOR UPDATE").await;
        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(10));
        assert_eq!(names(&db, "jobs WHERE name LIKE 'old _'").await, ["old 5"]);
        assert_events_whole(&db).await;
        run(&mut other, "COMMIT").await;
        moved(&app).await;
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_events_whole(&db).await;
    });
}

/// All of them are one range, the last one, and it is looked for again in halves.
#[test]
fn where_the_youngest_is_held_all_others_go() {
    on_every_major(|db| async move {
        let bulk = "INSERT INTO jobs (name, created_at) SELECT 'bulk ' || i, now() - interval '40 days' \
                    FROM generate_series(1, 200) AS i";
        let app = world(&db, &format!("{bulk}; {}", events("CASCADE")), CHILDREN).await;
        let mut other = db.connect().await;
        let last = "(SELECT id FROM jobs WHERE name = 'bulk 200')";
        run(&mut other, &format!("BEGIN; SELECT FROM events WHERE job_id = {last} FOR UPDATE"))
            .await;
        assert_eq!(moved(&app).await.rows, Some(210));
        assert_eq!(names(&db, "jobs WHERE name LIKE 'bulk %'").await, ["bulk 200"]);
        assert_events_whole(&db).await;
    });
}

/// From 14 on by blocks, before along the index; and in guesses too large for what is held.
#[test]
fn a_backlog_with_children_moves_around_what_is_held() {
    on_every_major(|db| async move {
        let bulk = "INSERT INTO jobs (name, created_at) SELECT 'bulk ' || i || repeat(' ', 200), \
                    now() - interval '40 days' FROM generate_series(1, 600) AS i; ANALYZE jobs";
        let sql = format!("{bulk}; {}", events("CASCADE"));
        let app = world(&db, &sql, &format!("batch_rows = 100\n{CHILDREN}")).await;
        let plan = app.plan(JobName::Archive).await;
        let sweeps = plan.actions.iter().any(|a| a.reason.contains("along (ctid), block by block"));
        assert_eq!(sweeps, db.major() >= 14, "{plan}");
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM events WHERE job_id = 300 LIMIT 1 FOR UPDATE").await;
        run(&mut other, "SELECT FROM jobs WHERE id = 302 FOR UPDATE").await;
        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(609));
        let stayed = "SELECT id FROM jobs WHERE name LIKE 'bulk %' ORDER BY id";
        assert_eq!(db.column(stayed).await, ["300", "302"]);
        assert_events_whole(&db).await;
        run(&mut other, "COMMIT").await;
        assert_eq!(moved(&app).await.rows, Some(2));
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_events_whole(&db).await;
    });
}

#[test]
fn children_that_are_archived_already_are_compared_too() {
    on_every_major(|db| async move {
        let sql = format!(
            "{}; CREATE TABLE events_archive (LIKE events, PRIMARY KEY (id)); \
             INSERT INTO events_archive SELECT * FROM events WHERE name = 'old 3 1'",
            events("CASCADE")
        );
        let app = world(&db, &sql, CHILDREN).await;
        moved(&app).await;
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_events_whole(&db).await;

        db.execute(
            "INSERT INTO jobs (id, name, created_at) VALUES (99, 'again', '2001-01-01'); \
                    INSERT INTO events OVERRIDING SYSTEM VALUE VALUES (99, 99, 'here', NULL); \
                    INSERT INTO events_archive VALUES (99, 99, 'there', NULL)",
        )
        .await;
        let outcome = once(&app).await;
        let said = outcome.actions[0].result.as_ref().unwrap_err().to_string();
        insta::assert_snapshot!("child_differs", said);
        assert_eq!(names(&db, "jobs WHERE id = 99").await, ["again"]);
    });
}

#[test]
fn parents_and_children_survive_every_kill() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(&events("CASCADE")).await;
        db.execute(
            "CREATE TABLE jobs_archive (LIKE jobs, PRIMARY KEY (id)); \
             CREATE TABLE events_archive (LIKE events, PRIMARY KEY (id)); ANALYZE jobs",
        )
        .await;
        let config = config("batch_rows = 6\nchildren = ['events']");
        let done = KillPoints::of(&db, &config, &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("DELETE FROM public.events")), "{done:#?}");
    });
}

#[test]
fn writers_of_children_and_the_archiver_lose_nothing() {
    on_every_major(|db| async move {
        let app = world(&db, &events("CASCADE"), &format!("batch_rows = 2\n{CHILDREN}")).await;
        db.execute("CREATE TABLE written (id int, job_id bigint)").await;
        let mut writer = db.connect().await;
        let write = async {
            for n in 0..60 {
                // What refers to a job that has gone is refused; all else is recorded with it.
                let job = n % 10 + 1;
                run(
                    &mut writer,
                    &format!(
                        "DO $$ BEGIN WITH e AS (INSERT INTO public.events (job_id, name) \
                         VALUES ({job}, 'written') RETURNING id, job_id) \
                         INSERT INTO public.written SELECT * FROM e; \
                         EXCEPTION WHEN foreign_key_violation THEN NULL; END $$"
                    ),
                )
                .await;
            }
        };
        let archive = async {
            for _ in 0..3 {
                once(&app).await;
            }
        };
        tokio::join!(write, archive);
        wait_until("the rest has gone", || async {
            once(&app).await;
            names(&db, "jobs WHERE name LIKE 'old _'").await.is_empty()
        })
        .await;
        let lost = "SELECT id FROM written EXCEPT ALL \
                    (SELECT id FROM events UNION ALL SELECT id FROM events_archive)";
        assert_eq!(db.column(lost).await, [""; 0]);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}
