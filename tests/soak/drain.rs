//! A default partition of a million rows is drained, and a wide one split into 21 months, under four
//! writers and a reader: what was committed is there, and the strongest lock is short.
//!
//! `PGTEND_DRAIN_ROWS` (default 1000000) says how many rows.

use std::fmt::Write as _;
use std::time::Duration;

use pgtend::time::clock;

use crate::exchange::{held, is_over};
use crate::support::{Application, Db, World, on_own_server, pgtend};

/// The strongest lock is held for so long at most.
const HELD_MAX: Duration = Duration::from_millis(150);

const CONFIG: &str = r#"
[database]
url = "{tend}"
[partitions]
schedule = "0 0 1 1 *"
[partitions.tables."public.events"]
interval = "1 month"
premake = "1 month"
"#;

/// What pgtend's own role does is logged with its duration.
const WORLD: &str = "
CREATE ROLE tend SUPERUSER LOGIN PASSWORD 'secret';
ALTER ROLE tend SET log_min_duration_statement = 0;
CREATE TABLE events (id bigint NOT NULL, ts timestamptz NOT NULL, v bigint NOT NULL,
  note text DEFAULT 'as long as a line of a log, more or less, with some words in it',
  PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE INDEX ON events (ts);";

/// Four months, up to this one.
const MONTHS: &str = "date_trunc('month', now()) - interval '3 months' + $1 % 4 * interval '1 month' + $1 % 27 * interval '1 day'";
/// Twenty months, up to this one, and no default partition.
const TWENTY: &str = "date_trunc('month', now()) - interval '19 months' + $1 % 20 * interval '1 month' + $1 % 27 * interval '1 day'";
const WIDE: &str = "DROP TABLE events_default;
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2200-01-01');";
/// Nothing but the last one.
const ONE_MONTH: &str =
    "date_trunc('month', now()) - interval '1 month' + $1 % 27 * interval '1 day'";

#[test]
fn drain_by_copy() {
    let moved = Some(MONTHS.replace("$1", "($1 + $2)"));
    measured("drain", "copy", World { moved_key: moved, ..World::new("events", MONTHS) });
}

#[test]
fn split_by_copy() {
    let moved = Some(TWENTY.replace("$1", "($1 + $2)"));
    measured("split", "copy", World { moved_key: moved, ..World::new("events", TWENTY) });
}

#[test]
fn drain_as_it_is() {
    measured("drain", "whole", World::new("events", ONE_MONTH));
}

fn measured(command: &str, method: &str, world: World) {
    let rows: u64 = std::env::var("PGTEND_DRAIN_ROWS")
        .map_or(1_000_000, |rows| rows.parse().expect("a number of rows"));
    on_own_server(&[("max_connections", "50"), ("max_wal_size", "4GB")], |db, _server| {
        let world = world.clone();
        async move {
            db.execute(WORLD).await;
            if command == "split" {
                db.execute(WIDE).await;
            }
            let key = world.key.replace("$1", "g");
            db.execute(&format!(
                "INSERT INTO events (id, v, ts) SELECT g, 1, {key} FROM generate_series(1, {rows}) g"
            ))
            .await;
            db.execute("VACUUM ANALYZE").await;
            let config = CONFIG.replace("{tend}", &db.url_as("tend", "secret"));
            let program = pgtend(&db, &config);
            assert_eq!(program.run(&["migrate"]).await.code, Some(0));
            let app = Application::start(&db, world).await;
            let mark = db.log_mark();
            let started = clock::monotonic();
            let running = program.spawn(&["partitions", command, "events"]);
            is_over(&db).await;
            let ran = running.wait_exit().await;
            let took = clock::monotonic() - started;
            assert_eq!(ran.code, Some(0), "{ran}");
            app.goes_on().await;
            let ledger = app.stop().await;
            let held = held(&db.server_log_since(mark));
            let mut report = String::new();
            let _ = write!(
                report,
                "PostgreSQL {}: {command} of {rows} rows by {method} in {took:.1?}; strongest lock held {held:?}; \
                 the application did {} transactions and looks, the slowest {:.0?}, {} anomalies; {}",
                db.major(),
                ledger.done,
                ledger.slowest,
                ledger.anomalies.len(),
                ledger.compare(&db, "SELECT id, v FROM events").await,
            );
            eprintln!("{report}");
            ledger.holds(&db, "SELECT id, v FROM events").await;
            is_done(&db, command, method).await;
            assert!(held <= HELD_MAX, "{report}");
        }
    });
}

async fn is_done(db: &Db, command: &str, method: &str) {
    if command == "drain" {
        assert_eq!(db.value("SELECT count(*) FROM events_default").await, "0");
    } else {
        let months = "SELECT count(DISTINCT tableoid) FROM events";
        assert_eq!(db.value(months).await, "20");
    }
    let done = db.column("SELECT method FROM pgtend.partition_carve").await;
    let expected: &[&str] = if method == "whole" { &[] } else { &[method] };
    assert_eq!(done, expected);
}
