//! The daemon's life: it comes, serves, is told things, and goes, whatever the server does meanwhile.

mod outages;
mod signals;
mod slots;

use crate::support::{Daemon, Db, Gate, Program, pgtend, wait_until};

/// One job that has something to do once, with a schedule of its own.
pub fn config(schedule: &str, more: &str) -> String {
    format!(
        r#"
[database]
url = "{{url}}"
{more}
[log]
level = "debug"
[partitions]
schedule = "{schedule}"
[partitions.tables."public.activity_logs"]
interval = "1 month"
premake = "1 month"
"#
    )
}

/// Due once a year.
pub const RARELY: &str = "0 0 1 1 *";
pub const EACH_MINUTE: &str = "* * * * *";
pub const TABLE: &str =
    "CREATE TABLE activity_logs (at timestamptz NOT NULL) PARTITION BY RANGE (at)";

/// A daemon that is ready, on a database with a table to tend.
pub async fn ready(db: &Db, config: &str) -> (Program, Daemon) {
    db.execute(TABLE).await;
    let program = pgtend(db, config);
    let daemon = program.spawn(&["run"]);
    daemon.event("daemon.ready", |_| true).await;
    (program, daemon)
}

/// The same, with a run that waits at a gate in the middle of its work.
pub async fn at_work(db: &Db, config: &str) -> (Program, Daemon, Gate) {
    let (program, daemon) = ready(db, config).await;
    let gate = Gate::closed(db).await;
    trigger(&program, &daemon).await;
    gate.reached().await;
    (program, daemon, gate)
}

/// Asks for a run, and wakes the planner.
pub async fn trigger(program: &Program, daemon: &Daemon) {
    let asked = program.run(&["trigger", "partitions"]).await;
    assert_eq!(asked.code, Some(0), "{asked}");
    daemon.signal("USR1");
}

/// Status and slot of every run.
pub async fn runs(db: &Db) -> Vec<String> {
    db.column("SELECT status FROM pgtend.job_run ORDER BY run_id").await
}

/// Waits until the server has no session of ours any more.
pub async fn nothing_is_left(db: &Db) {
    let ours = "SELECT application_name FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name LIKE 'pgtend%'";
    wait_until("our sessions are gone", || async { db.column(ours).await.is_empty() }).await;
}

/// The job's work is done.
pub async fn has_partitions(db: &Db) -> bool {
    db.value("SELECT count(*) > 0 FROM pg_inherits").await == "t"
}
