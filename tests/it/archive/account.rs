//! What is recorded of each batch.
use pgtend::job::JobName;

use super::hand_over::{self, YEARS};
use super::{ARCHIVE, JOBS, config, moved, names, once};
use crate::support::{Db, InProcess, NO_ROWS, Program, on_every_major, pgtend, run};

#[test]
fn every_batch_is_on_record_with_its_rows_and_ages() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        let ages = "extract(epoch FROM created_at)";
        db.execute(&format!("CREATE TABLE ages AS SELECT id, {ages} AS age FROM jobs")).await;
        let app = InProcess::new(&db, &config("batch_rows = 4")).await;
        moved(&app).await;
        assert_eq!(
            db.column("SELECT row_count FROM pgtend.archive_batch ORDER BY batch_id").await,
            ["4", "4", "3"]
        );
        let wrong = db
            .rows(
                "SELECT b.batch_id, count(*) FROM pgtend.archive_batch b \
                 LEFT JOIN jobs_archive a ON a.archived_at = b.stamp LEFT JOIN ages USING (id) \
                 GROUP BY b.batch_id HAVING count(a.id) <> b.row_count \
                   OR min(age) <> extract(epoch FROM age_first) OR max(age) <> extract(epoch FROM age_last) \
                   OR run_id <> (SELECT max(run_id) FROM pgtend.job_run) \
                   OR b.source <> 'public.jobs' OR b.target <> 'public.jobs_archive' \
                   OR b.first->>1 <> (array_agg(a.id ORDER BY a.created_at, a.id))[1]::text \
                   OR b.last->>1 <> (array_agg(a.id ORDER BY a.created_at DESC, a.id DESC))[1]::text",
            )
            .await;
        assert_eq!(wrong, NO_ROWS);

        once(&app).await;
        assert_eq!(db.value("SELECT count(*) FROM pgtend.archive_batch").await, "3");
    });
}

#[test]
fn rows_moved_around_locked_ones_are_on_record_too() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        let app = InProcess::new(&db, &config("")).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM jobs WHERE name = 'old 2' FOR UPDATE").await;
        assert_eq!(moved(&app).await.rows, Some(10));
        run(&mut other, "COMMIT").await;
        assert_eq!(moved(&app).await.rows, Some(1));
        assert_eq!(
            db.column("SELECT row_count FROM pgtend.archive_batch ORDER BY batch_id").await,
            ["10", "1"]
        );
        assert_eq!(names(&db, "jobs_archive").await.len(), 11);
    });
}

#[test]
fn the_record_is_kept_as_long_as_history() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        let app = InProcess::new(&db, &config("batch_rows = 6")).await;
        moved(&app).await;
        db.execute(
            "UPDATE pgtend.archive_batch SET at = at - interval '91 days', stamp = stamp - interval '91 days' \
             WHERE batch_id = 1",
        )
        .await;
        app.once(JobName::Archive).await;
        assert_eq!(db.column("SELECT batch_id FROM pgtend.archive_batch").await, ["2"]);
    });
}

/// The rule is gone, or another pgtend's: that is told by when the position moved last.
#[test]
fn a_position_that_nobody_moves_is_kept_for_as_long_as_history_and_ninety_days() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        let short = "[daemon]\nhistory_retention = '1 day'\n";
        let limited = config("batch_rows = 2\nmax_rows = 4");
        let app = InProcess::new(&db, &format!("{short}{limited}")).await;
        moved(&app).await;
        db.execute(
            "INSERT INTO pgtend.archive_position (source, walk, after, updated_at) VALUES \
             ('public.jobs (gone)', 'id integer', '[7]', now() - interval '91 days'), \
             ('public.jobs (other)', 'id integer', '[7]', now() - interval '89 days')",
        )
        .await;
        once(&app).await;
        let standing = "SELECT source FROM pgtend.archive_position ORDER BY 1";
        assert_eq!(db.column(standing).await, ["public.jobs", "public.jobs (other)"]);
        db.execute("UPDATE pgtend.archive_position SET updated_at = now() - interval '91 days' WHERE source LIKE '%(other)'").await;
        let long = "[daemon]\nhistory_retention = '92 days'\n";
        once(&InProcess::new(&db, &format!("{long}{limited}")).await).await;
        assert_eq!(db.column(standing).await, ["public.jobs (other)"]);
    });
}

/// Without what tells when a row was moved, too.
const ARCHIVES: [&str; 2] = ["", "ALTER TABLE jobs_archive DROP COLUMN archived_at"];

async fn handed_over(db: &Db, archive: &str) -> (InProcess, Program) {
    db.execute("DROP TABLE IF EXISTS jobs, jobs_archive; DROP SCHEMA IF EXISTS pgtend CASCADE")
        .await;
    db.execute(YEARS).await;
    db.execute(archive).await;
    let app = InProcess::new(db, &hand_over::config()).await;
    let told = hand_over::told(&app).await;
    assert_eq!(told[0], "hand_over_partition public.jobs_2020 Some(2)", "{told:#?}");
    (app, pgtend(db, &hand_over::config()))
}

async fn verified(program: &Program, code: i32) -> serde_json::Value {
    let ran = program.run(&["archive", "verify", "--format", "json"]).await;
    assert_eq!(ran.code, Some(code), "{ran}");
    ran.json()["tables"][0].clone()
}

#[test]
fn a_partition_handed_over_as_a_whole_is_on_record() {
    on_every_major(|db| async move {
        for archive in ARCHIVES {
            let (_, program) = handed_over(&db, archive).await;
            assert_eq!(
                db.rows(
                    "SELECT part, row_count::text, age_first::date::text, age_last::date::text \
                     FROM pgtend.archive_batch ORDER BY batch_id"
                )
                .await,
                [
                    ["public.jobs_2020", "2", "2020-02-02", "2020-12-31"],
                    ["public.jobs_2021", "1", "2021-01-01", "2021-01-01"]
                ]
                .map(|row| row.map(|value| Some(value.to_owned())).to_vec())
            );
            let clean = verified(&program, 0).await;
            assert_eq!((&clean["rows"], &clean["rows_not_on_record"]), (&3.into(), &0.into()));
            db.execute("UPDATE jobs_archive SET name = 'altered' WHERE id = 2").await;
            let found = verified(&program, 1).await;
            assert_eq!(found["differences_total"], 1, "{found}");
            assert_eq!(found["differences"][0]["batch_id"], "1", "{found}");
        }
    });
}

#[test]
fn what_comes_back_of_such_a_partition_counts_against_it() {
    on_every_major(|db| async move {
        for archive in ARCHIVES {
            let (_, program) = handed_over(&db, archive).await;
            db.execute("CREATE TABLE again PARTITION OF jobs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')")
                .await;
            let ran = program.run(&["archive", "restore", "jobs", "--where", "id = 2"]).await;
            assert_eq!(ran.code, Some(0), "{ran}");
            assert_eq!(names(&db, "again").await, ["also of 2020"]);
            verified(&program, 0).await;
        }
    });
}

/// Cut off between the hand-over and the reading.
#[test]
fn a_partition_that_was_not_read_is_read_by_the_next_run() {
    on_every_major(|db| async move {
        let (app, program) = handed_over(&db, "").await;
        db.execute(
            "UPDATE pgtend.archive_batch SET row_count = NULL, checksum = NULL, stamp = NULL WHERE batch_id = 2",
        )
        .await;
        let found = verified(&program, 1).await;
        assert_eq!(
            found["obstacles"][0],
            "public.jobs_2021 was handed over, and not read yet: the next run does it",
            "{found}"
        );
        let told = hand_over::told(&app).await;
        assert_eq!(told[0], "record_partition public.jobs_2021 Some(1)", "{told:#?}");
        verified(&program, 0).await;
        assert!(once(&app).await.actions.is_empty(), "once");
    });
}
