//! A partition of a million rows is handed over beside four writers, and another one on a quiet server.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::support::{Application, Db, Ran, World, on_own_server, pgtend, run};

/// As a server is run, not as a test's: commits reach the disk, pages are written whole. Only no
/// checkpoint and no autovacuum comes in between: what they write to the WAL is not the hand-over's.
const DURABLE: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "256MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
];

/// Rows of 300 bytes with three indexes, a million in each of two old years.
const WORLD: &str = "
SET TimeZone = 'UTC';
CREATE ROLE keeper SUPERUSER LOGIN PASSWORD 'keeper'; ALTER ROLE keeper SET log_min_duration_statement = 0;
CREATE TABLE jobs (id bigint, v bigint NOT NULL, status text NOT NULL DEFAULT 'completed', ts timestamptz NOT NULL,
    payload text DEFAULT repeat('x', 300), PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE INDEX ON jobs (ts); CREATE INDEX ON jobs (status);
CREATE TABLE jobs_2019 PARTITION OF jobs FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
CREATE TABLE jobs_2020 PARTITION OF jobs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE jobs_now PARTITION OF jobs FOR VALUES FROM ('2021-01-01') TO ('2125-01-01');
INSERT INTO jobs (id, v, ts) SELECT n, 1, timestamptz '2019-01-01' + n * interval '20 s' FROM generate_series(1, 1000000) n;
INSERT INTO jobs (id, v, ts) SELECT n, 1, timestamptz '2020-01-01' + (n - 1000000) * interval '20 s'
  FROM generate_series(1000001, 2000000) n;
INSERT INTO jobs (id, v, ts) VALUES (2000001, 1, now());
CREATE TABLE jobs_archive (id bigint, v bigint NOT NULL, status text NOT NULL, ts timestamptz NOT NULL, payload text,
    archived_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
VACUUM ANALYZE;";

const CONFIG: &str = "[archive]\nschedule = \"0 0 1 1 *\"\n[archive.tables.\"public.jobs\"]\ninto = \"public.jobs_archive\"\n\
                      age_column = \"ts\"\nolder_than = \"30 days\"\nwhere = \"status IN ('completed', 'failed')\"\n";
/// The promise.
const LOCKED_MS_MAX: i64 = 20;
/// What a run that hands a partition over writes more than one that has nothing to do, whose claim and
/// history any run writes: the change of the catalog, and what is recorded of it. Of records: the image
/// of each page that is written for the first time after a checkpoint comes on top (see
/// docs/jobs/archive.md), and does not depend on what is done to it.
const WAL_BYTES_MAX: i64 = 16 * 1024;

#[test]
fn hand_over() {
    on_own_server(&DURABLE, |db, _| async move {
        for statement in WORLD.split_inclusive(';') {
            db.execute(statement).await;
        }
        let world = World {
            rows_may_leave: true,
            pause: Duration::from_millis(20),
            ..World::new("jobs", "timestamptz '2026-01-01' + $1 * interval '1 ms'")
        };
        // It holds its own partition back while the other one goes.
        db.execute("UPDATE jobs SET status = 'pending' WHERE id = 1000001").await;
        let application = Application::start(&db, world).await;
        let (beside, runs) = handed_over(&db).await;
        application.goes_on().await;
        let ledger = application.stop().await;
        ledger.holds(&db, "SELECT id, v FROM jobs UNION ALL SELECT id, v FROM jobs_archive").await;

        // What is prepared and what is done under the lock, apart.
        db.execute("UPDATE jobs SET status = 'completed' WHERE id = 1000001; ").await;
        db.execute("VACUUM jobs_2020").await;
        let digest =
            "SELECT count(*), sum(hashtextextended((id, v, status, ts, payload)::text, 0)) FROM";
        let before = db.rows(&format!("{digest} jobs_2020")).await;
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; LOCK TABLE ONLY jobs IN ACCESS SHARE MODE").await;
        let begun = wal(&db).await;
        once(&db).await;
        let prepared = wal(&db).await;
        run(&mut reader, "COMMIT").await;
        let mark = db.log_mark();
        let done = once(&db).await;
        assert_eq!(done.code, Some(0), "{done}");
        let (ended, alone) =
            (wal(&db).await, locked_ms(&db.server_log_since(mark)).expect("handed over"));
        assert_eq!(db.rows(&format!("{digest} jobs_2020")).await, before, "the same rows");
        assert_eq!(
            db.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'jobs_archive'::regclass")
                .await,
            "2"
        );
        let unasked = wal(&db).await;
        let done = once(&db).await;
        assert!(!done.stdout.contains("hand_over"), "{done}");
        let idle = wal(&db).await - unasked;
        let written = ended - prepared - idle;
        eprintln!(
            "PostgreSQL {}: locked for {beside} ms beside four writers (run {runs}; {} transactions, {} rows in the ledger), \
             {alone} ms alone; WAL {written} bytes, {idle} for the run itself, and {} before for what is prepared",
            db.major(),
            ledger.done,
            ledger.rows.len(),
            prepared - begun
        );
        assert!(beside <= LOCKED_MS_MAX && alone <= LOCKED_MS_MAX);
        assert!(written < WAL_BYTES_MAX);
    });
}

async fn once(db: &Db) -> Ran {
    let config = format!("[database]\nurl = \"{}\"\n{CONFIG}", db.url_as("keeper", "keeper"));
    pgtend(db, &config).run(&["once", "archive"]).await
}

/// Runs until a partition was handed over: a reader of everything is in the way most of the time.
/// How long the hot table was locked, and in which run.
async fn handed_over(db: &Db) -> (i64, u32) {
    for count in 1..=20 {
        let mark = db.log_mark();
        let ran = once(db).await;
        if let Some(locked) = locked_ms(&db.server_log_since(mark)) {
            return (locked, count);
        }
        eprintln!("not yet: {ran}");
    }
    panic!("the lock was never had");
}

async fn wal(db: &Db) -> i64 {
    db.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8")
        .await
        .parse()
        .expect("a number")
}

/// From the grant of the strong lock to the end of the commit, by the server's log; absent where it was
/// not committed.
fn locked_ms(log: &str) -> Option<i64> {
    let time =
        |line: &str| NaiveDateTime::parse_from_str(line.get(..23)?, "%Y-%m-%d %H:%M:%S%.3f").ok();
    let mut granted = None;
    let mut is_changed = false;
    for line in log.lines().filter(|line| line.contains("pgtend/archive: LOG:  duration")) {
        if line.contains("LOCK TABLE ONLY public.jobs IN ACCESS EXCLUSIVE MODE") {
            granted = time(line);
            is_changed = false;
        }
        is_changed |= line.contains("ALTER TABLE public.jobs DETACH PARTITION");
        if is_changed && line.contains("statement: COMMIT") {
            return Some((time(line)? - granted?).num_milliseconds());
        }
    }
    None
}
