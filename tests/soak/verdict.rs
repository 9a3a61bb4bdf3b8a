//! What must be true after a soak.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::load::Ledger;
use crate::support::Db;

const JOBS: [&str; 4] = ["partitions", "archive", "analyze", "slow_queries"];

/// Looks at our sessions all the while.
pub struct Watch {
    over: CancellationToken,
    /// The server's minute in which watching began.
    began: String,
    task: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    /// Begins to watch.
    pub async fn start(db: &Db) -> Self {
        let over = CancellationToken::new();
        let began = db.value("SELECT date_trunc('minute', now())::text").await;
        let (watched, stop) = (db.clone(), over.clone());
        let task = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            while !stop.is_cancelled() {
                seen.extend(
                    watched
                        .column(
                            "SELECT application_name || ' pid ' || pid FROM pg_stat_activity
                             WHERE application_name LIKE 'pgtend%' AND state LIKE 'idle in trans%'
                               AND state_change < clock_timestamp() - interval '2 s'",
                        )
                        .await,
                );
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            seen
        });
        Self { over, began, task }
    }
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// Slots without exactly one row, as `job slot rows`.
    slots_wrong: Vec<String>,
    /// Outcomes of scheduled slots, with their number.
    outcomes: BTreeMap<String, u64>,
    /// Sessions of ours that were idle in a transaction for 2 s.
    idle_in_transaction: BTreeSet<String>,
    /// Rows of the ledger that are in neither table, or in both.
    lost: Vec<String>,
    doubled: Vec<String>,
    /// Log lines at level error.
    errors: Vec<String>,
    /// Sessions of ours left on the server.
    left: Vec<String>,
    /// Errors of the application.
    app_errors: Vec<String>,
    /// Median, 99th percentile and maximum of the application's latency, in microseconds.
    app_micros: [u128; 3],
    archived: String,
}

impl Report {
    /// Gathers it; the daemons have ended.
    pub async fn gather(db: &Db, watch: Watch, ledger: &Ledger, logs: Vec<Vec<Value>>) -> Self {
        watch.over.cancel();
        let idle_in_transaction = watch.task.await.unwrap();
        // The minute of the stop is left out: it may have ended before its slot was served.
        let slots_wrong = format!(
            "SELECT job || ' ' || slot || ' ' || rows FROM (
               SELECT j.job, s.slot, count(r.run_id) AS rows
               FROM unnest('{{{}}}'::text[]) AS j(job)
               CROSS JOIN generate_series('{}'::timestamptz + interval '1 minute',
                 date_trunc('minute', now()) - interval '1 minute', interval '1 minute') AS s(slot)
               LEFT JOIN pgtend.job_run r ON r.job = j.job AND r.slot = s.slot
               GROUP BY 1, 2) x WHERE rows <> 1",
            JOBS.join(","),
            watch.began
        );
        let outcomes = db
            .rows(
                "SELECT job || ' ' || status, count(*)::text FROM pgtend.job_run
                   WHERE trigger = 'schedule' GROUP BY 1",
            )
            .await
            .into_iter()
            .map(|row| (row[0].clone().unwrap(), row[1].as_ref().unwrap().parse().unwrap()))
            .collect();
        let (hot, cold) = (ids(db, "ml_jobs").await, ids(db, "ml_jobs_archive").await);
        let lost = ledger.ids.iter().filter(|id| !hot.contains(id) && !cold.contains(id));
        let mut micros = ledger.micros.clone();
        micros.sort_unstable();
        let at = |share: usize| micros[(micros.len() - 1) * share / 100];
        Self {
            slots_wrong: db.column(&slots_wrong).await,
            outcomes,
            idle_in_transaction,
            lost: lost.map(ToString::to_string).collect(),
            doubled: hot.intersection(&cold).map(ToString::to_string).collect(),
            errors: logs
                .iter()
                .flatten()
                .filter(|line| line["level"] == "error")
                .map(ToString::to_string)
                .collect(),
            left: db
                .column("SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'pgtend%'")
                .await,
            app_errors: ledger.errors.clone(),
            app_micros: [at(50), at(99), at(100)],
            archived: cold.len().to_string(),
        }
    }

    /// Fails unless all is as it must be.
    pub fn judge(self, name: &str) {
        let Self { outcomes, app_micros, archived, .. } = &self;
        eprintln!("{name}: slots {outcomes:?}, {archived} rows archived");
        eprintln!("{name}: application latency p50, p99, max {app_micros:?} µs");
        for error in &self.errors {
            eprintln!("{name}: {error}");
        }
        assert!(
            self.slots_wrong.is_empty(),
            "slots without exactly one run: {:?}",
            self.slots_wrong
        );
        assert!(
            self.idle_in_transaction.is_empty(),
            "idle in transaction: {:?}",
            self.idle_in_transaction
        );
        assert!(self.lost.is_empty(), "rows lost: {:?}", self.lost);
        assert!(self.doubled.is_empty(), "rows doubled: {:?}", self.doubled);
        assert!(self.errors.is_empty(), "errors in the log");
        assert!(self.left.is_empty(), "sessions left on the server: {:?}", self.left);
        assert!(self.app_errors.is_empty(), "errors of the application: {:?}", self.app_errors);
    }
}

async fn ids(db: &Db, table: &str) -> BTreeSet<i64> {
    let ids = db.column(&format!("SELECT id::text FROM {table}")).await;
    let set: BTreeSet<i64> = ids.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(set.len(), ids.len(), "an id stands twice in {table}");
    set
}
