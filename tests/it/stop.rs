//! SIGTERM in the middle of each job: exit 0 soon, history says `cancelled` or that it was done,
//! and nothing of ours is left on the server.

use crate::support::{Db, on_every_major, pgtend, run, wait_until};

const CONFIG: &str = r#"
[database]
url = "{url}"
lock_timeout = "5s"
[partitions]
schedule = "0 0 1 1 *"
[partitions.tables."public.activity_logs"]
interval = "1 month"
premake = "2 months"
[archive]
schedule = "0 0 1 1 *"
[archive.tables."public.ml_jobs"]
into = "public.ml_jobs_archive"
age_column = "created_at"
older_than = "30 days"
batch_rows = 100
[analyze]
schedule = "0 0 1 1 *"
[slow_queries]
schedule = "0 0 1 1 *"
"#;

const WORLD: &str = "
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE TABLE ml_jobs (id bigint PRIMARY KEY, created_at timestamptz);
CREATE TABLE ml_jobs_archive (LIKE ml_jobs INCLUDING ALL);
INSERT INTO ml_jobs SELECT n, now() - interval '90 days' FROM generate_series(1, 1000) n;
CREATE TABLE activity_logs (at timestamptz NOT NULL) PARTITION BY RANGE (at);";

/// Each job with the lock that holds it up in the middle of its work.
const HELD_UP: [(&str, &str); 4] = [
    ("partitions", "LOCK TABLE activity_logs IN ACCESS EXCLUSIVE MODE"),
    ("archive", "LOCK TABLE ml_jobs_archive IN SHARE MODE"),
    ("analyze", "LOCK TABLE ml_jobs IN SHARE UPDATE EXCLUSIVE MODE"),
    ("slow_queries", "LOCK TABLE pgtend.statement_baseline IN SHARE MODE"),
];

#[test]
fn sigterm_in_the_middle_of_each_job() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        let program = pgtend(&db, CONFIG);
        assert_eq!(program.run(&["migrate"]).await.code, Some(0));
        for (job, lock) in HELD_UP {
            let mut holder = db.connect().await;
            run(&mut holder, &format!("BEGIN; {lock}")).await;
            assert_eq!(program.run(&["trigger", job]).await.code, Some(0));
            let daemon = program.spawn(&["run"]);
            wait_until(&format!("{job} waits for the lock"), || waits(&db, job)).await;
            daemon.signal("TERM");
            daemon.event("daemon.stopping", |_| true).await;
            run(&mut holder, "ROLLBACK").await;
            let ran = daemon.wait_exit().await;
            assert_eq!(ran.code, Some(0), "{job}: {ran}");
            // A backend needs a moment to notice that its client has said goodbye.
            wait_until("our sessions are gone", || async { sessions(&db).await.is_empty() }).await;
            let ended = db
                .column(&format!(
                    "SELECT status FROM pgtend.job_run WHERE job = '{job}' ORDER BY run_id DESC LIMIT 1"
                ))
                .await;
            assert!(["cancelled", "succeeded"].contains(&ended[0].as_str()), "{job}: {ended:?}");
        }
        // One batch at most was in hand.
        let moved: u32 =
            db.value("SELECT count(*)::text FROM ml_jobs_archive").await.parse().unwrap();
        assert!(moved <= 100, "{moved} rows moved after the stop");
    });
}

async fn waits(db: &Db, job: &str) -> bool {
    let sql = format!(
        "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database()
         AND application_name = 'pgtend/{job}' AND wait_event_type = 'Lock'"
    );
    !db.column(&sql).await.is_empty()
}

async fn sessions(db: &Db) -> Vec<String> {
    db.column(
        "SELECT application_name || ' ' || state FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'pgtend%'",
    )
    .await
}
