//! pgtend and the server are killed again and again while rows are archived: in the end every row is in
//! exactly one of both tables, with the content it was last given.
//!
//! `PGTEND_ARCHIVE_KILLS` (default 500) says how often in all: half of it pgtend, half the server. Beside that, a
//! fifth of these once more with rows that refer to those that move.

use std::time::Duration;

use crate::support::{
    Application, Daemon, Db, OwnServer, Program, World, majors, on_own_server, pgtend, send_signal,
};

const CONFIG: &str = r#"
[archive]
schedule = "* * * * *"
max_attempts = 1
[archive.tables."public.events"]
into = "public.events_archive"
age_column = "ts"
older_than = "30 days"
where = "v >= 0"
batch_rows = 40
"#;

const TABLES: &str = "
CREATE TABLE events (id bigint PRIMARY KEY, v bigint NOT NULL, ts timestamptz NOT NULL,
  note text DEFAULT 'as long as a line of a log, more or less, with some words in it');
CREATE INDEX ON events (ts);
CREATE TABLE events_archive (LIKE events, archived_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id));";

/// Old, all of them: what the application inserts and updates is due.
const KEY: &str = "'2020-01-01'::timestamptz + $1 % 1000 * interval '1 day'";

const BOTH: &str = "SELECT id, v FROM events UNION ALL SELECT id, v FROM events_archive";

fn kills() -> usize {
    let kills = std::env::var("PGTEND_ARCHIVE_KILLS");
    let all: usize = kills.map_or(500, |kills| kills.parse().expect("a number of kills"));
    all / 2 / majors().len()
}

async fn fill(db: &Db, rows: u32, from: u32) {
    let key = KEY.replace("$1", "g");
    db.execute(&format!(
        "INSERT INTO events (id, v, ts) SELECT {from} + g, 1, {key} FROM generate_series(1, {rows}) g"
    ))
    .await;
    // From 14 on, so many that are due are swept block by block.
    db.execute("ANALYZE events").await;
}

/// Instead of half a minute of waiting for its lease.
async fn set_free(db: &Db) {
    db.execute(
        "UPDATE pgtend.job_run SET lease_until = clock_timestamp() WHERE status = 'running'",
    )
    .await;
}

/// Two archivers begin. Most of the time one of them is moving rows by now; the rest of the time
/// they are somewhere before.
async fn under_way(first: &Program, second: &Program) -> (Daemon, Daemon) {
    let (one, other) = (first.spawn(&["once", "archive"]), second.spawn(&["once", "archive"]));
    if fastrand::u8(..5) > 0 {
        let moving = async {
            tokio::select! {
                _ = one.event("run.started", |_| true) => {}
                _ = other.event("run.started", |_| true) => {}
            }
        };
        // Where nothing is due, none is told of.
        let _ = tokio::time::timeout(Duration::from_secs(5), moving).await;
    }
    tokio::time::sleep(Duration::from_millis(fastrand::u64(..400))).await;
    (one, other)
}

#[test]
fn archive_kills_of_pgtend() {
    on_own_server(&[("max_connections", "60")], |db, _server| async move {
        db.execute(TABLES).await;
        fill(&db, 200_000, 0).await;
        let (first, second) = (pgtend(&db, CONFIG), pgtend(&db, CONFIG));
        assert_eq!(first.run(&["migrate"]).await.code, Some(0));
        let pause = Duration::from_millis(2);
        let world = World { rows_may_leave: true, pause, ..World::new("events", KEY) };
        let app = Application::start(&db, world).await;
        for _ in 0..kills() {
            let (one, other) = under_way(&first, &second).await;
            let (one, other) = if fastrand::bool() { (one, other) } else { (other, one) };
            one.kill9().await;
            other.kill9().await;
            set_free(&db).await;
        }
        let archived = db.value("SELECT count(*) FROM events_archive").await;
        let batches = db.value("SELECT count(*) FROM pgtend.archive_batch").await;
        let ledger = app.stop().await;
        eprintln!(
            "PostgreSQL {}: {} kills of two archivers each; {archived} rows archived in {batches} batches; \
             the application did {} transactions, {} anomalies; {}",
            db.major(),
            kills(),
            ledger.done,
            ledger.anomalies.len(),
            ledger.compare(&db, BOTH).await
        );
        ledger.holds(&db, BOTH).await;
        as_recorded(&first).await;
    });
}

/// What must be the same before and after: a table, and the columns that its archive has of it.
struct Kept {
    table: &'static str,
    columns: &'static str,
}

const EVENTS: Kept = Kept { table: "events", columns: "id, v, ts, note" };
const DETAILS: Kept = Kept { table: "details", columns: "id, event_id, note" };

/// Rows that refer to events, and leave with them.
const CHILDREN: &str = "
CREATE TABLE details (id bigint PRIMARY KEY, event_id bigint NOT NULL REFERENCES events, note text NOT NULL);
CREATE INDEX ON details (event_id);
CREATE TABLE details_archive (LIKE details, archived_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id));
INSERT INTO details SELECT 3 * e.id + g, e.id, md5(e.id::text) FROM events e, generate_series(0, e.id % 3) g;";

impl Kept {
    async fn keep(&self, db: &Db) {
        let Self { table, columns } = self;
        db.execute(&format!("CREATE TABLE kept_{table} AS SELECT {columns} FROM {table}")).await;
    }

    async fn holds(&self, db: &Db) {
        let Self { table, columns } = self;
        let kept = format!("SELECT {columns} FROM kept_{table}");
        let both = format!(
            "(SELECT {columns} FROM {table} UNION ALL SELECT {columns} FROM {table}_archive)"
        );
        for (one, other, what) in [(&kept, &both, "lost"), (&both, &kept, "doubled or changed")] {
            let found = format!("SELECT count(*) FROM ({one} EXCEPT ALL {other}) AS x");
            assert_eq!(db.value(&found).await, "0", "{table}: {what}");
        }
        let archived = db.value(&format!("SELECT count(*) FROM {table}_archive")).await;
        eprintln!("  {table}: {archived} rows archived, none lost, doubled or changed");
    }
}

#[test]
fn archive_kills_of_the_server() {
    on_own_server(&[("max_connections", "60")], |db, server| async move {
        db.execute(TABLES).await;
        fill(&db, 200_000, 0).await;
        killed(&db, &server, CONFIG, &[EVENTS], |_| true).await;
    });
}

/// A fifth as often: pgtend and the server in turn.
#[test]
fn archive_kills_with_children() {
    on_own_server(&[("max_connections", "60")], |db, server| async move {
        db.execute(TABLES).await;
        fill(&db, 50_000, 0).await;
        db.execute(CHILDREN).await;
        let config = format!("{CONFIG}children = [\"public.details\"]\n");
        killed(&db, &server, &config, &[EVENTS, DETAILS], |turn| turn.is_multiple_of(2)).await;
    });
}

async fn killed(
    db: &Db,
    server: &OwnServer,
    config: &str,
    tables: &[Kept],
    is_servers_turn: fn(usize) -> bool,
) {
    for table in tables {
        table.keep(db).await;
    }
    let (first, second) = (pgtend(db, config), pgtend(db, config));
    assert_eq!(first.run(&["migrate"]).await.code, Some(0));
    let turns = if tables.len() > 1 { kills().div_ceil(5) } else { kills() };
    for turn in 0..turns {
        let (one, other) = under_way(&first, &second).await;
        if is_servers_turn(turn) {
            crash(server).await;
        }
        one.kill9().await;
        other.kill9().await;
        set_free(db).await;
    }
    let batches = db.value("SELECT count(*) FROM pgtend.archive_batch").await;
    eprintln!("PostgreSQL {}: {turns} kills, {batches} batches", db.major());
    assert_ne!(batches, "0", "every kill came before the first batch: nothing was tested");
    for table in tables {
        table.holds(db).await;
    }
    as_recorded(&first).await;
}

/// SIGKILL to the postmaster, and a start that recovers.
async fn crash(server: &OwnServer) {
    let pid = server.get().pid().expect("it runs");
    send_signal("KILL", pid);
    // Its backends notice at their own pace; until they are gone it does not start.
    for _ in 0..100 {
        if server.get().restart().is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server does not start again");
}

async fn as_recorded(program: &Program) {
    let ran = program.run(&["archive", "verify"]).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    eprintln!("{}", ran.stdout.trim_end());
}
