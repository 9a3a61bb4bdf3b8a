//! A plain table of two million rows becomes partitioned under four writers and a reader: what was
//! committed is there, and the swap's lock is short.
//!
//! `PGTEND_ADOPT_ROWS` (default 2000000) says how many rows.

use std::time::Duration;

use pgtend::time::clock;

use crate::exchange::{held, is_over};
use crate::support::{Application, World, on_own_server, pgtend};

/// The swap holds the strongest lock for so long at most.
const HELD_MAX: Duration = Duration::from_millis(100);

const CONFIG: &str = r#"
[database]
url = "{tend}"
[partitions]
schedule = "0 0 1 1 *"
[partitions.tables."public.events"]
interval = "1 month"
premake = "2 months"
"#;

/// What pgtend's own role does is logged with its duration.
const SCHEMA: &str = "
CREATE ROLE tend SUPERUSER LOGIN PASSWORD 'secret';
ALTER ROLE tend SET log_min_duration_statement = 0;
CREATE TABLE events (id bigint PRIMARY KEY, ts timestamptz NOT NULL, v bigint NOT NULL,
  note text DEFAULT 'as long as a line of a log, more or less, with some words in it');
CREATE INDEX ON events (ts);
CREATE VIEW seen AS SELECT id, v FROM events;";

/// The last 380 days.
const KEY: &str = "date_trunc('day', now()) - $1 % 380 * interval '1 day'";

#[test]
fn adopt_under_writers() {
    let rows: u64 = std::env::var("PGTEND_ADOPT_ROWS")
        .map_or(2_000_000, |rows| rows.parse().expect("a number of rows"));
    on_own_server(
        &[("max_connections", "50"), ("max_wal_size", "4GB")],
        |db, _server| async move {
            db.execute(SCHEMA).await;
            let key = KEY.replace("$1", "g");
            db.execute(&format!(
            "INSERT INTO events (id, v, ts) SELECT g, 1, {key} FROM generate_series(1, {rows}) g"
        ))
        .await;
            db.execute("VACUUM ANALYZE").await;
            let program = pgtend(&db, &CONFIG.replace("{tend}", &db.url_as("tend", "secret")));
            assert_eq!(program.run(&["migrate"]).await.code, Some(0));
            let app = Application::start(&db, World::new("events", KEY)).await;
            let mark = db.log_mark();
            let started = clock::monotonic();
            let running = program.spawn(&["partitions", "adopt", "events"]);
            is_over(&db).await;
            let ran = running.wait_exit().await;
            let took = clock::monotonic() - started;
            assert_eq!(ran.code, Some(0), "{ran}");
            app.goes_on().await;
            let ledger = app.stop().await;
            let held = held(&db.server_log_since(mark));
            let report = format!(
                "PostgreSQL {}: {rows} rows adopted in {took:.1?}; strongest lock held {held:?}; the \
             application did {} transactions and looks, the slowest {:.0?}, {} anomalies; {}",
                db.major(),
                ledger.done,
                ledger.slowest,
                ledger.anomalies.len(),
                ledger.compare(&db, "SELECT id, v FROM events").await,
            );
            eprintln!("{report}");
            ledger.holds(&db, "SELECT id, v FROM events").await;
            ledger.holds(&db, "SELECT id, v FROM seen").await;
            let parts =
                "SELECT count(*) >= 2 FROM pg_inherits WHERE inhparent = 'events'::regclass";
            assert_eq!(db.value(parts).await, "t");
            assert!(held <= HELD_MAX, "{report}");
        },
    );
}
