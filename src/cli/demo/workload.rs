//! The application: a few clients that never stop while pgtend works.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::data::{CUSTOMERS, JOBS, TEAMS};
use super::latency::{Latencies, Phase, Summary};
use super::stage::connect;
use super::words;
use crate::pg::fault::Fault;
use crate::time::clock;

/// Between two turns of a client: busy enough to notice a stall, and room for others on one core.
const PAUSE: Duration = Duration::from_millis(10);
/// People open a dashboard less often.
const DASHBOARD_PAUSE: Duration = Duration::from_millis(50);

const ENQUEUE: &str = "\
INSERT INTO ml_jobs (customer_id, payload) VALUES ($1, '{\"model\": \"embed-large\"}') RETURNING id";
const START: &str = "UPDATE ml_jobs SET status = 'running' WHERE id = $1";
const FINISH: &str = "UPDATE ml_jobs SET status = 'completed', finished_at = now() WHERE id = $1";
const LOG: &str = "INSERT INTO activity_logs (customer_id, action) VALUES ($1, 'login')";
const EVENT: &str = "INSERT INTO events (customer_id, kind) VALUES ($1, 'view')";
const QUEUE: &str =
    "SELECT id FROM ml_jobs WHERE status = 'pending' ORDER BY created_at DESC LIMIT 10";
const LOOK_UP: &str = "SELECT status, finished_at FROM ml_jobs WHERE id = $1";
/// With its index it reads the end of each partition's index; without, all rows fifty times.
const DASHBOARD: &str = "\
SELECT c.id, c.name, \
(SELECT max(a.created_at) FROM activity_logs a WHERE a.customer_id = c.id) AS last_seen \
FROM customers c WHERE c.team = $1";
/// What tells the dashboard's statement from the others.
pub const DASHBOARD_MARK: &str = "AS last_seen";

/// What a client does.
#[derive(Debug, Clone, Copy)]
enum Client {
    /// Inserts a job and carries it out.
    Worker,
    /// Writes what customers do.
    Logger,
    /// Asks for the queue's head and for single jobs.
    Reader,
    /// Shows a team when each of its customers was last seen.
    Dashboard,
}

const CLIENTS: [Client; 6] = [
    Client::Worker,
    Client::Worker,
    Client::Logger,
    Client::Logger,
    Client::Reader,
    Client::Dashboard,
];

/// The running application.
pub struct Workload {
    clients: JoinSet<()>,
    stop: CancellationToken,
    ledger: Arc<Ledger>,
}

/// What it knows of itself.
#[derive(Debug)]
pub struct Ledger {
    /// How long it waited.
    pub latencies: Latencies,
    written: [AtomicI64; 3],
}

/// What the application wrote, by its own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows of `ml_jobs`.
    pub jobs: i64,
    /// Rows of `activity_logs`.
    pub logs: i64,
    /// Rows of `events`.
    pub events: i64,
}

impl Workload {
    /// Connects the clients and starts them.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn start(options: &PgConnectOptions) -> Result<Self, Fault> {
        let mut connections = Vec::new();
        for _ in CLIENTS {
            connections.push(connect(options).await?);
        }
        let ledger = Arc::new(Ledger { latencies: Latencies::new(), written: Default::default() });
        let stop = CancellationToken::new();
        let mut clients = JoinSet::new();
        for (number, (client, conn)) in (1..).zip(CLIENTS.into_iter().zip(connections)) {
            clients.spawn(client.live(number, conn, Arc::clone(&ledger), stop.clone()));
        }
        Ok(Self { clients, stop, ledger })
    }

    /// What it knows of itself so far.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Ends it after the statements in hand.
    pub async fn end(self) -> Arc<Ledger> {
        self.ledger.latencies.end();
        self.stop.cancel();
        self.clients.join_all().await;
        self.ledger
    }
}

impl Ledger {
    /// How it fares in the present phase, in a few words.
    #[must_use]
    pub fn live(&self) -> String {
        let Summary { per_s, p99, max, .. } = self.latencies.summary(self.latencies.phase());
        format!(
            "the application: {per_s:.0} statements/s, p99 {}, max {}",
            words::duration(p99),
            words::duration(max)
        )
    }

    /// What it wrote.
    #[must_use]
    pub fn written(&self) -> Written {
        let [jobs, logs, events] = &self.written;
        let read = |counter: &AtomicI64| counter.load(Ordering::Relaxed);
        Written { jobs: read(jobs), logs: read(logs), events: read(events) }
    }

    async fn measured<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Option<T> {
        let phase: Phase = self.latencies.phase();
        let started = clock::monotonic();
        match work.await {
            Ok(done) => {
                self.latencies.record(phase, clock::monotonic().saturating_duration_since(started));
                Some(done)
            }
            Err(error) => {
                self.latencies.fail(phase, &error);
                None
            }
        }
    }

    async fn insert(
        &self,
        table: usize,
        conn: &mut PgConnection,
        sql: &'static str,
        customer: i32,
    ) {
        let insert = sqlx::query(sql).bind(customer).execute(conn);
        if self.measured(insert).await.is_some() {
            self.written[table].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Client {
    async fn live(
        self,
        number: i32,
        mut conn: PgConnection,
        ledger: Arc<Ledger>,
        stop: CancellationToken,
    ) {
        let pause = if matches!(self, Self::Dashboard) { DASHBOARD_PAUSE } else { PAUSE };
        // A walk that meets every customer, from another place for each client.
        let mut customer = number;
        while !stop.is_cancelled() {
            customer = (customer + 37) % CUSTOMERS;
            self.turn(&mut conn, customer, &ledger).await;
            tokio::time::sleep(pause).await;
        }
    }

    async fn turn(self, conn: &mut PgConnection, customer: i32, ledger: &Ledger) {
        match self {
            Self::Worker => {
                let enqueue = sqlx::query_scalar(ENQUEUE).bind(customer).fetch_one(&mut *conn);
                let job: Option<i64> = ledger.measured(enqueue).await;
                if let Some(id) = job {
                    ledger.written[0].fetch_add(1, Ordering::Relaxed);
                    for sql in [START, FINISH] {
                        let update = sqlx::query(sql).bind(id).execute(&mut *conn);
                        ledger.measured(update).await;
                    }
                }
            }
            Self::Logger => {
                ledger.insert(1, conn, LOG, customer).await;
                ledger.insert(2, conn, EVENT, customer).await;
            }
            Self::Reader => {
                ledger.measured(sqlx::query(QUEUE).fetch_all(&mut *conn)).await;
                let job = i64::from(customer) * (JOBS / i64::from(CUSTOMERS)) + 1;
                let look_up = sqlx::query(LOOK_UP).bind(job).fetch_optional(&mut *conn);
                ledger.measured(look_up).await;
            }
            Self::Dashboard => {
                let team = customer % TEAMS;
                ledger.measured(sqlx::query(DASHBOARD).bind(team).fetch_all(&mut *conn)).await;
            }
        }
    }
}
