//! Which rows go and which stay.
use pgtend::job::JobName;

use super::{ARCHIVE, JOBS, assert_whole, config, config_for, keep, moved, names, once};
use crate::support::{InProcess, NO_ROWS, on_every_major};

#[test]
fn old_finished_rows_move_and_no_others() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("batch_rows = 3")).await;

        let applied = moved(&app).await;
        assert_eq!((applied.rows, applied.batches), (Some(11), 4));
        assert_eq!(
            names(&db, "jobs").await,
            ["young", "ageless", "from the future", "old and pending"]
        );
        let mut gone: Vec<String> = (1..=10).map(|i| format!("old {i}")).collect();
        gone.push("old and failed".into());
        assert_eq!(names(&db, "jobs_archive").await, gone);
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(db.rows("SELECT * FROM pgtend.archive_position").await, NO_ROWS);

        let again = once(&app).await;
        assert!(again.actions.is_empty(), "{again:#?}");
        assert!(again.spared[0].reason.starts_with("nothing older than 30 days"), "{again:#?}");
    });
}

#[test]
fn the_limit_ends_a_run_and_the_next_one_finishes() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        let app = InProcess::new(&db, &config("batch_rows = 3\nmax_rows = 7")).await;

        let first = moved(&app).await;
        assert_eq!(first.rows, Some(7));
        let note = first.note.unwrap();
        assert!(note.contains("stopped at max_rows = 7; the next run goes on"), "{note}");
        let mut oldest: Vec<String> = (1..=6).map(|i| format!("old {i}")).collect();
        oldest.push("old and failed".into());
        assert_eq!(names(&db, "jobs_archive").await, oldest);

        // Behind the stored position, one more row is due by now.
        db.execute("UPDATE jobs SET status = 'done' WHERE name = 'old and pending'").await;
        let second = moved(&app).await;
        assert_eq!(second.rows, Some(5));
        assert_eq!(names(&db, "jobs").await, ["young", "ageless", "from the future"]);

        assert!(once(&app).await.actions.is_empty(), "a third run has nothing to do");
    });
}

/// Whose first batch finishes the job that was pending: it lies before the range.
const FINISHES: &str = "CREATE FUNCTION finish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    UPDATE jobs SET status = 'done' WHERE status = 'pending'; RETURN NULL; END $$; \
    UPDATE jobs SET created_at = now() - interval '90 days' WHERE status = 'pending'; \
    CREATE TRIGGER finish AFTER DELETE ON jobs FOR EACH STATEMENT \
    EXECUTE FUNCTION public.finish(); \
    ALTER FUNCTION finish() SET search_path = public";

/// Whose first batch writes another old job: it lies behind the last range.
const ADDS: &str = "CREATE FUNCTION add() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    INSERT INTO public.jobs (name, status, created_at) \
    SELECT 'late', 'done', now() - interval '31 days' \
    WHERE NOT EXISTS (SELECT FROM public.jobs_archive WHERE name = 'late') \
    AND NOT EXISTS (SELECT FROM public.jobs WHERE name = 'late'); RETURN NULL; END $$; \
    CREATE TRIGGER late AFTER DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION public.add()";

/// What was counted is gone: the rows that were not due are not read again for what became so since.
#[test]
fn beside_a_batch_that_takes_all_that_was_counted_what_becomes_due_goes_in_the_next_run() {
    on_every_major(|db| async move {
        db.execute(&format!("{JOBS};{ARCHIVE};{FINISHES};{ADDS}")).await;
        let app = InProcess::new(&db, &config("")).await;
        assert_eq!(moved(&app).await.rows, Some(11));
        let left = ["late", "young", "ageless", "from the future", "old and pending"];
        assert_eq!(names(&db, "jobs").await, left);
        assert_eq!(moved(&app).await.rows, Some(2));
        assert_eq!(names(&db, "jobs").await, left[1..4]);
    });
}

/// More batches than one: a further pass looks at them all.
#[test]
fn what_becomes_due_ahead_or_behind_goes_in_the_same_run() {
    on_every_major(|db| async move {
        db.execute(&format!("{JOBS};{ARCHIVE};{FINISHES};{ADDS}")).await;
        let app = InProcess::new(&db, &config("batch_rows = 4")).await;
        assert_eq!(moved(&app).await.rows, Some(13));
        assert_eq!(names(&db, "jobs").await, ["young", "ageless", "from the future"]);
    });
}

#[test]
fn the_condition_is_the_operators_own() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute("INSERT INTO jobs (name, status) VALUES ('it''s; \"x\"', 'done')").await;
        db.execute(ARCHIVE).await;
        keep(&db, "jobs").await;
        let condition = "where = '''
status = 'failed' OR /* a range would be swallowed here ) */ jobs.name LIKE 'old 1%' -- or here
  OR lower(name) = $$ ; ) $$'''";
        let app = InProcess::new(
            &db,
            &config_for("jobs", "created_at", &format!("batch_rows = 1\n{condition}")),
        )
        .await;
        assert_eq!(moved(&app).await.rows, Some(3));
        assert_eq!(names(&db, "jobs_archive").await, ["old 1", "old 10", "old and failed"]);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn the_age_means_the_same_in_every_time_zone() {
    on_every_major(|db| async move {
        for zone in ["UTC", "America/Los_Angeles", "Asia/Tokyo"] {
            for (age_type, due, not_due) in [
                (
                    "timestamptz",
                    "now() - interval '30 days 1 min'",
                    "now() - interval '30 days' + interval '1 min'",
                ),
                (
                    "timestamp",
                    "now() AT TIME ZONE 'UTC' - interval '30 days 1 min'",
                    "now() AT TIME ZONE 'UTC' - interval '30 days' + interval '1 min'",
                ),
                // A day counts once it is over everywhere in it: the day of the cut-off does not.
                (
                    "date",
                    "(now() AT TIME ZONE 'UTC')::date - 31",
                    "(now() AT TIME ZONE 'UTC')::date - 30",
                ),
            ] {
                db.execute(&format!(
                    "ALTER DATABASE \"{}\" SET timezone = '{zone}'; \
                     DROP TABLE IF EXISTS zoned, zoned_archive; \
                     CREATE TABLE zoned (name text PRIMARY KEY, at {age_type}); \
                     INSERT INTO zoned VALUES ('due', {due}), ('not due', {not_due}), \
                     ('ever', '-infinity'), ('never', 'infinity')",
                    db.name()
                ))
                .await;
                let app =
                    InProcess::new(&db, &config_for("zoned", "at", "create_target = true")).await;
                moved(&app).await;
                let gone = names(&db, "zoned_archive").await;
                assert_eq!(gone, ["due", "ever"], "{age_type} in {zone}");
            }
        }
    });
}

#[test]
fn what_is_shown_is_what_is_run() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(&format!("ALTER DATABASE \"{}\" SET log_statement = 'all'", db.name())).await;
        let app = InProcess::new(&db, &config("batch_rows = 5\ncreate_target = true")).await;
        let plan = app.plan(JobName::Archive).await;
        assert_eq!(names(&db, "jobs").await.len(), 15);

        let mark = db.log_mark();
        once(&app).await;
        let log = db.server_log_since(mark).replace("\n\t", "\n");
        let shown: Vec<&String> = plan.actions.iter().flat_map(|action| &action.sql).collect();
        assert_eq!(shown.len(), 14);
        // More are due than a batch may have: both looks for ranges are run.
        let surely = ["-- counted", "-- the first range", "-- the next range"];
        let is_run =
            |sql: &str| !sql.starts_with("-- ") || surely.iter().any(|it| sql.starts_with(it));
        for sql in shown.iter().filter(|sql| is_run(sql)) {
            assert!(log.contains(*sql), "not run:\n{sql}\nthe log:\n{log}");
        }
        assert!(!log.contains("moved AS ("), "nobody held a lock");
    });
}
