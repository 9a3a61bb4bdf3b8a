//! What a drain leaves, what it refuses, and what the new partitions have of the old ones.

use pgtend::job::Verdict;
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;

use super::drain::{EVENTS, OVER_MONTHS, draining, fill};
use super::{config, once, succeeded};
use crate::support::{Application, InProcess, NO_ROWS, World, on_every_major};

#[test]
fn what_would_be_lost_or_left_behind_is_refused_by_name() {
    on_every_major(|db| async move {
        let obstacles = [
            (
                "CREATE VIEW looks AS SELECT * FROM events_default",
                "DROP VIEW looks",
                "view public.looks",
            ),
            (
                "CREATE MATERIALIZED VIEW looks AS SELECT * FROM events_default",
                "DROP MATERIALIZED VIEW looks",
                "materialized view public.looks",
            ),
            (
                "CREATE TABLE refers (id bigint, ts timestamptz, CONSTRAINT k FOREIGN KEY (id, ts) REFERENCES events)",
                "DROP TABLE refers",
                "foreign key k of public.refers, which points at it",
            ),
            (
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER own AFTER INSERT ON events_default FOR EACH ROW EXECUTE FUNCTION f()",
                "DROP FUNCTION f CASCADE",
                "trigger own",
            ),
            (
                "CREATE POLICY own ON events_default USING (true)",
                "DROP POLICY own ON events_default",
                "policy own",
            ),
            (
                "CREATE RULE own AS ON DELETE TO events_default DO ALSO NOTHING",
                "DROP RULE own ON events_default",
                "rule own",
            ),
            (
                "CREATE PUBLICATION everything FOR ALL TABLES",
                "DROP PUBLICATION everything",
                "publication everything of all tables",
            ),
            (
                "CREATE PUBLICATION direct FOR TABLE events_default",
                "DROP PUBLICATION direct",
                "publication direct",
            ),
            (
                "CREATE SEQUENCE counted OWNED BY events_default.v",
                "DROP SEQUENCE counted",
                "sequence public.counted",
            ),
        ];
        db.execute(EVENTS).await;
        fill(&db, 10, OVER_MONTHS).await;
        let app = draining(&db).await;
        for (make, unmake, words) in obstacles {
            db.execute(make).await;
            let outcome = once(&app).await;
            assert_eq!(outcome.verdict, Verdict::Failed, "{make}: {outcome:#?}");
            let fault = outcome.first_fault().expect("a fault");
            assert_eq!(fault.kind, Kind::Refused, "{fault}");
            assert!(fault.message.contains(words) && fault.hint.is_some(), "{make}: {fault}");
            db.execute(unmake).await;
        }
        // A trigger of the parent is made for every partition anew, and does not fire for the copy.
        db.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''fired''; END';
                    CREATE TRIGGER t AFTER INSERT OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION f()").await;
        succeeded(&once(&app).await);
        assert_eq!(db.value("SELECT count(*) FROM events").await, "10");
    });
}

#[test]
fn many_rows_without_a_key_are_refused_and_few_are_not() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE events (id bigint, ts timestamptz, v bigint) PARTITION BY RANGE (ts);
             CREATE TABLE events_default PARTITION OF events DEFAULT",
        )
        .await;
        fill(&db, 10_001, OVER_MONTHS).await;
        let app = draining(&db).await;
        let outcome = once(&app).await;
        let fault = outcome.first_fault().expect("a fault");
        assert!(fault.message.contains("no key that tells them apart"), "{fault}");
        assert_eq!(
            fault.hint.as_deref(),
            Some("add a primary key, or a unique index over NOT NULL columns, to the table")
        );
        db.execute("DELETE FROM events WHERE id = 1").await;
        succeeded(&once(&app).await);
        assert_eq!(
            db.value("SELECT count(*) || ' ' || count(DISTINCT id) FROM events").await,
            "10000 10000"
        );
        assert_eq!(db.rows("SELECT * FROM events_default").await, NO_ROWS);
    });
}

/// As a role that is not a superuser, with a foreign key, forced row security and grants.
#[test]
fn what_stands_on_the_table_stands_on_the_new_partitions() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE ROLE drain_app LOGIN PASSWORD 'secret'; CREATE ROLE drain_tend LOGIN PASSWORD 'secret';
             GRANT drain_app TO drain_tend;
             CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(0, 9);
             CREATE TABLE events (id bigint, ts timestamptz, v bigint, user_id bigint DEFAULT 1 REFERENCES users,
                 PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
             CREATE TABLE events_default PARTITION OF events DEFAULT;
             ALTER TABLE users OWNER TO drain_app; ALTER TABLE events OWNER TO drain_app;
             ALTER TABLE events_default OWNER TO drain_app;
             GRANT USAGE, CREATE ON SCHEMA public TO drain_app, drain_tend;",
        )
        .await;
        db.execute(&format!("GRANT CREATE ON DATABASE \"{}\" TO drain_tend", db.name())).await;
        fill(&db, 12_000, OVER_MONTHS).await;
        let url = db.url_as("drain_tend", "secret");
        let mut app = InProcess::without_schema(&url, &config(&[("events", "")])).await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        app.ask(&Task::Drain { table: "events".parse().unwrap(), abort: false });
        let world = World {
            url: Some(db.url_as("drain_app", "secret")),
            ..World::new("events", OVER_MONTHS)
        };
        let writing = Application::start(&db, world).await;
        succeeded(&once(&app).await);
        writing.goes_on().await;
        let ledger = writing.stop().await;
        ledger.holds(&db, "SELECT id, v FROM events").await;
        let owners = "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname ~ '^events' AND relkind = 'r'";
        assert_eq!(db.column(owners).await, ["drain_app"]);
        let keys = "SELECT conrelid::regclass FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass AND conrelid::regclass::text ~ '^events' ORDER BY 1";
        assert_eq!(db.column(keys).await.len(), 6, "parent, four months, default; not the old one");
        let mut conn = db.connect().await;
        sqlx::raw_sql("INSERT INTO events VALUES (-1, '2025-11-11', 1, 99)")
            .execute(&mut conn)
            .await
            .expect_err("no such user");
        app.server().close().await;
        db.execute("DROP SCHEMA pgtend CASCADE; DROP OWNED BY drain_app, drain_tend CASCADE; DROP ROLE drain_tend, drain_app").await;
    });
}

/// 17 and later keep an identity column in partitions too, and refuse it in what is attached.
#[test]
fn identity_columns_go_on_counting() {
    on_every_major(|db| async move {
        for rows in [10, 10_001] {
            db.execute(&format!(
                "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, ts timestamptz NOT NULL,
                     PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
                 CREATE TABLE events_default PARTITION OF events DEFAULT;
                 INSERT INTO events (ts) SELECT '2025-12-12' FROM generate_series(1, {rows})"
            ))
            .await;
            succeeded(&once(&draining(&db).await).await);
            db.execute("INSERT INTO events (ts) VALUES ('2025-12-13'), ('2030-01-01')").await;
            let placed = format!(
                "SELECT tableoid::regclass || ' ' || id FROM events WHERE id > {rows} ORDER BY id"
            );
            let expected =
                [format!("events_p2025_12 {}", rows + 1), format!("events_default {}", rows + 2)];
            assert_eq!(db.column(&placed).await, expected);
            db.execute("DROP TABLE events; DROP TABLE IF EXISTS events_default_drained").await;
        }
    });
}

/// Case 6 of a far-future row, and keys that are no moment: no flood of partitions.
#[test]
fn a_drain_leaves_what_lies_beyond_premake() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE events (id int, ts timestamptz) PARTITION BY RANGE (ts);
             CREATE TABLE events_default PARTITION OF events DEFAULT;
             INSERT INTO events VALUES (1, '9999-01-01'), (2, 'infinity'), (3, '-infinity'), (4, NULL),
               (5, '2025-06-06'), (6, '2026-03-20 10:00:00+00'), (7, '2026-04-01 00:00:00+00')",
        )
        .await;
        let app = draining(&db).await;
        let outcome = once(&app).await;
        succeeded(&outcome);
        let placed = "SELECT tableoid::regclass || ' ' || id FROM events ORDER BY id";
        assert_eq!(
            db.column(placed).await,
            [
                "events_default 1",
                "events_default 2",
                "events_default 3",
                "events_default 4",
                "events_p2025_06 5",
                "events_p2026_03 6",
                "events_default 7"
            ]
        );
        let spared: Vec<_> = outcome.spared.iter().map(|s| s.reason.as_str()).collect();
        assert_eq!(
            spared,
            ["5 rows stay in it: their keys lie beyond premake = 2 months, or are NULL"]
        );
    });
}
