//! A hand-over, killed with SIGKILL after every statement: the next run ends where an uninterrupted one
//! does, and leaves nothing of its own.
use super::config_for;
use crate::support::{Db, KillPoints, on_every_major};

/// As for the other tests of hand-overs, but for what says when it was.
const WORLD: &str = "
SET TimeZone = 'UTC';
CREATE TABLE jobs (
    id bigint, name text NOT NULL, status text NOT NULL DEFAULT 'done', created_at timestamptz NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE jobs_2020 PARTITION OF jobs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE jobs_ahead PARTITION OF jobs FOR VALUES FROM ('2022-01-01') TO ('2125-01-01');
INSERT INTO jobs (id, name, created_at) VALUES (1, 'of 2020', '2020-02-02'), (4, 'young', now());
CREATE TABLE jobs_archive (
    id bigint, name text NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL, note text,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
";

const ONCE: &[&str] = &["once", "archive"];

async fn killed(db: &Db) -> Vec<String> {
    let config = config_for("jobs", "created_at", "where = \"status <> 'pending'\"");
    KillPoints::of(db, &config, ONCE).run().await
}

#[track_caller]
fn has(statements: &[String], part: &str) {
    assert!(statements.iter().any(|sql| sql.contains(part)), "no {part} in {statements:#?}");
}

/// Nobody knows how large it is, so it counts as large.
#[test]
fn with_all_that_is_prepared() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute(
            "CREATE INDEX by_name ON jobs_archive (name); CREATE ROLE killed_clerk; \
             GRANT SELECT ON jobs_archive TO killed_clerk; GRANT INSERT ON jobs_2020 TO PUBLIC",
        )
        .await;
        let done = killed(&db).await;
        has(&done, "CREATE INDEX CONCURRENTLY jobs_2020_by_name");
        has(&done, "CREATE INDEX CONCURRENTLY pgtend_left_");
        has(&done, "VALIDATE CONSTRAINT pgtend_hand_over");
        has(&done, "ATTACH PARTITION public.jobs_2020");
        has(&done, "GRANT SELECT ON TABLE public.jobs_2020 TO killed_clerk");
        db.execute("DROP OWNED BY killed_clerk; DROP ROLE killed_clerk").await;
    });
}

#[test]
fn of_one_that_is_small() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute("ANALYZE jobs_2020").await;
        let done = killed(&db).await;
        has(&done, "ATTACH PARTITION public.jobs_2020");
        assert!(!done.iter().any(|sql| sql.contains("CONCURRENTLY")), "{done:#?}");
    });
}

/// What earlier runs left: indexes that were begun, one for another condition, a CHECK that is not
/// validated; and a partition that is not handed over any more.
#[test]
fn carrying_on() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute(
            "CREATE TABLE jobs_2021 PARTITION OF jobs FOR VALUES FROM ('2021-01-01') TO ('2022-01-01'); \
             INSERT INTO jobs VALUES (3, 'waits', 'pending', '2021-02-02'); \
             ALTER TABLE jobs_2020 ADD CONSTRAINT pgtend_hand_over CHECK (created_at IS NOT NULL \
               AND created_at >= '2020-01-01' AND created_at < '2021-01-01') NOT VALID; \
             ALTER TABLE jobs_2021 ADD CONSTRAINT pgtend_hand_over CHECK (created_at IS NOT NULL); \
             CREATE INDEX pgtend_left_2021 ON jobs_2021 (id); \
             CREATE INDEX pgtend_left_other ON jobs_2020 (id); \
             CREATE INDEX by_name ON jobs_archive (name); \
             CREATE INDEX jobs_2020_by_name ON jobs_2020 (name); \
             UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobs_2020_by_name'::regclass",
        )
        .await;
        let done = killed(&db).await;
        has(&done, "DROP INDEX CONCURRENTLY IF EXISTS public.pgtend_left_other");
        has(&done, "DROP INDEX CONCURRENTLY IF EXISTS public.jobs_2020_by_name");
        has(&done, "ALTER TABLE public.jobs_2021 DROP CONSTRAINT IF EXISTS pgtend_hand_over");
        has(&done, "ATTACH PARTITION public.jobs_2020");
    });
}
