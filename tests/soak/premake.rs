//! Premake beside an open reader and an open writer: eight clients must not notice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgtend::time::clock;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Db, on_own_server, pgtend, run};

/// Half of them insert, half read.
const CLIENTS: usize = 8;
/// How long the clients are measured without pgtend.
const BEFORE: Duration = Duration::from_secs(10);
/// The server logs every wait for a lock that is longer than this, whatever else the machine does:
/// a latency alone cannot tell our lock from another process's turn on the processor.
/// Making 120 partitions fills a WAL segment; zeroing the next one on this disk would stall every
/// writer, whoever filled the last.
const LOGGED: [(&str, &str); 4] = [
    ("max_connections", "100"),
    ("log_lock_waits", "on"),
    ("deadlock_timeout", "50ms"),
    ("wal_init_zero", "off"),
];
/// And the longest wait of a client grows by this at most.
const ADDED_MAX: Duration = Duration::from_millis(50);

const CONFIG: &str = r#"
[partitions]
schedule = "0 0 1 1 *"
[partitions.tables."public.activity_logs"]
interval = "1 day"
premake = "120 days"
"#;

const WORLD: &str = "
CREATE TABLE activity_logs (id bigint NOT NULL, at timestamptz NOT NULL, what text,
  PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
DO $$ BEGIN EXECUTE format('CREATE TABLE activity_logs_today PARTITION OF activity_logs
  FOR VALUES FROM (%L) TO (%L)', date_trunc('day', now()) - interval '1 day',
  date_trunc('day', now()) + interval '1 day'); END $$;
INSERT INTO activity_logs SELECT n, now(), 'x' FROM generate_series(1, 10000) n;
CREATE SEQUENCE ids START 100000;";

#[test]
fn premake() {
    on_own_server(&LOGGED, |db, _server| async move {
        db.execute(WORLD).await;
        let program = pgtend(&db, CONFIG);
        assert_eq!(program.run(&["migrate"]).await.code, Some(0));
        let alone = Clients::start(&db);
        tokio::time::sleep(BEFORE).await;
        let before = alone.stop().await;

        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT count(*) FROM activity_logs").await;
        let mut writer = db.connect().await;
        run(&mut writer, "BEGIN; INSERT INTO activity_logs VALUES (0, now(), 'open')").await;
        let beside = Clients::start(&db);
        let mark = db.log_mark();
        let begun = clock::monotonic();
        let ran = program.run(&["once", "partitions", "--format", "json"]).await;
        let took = clock::millis_since(begun);
        let during = beside.stop().await;
        run(&mut reader, "ROLLBACK").await;
        run(&mut writer, "ROLLBACK").await;

        assert_eq!(ran.code, Some(0), "{ran}");
        let made = db.value("SELECT count(*)::text FROM pg_inherits WHERE inhparent = 'activity_logs'::regclass").await;
        eprintln!(
            "premake: {made} partitions in {took} ms; a client's longest wait {:?} without pgtend, \
             {:?} with it; 999 of 1,000 within {:?} and {:?}",
            before.longest(1000),
            during.longest(1000),
            before.longest(999),
            during.longest(999)
        );
        let log = db.server_log_since(mark);
        let waits: Vec<_> = log.lines().filter(|line| line.contains("still waiting")).collect();
        assert!(waits.is_empty(), "waits for a lock: {waits:?}");
        assert!(during.longest(1000) <= before.longest(1000) + ADDED_MAX, "a client waited");
    });
}

#[derive(Debug, Default)]
struct Seen(Vec<Duration>);

impl Seen {
    /// The longest of the quickest so many of a thousand.
    fn longest(&self, of_1000: usize) -> Duration {
        let mut all = self.0.clone();
        all.sort_unstable();
        all[(all.len() - 1) * of_1000 / 1000]
    }
}

struct Clients {
    over: CancellationToken,
    seen: Arc<Mutex<Seen>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(db: &Db) -> Self {
        let over = CancellationToken::new();
        let seen = Arc::<Mutex<Seen>>::default();
        let tasks = (0..CLIENTS)
            .map(|client| {
                let (url, over, seen) = (db.url().to_owned(), over.clone(), Arc::clone(&seen));
                tokio::spawn(async move { work(client, &url, &over, &seen).await })
            })
            .collect();
        Self { over, seen, tasks }
    }

    async fn stop(self) -> Seen {
        self.over.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn work(client: usize, url: &str, over: &CancellationToken, seen: &Mutex<Seen>) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let sql = if client % 2 == 0 {
        "INSERT INTO activity_logs VALUES (nextval('ids'), now(), 'x')"
    } else {
        "SELECT what FROM activity_logs WHERE id = 5000 AND at > now() - interval '1 hour'"
    };
    while !over.is_cancelled() {
        let begun = clock::monotonic();
        run(&mut conn, sql).await;
        let took = clock::monotonic() - begun;
        seen.lock().unwrap().0.push(took);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
