//! Rows leave the default partition while the table is used: nothing is lost, doubled or stale.

use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;

use super::{config, once, plan, shown, succeeded, tending};
use crate::support::{Application, Db, InProcess, NO_ROWS, World, on_every_major, pgtend, run};

/// With a key, an index, and a default partition that has an index of its own.
pub const EVENTS: &str = "
CREATE TABLE events (id bigint NOT NULL, ts timestamptz NOT NULL, v bigint NOT NULL, note text DEFAULT 'x',
    twice bigint GENERATED ALWAYS AS (v * 2) STORED, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE INDEX ON events (ts);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE INDEX of_its_own ON events_default (note);
CREATE INDEX ON events (v);
";
/// Over four months, the last of them that of `NOW`.
pub const OVER_MONTHS: &str = "'2025-10-03 00:00:00+00'::timestamptz + $1 % 100 * interval '1 day'";
const IN_ONE_MONTH: &str = "'2025-12-01 00:00:00+00'::timestamptz + $1 % 30 * interval '1 day'";

pub async fn fill(db: &Db, rows: u32, key: &str) {
    let key = key.replace("$1", "g");
    let sql = format!(
        "INSERT INTO events (id, v, ts) SELECT g, 1, {key} FROM generate_series(1, {rows}) g"
    );
    db.execute(&sql).await;
}

pub async fn draining(db: &Db) -> InProcess {
    let mut app = tending(db, &[("events", "")]).await;
    app.ask(&Task::Drain { table: "events".parse().unwrap(), abort: false });
    app
}

/// Drains under writers. Returns why by that method, as the plan says.
async fn drained_while_used(db: &Db, rows: u32, world: World) -> String {
    db.execute(EVENTS).await;
    fill(db, rows, &world.key).await;
    let app = draining(db).await;
    let writing = Application::start(db, world).await;
    let planned = plan(&app).await;
    assert_eq!(planned.actions.len(), 1, "{planned}");
    let outcome = once(&app).await;
    succeeded(&outcome);
    writing.goes_on().await;
    let ledger = writing.stop().await;
    ledger.holds(db, "SELECT id, v FROM events").await;
    assert_eq!(db.value("SELECT count(*) FROM events WHERE twice <> v * 2").await, "0");
    assert_eq!(db.rows("SELECT * FROM events_default").await, NO_ROWS);
    let again = once(&app).await;
    succeeded(&again);
    assert!(again.actions.is_empty(), "{again:#?}");
    nothing_is_left(db).await;
    planned.actions[0].reason.clone()
}

/// No log, function, trigger, check or mark; every partition has the indexes of its parent.
pub async fn nothing_is_left(db: &Db) {
    let left = "SELECT relname::text FROM pg_class WHERE relname ~ '^carve_log'
        UNION ALL SELECT proname FROM pg_proc WHERE proname ~ '^carve_'
        UNION ALL SELECT tgname FROM pg_trigger WHERE tgname ~ '^pgtend_capture'
        UNION ALL SELECT conname FROM pg_constraint WHERE conname IN ('pgtend_bound', 'pgtend_hole')
        UNION ALL SELECT description FROM pg_description WHERE description ~ '^pgtend: takes'
        UNION ALL SELECT relname FROM pg_class WHERE relname ~ '_rest$'
        UNION ALL SELECT name FROM pgtend.partition_carve WHERE stage <> 'done'
        UNION ALL SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'events'::regclass AND
          (SELECT count(*) FROM pg_index x JOIN pg_inherits j ON j.inhrelid = x.indexrelid WHERE x.indrelid = c.oid)
          <> (SELECT count(*) FROM pg_index WHERE indrelid = i.inhparent)";
    assert_eq!(db.column(left).await, [""; 0]);
}

#[test]
fn many_rows_are_copied_while_they_change() {
    on_every_major(|db| async move {
        let world = World {
            // An update may move a row to another month, and back.
            moved_key: Some(OVER_MONTHS.replace("$1", "($1 + $2 * 7)")),
            ..World::new("events", OVER_MONTHS)
        };
        let why = drained_while_used(&db, 20_000, world).await;
        assert!(why.ends_with("copied while changes are captured"), "{why}");
        let names = "SELECT DISTINCT tableoid::regclass::text FROM events ORDER BY 1";
        let months = ["events_p2025_10", "events_p2025_11", "events_p2025_12", "events_p2026_01"];
        assert_eq!(db.column(names).await, months);
        let own = "SELECT count(*) FROM pg_index WHERE indrelid = 'events_default'::regclass";
        assert_eq!(db.value(own).await, "4", "the index of its own is kept");
        // What was there stays beside it, and nobody writes to it.
        assert_eq!(db.value("SELECT count(*) > 10000 FROM events_default_drained").await, "t");
        let mut conn = db.connect().await;
        for wrong in [
            "INSERT INTO events_default_drained (id, ts, v) VALUES (-1, now(), 1)",
            "DELETE FROM events_default_drained",
        ] {
            sqlx::raw_sql(wrong).execute(&mut conn).await.expect_err(wrong);
        }
    });
}

#[test]
fn few_rows_are_copied_under_the_lock() {
    on_every_major(|db| async move {
        let world = World {
            pause: std::time::Duration::from_millis(20),
            moved_key: Some(OVER_MONTHS.replace("$1", "($1 + $2 * 7)")),
            ..World::new("events", OVER_MONTHS)
        };
        let why = drained_while_used(&db, 3_000, world).await;
        assert!(why.ends_with("to be copied under the lock"), "{why}");
        assert_eq!(shown(&db, "events").await.lines().count(), 5);
    });
}

#[test]
fn one_range_becomes_its_partition_without_a_copy() {
    on_every_major(|db| async move {
        let before = "SELECT oid::text FROM pg_class WHERE relname = 'events_default'";
        let why = drained_while_used(&db, 20_000, World::new("events", IN_ONE_MONTH)).await;
        assert!(why.ends_with("no row is moved"), "{why}");
        assert_eq!(
            shown(&db, "events").await,
            "events_default DEFAULT\nevents_p2025_12 FOR VALUES FROM ('2025-12-01 00:00:00+00') TO ('2026-01-01 00:00:00+00')\n"
        );
        let indexes =
            "SELECT indrelid::regclass FROM pg_index WHERE indexrelid = 'of_its_own'::regclass";
        assert_eq!(db.value(indexes).await, "events_p2025_12", "{}", db.value(before).await);
    });
}

#[test]
fn the_job_drains_what_stands_in_the_way_and_nothing_else() {
    on_every_major(|db| async move {
        db.execute(EVENTS).await;
        db.execute(
            "INSERT INTO events (id, v, ts) VALUES (1, 1, '2026-02-28 23:59:59.999999+00'),
             (2, 1, '1999-01-01'), (3, 1, '9999-01-01'), (4, 1, 'infinity'), (5, 1, '-infinity')",
        )
        .await;
        let app = tending(&db, &[("events", "")]).await;
        let outcome = once(&app).await;
        succeeded(&outcome);
        let kinds: Vec<_> = outcome.actions.iter().map(|action| action.kind).collect();
        assert_eq!(kinds, ["create_partition", "create_partition", "drain_default"]);
        let placed = "SELECT tableoid::regclass || ' ' || id FROM events ORDER BY id";
        let old = [
            "events_p2026_02 1",
            "events_default 2",
            "events_default 3",
            "events_default 4",
            "events_default 5",
        ];
        assert_eq!(db.column(placed).await, old);
        let again = once(&app).await;
        succeeded(&again);
        assert!(again.actions.is_empty(), "{again:#?}");
    });
}

/// The table is emptied while it is copied: nothing of before comes back.
#[test]
fn a_truncate_in_the_middle_is_not_undone() {
    on_every_major(|db| async move {
        db.execute(EVENTS).await;
        fill(&db, 20_000, OVER_MONTHS).await;
        let app = draining(&db).await;
        // The exchange is not had beside an open transaction; what was copied until then stays.
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT count(*) FROM events").await;
        let first = once(&app).await;
        let fault = first.first_fault().expect("somebody reads");
        assert_eq!(fault.kind, Kind::LockNotHad, "{fault}");
        assert!(fault.to_string().contains("exchange public.events_default"), "{fault}");
        run(
            &mut reader,
            "TRUNCATE events; INSERT INTO events (id, v, ts) VALUES (1, 7, '2025-10-10'); COMMIT",
        )
        .await;
        let second = once(&app).await;
        let fault = second.first_fault().expect("it is not as it was made");
        assert_eq!(fault.kind, Kind::Changed, "{fault}");
        assert_eq!(
            db.rows("SELECT id, v FROM events").await,
            [[Some("1".into()), Some("7".into())]]
        );
        let app = draining(&db).await;
        succeeded(&once(&app).await);
        assert_eq!(
            db.column("SELECT tableoid::regclass || ' ' || id || ' ' || v FROM events").await,
            ["events_p2025_10 1 7"]
        );
        nothing_is_left(&db).await;
    });
}

/// The command as an operator types it.
#[test]
fn the_command_shows_its_plan_and_drains() {
    on_every_major(|db| async move {
        db.execute(EVENTS).await;
        fill(&db, 10, OVER_MONTHS).await;
        let program = pgtend(&db, &config(&[("events", "")]));
        let shown = program.run(&["partitions", "drain", "events", "--plan"]).await;
        assert!(
            shown.code == Some(0)
                && shown
                    .stdout
                    .contains("+ drain_default public.events_default: 10 of its 10 rows lie in"),
            "{shown}"
        );
        assert_eq!(db.value("SELECT count(*) FROM events_default").await, "10");
        let ran = program.run(&["partitions", "drain", "events"]).await;
        assert!(
            ran.code == Some(0)
                && ran.stdout.contains("+ drain_default public.events_default, 10 rows"),
            "{ran}"
        );
        assert_eq!(db.rows("SELECT * FROM events_default").await, NO_ROWS);
        let other = program.run(&["partitions", "drain", "elsewhere"]).await;
        assert!(
            other.code != Some(0) && other.stdout.contains("it is not in the configuration"),
            "{other}"
        );
    });
}
