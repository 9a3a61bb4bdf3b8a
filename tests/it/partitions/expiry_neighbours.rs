//! What leaves is no trap for what stays: tables it refers to, tables that refer to it, and those
//! nobody tends any more.

use pgtend::job::{Outcome, Verdict};
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;

use super::expiry::{COLUMNS, POLICY, confirmed, kinds, months, quarantined};
use super::kill_points::half_detached;
use super::{once, plan, succeeded, tending};
use crate::support::{Db, InProcess, on_every_major, run, wait_until};

/// The foreign key of a table in quarantine acts as it was declared: nobody notices at the other
/// end, whichever row is deleted there.
#[test]
fn what_a_quarantined_row_refers_to_can_be_deleted() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(202501, 202606)").await;
        let columns = "id bigint REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE, ts timestamptz NOT NULL, \
                       by bigint REFERENCES users ON DELETE SET NULL";
        months(&db, "events", columns).await;
        db.execute("UPDATE events SET by = 202606").await;
        succeeded(&once(&confirmed(&db, &[("events", POLICY)]).await).await);
        assert_eq!(quarantined(&db).await.len(), 6);
        let quarantined = "SELECT id || ' ' || coalesce(by::text, 'nobody') FROM events_p2025_01";
        assert_eq!(db.column(quarantined).await, ["202501 202606"]);
        db.execute("DELETE FROM users WHERE id = 202606").await;
        assert_eq!(db.column(quarantined).await, ["202501 nobody"]);
        db.execute("UPDATE users SET id = 1 WHERE id = 202501").await;
        assert_eq!(db.column(quarantined).await, ["1 nobody"]);
        db.execute("DELETE FROM users WHERE id = 1").await;
        assert_eq!(db.column(quarantined).await, [""; 0]);
    });
}

/// A run during which somebody writes a row of `notes` that refers to the partition of January: between
/// the look and the lock.
pub async fn referred_to_meanwhile(db: &Db, app: InProcess) -> (Outcome, InProcess) {
    let mut writer = db.connect().await;
    let row = "SET TimeZone = 'UTC'; BEGIN; INSERT INTO notes VALUES (202501, '2025-01-04')";
    run(&mut writer, row).await;
    let running = tokio::spawn(async move { (once(&app).await, app) });
    let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'notes'::regclass";
    wait_until("it waits for the writer", || async { !db.rows(waits).await.is_empty() }).await;
    run(&mut writer, "COMMIT").await;
    running.await.expect("no panic")
}

/// A row that refers to the partition comes between the look and the lock: it is seen under the lock.
#[test]
fn a_row_that_refers_to_it_meanwhile_keeps_it() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        db.execute(
            "CREATE TABLE notes (event_id bigint, event_ts timestamptz, FOREIGN KEY (event_id, event_ts) REFERENCES events)",
        )
        .await;
        let app = confirmed(&db, &[("events", &format!("{POLICY}\nexpire_max_per_run = 1"))]).await;
        let (outcome, app) = referred_to_meanwhile(&db, app).await;
        let fault = outcome.first_fault().expect("it is seen");
        assert_eq!(fault.kind, Kind::Refused, "{fault}");
        assert_eq!(quarantined(&db).await, [""; 0]);
        db.execute("DELETE FROM notes").await;
        succeeded(&once(&app).await);
        assert_eq!(quarantined(&db).await, ["public.events_p2025_01"]);
    });
}

/// Its record says that it was begun here; the configuration does not name its table any more.
#[test]
fn a_pending_detach_of_a_table_that_left_the_configuration_is_finished() {
    on_every_major(|db| async move {
        if db.major() < 14 {
            return;
        }
        months(&db, "events", COLUMNS).await;
        pending(&db).await;
        db.execute("CREATE TABLE other (ts date) PARTITION BY RANGE (ts)").await;
        let app = tending(&db, &[("other", "premake = \"1 day\"")]).await;
        let outcome = once(&app).await;
        succeeded(&outcome);
        assert_eq!(kinds(&outcome)[0], ("finalize_detach", "public.events_p2025_01".to_owned()));
        assert_eq!(
            db.column("SELECT inhrelid::regclass FROM pg_inherits WHERE inhdetachpending").await,
            [""; 0]
        );
        assert_eq!(quarantined(&db).await, ["public.events_p2025_01"]);
        let again = once(&app).await;
        assert!(kinds(&again).is_empty(), "{again:#?}");
        let kept = again
            .spared
            .iter()
            .any(|spared| spared.reason.ends_with("its table is not tended any more"));
        assert!(kept, "{again:#?}");
        // Named again, it goes on where it was: it can be brought back.
        let mut app = tending(&db, &[("events", POLICY)]).await;
        app.ask(&Task::Restore { table: "public.events".parse().unwrap(), partition: None });
        succeeded(&once(&app).await);
        assert_eq!(db.value("SELECT count(*) FROM events WHERE ts < '2025-02-01'").await, "1");
    });
}

/// The same where a reader is still in the way, and where the table is refused as it is configured.
#[test]
fn what_is_in_the_way_of_finishing_is_named() {
    on_every_major(|db| async move {
        if db.major() < 14 {
            return;
        }
        months(&db, "events", COLUMNS).await;
        pending(&db).await;
        let app = tending(&db, &[("events", "interval = 1000\npremake = 3000")]).await;
        let mut reader = db.connect().await;
        run(&mut reader, "SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events_p2025_01").await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
        let fault = outcome.actions.iter().filter_map(|action| action.result.as_ref().err());
        let fault = fault
            .clone()
            .find(|fault| fault.kind == Kind::LockNotHad)
            .expect("the reader is named");
        assert_eq!(fault.blockers[0].application, "report", "{fault}");
        run(&mut reader, "COMMIT").await;
        assert_eq!(
            kinds(&once(&app).await),
            [("finalize_detach", "public.events_p2025_01".to_owned())]
        );
        assert!(plan(&app).await.actions.is_empty());
    });
}

/// The first of the old months, its detach begun by us and interrupted.
async fn pending(db: &Db) {
    succeeded(
        &once(&confirmed(db, &[("events", &format!("{POLICY}\nexpire_max_per_run = 1"))]).await)
            .await,
    );
    db.execute(
        "SET TimeZone = 'UTC'; ALTER TABLE events_p2025_01 DROP CONSTRAINT pgtend_quarantine; DROP TRIGGER pgtend_quarantine ON events_p2025_01;
         ALTER TABLE events ATTACH PARTITION events_p2025_01 FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
         UPDATE pgtend.partition_quarantine SET detached_at = NULL",
    )
    .await;
    half_detached(db, "events", "events_p2025_01").await;
}
