//! Rows that are due and whose key the archive already holds.
use pgtend::job::Verdict;

use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, on_every_major, run};

/// Copies these jobs to the archive, and leaves them.
fn archived_too(condition: &str) -> String {
    format!(
        "INSERT INTO jobs_archive (id, name, status, created_at, archived_at) \
         SELECT id, name, status, created_at, now() FROM jobs WHERE {condition}"
    )
}

/// The usual tables, kept for [`assert_whole`], and then this is done.
async fn world(db: &Db, sql: &str) -> InProcess {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    keep(db, "jobs").await;
    db.execute(sql).await;
    InProcess::new(db, &config("batch_rows = 3")).await
}

/// The sentence of the table that was stopped.
async fn stopped(app: &InProcess) -> String {
    let outcome = once(app).await;
    assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
    outcome.actions[0].result.as_ref().unwrap_err().to_string()
}

#[test]
fn the_same_row_in_the_archive_is_skipped_and_counted() {
    on_every_major(|db| async move {
        let app = world(&db, &archived_too("name IN ('old 2', 'old 5', 'old 6')")).await;
        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(8));
        let note = applied.note.unwrap();
        let told = "3 rows were in public.jobs_archive already, the same in every column, and only \
                    left here";
        assert!(note.contains(told), "{note}");
        assert_eq!(names(&db, "jobs WHERE name LIKE 'old _'").await, [""; 0]);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn another_row_of_the_same_key_stops_the_table_and_both_are_named() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            &format!(
                "{}; UPDATE jobs_archive SET status = 'another' WHERE name = 'old 5'",
                archived_too("name IN ('old 4', 'old 5')")
            ),
        )
        .await;
        insta::assert_snapshot!("differs", stopped(&app).await);
        assert_eq!(
            names(&db, "jobs_archive").await,
            ["old 1", "old 2", "old 4", "old 5", "old and failed"],
            "the batch before is committed, of its own nothing was moved"
        );
        assert_eq!(names(&db, "jobs WHERE name IN ('old 4', 'old 5')").await, ["old 4", "old 5"]);
        let kept = "SELECT status FROM jobs_archive WHERE name = 'old 5'";
        assert_eq!(db.column(kept).await, ["another"], "nothing is overwritten");

        db.execute("DELETE FROM jobs_archive WHERE name = 'old 5'").await;
        moved(&app).await;
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn values_that_only_look_equal_are_told_apart() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            &format!(
                "ALTER TABLE jobs ADD COLUMN n numeric, ADD COLUMN j json; UPDATE jobs SET n = 1.0, \
                 j = '{{\"a\": 1}}'; ALTER TABLE jobs_archive ADD COLUMN n numeric, ADD COLUMN j json; \
                 {}; UPDATE jobs_archive SET n = 1.0, j = '{{\"a\": 1}}'; \
                 UPDATE jobs_archive SET n = 1.00 WHERE name = 'old 5'",
                archived_too("name IN ('old 4', 'old 5')")
            ),
        )
        .await;
        let said = stopped(&app).await;
        assert!(said.contains("row (id) = (5) differs from row (id) = (5)"), "{said}");
    });
}

#[test]
fn another_unique_index_of_the_archive_names_both_rows() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            &format!(
                "CREATE UNIQUE INDEX ON jobs_archive (name, status); {}; \
                 UPDATE jobs_archive SET id = 77",
                archived_too("name = 'old 5'")
            ),
        )
        .await;
        insta::assert_snapshot!("shares", stopped(&app).await);
    });
}

#[test]
fn an_index_on_an_expression_names_no_row_and_says_what_to_do() {
    on_every_major(|db| async move {
        let sql = "CREATE UNIQUE INDEX one_in_two ON jobs_archive ((id / 2))";
        let app = world(&db, sql).await;
        insta::assert_snapshot!("expression", stopped(&app).await);
    });
}

#[test]
fn a_double_that_somebody_holds_is_left_for_the_next_run() {
    on_every_major(|db| async move {
        let app = world(&db, &archived_too("name IN ('old 2', 'old 3')")).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM jobs WHERE name = 'old 2' FOR UPDATE").await;
        moved(&app).await;
        assert_eq!(names(&db, "jobs WHERE name LIKE 'old _'").await, ["old 2"]);
        run(&mut other, "COMMIT").await;
        moved(&app).await;
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn a_row_of_the_archive_that_is_being_deleted_counts_as_gone() {
    on_every_major(|db| async move {
        let app = world(&db, &archived_too("name = 'old 2'")).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; DELETE FROM jobs_archive WHERE name = 'old 2'").await;
        // Nobody knows yet whether it will be gone; so it is not compared.
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
        assert_eq!(names(&db, "jobs WHERE name = 'old 2'").await, ["old 2"]);
        run(&mut other, "COMMIT").await;
        moved(&app).await;
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn a_role_that_may_not_compare_is_told_the_grant() {
    on_every_major(|db| async move {
        let role = format!("blind_{}", db.major());
        db.execute(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'secret'"
        ))
        .await;
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(&archived_too("name = 'old 2'")).await;
        db.execute(&format!(
            "GRANT CREATE ON DATABASE \"{}\" TO {role}; GRANT INSERT ON jobs_archive TO {role}; \
             GRANT SELECT, UPDATE, DELETE ON jobs TO {role}",
            db.name()
        ))
        .await;
        let app = InProcess::without_schema(&db.url_as(&role, "secret"), &config("")).await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        insta::assert_snapshot!("blind", stopped(&app).await);
        db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

#[test]
fn a_mix_of_doubles_and_others_survives_every_kill() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        // Without the time of the move, which no two runs share.
        db.execute("CREATE TABLE jobs_archive (LIKE jobs, PRIMARY KEY (id))").await;
        db.execute(
            "INSERT INTO jobs_archive SELECT * FROM jobs WHERE name IN ('old 1', 'old 2', 'old 7')",
        )
        .await;
        let done = KillPoints::of(&db, &config("batch_rows = 4"), &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("WITH doubles AS")), "{done:#?}");
    });
}
