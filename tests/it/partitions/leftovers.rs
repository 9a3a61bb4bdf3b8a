//! What a drain left of the old default partition is dropped after its quarantine, and never where
//! somebody has a use for it.

use chrono::{DateTime, Utc};
use pgtend::job::{JobName, Outcome};
use pgtend::jobs::partitions::Task;
use pgtend::jobs::partitions::retention::ending::Ending;
use pgtend::pg::fault::Kind;

use super::drain::{EVENTS, OVER_MONTHS, fill};
use super::expiry::{days_later, kinds};
use super::{NOW, once, plan, succeeded, tending};
use crate::support::{Db, InProcess, on_every_major};

/// Drained at [`NOW`]; then the job tends it.
async fn drained(db: &Db, rows: u32, settings: &str) -> InProcess {
    db.execute(EVENTS).await;
    fill(db, rows, OVER_MONTHS).await;
    let mut app = tending(db, &[("events", settings)]).await;
    app.ask(&Task::Drain { table: "events".parse().unwrap(), abort: false });
    succeeded(&once(&app).await);
    db.execute(&format!("UPDATE pgtend.partition_carve SET done_at = '{NOW}'")).await;
    app.ask(&Task::Tend { confirm: false });
    app
}

async fn run_after(app: &InProcess, days: i64) -> Outcome {
    app.once_at(JobName::Partitions, days_later(days)).await
}

/// What was done about it, beside what was made ahead.
fn endings(outcome: &Outcome) -> Vec<(&'static str, String)> {
    kinds(outcome).into_iter().filter(|(kind, _)| kind.ends_with("_leftover")).collect()
}

async fn is_there(db: &Db) -> bool {
    db.value("SELECT to_regclass('events_default_drained') IS NOT NULL").await == "t"
}

#[test]
fn it_waits_and_is_dropped() {
    on_every_major(|db| async move {
        // By each method that leaves one.
        for rows in [100, 12_000] {
            let app = drained(&db, rows, "").await;
            let early = app
                .once_at(JobName::Partitions, days_later(7) - chrono::TimeDelta::seconds(1))
                .await;
            succeeded(&early);
            assert!(is_there(&db).await);
            let told = early.spared.iter().find(|s| s.object == "public.events_default_drained");
            assert!(
                told.unwrap()
                    .reason
                    .ends_with("in quarantine until 2026-01-27 10:00:00Z, then dropped"),
                "{told:?}"
            );
            let over = run_after(&app, 7).await;
            succeeded(&over);
            let drop = ("drop_leftover", "public.events_default_drained".to_owned());
            assert_eq!(endings(&over), [drop], "{over:#?}");
            assert!(!is_there(&db).await);
            assert_eq!(db.value("SELECT count(*) FROM events").await, rows.to_string());
            assert_eq!(db.value("SELECT count(*) FROM pgtend.partition_carve").await, "0");
            db.execute("DROP TABLE events; DROP SCHEMA pgtend CASCADE").await;
            app.server().close().await;
        }
    });
}

#[test]
fn quarantine_is_configured_and_detach_keeps_it() {
    on_every_major(|db| async move {
        let app = drained(&db, 100, "quarantine = \"3 days\"").await;
        succeeded(&run_after(&app, 2).await);
        assert!(is_there(&db).await);
        let keeping = tending(&db, &[("events", "retention = \"10 years\"")]).await;
        let kept = run_after(&keeping, 100).await;
        assert!(is_there(&db).await);
        assert!(kept.spared.iter().any(|s| s.reason.ends_with(
            "kept: on_expiry = detach; when nobody needs it: DROP TABLE public.events_default_drained"
        )), "{kept:#?}");
        succeeded(&run_after(&app, 3).await);
        assert!(!is_there(&db).await);
    });
}

/// Whatever a person did with it: the run goes by, and the rows are still there.
#[test]
fn one_in_a_persons_hands_is_not_dropped() {
    on_every_major(|db| async move {
        let app = drained(&db, 100, "").await;
        let unblock = "ALTER TABLE events_default_drained DROP CONSTRAINT pgtend_quarantine";
        let block = "ALTER TABLE events_default_drained ADD CONSTRAINT pgtend_quarantine CHECK (pg_trigger_depth() > 0) NOT VALID";
        let cases = [
            (
                "ALTER TABLE events_default_drained RENAME TO mine".to_owned(),
                "ALTER TABLE mine RENAME TO events_default_drained".to_owned(),
            ),
            (unblock.to_owned(), block.to_owned()),
            (
                "ALTER TABLE events_default_drained DISABLE TRIGGER pgtend_quarantine".to_owned(),
                "ALTER TABLE events_default_drained ENABLE TRIGGER pgtend_quarantine".to_owned(),
            ),
            (
                format!(
                    "{unblock}; INSERT INTO events_default_drained (id, ts, v) VALUES (-1, now(), 1); {block}"
                ),
                "SELECT 1".to_owned(),
            ),
        ];
        for (change, back) in cases {
            db.execute(&change).await;
            let outcome = run_after(&app, 30).await;
            succeeded(&outcome);
            assert_eq!(endings(&outcome), [], "{change}");
            let name = if change.ends_with("mine") { "mine" } else { "events_default_drained" };
            let fixed = format!("SELECT count(*) FROM {name} WHERE id > 0");
            assert_eq!(db.value(&fixed).await, "100", "{change}");
            db.execute(&back).await;
        }
        assert_eq!(
            db.value("SELECT count(*) FROM events_default_drained WHERE id = -1").await,
            "1"
        );
    });
}

/// Attached again: it is a partition, and the record goes.
#[test]
fn one_that_is_attached_again_stays() {
    on_every_major(|db| async move {
        let app = drained(&db, 100, "").await;
        db.execute(
            "ALTER TABLE events_default_drained DROP CONSTRAINT pgtend_quarantine;
             CREATE TABLE old_events (LIKE events INCLUDING ALL) PARTITION BY RANGE (ts);
             ALTER TABLE old_events ATTACH PARTITION events_default_drained DEFAULT",
        )
        .await;
        let outcome = run_after(&app, 30).await;
        succeeded(&outcome);
        let forget = ("forget_leftover", "public.events_default_drained".to_owned());
        assert_eq!(endings(&outcome), [forget]);
        assert_eq!(db.value("SELECT count(*) FROM old_events").await, "100");
        assert_eq!(endings(&run_after(&app, 60).await), []);
    });
}

/// What changed between the plan and the act is seen under the lock.
#[test]
fn nothing_is_dropped_that_is_not_what_was_seen() {
    on_every_major(|db| async move {
        let app = drained(&db, 100, "").await;
        let oid = "SELECT 'events_default_drained'::regclass::oid::int8";
        let since: DateTime<Utc> = NOW.parse().unwrap();
        let ending = Ending {
            drops: Some(("public.events_default_drained".parse().unwrap(), since)),
            oid: db.value(oid).await.parse().unwrap(),
            name: "public.events_default_drained".to_owned(),
            why: "a test".to_owned(),
            lock_timeout: std::time::Duration::from_secs(2),
        };
        let record = |set: &str| format!("UPDATE pgtend.partition_carve SET {set}");
        let block = "ALTER TABLE events_default_drained ADD CONSTRAINT pgtend_quarantine CHECK (pg_trigger_depth() > 0) NOT VALID";
        let cases = [
            ("ALTER TABLE events_default_drained RENAME TO away; CREATE TABLE events_default_drained (id int)".to_owned(),
             "DROP TABLE events_default_drained; ALTER TABLE away RENAME TO events_default_drained".to_owned()),
            ("ALTER TABLE events_default_drained DROP CONSTRAINT pgtend_quarantine".to_owned(), block.to_owned()),
            ("ALTER TABLE events_default_drained DISABLE TRIGGER pgtend_quarantine".to_owned(),
             "ALTER TABLE events_default_drained ENABLE TRIGGER pgtend_quarantine".to_owned()),
            ("CREATE TABLE heir () INHERITS (events_default_drained)".to_owned(), "DROP TABLE heir".to_owned()),
            (record("done_at = done_at + interval '1 microsecond'"), record(&format!("done_at = '{NOW}'"))),
            (record("stage = 'captured'"), record("stage = 'done'")),
            (record("name = 'public.other'"), record("name = 'public.events_default_drained'")),
            ("ALTER TABLE pgtend.partition_carve ADD kept xid8; UPDATE pgtend.partition_carve SET kept = replaced_xid, replaced_xid = NULL".to_owned(),
             "UPDATE pgtend.partition_carve SET replaced_xid = kept; ALTER TABLE pgtend.partition_carve DROP kept".to_owned()),
            // A write that passes the block, as from within a trigger.
            ("CREATE FUNCTION writes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO events_default_drained (id, ts, v) VALUES (-1, now(), 1); RETURN NULL; END';
              CREATE TABLE other (id int); CREATE TRIGGER writes AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION writes();
              INSERT INTO other VALUES (1)".to_owned(),
             "DROP FUNCTION writes CASCADE; ALTER TABLE events_default_drained DISABLE TRIGGER USER;
              DELETE FROM events_default_drained WHERE id = -1; ALTER TABLE events_default_drained ENABLE TRIGGER USER".to_owned()),
        ];
        for (change, back) in cases {
            db.execute(&change).await;
            let fault = act(&app, &db, &ending).await.expect_err(&change);
            assert_eq!(fault.kind, Kind::Changed, "{change}: {fault}");
            db.execute(&back).await;
        }
        assert_eq!(plan(&app).await.refused.len(), 0);
        act(&app, &db, &ending).await.unwrap();
        assert!(!is_there(&db).await);
    });
}

async fn act(app: &InProcess, db: &Db, ending: &Ending) -> Result<(), pgtend::pg::fault::Fault> {
    let mut session = app.door(JobName::Partitions).await;
    let mut result = Ok(());
    for step in ending.steps() {
        result = session.run(&step).await.map(drop);
    }
    drop(session);
    db.execute("UPDATE pgtend.job_run SET status = 'abandoned' WHERE status = 'running'").await;
    result
}
