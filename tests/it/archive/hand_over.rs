//! Whole partitions that change tables.
use pgtend::job::JobName;

use super::{assert_whole, config_for, keep, names, once};
use crate::support::{Db, InProcess, NO_ROWS, on_every_major, run, wait_until};

/// Two old years, and one partition that reaches far ahead. The archive is ready to take partitions.
pub const YEARS: &str = "
SET TimeZone = 'UTC';
CREATE TABLE jobs (
    id bigint, name text NOT NULL, status text NOT NULL DEFAULT 'done', created_at timestamptz NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE jobs_2020 PARTITION OF jobs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE jobs_2021 PARTITION OF jobs FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE jobs_ahead PARTITION OF jobs FOR VALUES FROM ('2022-01-01') TO ('2125-01-01');
INSERT INTO jobs (id, name, created_at) VALUES
    (1, 'of 2020', '2020-02-02'), (2, 'also of 2020', '2020-12-31 23:59:59.999999'),
    (3, 'of 2021', '2021-01-01'), (4, 'young', now());
CREATE TABLE jobs_archive (
    id bigint, name text NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
";

/// So many more that are due in 2020: too many to be scanned under a lock.
pub const MANY: &str = "
INSERT INTO jobs (id, name, created_at)
SELECT n, 'bulk', timestamptz '2020-03-01 00:00+00' + n * interval '1 second' FROM generate_series(100, 50200) AS n;
ANALYZE jobs_2020;
";

pub fn config() -> String {
    config_for("jobs", "created_at", "where = \"status <> 'pending'\"")
}

/// The partitions of a table, in order.
pub async fn partitions(db: &Db, table: &str) -> Vec<String> {
    db.column(&format!(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass ORDER BY 1"
    ))
    .await
}

/// Nothing of ours is left on any table.
pub async fn nothing_left(db: &Db) {
    let ours = "SELECT conname::text FROM pg_constraint WHERE conname LIKE 'pgtend%' \
                UNION ALL SELECT relname::text FROM pg_class WHERE relkind = 'i' AND relname LIKE 'pgtend_left%'";
    assert_eq!(db.rows(ours).await, NO_ROWS);
}

/// What a run did, and what it left alone.
pub async fn told(app: &InProcess) -> Vec<String> {
    let outcome = once(app).await;
    let done = outcome.actions.iter().map(|action| match &action.result {
        Ok(applied) => format!("{} {} {:?}", action.kind, action.object, applied.rows),
        Err(fault) => format!("{} {} failed: {fault}", action.kind, action.object),
    });
    let spared =
        outcome.spared.iter().map(|spared| format!("{}: {}", spared.object, spared.reason));
    let warned = outcome.warnings.iter().cloned();
    done.chain(spared).chain(warned).collect()
}

#[test]
fn old_partitions_change_tables_as_a_whole() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config()).await;
        let first = told(&app).await;
        assert_eq!(
            first[..2],
            [
                "hand_over_partition public.jobs_2020 Some(2)",
                "hand_over_partition public.jobs_2021 Some(1)"
            ],
            "{first:#?}"
        );
        assert_eq!(partitions(&db, "jobs").await, ["jobs_ahead"]);
        assert_eq!(partitions(&db, "jobs_archive").await, ["jobs_2020", "jobs_2021"]);
        assert_eq!(names(&db, "jobs_archive").await, ["of 2020", "of 2021", "also of 2020"]);
        assert_eq!(
            db.value(
                "SELECT count(*) FROM jobs_archive WHERE archived_at > now() - interval '1 hour'"
            )
            .await,
            "3"
        );
        assert_whole(&db, "jobs", "jobs_archive").await;
        nothing_left(&db).await;
        assert!(once(&app).await.actions.is_empty(), "a second run has nothing to do");
    });
}

/// One that may be too large to be scanned under the lock is proven by an index of what is not due.
#[test]
fn a_large_one_is_proven_by_an_index() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        db.execute(MANY).await;
        db.execute("CREATE INDEX by_name ON jobs_archive (lower(name)) WHERE status = 'failed'")
            .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config()).await;
        let plan = app.plan(JobName::Archive).await;
        let sql = plan.actions[0].sql.join(";\n");
        assert!(sql.contains("CREATE INDEX CONCURRENTLY jobs_2020_by_name ON public.jobs_2020 USING btree (lower(name)) WHERE (status = 'failed'::text)"), "{sql}");
        assert!(sql.contains("IS NOT TRUE"), "{sql}");
        let told = told(&app).await;
        assert_eq!(told[0], "hand_over_partition public.jobs_2020 Some(50103)", "{told:#?}");
        assert_eq!(partitions(&db, "jobs").await, ["jobs_ahead"]);
        assert_whole(&db, "jobs", "jobs_archive").await;
        nothing_left(&db).await;
        let attached = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'by_name'::regclass";
        assert_eq!(db.value(attached).await, "2");
    });
}

/// A row that is not due holds its partition back; once it is, the partition goes.
#[test]
fn a_partition_with_a_row_that_is_not_due_waits() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        db.execute("UPDATE jobs SET status = 'pending' WHERE id = 2").await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config()).await;
        let first = told(&app).await;
        assert_eq!(first[0], "hand_over_partition public.jobs_2021 Some(1)", "{first:#?}");
        assert!(
            first[1].contains("public.jobs_2020: not handed over: 1 of its rows"),
            "{first:#?}"
        );
        assert!(
            first[1].contains("PARTITION OF public.jobs_archive FOR VALUES FROM ('2020-01-01"),
            "{first:#?}"
        );
        assert_eq!(partitions(&db, "jobs").await, ["jobs_2020", "jobs_ahead"]);
        assert_whole(&db, "jobs", "jobs_archive").await;

        db.execute("UPDATE jobs SET status = 'done' WHERE id = 2").await;
        let second = told(&app).await;
        assert_eq!(second[0], "hand_over_partition public.jobs_2020 Some(2)", "{second:#?}");
        nothing_left(&db).await;
    });
}

/// The row comes between the look and the lock.
#[test]
fn a_row_put_back_at_the_last_moment_stays() {
    on_every_major(|db| async move {
        for rows in ["", MANY] {
            db.execute(YEARS).await;
            db.execute(rows).await;
            let app = InProcess::new(&db, &config()).await;
            let mut application = db.connect().await;
            run(&mut application, "BEGIN; LOCK TABLE ONLY jobs IN ACCESS SHARE MODE").await;
            let requeue = async {
                let proven = "SELECT 1 FROM pg_constraint WHERE conname = 'pgtend_hand_over' AND convalidated";
                wait_until("it is prepared", || async { !db.rows(proven).await.is_empty() }).await;
                run(&mut application, "UPDATE jobs SET status = 'pending' WHERE id = 2; COMMIT")
                    .await;
            };
            let (told, ()) = tokio::join!(told(&app), requeue);
            assert!(told[0].contains("rows of it are not due any more"), "{told:#?}");
            assert!(partitions(&db, "jobs").await.contains(&"jobs_2020".to_owned()));
            assert_eq!(names(&db, "jobs WHERE status = 'pending'").await, ["also of 2020"]);
            // What was prepared is taken back, once the look says that it is not handed over.
            once(&app).await;
            nothing_left(&db).await;
            db.execute("DROP SCHEMA pgtend CASCADE; DROP TABLE jobs, jobs_archive").await;
        }
    });
}

/// Where the archive has a place for single rows, they go there.
#[test]
fn rows_move_one_by_one_where_the_archive_has_a_place_for_them() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        db.execute(
            "CREATE TABLE kept_2020 PARTITION OF jobs_archive FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); \
             INSERT INTO jobs VALUES (5, 'of 2023', 'done', '2023-01-01')",
        )
        .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config()).await;
        let first = told(&app).await;
        assert_eq!(first[0], "hand_over_partition public.jobs_2021 Some(1)", "{first:#?}");
        assert_eq!(first[1], "move_rows public.jobs Some(2)", "{first:#?}");
        // For the partition that is not all old, the archive has no place yet.
        assert!(first[2].contains("public.jobs_ahead: it ends at 2125-01-01"), "{first:#?}");
        assert_eq!(partitions(&db, "jobs").await, ["jobs_2020", "jobs_ahead"]);
        assert_eq!(names(&db, "kept_2020").await, ["of 2020", "also of 2020"]);
        assert_eq!(names(&db, "jobs").await, ["young", "of 2023"]);
        assert_whole(&db, "jobs", "jobs_archive").await;

        db.execute("CREATE TABLE rest PARTITION OF jobs_archive DEFAULT").await;
        let second = told(&app).await;
        assert_eq!(second[0], "move_rows public.jobs Some(1)", "{second:#?}");
        assert_eq!(names(&db, "rest").await, ["of 2023"]);
        nothing_left(&db).await;
    });
}
