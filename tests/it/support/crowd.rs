//! Eight clients of a table, and how long the server let them wait for locks: by its own log, because a
//! latency cannot tell a lock from another process's turn on the processor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgtend::time::clock;
use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::db::{Db, LogMark, run};
use super::stalls::Stalls;

/// How many.
const CLIENTS: usize = 8;
/// Between two statements of a client.
const PACE: Duration = Duration::from_millis(5);
/// By this name the server's log knows them.
const NAME: &str = "crowd";
/// A wait for a lock that is longer than this is logged, with its length. So is pgtend's own.
const LOGGED_FROM: &str = "10ms";

/// The running clients.
pub struct Crowd {
    db: Db,
    mark: LogMark,
    over: CancellationToken,
    took: Arc<Mutex<Vec<Duration>>>,
    tasks: Vec<JoinHandle<()>>,
    stalls: Stalls,
}

/// What they met.
#[derive(Debug)]
pub struct Met {
    /// The waits for a lock on a table, in milliseconds, longest first.
    pub waits: Vec<f64>,
    /// How long their statements took, shortest first.
    pub took: Vec<Duration>,
    /// The longest that the machine kept a process waiting for its turn meanwhile.
    pub stall: Duration,
    /// All such waits of more than [`SHORT`] together.
    ///
    /// [`SHORT`]: super::stalls::SHORT
    pub stalled: Duration,
}

impl Met {
    /// The longest wait for a lock, in milliseconds; 0 where none was logged.
    pub fn longest_wait(&self) -> f64 {
        self.waits.first().copied().unwrap_or(0.0)
    }

    /// The longest of the quickest so many of a thousand statements.
    pub fn within(&self, of_1000: usize) -> Duration {
        self.took[(self.took.len() - 1) * of_1000 / 1000]
    }
}

impl Crowd {
    /// Client by client takes the next of these statements and runs it again and again. A statement
    /// that fails fails the test.
    pub async fn start(db: &Db, statements: &[&str]) -> Self {
        let name = db.name();
        db.execute(&format!("ALTER DATABASE \"{name}\" SET log_lock_waits = on")).await;
        db.execute(&format!("ALTER DATABASE \"{name}\" SET deadlock_timeout = '{LOGGED_FROM}'"))
            .await;
        let (mark, over) = (db.log_mark(), CancellationToken::new());
        let took = Arc::<Mutex<Vec<Duration>>>::default();
        let mut tasks = Vec::new();
        for statement in statements.iter().cycle().take(CLIENTS) {
            let mut conn = db.connect().await;
            run(&mut conn, &format!("SET application_name = '{NAME}'")).await;
            let (sql, over, took) = ((*statement).to_owned(), over.clone(), Arc::clone(&took));
            tasks.push(tokio::spawn(async move { work(&mut conn, &sql, &over, &took).await }));
        }
        Self { db: db.clone(), mark, over, took, tasks, stalls: Stalls::watch() }
    }

    /// Ends them.
    pub async fn stop(self) -> Met {
        self.over.cancel();
        for task in self.tasks {
            task.await.expect("no client failed");
        }
        let mut waits = waits(&self.db.server_log_since(self.mark));
        waits.sort_by(|a, b| b.total_cmp(a));
        let mut took = std::mem::take(&mut *self.took.lock().expect("not poisoned"));
        took.sort_unstable();
        let (stall, stalled) = self.stalls.longest_and_all();
        Met { waits, took, stall, stalled }
    }
}

async fn work(
    conn: &mut PgConnection,
    sql: &str,
    over: &CancellationToken,
    took: &Mutex<Vec<Duration>>,
) {
    while !over.is_cancelled() {
        let begun = clock::monotonic();
        run(conn, sql).await;
        took.lock().expect("not poisoned").push(begun.elapsed());
        tokio::time::sleep(PACE).await;
    }
}

/// `process 7 acquired RowExclusiveLock on relation 16400 of database 16390 after 57.123 ms`, and
/// perhaps ` at character 13`.
fn waits(log: &str) -> Vec<f64> {
    let ours = format!(" {NAME}: ");
    log.lines()
        .filter(|line| {
            line.contains(&ours) && line.contains(" acquired ") && line.contains(" on relation ")
        })
        .filter_map(|line| line.rsplit_once(" after ")?.1.split_once(" ms")?.0.parse().ok())
        .collect()
}
