//! A backlog, moved block by block. On 13, where a range of blocks is not found without reading all
//! of them, the same tests walk along the index.
use pgtend::job::{JobName, Outcome, Verdict};

use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, NO_ROWS, on_every_major, run, wait_until};

/// Jobs of which most are due, and that the catalog knows.
async fn backlog(db: &Db, count: u32) {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    db.execute(&format!(
        "INSERT INTO jobs (name, created_at) SELECT 'bulk ' || i || repeat(' ', 200), \
         now() - interval '40 days' FROM generate_series(1, {count}) AS i"
    ))
    .await;
    db.execute("ANALYZE jobs").await;
    keep(db, "jobs").await;
}

/// What is not due.
const STAYS: [&str; 4] = ["young", "ageless", "from the future", "old and pending"];

/// Whether the table is swept.
fn sweeps(db: &Db) -> bool {
    db.major() >= 14
}

#[test]
fn a_backlog_moves_block_by_block() {
    on_every_major(|db| async move {
        backlog(&db, 3000).await;
        let app = InProcess::new(&db, &config("batch_rows = 200")).await;
        let plan = app.plan(JobName::Archive).await;
        let reason = &plan.actions[0].reason;
        assert_eq!(
            reason.contains("along (ctid), block by block, as about"),
            sweeps(&db),
            "{reason}"
        );
        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(3011));
        assert!(applied.batches >= 16, "no batch has more rows than it may: {applied:?}");
        assert_eq!(names(&db, "jobs").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(db.rows("SELECT * FROM pgtend.archive_position").await, NO_ROWS);
        let most = "SELECT max(count) <= 200 FROM (SELECT count(*) FROM jobs_archive GROUP BY archived_at) AS batch";
        assert_eq!(db.value(most).await, "t");
    });
}

/// The sweep ends in the stretch where nothing is due; the walk along the index finds what lies behind.
#[test]
fn what_lies_behind_a_bare_stretch_moves_too() {
    on_every_major(|db| async move {
        backlog(&db, 3000).await;
        db.execute(
            "INSERT INTO jobs (name) SELECT 'fresh ' || i || repeat(' ', 200) FROM generate_series(1, 5000) AS i; \
             INSERT INTO jobs (name, created_at) SELECT 'behind ' || i, now() - interval '50 days' \
             FROM generate_series(1, 100) AS i; ANALYZE jobs; DROP TABLE kept",
        )
        .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("batch_rows = 200")).await;
        assert_eq!(moved(&app).await.rows, Some(3111));
        assert_eq!(names(&db, "jobs WHERE name NOT LIKE 'fresh%'").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn batches_smaller_than_a_block_move_too() {
    on_every_major(|db| async move {
        backlog(&db, 100).await;
        let app = InProcess::new(&db, &config("batch_rows = 7\nmax_rows = 40")).await;
        assert_eq!(moved(&app).await.rows, Some(40), "not one more");
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(moved(&app).await.rows, Some(40));
        assert_eq!(moved(&app).await.rows, Some(31));
        assert_eq!(names(&db, "jobs").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

/// Rows wide and narrow, due and not: guesses fail in both ways.
#[test]
fn a_table_of_uneven_blocks_is_swept_whole() {
    on_every_major(|db| async move {
        backlog(&db, 200).await;
        db.execute(
            "INSERT INTO jobs (name, status, created_at) \
             SELECT 'wide ' || i || repeat(' ', 1900), 'pending', now() - interval '40 days' FROM generate_series(1, 400) AS i; \
             INSERT INTO jobs (name, created_at) SELECT 'n' || i, now() - interval '40 days' FROM generate_series(1, 2000) AS i; \
             DROP TABLE kept; ANALYZE jobs",
        )
        .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("batch_rows = 100")).await;
        assert_eq!(moved(&app).await.rows, Some(2211));
        assert_eq!(names(&db, "jobs WHERE name NOT LIKE 'wide%'").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
        let most = "SELECT max(count) <= 100 FROM (SELECT count(*) FROM jobs_archive GROUP BY archived_at) AS batch";
        assert_eq!(db.value(most).await, "t");
    });
}

/// Every batch updates rows that are due: their new versions lie elsewhere, behind the sweep or ahead
/// of it.
#[test]
fn rows_that_change_their_place_during_a_sweep_are_found() {
    on_every_major(|db| async move {
        backlog(&db, 2000).await;
        db.execute("VACUUM jobs").await;
        db.execute(
            "CREATE FUNCTION stir() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             UPDATE public.jobs SET status = status || '!' WHERE id IN \
               (SELECT id FROM public.jobs WHERE name LIKE 'bulk%' AND length(status) < 7 ORDER BY id DESC LIMIT 20); \
             RETURN NULL; END $$; \
             CREATE TRIGGER stir AFTER DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION stir()",
        )
        .await;
        let app = InProcess::new(&db, &config("batch_rows = 150")).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!(names(&db, "jobs").await, STAYS);
        let twice = "SELECT id FROM jobs_archive GROUP BY id HAVING count(*) > 1";
        assert_eq!(db.rows(twice).await, NO_ROWS);
        assert_eq!(db.value("SELECT count(*) FROM jobs_archive").await, "2011");
    });
}

/// The kinds of what was done, in order.
fn kinds(outcome: &Outcome) -> Vec<&'static str> {
    outcome.actions.iter().map(|action| action.kind).collect()
}

/// The last batch makes a row due that lies in the first block.
#[test]
fn what_became_due_behind_a_large_sweep_is_found_after_the_vacuum() {
    on_every_major(|db| async move {
        backlog(&db, 60_000).await;
        db.execute(
            "CREATE FUNCTION finish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             UPDATE public.jobs SET status = 'done' WHERE name = 'old and pending' \
               AND NOT EXISTS (SELECT FROM public.jobs WHERE name LIKE 'bulk%'); \
             RETURN NULL; END $$; \
             CREATE TRIGGER finish AFTER DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION finish()",
        )
        .await;
        let app = InProcess::new(&db, &config("batch_rows = 10000\npace = \"full\"")).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let rest = sweeps(&db).then_some("move_rest");
        let expected: Vec<_> = ["move_rows", "vacuum"].into_iter().chain(rest).collect();
        assert_eq!(kinds(&outcome), expected);
        assert_eq!(names(&db, "jobs").await, ["young", "ageless", "from the future"]);
        assert_eq!(db.value("SELECT count(*) FROM pgtend.archive_position").await, "0");
    });
}

#[test]
fn behind_a_sweep_that_failed_nothing_is_looked_for() {
    on_every_major(|db| async move {
        backlog(&db, 60_000).await;
        db.execute("ALTER TABLE jobs_archive ADD CHECK (name NOT LIKE 'bulk 30000 %')").await;
        let app = InProcess::new(&db, &config("batch_rows = 10000\npace = \"full\"")).await;
        let outcome = once(&app).await;
        assert_eq!(kinds(&outcome), ["move_rows", "vacuum"], "{outcome:#?}");
        assert_eq!(outcome.failed(), 1, "{outcome:#?}");
        db.execute("ALTER TABLE jobs_archive DROP CONSTRAINT jobs_archive_name_check").await;
        assert_eq!(once(&app).await.verdict, Verdict::Succeeded);
        assert_eq!(names(&db, "jobs").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

/// One connection edits rows of blocks ahead of the sweep while it waits for a row.
#[test]
fn a_row_edited_beneath_a_sweep_is_never_moved_in_its_old_version() {
    on_every_major(|db| async move {
        backlog(&db, 500).await;
        let app = InProcess::new(&db, &config("batch_rows = 100")).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; UPDATE jobs SET status = 'edited' WHERE id IN (17, 18, 250); UPDATE jobs SET status = 'pending' WHERE id = 19").await;
        let editor = async {
            wait_until("the batch waits for the row", || async {
                db.value(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'pgtend/archive' AND wait_event_type = 'Lock')",
                )
                .await
                    == "t"
            })
            .await;
            run(&mut other, "COMMIT").await;
        };
        let (outcome, ()) = tokio::join!(once(&app), editor);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let edited =
            "SELECT id, status FROM jobs_archive WHERE id IN (17, 18, 19, 250) ORDER BY id";
        let found = db.rows(edited).await;
        assert!(found.iter().all(|row| row[1].as_deref() == Some("edited")), "{found:?}");
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(db.column("SELECT id FROM jobs WHERE id IN (17, 18, 19, 250)").await, ["19"]);
    });
}

#[test]
fn locked_rows_are_left_by_a_sweep_and_told() {
    on_every_major(|db| async move {
        backlog(&db, 500).await;
        let app = InProcess::new(&db, &config("batch_rows = 100")).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM jobs WHERE id IN (40, 300) FOR UPDATE").await;
        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(509));
        let note = applied.note.unwrap_or_default();
        assert!(
            note.contains("2 rows that others hold locked are left for the next run"),
            "{note}"
        );
        assert_eq!(
            db.column("SELECT id FROM jobs WHERE id IN (40, 300) ORDER BY id").await,
            ["40", "300"]
        );
        run(&mut other, "COMMIT").await;
        assert_eq!(moved(&app).await.rows, Some(2));
        assert_eq!(names(&db, "jobs").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

/// A position of a sweep means nothing once the rows lie elsewhere.
#[test]
fn a_table_rewritten_between_two_runs_is_begun_again() {
    on_every_major(|db| async move {
        backlog(&db, 1000).await;
        let app = InProcess::new(&db, &config("batch_rows = 100\nmax_rows = 300")).await;
        assert_eq!(moved(&app).await.rows, Some(300));
        assert_ne!(db.rows("SELECT * FROM pgtend.archive_position").await, NO_ROWS);
        db.execute("VACUUM FULL jobs").await;
        let app = InProcess::new(&db, &config("batch_rows = 100")).await;
        assert_eq!(moved(&app).await.rows, Some(711));
        assert_eq!(names(&db, "jobs").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn a_sweep_survives_every_kill() {
    on_every_major(|db| async move {
        backlog(&db, 60).await;
        // When is not what is compared.
        db.execute("ALTER TABLE jobs_archive DROP COLUMN archived_at").await;
        let text = config("batch_rows = 25");
        let done = KillPoints::of(&db, &text, &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("ctid >= ")) == sweeps(&db), "{done:#?}");
    });
}

/// Without an index on the age the blocks are all there is to go by.
#[test]
fn a_table_without_an_index_on_the_age_is_swept() {
    on_every_major(|db| async move {
        backlog(&db, 300).await;
        db.execute("DROP INDEX jobs_age").await;
        let app = InProcess::new(&db, &config("batch_rows = 50")).await;
        let plan = app.plan(JobName::Archive).await;
        let reason = &plan.actions[0].reason;
        assert_eq!(
            reason.contains("block by block, as no index leads with the age"),
            sweeps(&db),
            "{reason}"
        );
        assert_eq!(moved(&app).await.rows, Some(311));
        assert_eq!(names(&db, "jobs").await, STAYS);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}
