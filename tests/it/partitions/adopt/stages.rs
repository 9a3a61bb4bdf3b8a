//! Cut off, taken back, carried on; and somebody else changes something meanwhile.

use pgtend::job::Verdict;
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;

use super::super::{once, plan, succeeded};
use super::{WORLD, adopt, adopting, kind, left_over, wish};
use crate::support::{Gate, KillPoints, on_every_major, pgtend, run};

const CONFIG: &str = "[partitions]\nschedule = \"17 * * * *\"\n[partitions.tables.\"public.events\"]\ninterval = \"1 year\"\npremake = \"2 years\"\n";
const ADOPT: &[&str] = &["partitions", "adopt", "public.events"];
const ABORT: &[&str] = &["partitions", "adopt", "public.events", "--abort"];

#[test]
fn killed_after_every_statement() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute("ALTER TABLE events ALTER ts DROP NOT NULL; ALTER TABLE events ADD UNIQUE (ts, id); CREATE TABLE notes (id bigint, ts timestamptz, FOREIGN KEY (ts, id) REFERENCES events (ts, id))").await;
        let done = KillPoints::of(&db, CONFIG, ADOPT).run().await;
        for part in [
            "INDEX CONCURRENTLY",
            "ATTACH PARTITION",
            "SET NOT NULL",
            "RENAME TO events_until",
            "VALIDATE CONSTRAINT notes",
        ] {
            assert!(done.iter().any(|sql| sql.contains(part)), "no {part} in {done:#?}");
        }
    });
}

#[test]
fn killed_while_it_is_taken_back() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute("ALTER TABLE events ALTER ts DROP NOT NULL; INSERT INTO events (ts, u) VALUES (NULL, 1)").await;
        let ran = pgtend(&db, CONFIG).run(ADOPT).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        let done = KillPoints::of(&db, CONFIG, ABORT).run().await;
        for part in [
            "DROP TABLE public.events_pgtend_adopt",
            "DROP INDEX CONCURRENTLY",
            "DELETE FROM partition_adoption",
        ] {
            assert!(done.iter().any(|sql| sql.contains(part)), "no {part} in {done:#?}");
        }
    });
}

/// Somebody reads in a long transaction: the swap is not had, what is prepared stays, and can be taken
/// back to the last detail or carried on.
#[test]
fn what_cannot_be_swapped_now_is_carried_on_or_taken_back() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute("ALTER TABLE events ALTER ts DROP NOT NULL").await;
        let shape = "SELECT string_agg(attname || attnotnull || coalesce(pg_get_expr(adbin, adrelid), '') || attidentity::text, ',' ORDER BY attnum) || \
                     (SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'events'::regclass) || \
                     (SELECT string_agg(pg_get_indexdef(indexrelid), ',' ORDER BY indexrelid) FROM pg_index WHERE indrelid = 'events'::regclass) \
                     FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = 'events'::regclass AND attnum > 0";
        let before = db.value(shape).await;
        let mut app = adopting(&db).await;
        let mut reader = db.connect().await;
        for end in ["take back", "carry on"] {
            // The application reads a row of the table that the new one has a foreign key to: only the
            // swap waits for that.
            run(&mut reader, "BEGIN; SELECT * FROM users").await;
            app.ask(&wish(false));
            let outcome = once(&app).await;
            assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
            let fault = outcome.first_fault().unwrap();
            assert_eq!(fault.kind, Kind::LockNotHad, "{fault}");
            assert!(fault.to_string().contains("swap public.events"), "{fault}");
            assert_ne!(db.value(shape).await, before);
            db.execute("INSERT INTO events (ts, u) VALUES ('2026-01-02', 2)").await;
            run(&mut reader, "COMMIT").await;
            if end == "take back" {
                app.ask(&wish(true));
                succeeded(&once(&app).await);
                assert_eq!((db.value(shape).await, left_over(&db).await), (before.clone(), vec![]));
                assert_eq!(kind(&db).await, "r");
            }
        }
        adopt(&app).await;
        assert_eq!(db.value("SELECT count(*) FROM seen").await, "372");
        app.ask(&wish(true));
        let refused = once(&app).await;
        assert!(
            refused.first_fault().unwrap().to_string().contains("only before the swap"),
            "{refused:#?}"
        );
    });
}

#[test]
fn what_was_begun_is_finished_by_the_next_scheduled_run() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        let mut app = adopting(&db).await;
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT * FROM users").await;
        assert_eq!(once(&app).await.verdict, Verdict::Failed);
        run(&mut reader, "COMMIT").await;
        app.ask(&Task::Tend { confirm: false });
        let outcome = once(&app).await;
        succeeded(&outcome);
        assert_eq!(outcome.actions[0].kind, "adopt_table");
        assert_eq!((kind(&db).await.as_str(), left_over(&db).await), ("p", vec![]));
        assert!(once(&app).await.actions.is_empty());
    });
}

#[test]
fn what_changes_after_the_inventory_stops_the_swap() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        let app = pgtend(&db, CONFIG);
        assert_eq!(app.run(&["migrate"]).await.code, Some(0));
        for change in [
            "CREATE VIEW late AS SELECT max(id) FROM events",
            "CREATE OR REPLACE VIEW seen AS SELECT id, ts, v FROM events WHERE v > 3",
            "CREATE POLICY late ON events USING (true)",
            "GRANT SELECT ON events TO PUBLIC",
        ] {
            let gate = Gate::closed(&db).await;
            let adopting = app.spawn(ADOPT);
            gate.reached().await;
            db.execute(change).await;
            gate.open().await;
            let ran = adopting.wait_exit().await;
            assert!(
                ran.code == Some(1) && ran.stderr.contains("has changed since it was looked at"),
                "{change}: {ran}"
            );
            assert_eq!(kind(&db).await, "r");
            db.execute("DROP EVENT TRIGGER gate; DROP SCHEMA gate CASCADE").await;
            assert_eq!(app.run(ABORT).await.code, Some(0));
        }
        assert_eq!(app.run(ADOPT).await.code, Some(0));
        db.execute("INSERT INTO events (id, ts, v) VALUES (9000, '2026-11-01', 9)").await;
        assert_eq!(db.value("SELECT max FROM late").await, "9000");
        assert_eq!(db.column("SELECT id FROM seen").await, ["9000"]);
    });
}

#[test]
fn one_that_has_come_close_to_its_cut_is_taken_back() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        let app = adopting(&db).await;
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT * FROM users").await;
        assert_eq!(once(&app).await.verdict, Verdict::Failed);
        run(&mut reader, "COMMIT").await;
        let late = "2026-02-28T08:00:00Z".parse().unwrap();
        let outcome = app.once_at(pgtend::job::JobName::Partitions, late).await;
        succeeded(&outcome);
        assert_eq!(outcome.actions[0].kind, "abort_adoption");
        assert!(
            outcome.warnings[0].contains("too close to '2026-03-01 00:00:00+00'"),
            "{outcome:#?}"
        );
        assert_eq!(left_over(&db).await, [""; 0]);
        assert_eq!(plan(&app).await.actions.len(), 1);
    });
}

#[test]
fn a_plan_changes_nothing_and_lists_everything() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        let app = pgtend(&db, CONFIG);
        let planned =
            app.run(&["partitions", "adopt", "public.events", "--plan", "--format", "json"]).await;
        assert_eq!(planned.code, Some(0), "{planned}");
        let job = &planned.json()["jobs"][0];
        assert_eq!(job["actions"][0]["kind"], "adopt_table");
        let list = job["checklist"].as_array().unwrap();
        assert!(
            list.iter()
                .any(|item| item["object"] == "view public.seen" && item["fate"] == "replayed"),
            "{planned}"
        );
        assert!(
            list.iter().any(
                |item| item["object"] == "primary key events_pkey" && item["fate"] == "changed"
            ),
            "{planned}"
        );
        assert_eq!(db.value("SELECT to_regnamespace('pgtend') IS NULL AND (SELECT relkind = 'r' FROM pg_class WHERE oid = 'events'::regclass)").await, "t");
        assert_eq!(app.run(&["partitions", "adopt", "public.other", "--plan"]).await.code, Some(1));
    });
}
