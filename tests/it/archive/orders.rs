//! In which order rows leave.

use pgtend::job::{JobName, Verdict};

use super::{ARCHIVE, assert_whole, config_for, keep, names, once};
use crate::support::{Db, InProcess, NO_ROWS, on_every_major, pgtend};

/// A backlog. What was written first is neither the oldest nor has the lowest key.
const JOBS: &str = "
CREATE TABLE jobs (id bigint PRIMARY KEY, name text NOT NULL, status text, created_at timestamptz);
CREATE INDEX jobs_age ON jobs (created_at);
INSERT INTO jobs VALUES (2, 'written first', 'done', now() - interval '50 days'),
    (1, 'of the lowest key', 'done', now() - interval '40 days'),
    (3, 'oldest', 'done', now() - interval '60 days');
INSERT INTO jobs SELECT i, 'job ' || i, 'done', now() - interval '39 days' FROM generate_series(10, 40) AS i;
ANALYZE jobs;
";

pub(super) async fn world(db: &Db) {
    db.execute(
        "DROP TABLE IF EXISTS jobs, jobs_archive, kept; DROP SCHEMA IF EXISTS pgtend CASCADE",
    )
    .await;
    db.execute(&format!("{JOBS}{ARCHIVE}")).await;
    keep(db, "jobs").await;
}

#[test]
fn rows_leave_in_the_order_that_is_asked_for() {
    on_every_major(|db| async move {
        // Before 14 a backlog is not swept, but taken from the oldest on.
        let fastest = if db.major() >= 14 { "written first" } else { "oldest" };
        for (order, first) in
            [("fastest", fastest), ("oldest", "oldest"), ("key", "of the lowest key")]
        {
            world(&db).await;
            let order = format!("order = '{order}'\nbatch_rows = 1");
            let limited = format!("{order}\nmax_rows = 1");
            let app = InProcess::new(&db, &config_for("jobs", "created_at", &limited)).await;
            assert_eq!(once(&app).await.verdict, Verdict::Succeeded, "{order}");
            assert_eq!(names(&db, "jobs_archive").await, [first], "{order}");
            // The next run goes on there, and leaves nothing.
            let app = InProcess::new(&db, &config_for("jobs", "created_at", &order)).await;
            let plan = app.plan(JobName::Archive).await.to_string();
            assert!(plan.contains("goes on where an earlier run stopped"), "{order}: {plan}");
            assert_eq!(once(&app).await.verdict, Verdict::Succeeded, "{order}");
            assert_eq!(db.rows("SELECT * FROM jobs").await, NO_ROWS, "{order}");
            assert_whole(&db, "jobs", "jobs_archive").await;
        }
    });
}

#[test]
fn an_order_that_nothing_serves_is_refused() {
    on_every_major(|db| async move {
        let mut said = String::new();
        for (order, sql, more) in [
            ("oldest", "DROP INDEX jobs_age", ""),
            ("oldest", "ALTER TABLE jobs DROP CONSTRAINT jobs_pkey", ""),
            ("key", "ALTER TABLE jobs DROP CONSTRAINT jobs_pkey", ""),
            ("key", "ALTER TABLE jobs DROP CONSTRAINT jobs_pkey", "delete"),
        ] {
            world(&db).await;
            db.execute(sql).await;
            let mut config = config_for("jobs", "created_at", &format!("order = '{order}'"));
            if more == "delete" {
                config = config.replace("into = 'jobs_archive'", "delete = true");
            }
            let plan = pgtend(&db, &config).run(&["plan", "archive", "--check"]).await;
            assert_eq!(plan.code, Some(1), "{plan}");
            let why = plan.stdout.lines().filter(|line| line.contains("! refused"));
            said += &format!("## {order} {more}, {sql}\n{}\n", why.collect::<Vec<_>>().join("\n"));
        }
        insta::assert_snapshot!("refused", said);
    });
}
