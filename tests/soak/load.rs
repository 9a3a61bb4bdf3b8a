//! A live application: writers and readers, and a ledger of what they committed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgtend::time::clock;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::Db;

/// Connections of the application.
const CLIENTS: u64 = 4;
/// Each client does one transaction per this: about 130 transactions per second in all.
const PACE: Duration = Duration::from_millis(30);

const TABLES: [&str; 7] = [
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
    "CREATE TABLE ml_jobs (id bigint PRIMARY KEY, status text NOT NULL, payload text NOT NULL,
       created_at timestamptz NOT NULL)",
    "CREATE INDEX ON ml_jobs (created_at, id)",
    "CREATE TABLE activity_logs (id bigint NOT NULL, at timestamptz NOT NULL, what text)
       PARTITION BY RANGE (at)",
    "CREATE INDEX ON activity_logs (at)",
    // Writers of now need a partition before the daemon's first run.
    "DO $$ BEGIN EXECUTE format('CREATE TABLE activity_logs_now PARTITION OF activity_logs
       FOR VALUES FROM (%L) TO (%L)', date_trunc('month', now()),
       date_trunc('month', now()) + interval '1 month'); END $$",
    "INSERT INTO ml_jobs SELECT -n, 'completed', repeat('x', 200), now() - interval '90 days'
       FROM generate_series(1, 20000) n",
];

/// What the application did.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every job it committed.
    pub ids: BTreeSet<i64>,
    /// Its errors.
    pub errors: Vec<String>,
    /// Its latencies, in microseconds.
    pub micros: Vec<u128>,
}

/// The running application.
pub struct Load {
    over: CancellationToken,
    ledger: Arc<Mutex<Ledger>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Makes the tables and begins.
    pub async fn start(db: &Db) -> Self {
        for sql in TABLES {
            db.execute(sql).await;
        }
        let over = CancellationToken::new();
        let ledger =
            Arc::new(Mutex::new(Ledger { ids: (-20000..=-1).collect(), ..Ledger::default() }));
        let clients = (0..CLIENTS)
            .map(|client| {
                let (url, over, ledger) = (db.url().to_owned(), over.clone(), Arc::clone(&ledger));
                tokio::spawn(async move { work(client, &url, &over, &ledger).await })
            })
            .collect();
        Self { over, ledger, clients }
    }

    /// Ends it, and hands over the ledger.
    pub async fn stop(self) -> Ledger {
        self.over.cancel();
        for client in self.clients {
            client.await.unwrap();
        }
        std::mem::take(&mut self.ledger.lock().unwrap())
    }
}

async fn work(client: u64, url: &str, over: &CancellationToken, ledger: &Mutex<Ledger>) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let mut turn: i64 = 0;
    while !over.is_cancelled() {
        let id = turn * i64::try_from(CLIENTS).unwrap() + i64::try_from(client).unwrap() + 1;
        let begun = clock::monotonic();
        let done = transaction(&mut conn, id, turn).await;
        let micros = begun.elapsed().as_micros();
        {
            let mut ledger = ledger.lock().unwrap();
            ledger.micros.push(micros);
            match done {
                Ok(()) => drop(ledger.ids.insert(id)),
                Err(error) => ledger.errors.push(error.to_string()),
            }
        }
        turn += 1;
        tokio::time::sleep(PACE.saturating_sub(begun.elapsed())).await;
    }
}

/// A job is finished long ago, or pending and then finished; a line of activity; a look.
async fn transaction(conn: &mut PgConnection, id: i64, turn: i64) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    let status = if turn % 3 == 0 { "pending" } else { "completed" };
    sqlx::query(
        "INSERT INTO ml_jobs VALUES ($1, $2, repeat('y', 200), now() - interval '60 days')",
    )
    .bind(id)
    .bind(status)
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE ml_jobs SET status = 'failed' WHERE id = $1 AND status = 'pending'")
        .bind(id - 40)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO activity_logs VALUES ($1, now(), 'tick')")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    if turn % 50 == 0 {
        sqlx::query("SELECT count(*) FROM activity_logs WHERE at > now() - interval '1 minute'")
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}
