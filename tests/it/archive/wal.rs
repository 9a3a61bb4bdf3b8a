//! How much WAL a run writes, and where that is told.

use pgtend::job::Verdict;
use pgtend::pg::wal::Wal;
use serde_json::Value;

use super::hand_over::{self, YEARS};
use super::{config_for, once};
use crate::support::{Db, InProcess, Told, on_every_major, pgtend};

/// 3,000 rows of 300 bytes that do not compress, two thirds of them due.
const JOBS: &str = "
CREATE TABLE jobs (id bigint PRIMARY KEY, created_at timestamptz, payload text);
CREATE INDEX jobs_age ON jobs (created_at);
INSERT INTO jobs SELECT i, now() - CASE WHEN i % 3 = 0 THEN interval '1 day' ELSE interval '60 days' END,
    (SELECT string_agg(md5(i || ' ' || k), '') FROM generate_series(1, 9) AS k)
  FROM generate_series(1, 3000) AS i;
CREATE TABLE jobs_archive (LIKE jobs, PRIMARY KEY (id));
";

const DUE: u64 = 2000;
const PAYLOAD: u64 = 288;

/// As the major in question has it: of our session alone, or of the whole server.
fn name(db: &Db) -> &'static str {
    if db.major() >= 18 { "wal_bytes" } else { "server_wal_bytes" }
}

fn bytes(told: &Value, db: &Db) -> u64 {
    let other = if db.major() >= 18 { "server_wal_bytes" } else { "wal_bytes" };
    assert!(told.get(other).is_none_or(Value::is_null), "{told}");
    told[name(db)].as_u64().unwrap_or_else(|| panic!("{told}"))
}

async fn stands(db: &Db) -> u64 {
    let sql = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn";
    db.value(sql).await.parse().unwrap()
}

#[test]
fn what_a_move_writes_to_the_wal_is_told() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        let program = pgtend(&db, &config_for("jobs", "created_at", "batch_rows = 500"));
        assert_eq!(program.run(&["migrate"]).await.code, Some(0));
        let before = stands(&db).await;
        let ran = program.run(&["once", "archive", "--format", "json"]).await;
        let written = stands(&db).await - before;
        assert_eq!(ran.code, Some(0), "{ran}");
        let outcome = ran.json();
        let action = &outcome["jobs"][0]["actions"][0];
        assert_eq!((&action["kind"], &action["rows"]), (&"move_rows".into(), &DUE.into()), "{ran}");
        let told = bytes(action, &db);
        // A copy of each row's values, and no more than there is.
        assert!((DUE * PAYLOAD..=written).contains(&told), "{told} of {written}");
        let log = ran.log();
        let of = |event: &str| log.iter().find(|line| line["event"] == event).unwrap();
        assert_eq!(bytes(of("action.done"), &db), told);
        assert_eq!(bytes(of("run.finished"), &db), told);
        let words = of("action.done")["msg"].as_str().unwrap();
        let whole = if db.major() >= 18 { " of WAL" } else { " of WAL by the whole server" };
        assert!(words.contains("rows, ") && words.contains(whole), "{words}");

        // A run that has nothing to do asks nothing, and tells nothing.
        let again = program.run(&["once", "archive", "--format", "json"]).await;
        assert!(!again.stdout.contains("wal_bytes"), "{again}");
        let history = program.run(&["history", "--format", "json"]).await.json();
        assert_eq!((history[0].get(name(&db)), bytes(&history[1], &db)), (None, told));
        let shown = program.run(&["history"]).await.stdout;
        let wal = if db.major() >= 18 { Wal::Ours(told) } else { Wal::Servers(told) };
        assert!(shown.contains(&wal.in_short()), "{shown}");
    });
}

/// By the phases of a run, which are its actions; the total is their sum.
#[test]
fn the_wal_of_a_run_is_that_of_its_phases() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute("CREATE TABLE logs (LIKE jobs INCLUDING INDEXES); INSERT INTO logs TABLE jobs")
            .await;
        db.execute("CREATE TABLE logs_archive (LIKE logs, PRIMARY KEY (id))").await;
        let two = config_for("jobs", "created_at", "")
            + "[archive.tables.logs]\ninto = 'logs_archive'\nage_column = 'created_at'\n\
               older_than = '30 days'\n";
        let app = InProcess::new(&db, &two).await;
        let told = Told::default();
        let outcome = told.during(once(&app)).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let done = told.named("action.done");
        assert_eq!(done.len(), 2, "{done:?}");
        let phases: Vec<u64> = done.iter().map(|line| bytes(line, &db)).collect();
        assert!(phases.iter().all(|&bytes| bytes >= DUE * PAYLOAD), "{phases:?}");
        let finished = &told.named("run.finished")[0];
        assert_eq!(bytes(finished, &db), phases.iter().sum::<u64>());
    });
}

/// However many rows it has.
#[test]
fn a_partition_handed_over_is_told_to_be_cheap() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        let app = InProcess::new(&db, &hand_over::config()).await;
        let told = Told::default();
        told.during(once(&app)).await;
        let done = told.named("action.done");
        let handed = done.iter().find(|line| line["kind"] == "hand_over_partition").unwrap();
        assert!(bytes(handed, &db) > 0, "{handed}");
    });
}
