//! Which column is the key, and where the first partition ends.

use pgtend::job::Verdict;

use super::super::{once, shown, tending};
use super::{adopt, adopting, by, kind, left_over, refusals, wish};
use crate::support::on_every_major;

#[test]
fn of_several_columns_a_person_chooses() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE events (id int, made timestamptz, \"Seen\" timestamptz); INSERT INTO events VALUES (1, '2026-01-01', '2026-01-02')").await;
        let mut app = adopting(&db).await;
        let refused = refusals(&app).await.concat();
        assert!(
            refused.contains("several columns can be its key: made, \"Seen\"")
                && refused.contains("--column made"),
            "{refused}"
        );
        app.ask(&by("nothing"));
        assert!(refusals(&app).await.concat().contains("it has no column nothing"));
        app.ask(&by("id"));
        assert!(
            refusals(&app).await.concat().contains("its key id is of type integer"),
            "{:?}",
            refusals(&app).await
        );
        app.ask(&by("Seen"));
        adopt(&app).await;
        assert_eq!(
            db.value("SELECT pg_get_partkeydef('events'::regclass)").await,
            "RANGE (\"Seen\")"
        );
    });
}

#[test]
fn rows_without_a_key_are_told_and_the_check_is_taken_back() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE events (id int, ts timestamptz); INSERT INTO events VALUES (1, '2026-01-01'), (2, NULL)").await;
        let mut app = adopting(&db).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
        let fault = outcome.first_fault().unwrap().to_string();
        assert!(fault.contains("rows have no key"), "{fault}");
        // The application is not hindered meanwhile.
        db.execute("INSERT INTO events VALUES (3, NULL), (4, '2099-01-01'); DELETE FROM events WHERE id IN (2, 3, 4)").await;
        app.ask(&wish(true));
        super::super::succeeded(&once(&app).await);
        assert_eq!(left_over(&db).await, [""; 0]);
        app.ask(&wish(false));
        adopt(&app).await;
        assert_eq!(kind(&db).await, "p");
    });
}

#[test]
fn every_kind_of_key() {
    on_every_major(|db| async move {
        for (columns, value, settings, bound) in [
            ("id int PRIMARY KEY, ts date NOT NULL", "1, '2026-01-05'", "", "TO ('2026-03-01')"),
            (
                "id int, ts timestamp",
                "1, '2026-01-05'",
                "timezone = \"Europe/Berlin\"",
                "TO ('2026-03-01 00:00:00')",
            ),
            (
                "id int, ts timestamptz",
                "1, '2026-01-05'",
                "timezone = \"Europe/Berlin\"",
                "TO ('2026-02-28 23:00:00+00')",
            ),
            (
                "id int, ts timestamptz",
                "1, '2026-01-05'",
                "interval = \"1 day\"\npremake = \"2 weeks\"",
                "TO ('2026-01-28 00:00:00+00')",
            ),
            (
                "ts bigint PRIMARY KEY, id int",
                "1767600000, 1",
                "key = \"epoch_s\"",
                "TO ('1772323200')",
            ),
            (
                "id uuid PRIMARY KEY",
                "'019b8c00-0000-7000-8000-000000000000'",
                "key = \"uuidv7\"",
                "TO ('019ca6b1-dc00-0000-0000-000000000000')",
            ),
            (
                "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int",
                "DEFAULT, 7",
                "interval = 1000\npremake = 3000",
                "TO ('4000')",
            ),
        ] {
            db.execute(&format!("DROP TABLE IF EXISTS events; DROP SCHEMA IF EXISTS pgtend CASCADE; CREATE TABLE events ({columns}); INSERT INTO events VALUES ({value})")).await;
            let mut app = tending(&db, &[("public.events", settings)]).await;
            app.ask(&wish(false));
            adopt(&app).await;
            let parts = shown(&db, "events").await;
            assert!(parts.contains(&format!("FROM (MINVALUE) {bound}")), "{columns}: {parts}");
            // The room that ids are given ahead lies within the first partition.
            assert!(parts.lines().count() > 1 || columns.contains("n int"), "{parts}");
            assert_eq!(left_over(&db).await, [""; 0]);
            app.server().close().await;
        }
    });
}

#[test]
fn odd_and_long_names() {
    on_every_major(|db| async move {
        let table = format!("Odd \"name\" ü.{}", "x".repeat(46));
        let quoted = format!("\"{}\"", table.replace('"', "\"\""));
        db.execute(&format!("CREATE SCHEMA \"Sch.ema\"; CREATE TABLE \"Sch.ema\".{quoted} (\"Id\" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \"order\" timestamptz NOT NULL DEFAULT '2026-01-01', \"a b\" text); CREATE INDEX ON \"Sch.ema\".{quoted} (\"a b\"); INSERT INTO \"Sch.ema\".{quoted} (\"a b\") VALUES ('x')")).await;
        let name = format!("\"Sch.ema\".{quoted}");
        let mut app = tending(&db, &[(&name, "")]).await;
        let wish = pgtend::jobs::partitions::adopt::Wish {
            table: name.parse().unwrap(),
            column: None,
            abort: false,
        };
        app.ask(&pgtend::jobs::partitions::Task::Adopt(wish));
        adopt(&app).await;
        assert_eq!(
            db.value(&format!("INSERT INTO {name} (\"a b\") VALUES ('y') RETURNING \"Id\"")).await,
            "2"
        );
        assert_eq!(left_over(&db).await, [""; 0]);
    });
}
