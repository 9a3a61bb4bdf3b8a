//! What is recorded of each batch.
use pgtend::job::JobName;

use super::{ARCHIVE, JOBS, config, moved, names, once};
use crate::support::{InProcess, NO_ROWS, on_every_major, run};

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
