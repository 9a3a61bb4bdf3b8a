//! The plan is the run: `plan` changes nothing, and `once` runs the very SQL that it printed.

use std::collections::BTreeSet;

use crate::support::{Db, on_own_server, pgtend};

const CONFIG: &str = r#"
[partitions]
schedule = "17 * * * *"
[partitions.tables."public.activity_logs"]
interval = "1 month"
premake = "2 months"
[archive]
schedule = "30 2 * * *"
[archive.tables."public.ml_jobs"]
into = "public.ml_jobs_archive"
age_column = "created_at"
older_than = "30 days"
where = "status = 'completed'"
batch_rows = 20
create_target = true
[analyze]
schedule = "*/15 * * * *"
[slow_queries]
schedule = "* * * * *"
"#;

const WORLD: &str = "
CREATE EXTENSION pg_stat_statements;
CREATE TABLE ml_jobs (id bigint PRIMARY KEY, status text, created_at timestamptz);
INSERT INTO ml_jobs SELECT n, 'completed', now() - n * interval '1 day' FROM generate_series(1, 90) n;
CREATE TABLE activity_logs (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);";

/// Statements of the session itself and of pgtend's own tables: not what a plan is about.
const HOUSEKEEPING: [&str; 14] = [
    "SET ",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "job_run",
    // History is shortened; what a batch adds to it stands in the plan.
    "DELETE FROM archive_batch",
    "DELETE FROM archive_position WHERE updated_at",
    "job_control",
    "job_known",
    "pg_backend_pid",
    "clock_timestamp()",
    "_sqlx_migrations",
    "CREATE SCHEMA",
    "pg_is_in_recovery",
];

#[test]
fn once_runs_the_sql_that_plan_printed_and_plan_changes_nothing() {
    let settings =
        [("log_statement", "all"), ("log_line_prefix", "[%p] %d %a|"), ("autovacuum", "off")];
    on_own_server(&settings, |db, _server| async move {
        db.execute(WORLD).await;
        let program = pgtend(&db, CONFIG);
        assert_eq!(program.run(&["migrate"]).await.code, Some(0));

        for job in ["partitions", "archive", "analyze", "slow_queries"] {
            let before = next_xid(&db).await;
            let plan = program.run(&["plan", job, "--format", "json"]).await;
            assert_eq!(plan.code, Some(0), "{plan}");
            assert_eq!(next_xid(&db).await, before, "plan {job} took a transaction id");
            let planned = planned(&plan.json());
            assert!(!planned.is_empty(), "nothing to do for {job}: {plan}");

            let mark = db.log_mark();
            let ran = program.run(&["once", job]).await;
            assert_eq!(ran.code, Some(0), "{ran}");
            let done = statements(&db.server_log_since(mark));
            let missing: Vec<_> = planned.difference(&done).collect();
            assert!(missing.is_empty(), "planned and not run: {missing:#?}\nrun: {done:#?}");
            let unplanned: Vec<_> = done.difference(&planned).filter(|sql| writes(sql)).collect();
            assert!(unplanned.is_empty(), "run and not planned: {unplanned:#?}");
        }
    });
}

/// The id the next transaction that writes will get.
async fn next_xid(db: &Db) -> String {
    db.value("SELECT txid_snapshot_xmax(txid_current_snapshot())::text").await
}

/// Every statement of the plan. One that begins with a comment is only run if need be; here more rows are due
/// than a batch may have, so that ranges are looked for.
fn planned(plan: &serde_json::Value) -> BTreeSet<String> {
    let actions =
        plan["jobs"].as_array().unwrap().iter().flat_map(|job| job["actions"].as_array().unwrap());
    actions
        .flat_map(|action| action["sql"].as_array().unwrap())
        .map(|sql| sql.as_str().unwrap().to_owned())
        .filter(|sql| !sql.starts_with("--") || sql.starts_with("-- the "))
        .collect()
}

/// The statements of our sessions, as the server logged them.
fn statements(log: &str) -> BTreeSet<String> {
    let mut all: Vec<String> = Vec::new();
    let mut open = false;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if let Some(last) = all.last_mut().filter(|_| open) {
                last.push('\n');
                last.push_str(more);
            }
            continue;
        }
        let ours = line.split_once(" pgtend/").and_then(|(_, rest)| rest.split_once("|LOG:  "));
        let sql = ours.and_then(|(_, said)| {
            said.strip_prefix("statement: ")
                .or_else(|| Some(said.strip_prefix("execute ")?.split_once(": ")?.1))
        });
        open = sql.is_some();
        all.extend(sql.map(ToOwned::to_owned));
    }
    all.into_iter().collect()
}

/// Whether it changes anything but pgtend's claims and history.
fn writes(sql: &str) -> bool {
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
    let first = sql.lines().find(code).unwrap_or_default();
    let first = first.trim_start().to_uppercase();
    let only_reads = first.starts_with("WITH")
        && !["INSERT INTO", "DELETE FROM"].iter().any(|word| sql.contains(word));
    let reads = first.starts_with("SELECT") || first.starts_with("EXPLAIN") || only_reads;
    !reads && !HOUSEKEEPING.iter().any(|word| sql.contains(word))
}
