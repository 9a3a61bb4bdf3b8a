//! What stands beside the partitions: a default one, foreign keys either way.

use pgtend::job::{JobName, Outcome, Verdict};
use pgtend::pg::fault::{Fault, Kind};

use super::{config, now, once, plan, shown, succeeded, tend, tending};
use crate::support::{Db, InProcess, on_every_major, run, wait_until};

const WITH_DEFAULT: &str = "
CREATE TABLE events (id bigint, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE events_default PARTITION OF events DEFAULT;
";

#[track_caller]
fn only_fault(outcome: &Outcome) -> &Fault {
    let mut faults = outcome.actions.iter().filter_map(|action| action.result.as_ref().err());
    let fault = faults.next().expect("a fault");
    assert!(faults.next().is_none(), "{outcome:#?}");
    fault
}

/// Case 6: a row of the year 9999 in the default partition changes nothing.
#[test]
fn a_default_partition_with_other_rows_is_no_hindrance() {
    on_every_major(|db| async move {
        db.execute(WITH_DEFAULT).await;
        db.execute("INSERT INTO events VALUES (1, '1999-01-01'), (2, '9999-01-01'), (3, NULL)")
            .await;
        tend(&tending(&db, &[("events", "")]).await).await;
        db.execute("INSERT INTO events VALUES (4, '2026-02-02')").await;
        let where_rows = "SELECT tableoid::regclass || ' ' || id FROM events ORDER BY id";
        let expected =
            ["events_default 1", "events_default 2", "events_default 3", "events_p2026_02 4"];
        assert_eq!(db.column(where_rows).await, expected);
    });
}

/// Case 21: rows of the next range in the default partition.
#[test]
fn rows_that_cannot_be_drained_are_told_and_left() {
    on_every_major(|db| async move {
        db.execute(WITH_DEFAULT).await;
        db.execute("CREATE VIEW looks AS SELECT * FROM events_default").await;
        db.execute("INSERT INTO events VALUES (1, '2026-02-28 23:59:59.999999+00')").await;
        let app = tending(&db, &[("events", "")]).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        let fault = only_fault(&outcome);
        assert_eq!(fault.kind, Kind::Refused);
        assert!(fault.message.contains("rows in default partition public.events_default lie in 2026-02-01 UTC to 2026-03-01 UTC"), "{fault}");
        let hint = fault.hint.as_deref().unwrap_or_default();
        assert!(hint.contains("view public.looks would stay with the old one"), "{fault}");
        assert_eq!(db.value("SELECT count(*) FROM events_default").await, "1");
        assert_eq!(shown(&db, "events").await.lines().count(), 3, "January, March, default");
        db.execute("DELETE FROM events").await;
        tend(&app).await;
    });
}

#[test]
fn a_large_default_partition_is_not_scanned_under_the_strong_lock() {
    on_every_major(|db| async move {
        db.execute(WITH_DEFAULT).await;
        db.execute("INSERT INTO events SELECT g, '1999-01-01' FROM generate_series(1, 50001) g")
            .await;
        db.execute(&format!("ALTER DATABASE \"{}\" SET log_min_messages = 'debug1'", db.name()))
            .await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let mark = db.log_mark();
        tend(&app).await;
        let implied =
            "updated partition constraint for default partition \"events_default\" is implied";
        wait_until("the server says why it did not scan", || async {
            db.server_log_since(mark).contains(implied)
        })
        .await;
        assert_eq!(checks(&db).await, [""; 0]);
    });
}

async fn checks(db: &Db) -> Vec<String> {
    db.column("SELECT conname FROM pg_constraint WHERE conrelid = 'events_default'::regclass").await
}

#[test]
fn a_check_is_taken_back_where_the_attaching_fails() {
    on_every_major(|db| async move {
        db.execute(WITH_DEFAULT).await;
        db.execute("INSERT INTO events SELECT g, '1999-01-01' FROM generate_series(1, 50001) g")
            .await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        // A row comes between the look and the check: it is not seen until it is committed.
        let mut writer = db.connect().await;
        run(&mut writer, "BEGIN; INSERT INTO events_default VALUES (0, '2026-01-20')").await;
        let mark = db.log_mark();
        let outcome = tokio::spawn(async move { (once(&app).await, app) });
        wait_until("it has looked, and the check is in its way", || async {
            db.server_log_since(mark).contains("ADD CONSTRAINT pgtend_hole")
        })
        .await;
        run(&mut writer, "COMMIT").await;
        let (outcome, app) = outcome.await.unwrap();
        assert_eq!(only_fault(&outcome).kind, Kind::Refused, "{outcome:#?}");
        assert_eq!(checks(&db).await, [""; 0]);
        db.execute("DELETE FROM events_default WHERE id = 0").await;
        // A crash would have left the check; the next run removes it.
        db.execute(
            "ALTER TABLE events_default ADD CONSTRAINT pgtend_hole CHECK (ts > now()) NOT VALID",
        )
        .await;
        let kinds: Vec<_> = plan(&app).await.actions.iter().map(|action| action.kind).collect();
        assert_eq!(kinds, ["drop_check", "create_partition"]);
        tend(&app).await;
        assert_eq!(checks(&db).await, [""; 0]);
    });
}

/// Case 34: foreign keys of the table, to it, and from it to itself.
#[test]
fn foreign_keys_lead_both_ways() {
    on_every_major(|db| async move {
        db.execute("
            CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
            CREATE TABLE events (id int, ts date, user_id int REFERENCES users, PRIMARY KEY (id, ts),
                parent_id int, parent_ts date, FOREIGN KEY (parent_id, parent_ts) REFERENCES events) PARTITION BY RANGE (ts);
            CREATE TABLE notes (event_id int, event_ts date, FOREIGN KEY (event_id, event_ts) REFERENCES events);
        ").await;
        tend(&tending(&db, &[("events", "")]).await).await;
        db.execute(
            "
            INSERT INTO events VALUES (1, '2026-02-02', 1, NULL, NULL), (2, '2026-03-03', 1, 1, '2026-02-02');
            INSERT INTO notes VALUES (1, '2026-02-02');
        ",
        )
        .await;
        let mut conn = db.connect().await;
        for wrong in [
            "INSERT INTO events VALUES (3, '2026-02-02', 9)",
            "INSERT INTO notes VALUES (9, '2026-02-02')",
            "DELETE FROM events WHERE id = 1",
        ] {
            sqlx::raw_sql(wrong).execute(&mut conn).await.expect_err(wrong);
        }
    });
}

/// Case 23: an open writer on the referenced table.
#[test]
fn an_open_writer_of_a_referenced_table_is_named_and_not_queued_behind() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE users (id int PRIMARY KEY);
            CREATE TABLE events (ts date, user_id int REFERENCES users) PARTITION BY RANGE (ts);
        ",
        )
        .await;
        let app = InProcess::new(&db, &config(&[("events", "premake = \"1 day\"")])).await;
        let mut writer = db.connect().await;
        run(
            &mut writer,
            "SET application_name = 'long import'; BEGIN; INSERT INTO users VALUES (1)",
        )
        .await;
        let outcome = app.once_at(JobName::Partitions, now()).await;
        let fault = only_fault(&outcome);
        assert_eq!(fault.kind, Kind::LockNotHad, "{outcome:#?}");
        assert_eq!(
            fault.blockers.first().map(|b| b.application.as_str()),
            Some("long import"),
            "{fault}"
        );
        run(&mut writer, "COMMIT").await;
        let kinds: Vec<_> = plan(&app).await.actions.iter().map(|action| action.kind).collect();
        assert_eq!(kinds, ["create_partition"]);
        let second = once(&app).await;
        succeeded(&second);
        assert_eq!(shown(&db, "events").await.lines().count(), 1);
    });
}
