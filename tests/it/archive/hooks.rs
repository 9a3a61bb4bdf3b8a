//! What others hang on both tables: constraints, triggers and replication that a batch meets.
use pgtend::job::{JobName, Verdict};

use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, on_every_major};

/// The usual tables, and what is done to them; what is there is kept for [`assert_whole`].
async fn world(db: &Db, sql: &str) -> InProcess {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    db.execute(sql).await;
    keep(db, "jobs").await;
    InProcess::new(db, &config("batch_rows = 4")).await
}

/// A run whose first batch the server refuses: nothing of it was moved. Returns what is said.
async fn refused(db: &Db, app: &InProcess) -> String {
    let outcome = once(app).await;
    assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
    assert_eq!(names(db, "jobs_archive").await, [""; 0]);
    assert_whole(db, "jobs", "jobs_archive").await;
    outcome.actions[0].result.as_ref().unwrap_err().to_string()
}

#[test]
fn a_check_of_the_archive_that_refuses_a_row_keeps_it() {
    on_every_major(|db| async move {
        let sql = "ALTER TABLE jobs_archive ADD CONSTRAINT modern CHECK (name <> 'old 2')";
        let app = world(&db, sql).await;
        insta::assert_snapshot!("check", refused(&db, &app).await);
    });
}

#[test]
fn an_archive_without_a_partition_for_a_row_keeps_it() {
    on_every_major(|db| async move {
        let sql = "DROP TABLE jobs_archive; CREATE TABLE jobs_archive (LIKE jobs) \
                   PARTITION BY RANGE (created_at); \
                   CREATE TABLE later PARTITION OF jobs_archive FOR VALUES FROM ('2100-01-01') TO \
                   ('2101-01-01')";
        let app = world(&db, sql).await;
        insta::assert_snapshot!("no_partition", refused(&db, &app).await);
    });
}

#[test]
fn a_foreign_key_of_the_archive_that_refuses_a_row_keeps_it() {
    on_every_major(|db| async move {
        let sql = "CREATE TABLE users (id text PRIMARY KEY); \
                   ALTER TABLE jobs_archive ADD CONSTRAINT known FOREIGN KEY (name) REFERENCES users";
        let app = world(&db, sql).await;
        insta::assert_snapshot!("foreign_key", refused(&db, &app).await);
    });
}

#[test]
fn a_null_that_the_archive_refuses_keeps_the_row() {
    on_every_major(|db| async move {
        let sql = "ALTER TABLE jobs ALTER name DROP NOT NULL; \
                   UPDATE jobs SET name = NULL WHERE name = 'old 1'; \
                   ALTER TABLE jobs_archive ALTER name SET NOT NULL";
        let app = world(&db, sql).await;
        insta::assert_snapshot!("null", refused(&db, &app).await);
    });
}

#[test]
fn a_deferred_trigger_that_refuses_at_commit_undoes_the_batch() {
    on_every_major(|db| async move {
        let sql = "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN RAISE EXCEPTION 'not on a Sunday'; END $$; \
                   CREATE CONSTRAINT TRIGGER never AFTER DELETE ON jobs DEFERRABLE INITIALLY DEFERRED \
                   FOR EACH ROW EXECUTE FUNCTION never()";
        let app = world(&db, sql).await;
        insta::assert_snapshot!("deferred", refused(&db, &app).await);
    });
}

#[test]
fn statement_and_transition_triggers_see_each_row_once() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            "CREATE TABLE seen (tab text, name text); \
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO public.seen SELECT TG_TABLE_NAME, name FROM rows; RETURN NULL; END $$; \
             CREATE TRIGGER see AFTER DELETE ON jobs REFERENCING OLD TABLE AS rows \
             FOR EACH STATEMENT EXECUTE FUNCTION see(); \
             CREATE TRIGGER see AFTER INSERT ON jobs_archive REFERENCING NEW TABLE AS rows \
             FOR EACH STATEMENT EXECUTE FUNCTION see()",
        )
        .await;
        assert_eq!(moved(&app).await.rows, Some(11));
        let archived = names(&db, "jobs_archive").await;
        for table in ["jobs", "jobs_archive"] {
            assert_eq!(names(&db, &format!("seen WHERE tab = '{table}'")).await, archived);
        }
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn a_statement_trigger_that_fires_before_is_no_hindrance() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER watch BEFORE DELETE ON jobs EXECUTE FUNCTION watch(); \
             CREATE TRIGGER watch BEFORE INSERT ON jobs_archive EXECUTE FUNCTION watch()",
        )
        .await;
        assert_eq!(moved(&app).await.rows, Some(11));
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn published_tables_of_every_replica_identity_move() {
    on_every_major(|db| async move {
        for (identity, warned) in [
            ("REPLICA IDENTITY DEFAULT", true),
            ("REPLICA IDENTITY FULL", true),
            ("REPLICA IDENTITY USING INDEX jobs_name", true),
        ] {
            db.execute(
                "DROP TABLE IF EXISTS jobs, jobs_archive, kept; DROP PUBLICATION IF EXISTS p",
            )
            .await;
            let sql = format!(
                "CREATE UNIQUE INDEX jobs_name ON jobs (name); ALTER TABLE jobs {identity}; \
                 CREATE PUBLICATION p FOR TABLE jobs"
            );
            let app = world(&db, &sql).await;
            let outcome = once(&app).await;
            assert_eq!(outcome.verdict, Verdict::Succeeded, "{identity}: {outcome:#?}");
            assert_eq!(!outcome.warnings.is_empty(), warned, "{identity}");
            assert_whole(&db, "jobs", "jobs_archive").await;
        }
    });
}

#[test]
fn what_is_published_without_deletes_needs_no_identity() {
    on_every_major(|db| async move {
        let sql = "ALTER TABLE jobs REPLICA IDENTITY NOTHING; \
                   CREATE PUBLICATION p FOR TABLE jobs WITH (publish = 'insert')";
        let app = world(&db, sql).await;
        assert_eq!(once(&app).await.warnings, [""; 0]);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

/// By name, by its schema, with all tables, as a leaf, and by what it is a partition of.
#[test]
fn who_publishes_deletes_is_found_however_the_table_came_into_the_publication() {
    on_every_major(|db| async move {
        db.execute(ARCHIVE).await;
        db.execute(
            "CREATE TABLE every (id bigint PRIMARY KEY, name text, status text, created_at timestamptz) \
               PARTITION BY RANGE (id); \
             CREATE TABLE jobs PARTITION OF every DEFAULT PARTITION BY RANGE (id); \
             CREATE TABLE jobs_1 PARTITION OF jobs DEFAULT; \
             CREATE PUBLICATION a_all FOR ALL TABLES; \
             CREATE PUBLICATION b_all_by_root FOR ALL TABLES WITH (publish_via_partition_root); \
             CREATE PUBLICATION c_root FOR TABLE every; \
             CREATE PUBLICATION d_root_by_root FOR TABLE every WITH (publish_via_partition_root); \
             CREATE PUBLICATION e_itself FOR TABLE jobs; \
             CREATE PUBLICATION f_leaf FOR TABLE jobs_1; \
             CREATE PUBLICATION without_deletes FOR ALL TABLES WITH (publish = 'insert, update'); \
             CREATE PUBLICATION of_another FOR TABLE jobs_archive; \
             CREATE PUBLICATION of_none",
        )
        .await;
        let mut names = "a_all, b_all_by_root, c_root, d_root_by_root, e_itself, f_leaf".to_owned();
        if db.major() >= 15 {
            db.execute("CREATE PUBLICATION g_schema FOR TABLES IN SCHEMA public").await;
            names.push_str(", g_schema");
        }
        let plan = InProcess::new(&db, &config("")).await.plan(JobName::Archive).await;
        let expected = format!("publication {names} publishes deletes:");
        assert!(plan.warnings.iter().any(|warning| warning.contains(&expected)), "{plan}");
    });
}
