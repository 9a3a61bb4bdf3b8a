//! `on_expiry = "drop_at_once"`: what expires is dropped while it is attached.

use pgtend::job::{JobName, Verdict};
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;

use super::expiry::{COLUMNS, DROP, confirmed, days_later, kinds, months, quarantined};
use super::expiry_crashes::{gone, session, sql_of};
use super::expiry_neighbours::referred_to_meanwhile;
use super::{once, plan, succeeded, tending};
use crate::support::{Db, on_every_major, run};

const AT_ONCE: &str = "retention = \"6 months\"\non_expiry = \"drop_at_once\"";
const TABLES: &str =
    "SELECT relname FROM pg_class WHERE relname ~ '^events_p[0-9_]+$' AND relkind = 'r' ORDER BY 1";

fn dropped() -> Vec<(&'static str, String)> {
    let name = |month| ("drop_partition", format!("public.events_p2025_0{month}"));
    (1..=6).map(name).collect()
}

async fn stands(db: &Db) {
    assert_eq!(db.value("SELECT count(*) || ' ' || min(id) FROM events").await, "11 202507");
    assert_eq!(db.column("SELECT name FROM pgtend.partition_quarantine").await, [""; 0]);
    assert_eq!(db.column(TABLES).await[0], "events_p2025_07");
}

/// A transaction that has read and written `users` stays open all the while: dropping a detached
/// table that refers to it would wait for it.
#[test]
fn a_table_it_refers_to_is_not_locked() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(202501, 202606)").await;
        months(&db, "events", "id bigint REFERENCES users, ts timestamptz NOT NULL").await;
        let mut user = db.connect().await;
        run(&mut user, "BEGIN; SELECT FROM users; UPDATE users SET id = id WHERE id = 202501")
            .await;
        let outcome = once(&confirmed(&db, &[("events", AT_ONCE)]).await).await;
        succeeded(&outcome);
        assert_eq!(kinds(&outcome)[1..], dropped(), "{outcome:#?}");
        run(&mut user, "COMMIT").await;
        stands(&db).await;
    });
}

#[test]
fn it_is_asked_about_even_where_a_drop_was_agreed() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        succeeded(&once(&confirmed(&db, &[("events", DROP)]).await).await);
        let mut app = tending(&db, &[("events", AT_ONCE)]).await;
        // A month later, July is old as well.
        let outcome = app.once_at(JobName::Partitions, days_later(31)).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        let fault = outcome.first_fault().unwrap();
        assert!(fault.message.contains("would drop public.events_p2025_07; "), "{fault}");
        assert!(db.column(TABLES).await.contains(&"events_p2025_07".to_owned()));
        app.ask(&Task::Tend { confirm: true });
        let outcome = app.once_at(JobName::Partitions, days_later(31)).await;
        succeeded(&outcome);
        assert!(kinds(&outcome).contains(&("drop_partition", "public.events_p2025_07".to_owned())));
        assert_eq!(db.column(TABLES).await[0], "events_p2025_08");
    });
}

/// What was detached under another policy, and brought back by a person, is theirs.
#[test]
fn what_a_person_brought_back_stays() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        succeeded(&once(&confirmed(&db, &[("events", DROP)]).await).await);
        let mut app = tending(&db, &[("events", DROP)]).await;
        app.ask(&Task::Restore { table: "events".parse().unwrap(), partition: None });
        succeeded(&once(&app).await);
        let mut app = confirmed(&db, &[("events", AT_ONCE)]).await;
        let plan = plan(&app).await;
        assert!(plan.actions.iter().any(|action| action.kind == "drop_partition"), "{plan}");
        app.ask(&Task::Tend { confirm: false });
        for _ in 0..2 {
            once(&app).await;
            assert!(db.column(TABLES).await.contains(&"events_p2025_06".to_owned()));
            assert_eq!(db.value("SELECT id FROM events WHERE id < 202507").await, "202506");
        }
    });
}

/// Rows that refer to it keep it, seen before the lock and under it.
#[test]
fn rows_that_refer_to_it_keep_it() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        db.execute(
            "CREATE TABLE notes (event_id bigint, event_ts timestamptz, FOREIGN KEY (event_id, event_ts) REFERENCES events);
             SET TimeZone = 'UTC'; INSERT INTO notes VALUES (202502, '2025-02-04')",
        )
        .await;
        let app =
            confirmed(&db, &[("events", &format!("{AT_ONCE}\nexpire_max_per_run = 1"))]).await;
        let (outcome, app) = referred_to_meanwhile(&db, app).await;
        assert_eq!(outcome.first_fault().expect("it is seen").kind, Kind::Refused);
        assert_eq!(db.column(TABLES).await[0], "events_p2025_01");
        db.execute("DELETE FROM notes WHERE event_id = 202501").await;
        succeeded(&once(&app).await);
        assert_eq!(db.column(TABLES).await[0], "events_p2025_02");
        assert_eq!(quarantined(&db).await, [""; 0]);
        let outcome = once(&app).await;
        assert_eq!(outcome.first_fault().expect("it is referred to").kind, Kind::Refused);
        assert_eq!(db.column(TABLES).await[0], "events_p2025_02");
    });
}

#[test]
fn a_drop_at_once_that_dies_leaves_all_or_nothing() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(202501, 202606)").await;
        months(&db, "events", "id bigint REFERENCES users, ts timestamptz NOT NULL").await;
        let app = confirmed(&db, &[("events", AT_ONCE)]).await;
        let drop_it = sql_of(&app, "drop_partition", 0).await;
        assert!(drop_it.iter().any(|sql| sql.starts_with("DROP TABLE")), "{drop_it:?}");
        for statements in 1..=drop_it.len() {
            let mut conn = session(&db).await;
            run(&mut conn, "BEGIN").await;
            for sql in &drop_it[..statements] {
                run(&mut conn, sql).await;
            }
            drop(conn);
            gone(&db).await;
            assert_eq!(
                db.value("SELECT count(*) || ' ' || min(id) FROM events").await,
                "17 202501"
            );
        }
        succeeded(&once(&app).await);
        stands(&db).await;
    });
}
