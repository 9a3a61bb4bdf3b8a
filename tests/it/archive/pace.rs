//! How hard it presses: what stops it between two batches, what makes batches smaller, and what is
//! cleaned up behind it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use pgtend::job::{JobName, Outcome};

use super::{ARCHIVE, config_for, once};
use crate::support::{
    Daemon, Db, InProcess, Program, Standby, on_every_major, on_own_server, pgtend, run, wait_until,
};

/// So many jobs that are due, each of an ordinary width.
pub(super) fn jobs(count: u32) -> String {
    format!(
        "CREATE TABLE jobs (id bigint PRIMARY KEY, name text, status text, created_at timestamptz); \
         INSERT INTO jobs SELECT i, repeat('x', 200), 'done', now() - interval '60 days' \
         FROM generate_series(1, {count}) AS i; {ARCHIVE}"
    )
}

/// Batches of 200, one right after the other, under this limit.
pub(super) fn limited(limit: &str) -> String {
    let table = config_for("jobs", "created_at", "pace = \"full\"\nbatch_rows = 200");
    format!("{table}[archive.limits]\n{limit}\n")
}

async fn archived(db: &Db) -> u64 {
    db.value("SELECT count(*) FROM jobs_archive").await.parse().expect("a count")
}

/// Waits until it stands still for this cause, and has looked again and found it so.
pub(super) async fn stands_still(db: &Db, archiver: &Daemon, cause: &str) -> (String, u64) {
    let told = archiver.event("batch.throttled", |line| line["cause"] == cause).await;
    let before = archived(db).await;
    let looks = Mutex::new(BTreeSet::new());
    let asked = "SELECT state_change::text FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = 'pgtend/archive'";
    wait_until("it has looked again, three times", || async {
        let times = db.column(asked).await;
        let mut looks = looks.lock().expect("not poisoned");
        looks.extend(times);
        looks.len() > 3
    })
    .await;
    assert_eq!(archived(db).await, before, "it goes on, though {told}");
    (told["because"].as_str().expect("a sentence").to_owned(), before)
}

/// It goes on by itself, and moves the rest.
pub(super) async fn goes_on(db: &Db, archiver: Daemon, cause: &str, all: u64) {
    archiver.event("batch.resumed", |line| line["cause"] == cause).await;
    let ended = archiver.wait_exit().await;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(archived(db).await, all);
    let log = ended.log();
    let done = log.iter().find(|line| line["kind"] == "move_rows").expect("the move is told");
    let note = done["note"].as_str().unwrap_or_default();
    assert!(note.contains(&format!(" s for {cause}")), "{note}");
}

pub(super) async fn began(program: &Program) -> Daemon {
    assert_eq!(program.run(&["migrate"]).await.code, Some(0));
    program.spawn(&["once", "archive"])
}

#[test]
fn a_replica_held_back_stops_it_within_a_batch_and_it_goes_on_by_itself() {
    on_own_server(&[("max_connections", "200")], |db, server| async move {
        let standby = Standby::of(&server, db.name());
        let mut replica = standby.connect().await;
        run(&mut replica, "ALTER SYSTEM SET wal_receiver_status_interval = '1s'").await;
        run(&mut replica, "SELECT pg_reload_conf()").await;
        db.execute(&jobs(20_000)).await;
        let program = pgtend(&db, &limited("replica_wal = \"2 MiB\""));
        assert_eq!(program.run(&["migrate"]).await.code, Some(0));
        wait_until("the replica follows", || async {
            db.column("SELECT 1 FROM pg_stat_replication WHERE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) < 100000")
                .await
                .len()
                == 1
        })
        .await;
        run(&mut replica, "SELECT pg_wal_replay_pause()").await;

        let archiver = began(&program).await;
        let (because, moved) = stands_still(&db, &archiver, "replica_wal").await;
        assert!(because.contains("replica walreceiver has 2 MiB of WAL"), "{because}");
        assert!((1..20_000).contains(&moved), "{moved} rows moved");
        run(&mut replica, "SELECT pg_wal_replay_resume()").await;
        goes_on(&db, archiver, "replica_wal", 20_000).await;
    });
}

#[test]
fn a_replica_that_goes_away_stops_nobody() {
    on_own_server(&[("max_connections", "200")], |db, server| async move {
        let standby = Standby::of(&server, db.name());
        let mut replica = standby.connect().await;
        db.execute(&jobs(20_000)).await;
        run(&mut replica, "SELECT pg_wal_replay_pause()").await;
        let program = pgtend(&db, &limited("replica_wal = \"1 MiB\""));
        let archiver = began(&program).await;
        stands_still(&db, &archiver, "replica_wal").await;
        drop((replica, standby));
        goes_on(&db, archiver, "replica_wal", 20_000).await;
    });
}

#[test]
fn a_slot_that_retains_wal_stops_it_and_a_signal_ends_the_wait_at_once() {
    on_own_server(&[], |db, _| async move {
        db.execute(&jobs(20_000)).await;
        // A slot begins where the last checkpoint did.
        db.execute("CHECKPOINT").await;
        db.execute("SELECT pg_create_physical_replication_slot('forgotten', true)").await;
        let program = pgtend(&db, &limited("slot_wal = \"3 MiB\""));
        let archiver = began(&program).await;
        let (because, moved) = stands_still(&db, &archiver, "slot_wal").await;
        assert!(because.contains("replication slot forgotten retains 3 MiB"), "{because}");
        archiver.signal("TERM");
        let ended = archiver.wait_exit().await;
        assert_eq!(ended.code, Some(0), "{ended}");
        assert_eq!(archived(&db).await, moved, "not one batch more");
        let status = "SELECT status FROM pgtend.job_run ORDER BY run_id DESC LIMIT 1";
        assert_eq!(db.value(status).await, "cancelled");

        let archiver = began(&program).await;
        stands_still(&db, &archiver, "slot_wal").await;
        db.execute("SELECT pg_drop_replication_slot('forgotten')").await;
        goes_on(&db, archiver, "slot_wal", 20_000).await;
    });
}

#[test]
fn sessions_at_work_stop_it() {
    on_own_server(&[], |db, _| async move {
        db.execute(&jobs(2_000)).await;
        let program = pgtend(&db, &limited("active_sessions = 1"));
        assert_eq!(program.run(&["migrate"]).await.code, Some(0));
        let sleep = "SELECT pg_sleep(3600)";
        let sleepers = [db.connect().await, db.connect().await, db.connect().await];
        let sleeping = sleepers.map(|mut conn| {
            tokio::spawn(async move { sqlx::raw_sql(sleep).execute(&mut conn).await.is_ok() })
        });
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND query = 'SELECT pg_sleep(3600)' AND state = 'active'";
        wait_until("they sleep", || async { db.value(asleep).await == "3" }).await;
        let archiver = began(&program).await;
        let (because, moved) = stands_still(&db, &archiver, "active_sessions").await;
        assert!(because.ends_with("sessions are active, limit 1"), "{because}");
        assert_eq!(moved, 0);
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query = 'SELECT pg_sleep(3600)'",
        )
        .await;
        for sleeper in sleeping {
            assert!(!sleeper.await.expect("it ended"));
        }
        goes_on(&db, archiver, "active_sessions", 2_000).await;
    });
}

/// Rows per batch, in their order: each batch has its own time.
pub(super) async fn sizes(db: &Db) -> Vec<u64> {
    let counts = "SELECT count(*) FROM jobs_archive GROUP BY archived_at ORDER BY archived_at";
    db.column(counts).await.iter().map(|count| count.parse().expect("a count")).collect()
}

#[test]
fn a_row_that_is_held_halves_the_batches_after_it() {
    on_every_major(|db| async move {
        db.execute(&jobs(6_000)).await;
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; SELECT FROM jobs WHERE id = 500 FOR UPDATE").await;
        let config = config_for("jobs", "created_at", "pace = \"full\"\nbatch_rows = 1000");
        once(&InProcess::new(&db, &config).await).await;
        let sizes = sizes(&db).await;
        assert_eq!(sizes[0], 999, "the row that is held stays: {sizes:?}");
        assert!((1..=600).contains(&sizes[1]), "about half, at most: {sizes:?}");
        assert!(sizes[2..].iter().any(|size| *size > sizes[1]), "and grow again: {sizes:?}");
    });
}

#[test]
fn gentle_batches_begin_small_and_grow() {
    on_every_major(|db| async move {
        db.execute(&jobs(6_000)).await;
        let config = config_for("jobs", "created_at", "");
        once(&InProcess::new(&db, &config).await).await;
        let sizes = sizes(&db).await;
        assert_eq!(sizes[0], 3_000, "{sizes:?}");
        assert_eq!(sizes.iter().sum::<u64>(), 6_000);
    });
}

#[test]
fn rows_that_become_large_make_small_batches_at_once() {
    on_every_major(|db| async move {
        db.execute(&jobs(3_000)).await;
        db.execute(
            "INSERT INTO jobs SELECT i, (SELECT string_agg(md5(n::text || i), '') FROM generate_series(1, 3000) n), \
             'done', now() - interval '60 days' FROM generate_series(3001, 3600) AS i",
        )
        .await;
        let config = config_for("jobs", "created_at", "pace = \"full\"\nbatch_rows = 1000");
        once(&InProcess::new(&db, &config).await).await;
        // What is large is kept compressed and apart, half its size.
        let bytes = "SELECT max(bytes) FROM (SELECT sum(pg_column_size(name)) AS bytes FROM jobs_archive GROUP BY archived_at) AS batch";
        let bytes: f64 = db.value(bytes).await.parse().expect("a number");
        assert!(bytes < 22e6, "the largest batch has {bytes} bytes: {:?}", sizes(&db).await);
        assert_eq!(archived(&db).await, 3_600);
    });
}

/// The note of the VACUUM.
fn note_of(outcome: &Outcome) -> String {
    let action = outcome.actions.iter().find(|action| action.kind == "vacuum");
    let applied = action.expect("it is planned").result.as_ref().expect("it is no failure");
    applied.note.clone().unwrap_or_default()
}

#[test]
fn what_a_move_leaves_is_vacuumed_and_who_stands_in_the_way_is_named() {
    on_every_major(|db| async move {
        db.execute(&jobs(120_000)).await;
        db.execute("ANALYZE jobs").await;
        let more = "pace = \"full\"\nmax_rows = 60000";
        let app = InProcess::new(&db, &config_for("jobs", "created_at", more)).await;
        let note = note_of(&once(&app).await);
        assert!(note.ends_with("dead rows removed"), "{note}");
        assert_ne!(db.value("SELECT pg_stat_get_last_vacuum_time('jobs'::regclass)").await, "NULL");

        let mut reader = db.connect().await;
        run(&mut reader, "SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ")
            .await;
        run(&mut reader, "SELECT count(*) FROM jobs").await;
        let note = note_of(&once(&app).await);
        let expected = "cannot be removed yet, older snapshots still see them: pid ";
        assert!(note.contains(expected) && note.contains("\"report\""), "{note}");
    });
}

/// What has left a child is cleaned up too, and it is analyzed.
#[test]
fn children_are_vacuumed_behind_a_large_move() {
    on_every_major(|db| async move {
        db.execute(&jobs(30_000)).await;
        db.execute(
            "CREATE TABLE events (id bigint PRIMARY KEY, job_id bigint REFERENCES jobs) \
               WITH (autovacuum_enabled = off); \
             INSERT INTO events SELECT i, (i + 1) / 2 FROM generate_series(1, 60000) AS i; \
             CREATE INDEX ON events (job_id)",
        )
        .await;
        db.execute("VACUUM ANALYZE jobs").await;
        db.execute("VACUUM ANALYZE events").await;
        let more = "pace = \"full\"\ncreate_target = true\nchildren = ['events']";
        let app = InProcess::new(&db, &config_for("jobs", "created_at", more)).await;
        let outcome = once(&app).await;
        let last = outcome.actions.last().expect("something was done");
        assert_eq!((last.kind, last.object.as_str()), ("vacuum", "public.events"), "{outcome:#?}");
        let note = last.result.as_ref().expect("it went well").note.clone().unwrap_or_default();
        assert_eq!(note, "60000 dead rows removed");
    });
}

#[test]
fn a_table_that_is_vacuumed_by_others_or_locked_is_left_to_autovacuum() {
    on_every_major(|db| async move {
        db.execute(&jobs(60_000)).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; LOCK TABLE jobs IN SHARE UPDATE EXCLUSIVE MODE").await;
        let app = InProcess::new(&db, &config_for("jobs", "created_at", "pace = \"full\"")).await;
        let note = note_of(&once(&app).await);
        assert!(note.starts_with("left to autovacuum: vacuum public.jobs"), "{note}");
        assert_eq!(archived(&db).await, 60_000);
    });
}

#[test]
fn a_role_that_is_not_shown_the_replicas_is_told_so_once() {
    on_every_major(|db| async move {
        db.execute(&jobs(10)).await;
        let role = format!("blind_{}", db.major());
        db.execute(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'x'; \
             GRANT ALL ON jobs, jobs_archive TO {role}; GRANT CREATE ON DATABASE \"{}\" TO {role}",
            db.name()
        ))
        .await;
        let config = limited("active_sessions = 100");
        let url = db.url_as(&role, "x");
        let app = InProcess::without_schema(&url, &config).await;
        let plan = app.plan(JobName::Archive).await;
        let said = format!("the server does not show {role} which sessions are active");
        let times = plan.warnings.iter().filter(|warning| warning.starts_with(&said)).count();
        assert_eq!(times, 1, "{:?}", plan.warnings);
        db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}
