//! Rows whose age an expression tells.

use pgtend::job::{JobName, Verdict};

use super::{assert_whole, keep, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, NO_ROWS, on_every_major, pgtend};

/// Ended jobs carry milliseconds since 1970; 0 is for those that have not ended.
const JOBS: &str = "
CREATE TABLE jobs (id bigint PRIMARY KEY, name text NOT NULL, ended_ms bigint);
INSERT INTO jobs SELECT i, 'old ' || i, extract(epoch FROM now() - interval '60 days') * 1000 + i
  FROM generate_series(1, 7) AS i;
INSERT INTO jobs SELECT 10 + i, 'young ' || i, extract(epoch FROM now() - interval '29 days') * 1000 + i
  FROM generate_series(1, 3) AS i;
INSERT INTO jobs VALUES (20, 'not ended', 0), (21, 'ageless', NULL);
";

const ARCHIVE: &str =
    "CREATE TABLE jobs_archive (LIKE jobs, archived_at timestamptz, PRIMARY KEY (id));";

const AGE: &str = "to_timestamp(nullif(ended_ms, 0) / 1000.0) -- of milliseconds";

const STAY: [&str; 5] = ["ageless", "young 1", "young 2", "young 3", "not ended"];

fn config(age: &str, more: &str) -> String {
    format!(
        "[archive]\nschedule = \"30 2 * * *\"\nmax_attempts = 1\n[archive.tables.jobs]\n\
         into = 'jobs_archive'\nage_expression = \"\"\"{age}\"\"\"\nolder_than = '30 days'\n{more}\n"
    )
}

async fn world(db: &Db) {
    db.execute(&format!("{JOBS}{ARCHIVE}")).await;
    keep(db, "jobs").await;
}

#[test]
fn an_expression_tells_the_age() {
    on_every_major(|db| async move {
        for analyzed in [false, true] {
            db.execute(
                "DROP TABLE IF EXISTS jobs, jobs_archive, kept; DROP SCHEMA IF EXISTS pgtend CASCADE",
            )
            .await;
            world(&db).await;
            if analyzed {
                db.execute("ANALYZE jobs").await;
            }
            let program = pgtend(&db, &config(AGE, "batch_rows = 3"));
            let plan = program.run(&["plan", "archive"]).await;
            let expected =
                "7 rows are due: older than 30 days (to_timestamp(nullif(ended_ms, 0) / 1000.0)";
            assert!(plan.stdout.contains(expected), "{plan}");
            let ran = program.run(&["once", "archive", "--format", "json"]).await;
            assert_eq!(ran.code, Some(0), "{ran}");
            assert_eq!(names(&db, "jobs").await, STAY);
            assert_whole(&db, "jobs", "jobs_archive").await;
            let verified = program.run(&["archive", "verify"]).await;
            assert_eq!(verified.code, Some(0), "{verified}");
            // Nothing is left to do.
            let again = program.run(&["plan", "archive", "--check"]).await;
            assert_eq!(again.code, Some(0), "{again}");
        }
    });
}

/// Along the key on 13, and where the table was never analyzed; by place elsewhere.
#[test]
fn rows_with_an_expressed_age_survive_every_kill() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute("ALTER TABLE jobs_archive DROP COLUMN archived_at; DROP TABLE kept").await;
        let config = config(AGE, "batch_rows = 4");
        let done = KillPoints::of(&db, &config, &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("nullif(ended_ms, 0)")), "{done:#?}");
    });
}

#[test]
fn dates_and_times_without_a_zone_are_ages_too() {
    on_every_major(|db| async move {
        for age in [
            "(to_timestamp(nullif(ended_ms, 0) / 1000.0) AT TIME ZONE 'UTC')::date",
            "to_timestamp(nullif(ended_ms, 0) / 1000.0) AT TIME ZONE 'UTC'",
            "CASE WHEN ended_ms > 0 THEN to_timestamp(ended_ms / 1000.0) END",
        ] {
            db.execute("DROP TABLE IF EXISTS jobs, jobs_archive, kept").await;
            world(&db).await;
            moved(&InProcess::new(&db, &config(age, "")).await).await;
            assert_eq!(names(&db, "jobs").await, STAY, "{age}");
            assert_whole(&db, "jobs", "jobs_archive").await;
        }
    });
}

#[test]
fn expressions_that_tell_no_age_are_refused() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute(
            "CREATE FUNCTION unsteady(bigint) RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
        )
        .await;
        let mut said = String::new();
        for age in [
            "ended_ms / 1000",
            "to_timestamp(finished_ms)",
            "to_timestamp(ended_ms",
            "later(ended_ms)",
            "public.unsteady(ended_ms)",
            "max(to_timestamp(ended_ms))",
            "to_timestamp(ended_ms / 0)",
        ] {
            let program = pgtend(&db, &config(age, ""));
            let plan = program.run(&["plan", "archive", "--check"]).await;
            assert!(matches!(plan.code, Some(1 | 78)), "{age}: {plan}");
            let lines = plan.stdout.lines().chain(plan.stderr.lines());
            let why = lines
                .filter(|line| line.contains("! refused") || line.contains("age_expression: "));
            let why: Vec<&str> =
                why.map(|line| line.split("age_expression: ").last().unwrap()).collect();
            said += &format!("## {age}\n{}\n", why.join("\n"));
        }
        insta::assert_snapshot!("refused", said);
        assert_eq!(db.rows("SELECT * FROM jobs_archive").await, NO_ROWS);
    });
}

#[test]
fn rows_with_an_expressed_age_are_restored_and_deleted_for_good() {
    on_every_major(|db| async move {
        world(&db).await;
        let program = pgtend(&db, &config(AGE, ""));
        assert_eq!(program.run(&["once", "archive"]).await.code, Some(0));
        let since = "SELECT (now() - interval '61 days')::date";
        let since = db.value(since).await;
        let restore = ["archive", "restore", "jobs", "--since", &since, "--where", "id = 3"];
        let ran = program.run(&restore).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let back = ["old 3", "ageless", "young 1", "young 2", "young 3", "not ended"];
        assert_eq!(names(&db, "jobs").await, back);
        let app = InProcess::new(&db, &config(AGE, "")).await;
        assert!(once(&app).await.actions.is_empty(), "it stays");

        // A younger row stays, or nobody would know whether the clock is ahead.
        db.execute("INSERT INTO jobs_archive SELECT *, now() FROM jobs WHERE id = 11").await;
        let mut app = InProcess::new(&db, &config(AGE, "archive_retention = '31 days'")).await;
        app.confirm();
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!(names(&db, "jobs_archive").await, ["young 1"]);
        let record = "SELECT age_column FROM pgtend.archive_policy";
        assert!(db.value(record).await.contains("nullif(ended_ms, 0)"));
        // The same in other words is another policy.
        let other = AGE.replace("1000.0", "1000");
        let app = InProcess::new(&db, &config(&other, "archive_retention = '31 days'")).await;
        db.execute("INSERT INTO jobs_archive VALUES (99, 'late', 1, now())").await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        assert_eq!(names(&db, "jobs_archive").await, ["late", "young 1"]);
        let plan = app.plan(JobName::Archive).await.to_string();
        assert!(plan.contains("what was agreed is older than 31 days by (to_timestamp("), "{plan}");
    });
}
