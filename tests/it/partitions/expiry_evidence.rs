//! What changed between the plan and the act is seen under the lock, and nothing is lost by it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pgtend::job::JobName;
use pgtend::jobs::partitions::retention::action::{Leaving, What};
use pgtend::pg::fault::{Fault, Kind};

use super::expiry::{COLUMNS, DROP, confirmed, months};
use super::{NOW, once, succeeded};
use crate::support::{Db, InProcess, on_every_major};

/// The first partition as a plan saw it.
async fn seen(db: &Db, what: What) -> Leaving {
    let oid = |name: &str| {
        let sql = format!("SELECT '{name}'::regclass::oid::int8");
        async move { db.value(&sql).await.parse::<i64>().unwrap() }
    };
    Leaving {
        what,
        parent: "public.events".parse().unwrap(),
        parent_oid: oid("events").await,
        child: "public.events_p2025_01".to_owned(),
        oid: oid("events_p2025_01").await,
        bound: "FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')"
            .to_owned(),
        why: "a test".to_owned(),
        is_noticed: false,
        now: NOW.parse().unwrap(),
        lock_timeout: Duration::from_secs(2),
    }
}

async fn act(app: &InProcess, db: &Db, leaving: &Leaving) -> Result<(), Fault> {
    let mut session = app.door(JobName::Partitions).await;
    let mut result = Ok(());
    for step in leaving.steps() {
        if let Err(fault) = session.run(&step).await {
            result = Err(fault);
            break;
        }
    }
    drop(session);
    db.execute("UPDATE pgtend.job_run SET status = 'abandoned' WHERE status = 'running'").await;
    result
}

#[test]
fn nothing_is_dropped_that_is_not_what_was_seen() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let app = confirmed(&db, &[("events", DROP)]).await;
        succeeded(&once(&app).await);
        let detached_at: DateTime<Utc> = NOW.parse().unwrap();
        let drop_it = seen(&db, What::Drop { detached_at }).await;
        let record = |set: &str| {
            format!("UPDATE pgtend.partition_quarantine SET {set} WHERE relation = {}", drop_it.oid)
        };
        let cases = [
            ("ALTER TABLE events_p2025_01 RENAME TO away; CREATE TABLE events_p2025_01 (id int)".to_owned(),
             "DROP TABLE events_p2025_01; ALTER TABLE away RENAME TO events_p2025_01".to_owned()),
            ("ALTER TABLE events_p2025_01 RENAME CONSTRAINT pgtend_quarantine TO gone".to_owned(),
             "ALTER TABLE events_p2025_01 RENAME CONSTRAINT gone TO pgtend_quarantine".to_owned()),
            ("SET TimeZone = 'UTC'; ALTER TABLE events ATTACH PARTITION events_p2025_01 FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')".to_owned(),
             "ALTER TABLE events DETACH PARTITION events_p2025_01".to_owned()),
            ("CREATE TABLE heir () INHERITS (events_p2025_01)".to_owned(), "DROP TABLE heir".to_owned()),
            (record("restored_at = now()"), record("restored_at = NULL")),
            (record("detached_at = detached_at + interval '1 microsecond'"), record("detached_at = detached_at - interval '1 microsecond'")),
            (record("bound = bound || ' '"), record("bound = rtrim(bound)")),
            (record("name = 'public.other'"), record("name = 'public.events_p2025_01'")),
            ("CREATE TABLE kept AS TABLE pgtend.partition_quarantine; DELETE FROM pgtend.partition_quarantine".to_owned(),
             "INSERT INTO pgtend.partition_quarantine TABLE kept; DROP TABLE kept".to_owned()),
        ];
        for (change, back) in cases {
            db.execute(&change).await;
            let fault = act(&app, &db, &drop_it).await.expect_err(&change);
            assert_eq!(fault.kind, Kind::Changed, "{change}: {fault}");
            db.execute(&back).await;
        }
        assert_eq!(db.value("SELECT count(*) FROM events_p2025_01").await, "1");
        act(&app, &db, &drop_it).await.unwrap();
        assert_eq!(db.value("SELECT to_regclass('events_p2025_01')").await, "NULL");
    });
}

#[test]
fn nothing_is_detached_that_is_not_what_was_seen() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let app = confirmed(&db, &[("events", DROP)]).await;
        let key = "ts".parse().unwrap();
        let ways = [
            Some(What::Detach { lock_first: Vec::new(), key }),
            (db.major() >= 14).then_some(What::DetachConcurrently),
        ];
        for what in ways.into_iter().flatten() {
            let mut detach = seen(&db, what).await;
            detach.oid += 1;
            assert_eq!(act(&app, &db, &detach).await.unwrap_err().kind, Kind::Changed);
            detach.oid -= 1;
            detach.parent_oid += 1;
            assert_eq!(act(&app, &db, &detach).await.unwrap_err().kind, Kind::Changed);
            detach.parent_oid -= 1;
            // Another partition has the name by now.
            let swap = "ALTER TABLE events_p2025_01 RENAME TO swap; ALTER TABLE events_p2026_05 RENAME TO events_p2025_01; ALTER TABLE swap RENAME TO events_p2026_05";
            db.execute(swap).await;
            assert_eq!(act(&app, &db, &detach).await.unwrap_err().kind, Kind::Changed);
            db.execute(swap).await;
            detach.bound = detach.bound.replace("2025-02-01", "2025-02-02");
            assert_eq!(act(&app, &db, &detach).await.unwrap_err().kind, Kind::Changed);
        }
        assert_eq!(
            db.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass").await,
            "17"
        );
        assert_eq!(db.column("SELECT name FROM pgtend.partition_quarantine").await, [""; 0]);
    });
}
