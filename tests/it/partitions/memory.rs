//! A run that finds everything as the one before it left it asks for nothing; what has changed in the
//! meantime is seen by the next one.

use chrono::{Days, TimeDelta};
use pgtend::job::{JobName, Outcome};
use pgtend::jobs::partitions::Task;

use super::expiry::{COLUMNS, DROP, confirmed, days_later, months};
use super::{now, once, succeeded, tend, tending};
use crate::support::{Db, InProcess, on_every_major};

const WORLD: &str = "
CREATE TABLE events (ts timestamptz NOT NULL, body text) PARTITION BY RANGE (ts);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE TABLE ids (id bigint NOT NULL) PARTITION BY RANGE (id);";

const TABLES: [(&str, &str); 2] = [("events", ""), ("ids", "interval = 1000\npremake = 1000\n")];

/// From here on the server's log shows what this database is asked.
async fn logged(db: &Db) {
    let name = db.value("SELECT quote_ident(current_database())").await;
    db.execute(&format!("ALTER DATABASE {name} SET log_statement = 'all'")).await;
}

/// A run, and whether it asked for the bounds of partitions.
async fn looks(db: &Db, app: &InProcess) -> (Outcome, bool) {
    looks_after(db, app, TimeDelta::zero()).await
}

/// The same, so much later.
async fn looks_after(db: &Db, app: &InProcess, later: TimeDelta) -> (Outcome, bool) {
    let mark = db.log_mark();
    let outcome = app.once_at(JobName::Partitions, now() + later).await;
    let asked = db.server_log_since(mark).contains("pg_get_expr(c.relpartbound");
    (outcome, asked)
}

/// What was done, with what.
fn done(outcome: &Outcome) -> Vec<String> {
    succeeded(outcome);
    outcome.actions.iter().map(|action| format!("{} {}", action.kind, action.object)).collect()
}

/// A run that finds all as it was.
async fn nothing_is_asked(db: &Db, app: &InProcess) {
    let (outcome, asked) = looks(db, app).await;
    assert_eq!(done(&outcome), [""; 0]);
    assert!(!asked, "nothing has changed, and the bounds are asked for");
}

/// Tended, and in memory.
async fn settled(db: &Db) -> InProcess {
    db.execute(WORLD).await;
    logged(db).await;
    let app = tending(db, &TABLES).await;
    tend(&app).await;
    nothing_is_asked(db, &app).await;
    app
}

#[test]
fn what_has_changed_is_seen_by_the_next_run() {
    on_every_major(|db| async move {
        let app = settled(&db).await;

        db.execute("DROP TABLE events_p2026_02").await;
        assert_eq!(done(&once(&app).await), ["create_partition public.events_p2026_02"]);
        tend(&app).await;

        // The same name, another table.
        db.execute("DROP TABLE ids; CREATE TABLE ids (id bigint NOT NULL) PARTITION BY RANGE (id)")
            .await;
        assert!(!done(&once(&app).await).is_empty());
        tend(&app).await;

        // The data, where it is what decides.
        db.execute("INSERT INTO ids VALUES (1001)").await;
        assert_eq!(done(&once(&app).await), ["create_partition public.ids_p0000002000"]);
        tend(&app).await;

        // Time itself.
        let later = now().checked_add_days(Days::new(31)).unwrap();
        let then = app.once_at(JobName::Partitions, later).await;
        assert_eq!(done(&then), ["create_partition public.events_p2026_04"]);
    });
}

/// As long as there is something to tell, it is looked at and told each time.
#[test]
fn a_partition_that_is_not_like_its_parent_is_told_by_each_run() {
    on_every_major(|db| async move {
        drop(settled(&db).await);
        db.execute("ALTER TABLE events_p2026_01 REPLICA IDENTITY FULL").await;
        let app = tending(&db, &TABLES).await;
        for _ in 0..2 {
            let (told, asked) = looks(&db, &app).await;
            succeeded(&told);
            let words = format!("{:?} {:?}", told.warnings, told.spared);
            assert!(words.contains("REPLICA IDENTITY"), "{told:#?}");
            assert!(asked);
        }
    });
}

/// What no stamp shows is told within a day; and where the clock was set back, nobody knows how old a
/// memory is.
#[test]
fn everything_is_looked_at_again_after_20_hours() {
    on_every_major(|db| async move {
        let app = settled(&db).await;
        db.execute("ALTER TABLE events_p2026_01 REPLICA IDENTITY FULL").await;
        let before = TimeDelta::hours(20) - TimeDelta::microseconds(1);
        assert!(!looks_after(&db, &app, before).await.1, "from memory");
        let (told, asked) = looks_after(&db, &app, TimeDelta::hours(20)).await;
        assert!(asked && format!("{told:?}").contains("REPLICA IDENTITY"), "{told:#?}");

        db.execute("ALTER TABLE events_p2026_01 REPLICA IDENTITY DEFAULT").await;
        assert!(looks_after(&db, &app, TimeDelta::hours(20)).await.1, "it was told");
        assert!(!looks_after(&db, &app, TimeDelta::hours(20)).await.1, "from memory");
        assert!(looks_after(&db, &app, TimeDelta::hours(19)).await.1, "the clock was set back");
    });
}

#[test]
fn rows_in_the_default_partition_are_seen_by_the_next_run() {
    on_every_major(|db| async move {
        let app = settled(&db).await;
        db.execute("INSERT INTO events VALUES ('1999-01-01'); ANALYZE events_default").await;
        let (outcome, asked) = looks(&db, &app).await;
        assert_eq!(done(&outcome), [""; 0]);
        assert!(asked);
    });
}

/// What is in quarantine is no partition any more, and still watched.
#[test]
fn what_happens_to_a_table_in_quarantine_is_seen_by_the_next_run() {
    on_every_major(|db| async move {
        logged(&db).await;
        months(&db, "events", COLUMNS).await;
        let mut app = confirmed(&db, &[("events", DROP)]).await;
        succeeded(&once(&app).await);
        app.ask(&Task::Tend { confirm: false });
        tend(&app).await;
        nothing_is_asked(&db, &app).await;

        db.execute("ALTER TABLE events_p2025_01 RENAME TO kept").await;
        assert!(looks(&db, &app).await.1);

        let dropped = done(&app.once_at(JobName::Partitions, days_later(20)).await);
        assert!(dropped.iter().any(|done| done.ends_with("events_p2025_02")), "{dropped:#?}");
    });
}
