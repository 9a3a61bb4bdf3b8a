//! Rows that are deleted for good, with what refers to them in other archives.
use std::fmt::Write as _;

use pgtend::job::{Applied, JobName, Outcome, Verdict};

use super::children::events;
use super::{ARCHIVE, JOBS, config, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, on_every_major, pgtend, run};

const CHILDREN: &str = "batch_rows = 2\nchildren = ['events']\ncreate_target = true";

fn retention(time: &str) -> String {
    config(&format!("archive_retention = '{time}'\n{CHILDREN}"))
}

async fn confirmed(db: &Db, config: &str) -> InProcess {
    let mut app = InProcess::new(db, config).await;
    app.confirm();
    app
}

/// Eleven jobs and their twenty-two events, archived by runs; and what is older than the record.
async fn world(db: &Db) {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    db.execute(&events("CASCADE")).await;
    moved(&InProcess::new(db, &config(CHILDREN)).await).await;
    db.execute(
        "INSERT INTO events_archive (id, job_id, name, archived_at) \
         VALUES (901, 999, 'of a job long gone', '2001-01-01'), (902, NULL, 'of no job', '2001-01-01')",
    )
    .await;
}

/// The deletion of a run.
fn deletion(outcome: &Outcome) -> Applied {
    let action = outcome.actions.iter().find(|action| action.kind == "delete_rows");
    action.unwrap_or_else(|| panic!("{outcome:#?}")).result.clone().unwrap()
}

/// Each job of these numbers is archived with both of its events, and no other is; strangers stay.
async fn assert_stay(db: &Db, jobs: &[u32]) {
    let of = |n: &u32| format!("old {n}");
    let stay = "jobs_archive WHERE name <> 'old and failed'";
    assert_eq!(names(db, stay).await, jobs.iter().map(of).collect::<Vec<_>>());
    let of = |n: &u32| [format!("old {n} 1"), format!("old {n} 2")];
    let mut expected: Vec<String> = jobs.iter().flat_map(of).collect();
    expected.extend(["of no job".to_owned(), "of a job long gone".to_owned()]);
    expected.sort_by_key(|name| (name.len(), name.clone()));
    let stay = "events_archive WHERE name NOT LIKE 'old and failed _'";
    assert_eq!(names(db, stay).await, expected);
}

async fn assert_verified(db: &Db) {
    let ran = pgtend(db, &config(CHILDREN)).run(&["archive", "verify"]).await;
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn rows_leave_an_archive_with_what_refers_to_them() {
    on_every_major(|db| async move {
        for more in [
            "SELECT",
            "CREATE INDEX ON events_archive (job_id); DELETE FROM events_archive WHERE id = 901; \
             ALTER TABLE events_archive ADD FOREIGN KEY (job_id) REFERENCES jobs_archive ON DELETE SET NULL",
        ] {
            db.execute(
                "DROP TABLE IF EXISTS events, events_archive, jobs, jobs_archive; \
                 DROP SCHEMA IF EXISTS pgtend CASCADE",
            )
            .await;
            world(&db).await;
            db.execute(more).await;
            let strangers = "SELECT id FROM events_archive WHERE id > 900 ORDER BY id";
            let stay = db.column(strangers).await;
            let text = retention("59 days 20 hours");
            let outcome = once(&InProcess::new(&db, &text).await).await;
            assert!(
                format!("{outcome:?}").contains("it has deleted nothing so far"),
                "{outcome:#?}"
            );
            let all = names(&db, "events_archive").await.len();
            assert_eq!(all, 22 + stay.len(), "unasked");

            let applied = deletion(&once(&confirmed(&db, &text).await).await);
            assert_eq!(applied.rows, Some(5));
            let note = applied.note.unwrap();
            assert!(note.contains("with 10 rows of public.events_archive"), "{note}");
            assert_eq!(db.column(strangers).await, stay);
            db.execute(
                "INSERT INTO events_archive (id, name, archived_at) SELECT 901, 'of a job long gone', \
                 '2001-01-01' WHERE NOT EXISTS (SELECT FROM events_archive WHERE id = 901)",
            )
            .await;
            assert_stay(&db, &[5, 6, 7, 8, 9, 10]).await;
            assert_verified(&db).await;
            // Both are on record, and what somebody takes beside it is missed.
            let purged = "SELECT target, sum(row_count) FROM pgtend.archive_batch \
                          WHERE kind = 'purge' GROUP BY 1 ORDER BY 1";
            let purged = db.rows(purged).await;
            let of = |table: &str, rows: &str| vec![Some(table.to_owned()), Some(rows.to_owned())];
            assert_eq!(purged, [of("public.events_archive", "10"), of("public.jobs_archive", "5")]);
            db.execute("DELETE FROM events_archive WHERE name = 'old 9 1'").await;
            let ran = pgtend(&db, &text).run(&["archive", "verify"]).await;
            assert_eq!(ran.code, Some(1), "{ran}");
        }
    });
}

#[test]
fn a_row_of_a_childs_archive_that_is_held_keeps_what_it_refers_to() {
    on_every_major(|db| async move {
        world(&db).await;
        let app = confirmed(&db, &retention("59 days 20 hours")).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM events_archive WHERE name = 'old 3 2' FOR UPDATE")
            .await;
        let applied = deletion(&once(&app).await);
        assert_eq!(applied.rows, Some(4));
        let note = applied.note.unwrap();
        assert!(note.contains("1 rows that others hold locked are left"), "{note}");
        assert_stay(&db, &[3, 5, 6, 7, 8, 9, 10]).await;
        assert_verified(&db).await;
        run(&mut other, "COMMIT").await;
        assert_eq!(deletion(&once(&app).await).rows, Some(1));
        assert_stay(&db, &[5, 6, 7, 8, 9, 10]).await;
        assert_verified(&db).await;
    });
}

/// From 14 on by blocks, before along the index; and in guesses too large for what is held.
#[test]
fn a_backlog_is_deleted_with_its_children_around_what_is_held() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute(
            "INSERT INTO jobs_archive SELECT 1000 + i, 'bulk ' || i || repeat(' ', 200), 'done', \
               now() - interval '90 days', '2001-01-01' FROM generate_series(1, 600) AS i; \
             INSERT INTO events_archive (id, job_id, name, archived_at) \
               SELECT j.id * 2 + n, j.id, 'of bulk', '2001-01-01' \
               FROM jobs_archive AS j, generate_series(0, 1) AS n WHERE j.id > 1000; \
             CREATE INDEX ON events_archive (job_id); CREATE INDEX ON jobs_archive (created_at); \
             ANALYZE jobs_archive, events_archive",
        )
        .await;
        let text = retention("70 days").replace("batch_rows = 2", "batch_rows = 100");
        let app = confirmed(&db, &text).await;
        let plan = app.plan(JobName::Archive).await;
        let sweeps = plan.actions.iter().any(|a| a.reason.contains("along (ctid), block by block"));
        assert_eq!(sweeps, db.major() >= 14, "{plan}");
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM events_archive WHERE job_id = 1300 LIMIT 1 FOR UPDATE")
            .await;
        run(&mut other, "SELECT FROM jobs_archive WHERE id = 1302 FOR UPDATE").await;
        assert_eq!(deletion(&once(&app).await).rows, Some(598));
        let stayed = "SELECT id FROM jobs_archive WHERE id > 1000 ORDER BY id";
        assert_eq!(db.column(stayed).await, ["1300", "1302"]);
        let events = "SELECT id FROM events_archive WHERE name = 'of bulk' ORDER BY id";
        assert_eq!(db.column(events).await, ["2600", "2601", "2604", "2605"]);
        run(&mut other, "COMMIT").await;
        assert_eq!(deletion(&once(&app).await).rows, Some(2));
        assert_stay(&db, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
    });
}

/// Its session dies behind the DELETE of the children, behind that of the rows, or at the commit.
#[test]
fn a_session_that_dies_between_children_and_rows_leaves_both() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute(
            "CREATE SEQUENCE deaths; \
             CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('public.deaths') % 4 = 0 THEN PERFORM pg_terminate_backend(pg_backend_pid()); \
             PERFORM pg_sleep(10); END IF; RETURN NULL; END $$; \
             CREATE TRIGGER die AFTER DELETE ON events_archive FOR EACH STATEMENT EXECUTE FUNCTION die(); \
             CREATE TRIGGER die AFTER DELETE ON jobs_archive FOR EACH STATEMENT EXECUTE FUNCTION die(); \
             CREATE CONSTRAINT TRIGGER die_at_commit AFTER INSERT OR UPDATE ON pgtend.archive_position \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
        )
        .await;
        let app = confirmed(&db, &retention("59 days 20 hours")).await;
        let halves = "SELECT j.name, count(e.id) FROM jobs_archive AS j \
                      FULL JOIN events_archive AS e ON e.job_id = j.id \
                      WHERE coalesce(e.id, 0) < 900 GROUP BY 1 HAVING count(e.id) <> 2 OR j.name IS NULL";
        let mut deaths = 0;
        for _ in 0..20 {
            let outcome = once(&app).await;
            assert!(db.rows(halves).await.is_empty(), "{:?}", db.rows(halves).await);
            assert_verified(&db).await;
            match outcome.verdict {
                Verdict::Succeeded => break,
                _ => deaths += 1,
            }
        }
        assert!(deaths > 1, "{deaths}");
        assert_stay(&db, &[5, 6, 7, 8, 9, 10]).await;
    });
}

#[test]
fn a_deletion_of_rows_and_children_survives_every_kill() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(&events("CASCADE")).await;
        db.execute(
            "CREATE TABLE jobs_archive (LIKE jobs, PRIMARY KEY (id)); \
             CREATE TABLE events_archive (LIKE events, PRIMARY KEY (id)); \
             INSERT INTO jobs_archive SELECT * FROM jobs WHERE name LIKE 'old _'; \
             INSERT INTO events_archive SELECT * FROM events WHERE name LIKE 'old _ _'; \
             DELETE FROM jobs WHERE created_at < now() - interval '30 days'; ANALYZE jobs_archive",
        )
        .await;
        let config =
            config("archive_retention = '59 days 20 hours'\nbatch_rows = 2\nchildren = ['events']");
        let done = KillPoints::of(&db, &config, &["once", "archive", "--confirm"]).run().await;
        for table in ["events_archive", "jobs_archive"] {
            let delete = format!("DELETE FROM public.{table}");
            assert!(done.iter().any(|sql| sql.contains(&delete)), "{done:#?}");
        }
    });
}

#[test]
fn what_does_not_tell_the_children_of_a_row_deletes_nothing() {
    on_every_major(|db| async move {
        let mut said = String::new();
        for change in [
            "DROP TABLE events",
            "ALTER TABLE events DROP CONSTRAINT events_job_id_fkey",
            "ALTER TABLE events ADD COLUMN last bigint REFERENCES jobs",
            "ALTER TABLE events_archive DROP COLUMN job_id",
            "ALTER TABLE jobs_archive DROP CONSTRAINT jobs_archive_pkey",
            "CREATE TABLE notes (event int REFERENCES events_archive ON DELETE CASCADE)",
            "ALTER TABLE events_archive ADD COLUMN last bigint REFERENCES jobs_archive ON DELETE CASCADE",
            "ALTER TABLE events_archive ENABLE ROW LEVEL SECURITY",
        ] {
            db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
            db.execute("DROP SCHEMA IF EXISTS pgtend CASCADE").await;
            world(&db).await;
            db.execute(change).await;
            let app = confirmed(&db, &retention("50 days")).await;
            let plan = app.plan(JobName::Archive).await;
            once(&app).await;
            assert_eq!(names(&db, "jobs_archive").await.len(), 11, "{change}");
            assert_eq!(names(&db, "events_archive").await.len(), 24, "{change}");
            let _ = writeln!(said, "{change}");
            let faults = plan.refused.iter().map(|refused| refused.fault.to_string());
            for fault in faults.filter(|fault| fault.starts_with("delete rows of")) {
                let _ = writeln!(said, "  {fault}");
            }
        }
        insta::assert_snapshot!("purge_children_hazards", said);
    });
}

#[test]
fn a_child_without_an_archive_has_nothing_that_refers_to_old_rows() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute("INSERT INTO jobs_archive SELECT *, now() FROM jobs WHERE name LIKE 'old _'")
            .await;
        db.execute("TRUNCATE jobs; CREATE TABLE events (id int PRIMARY KEY, job_id bigint REFERENCES jobs); \
                    CREATE INDEX ON events (job_id)").await;
        let hot = "INSERT INTO jobs (id, name, created_at) VALUES (77, 'late', now() - interval '55 days'); \
                   INSERT INTO events VALUES (1, 77)";
        db.execute(hot).await;
        let app = confirmed(&db, &retention("50 days")).await;
        // The run creates it, and cannot say yet what will be in it.
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!(names(&db, "jobs_archive").await.len(), 10);
        assert_eq!(deletion(&once(&app).await).rows, Some(10));
        assert_eq!(db.value("SELECT count(*) FROM events_archive").await, "0");

        db.execute("DROP TABLE events_archive; DROP TABLE events; \
                    INSERT INTO jobs_archive VALUES (78, 'later', 'done', now() - interval '55 days', now()), \
                    (79, 'young', 'done', now(), now())").await;
        let app = InProcess::new(&db, &retention("50 days")).await;
        once(&app).await;
        assert_eq!(names(&db, "jobs_archive").await, ["young"]);
    });
}

/// What deletes more than was agreed is asked about: so are rows of another table.
#[test]
fn a_child_that_is_added_later_is_asked_about_once() {
    on_every_major(|db| async move {
        world(&db).await;
        let text = retention("80 days");
        let alone = text.replace("children = ['events']", "children = []");
        once(&confirmed(&db, &alone).await).await;
        let older = |name: &str| {
            format!(
                "UPDATE jobs_archive SET created_at = now() - interval '90 days' WHERE name = '{name}'"
            )
        };
        db.execute(&older("old 1")).await;
        let app = InProcess::new(&db, &text).await;
        let said = format!("{:?}", once(&app).await);
        assert!(said.contains("what was agreed says nothing of public.events_archive"), "{said}");
        assert_stay(&db, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
        once(&confirmed(&db, &text).await).await;
        assert_stay(&db, &[2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
        db.execute(&older("old 2")).await;
        once(&app).await;
        assert_stay(&db, &[3, 4, 5, 6, 7, 8, 9, 10]).await;
    });
}

/// Nothing is stepped over there, so UPDATE is not asked for.
#[test]
fn select_and_delete_on_the_archive_of_a_child_are_enough_and_needed() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute("DROP SCHEMA pgtend CASCADE").await;
        let role = format!("keeper_{}", db.major());
        db.execute(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'secret'; \
             GRANT CREATE ON DATABASE \"{}\" TO {role}; \
             GRANT SELECT, UPDATE, DELETE ON jobs, events TO {role}; \
             GRANT INSERT, SELECT, UPDATE, DELETE ON jobs_archive TO {role}; \
             GRANT INSERT, SELECT ON events_archive TO {role}",
            db.name()
        ))
        .await;
        let url = db.url_as(&role, "secret");
        let mut app = InProcess::without_schema(&url, &retention("59 days 20 hours")).await;
        app.confirm();
        let plan = app.plan(JobName::Archive).await;
        let faults: Vec<String> = plan.refused.iter().map(|r| r.fault.to_string()).collect();
        let cure = format!("GRANT DELETE ON public.events_archive TO {role}");
        assert!(faults.len() == 1 && faults[0].contains(&cure), "{faults:?}");
        db.execute(&format!("GRANT DELETE ON events_archive TO {role}")).await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        assert_eq!(deletion(&once(&app).await).rows, Some(5));
        assert_stay(&db, &[5, 6, 7, 8, 9, 10]).await;
        db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}
