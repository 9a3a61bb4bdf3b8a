//! Partitions leave: by their real upper bound, through a quarantine.

use chrono::{DateTime, Utc};
use pgtend::job::{JobName, Outcome, Verdict};
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;
use sqlx::AssertSqlSafe;

use super::{NOW, once, plan, shown, succeeded, tending};
use crate::support::{Db, InProcess, on_every_major, pgtend};

/// Six of these seventeen months are older at [`NOW`]: January to June 2025.
pub const POLICY: &str = "retention = \"6 months\"";
pub const DROP: &str = "retention = \"6 months\"\non_expiry = \"drop\"";

/// Months from January 2025 to May 2026, a row in each.
pub async fn months(db: &Db, table: &str, columns: &str) {
    db.execute(&format!(
        "SET TimeZone = 'UTC'; CREATE TABLE {table} ({columns}) PARTITION BY RANGE (ts);
         DO $$ DECLARE m timestamp := '2025-01-01'; BEGIN WHILE m < '2026-06-01' LOOP
           EXECUTE format('CREATE TABLE {table}_p%s PARTITION OF {table} FOR VALUES FROM (%L) TO (%L)',
             to_char(m, 'YYYY_MM'), m, m + interval '1 month');
           EXECUTE format('INSERT INTO {table} (id, ts) VALUES (%s, %L)', to_char(m, 'YYYYMM'), m + interval '3 days');
           m := m + interval '1 month'; END LOOP; END $$"
    ))
    .await;
}

pub const COLUMNS: &str = "id bigint, ts timestamptz NOT NULL, PRIMARY KEY (id, ts)";

pub async fn confirmed(db: &Db, tables: &[(&str, &str)]) -> InProcess {
    let mut app = tending(db, tables).await;
    app.ask(&Task::Tend { confirm: true });
    app
}

pub fn kinds(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let done = outcome.actions.iter().filter(|action| action.result.is_ok());
    done.map(|action| (action.kind, action.object.clone())).collect()
}

/// The tables in quarantine, by the record.
pub async fn quarantined(db: &Db) -> Vec<String> {
    db.column(
        "SELECT name FROM pgtend.partition_quarantine WHERE detached_at IS NOT NULL ORDER BY name",
    )
    .await
}

pub fn days_later(days: i64) -> DateTime<Utc> {
    NOW.parse::<DateTime<Utc>>().unwrap() + chrono::TimeDelta::days(days)
}

fn first_six() -> Vec<String> {
    (1..=6).map(|month| format!("public.events_p2025_0{month}")).collect()
}

#[test]
fn a_first_policy_asks_then_detaches_and_then_drops() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let mut app = tending(&db, &[("events", DROP)]).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        let fault = outcome.first_fault().unwrap();
        assert_eq!(fault.kind, Kind::Refused);
        assert!(fault.message.contains("would detach public.events_p2025_01, "), "{fault}");
        assert!(fault.hint.as_deref().unwrap().contains("once partitions --confirm"), "{fault}");
        assert_eq!(shown(&db, "events").await.lines().count(), 17);

        app.ask(&Task::Tend { confirm: true });
        let outcome = once(&app).await;
        succeeded(&outcome);
        let detached: Vec<_> =
            first_six().into_iter().map(|name| ("detach_partition", name)).collect();
        assert_eq!(kinds(&outcome)[1..], detached, "{outcome:#?}");
        assert_eq!(quarantined(&db).await, first_six());
        assert_eq!(db.value("SELECT count(*) || ' ' || min(id) FROM events").await, "11 202507");
        assert_eq!(db.value("SELECT id FROM events_p2025_06").await, "202506");

        // A run without the flag has nothing to do, until the quarantine is over; then it drops.
        app.ask(&Task::Tend { confirm: false });
        let again = once(&app).await;
        succeeded(&again);
        assert_eq!(kinds(&again), []);
        let waiting = "in quarantine until 2026-01-27 10:00:00Z, then dropped";
        assert_eq!(
            again.spared.iter().filter(|spared| spared.reason == waiting).count(),
            6,
            "{again:#?}"
        );
        let early = app.plan_at(JobName::Partitions, days_later(6)).await;
        assert!(early.actions.is_empty(), "{early}");
        let outcome = app.once_at(JobName::Partitions, days_later(7)).await;
        succeeded(&outcome);
        let dropped: Vec<_> =
            first_six().into_iter().map(|name| ("drop_partition", name)).collect();
        assert_eq!(kinds(&outcome), dropped);
        assert_eq!(
            db.column("SELECT relname FROM pg_class WHERE relname ~ '^events_p2025_0[1-6]'").await,
            [""; 0]
        );
        assert_eq!(db.column("SELECT name FROM pgtend.partition_quarantine").await, [""; 0]);
    });
}

#[test]
fn nobody_writes_to_what_is_in_quarantine() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        succeeded(&once(&confirmed(&db, &[("events", POLICY)]).await).await);
        let mut conn = db.connect().await;
        for (sql, says) in [
            ("INSERT INTO events_p2025_01 VALUES (1, '2025-01-02')", "pgtend_quarantine"),
            ("UPDATE events_p2025_01 SET id = 2", "pgtend_quarantine"),
            ("DELETE FROM events_p2025_01", "suppress_redundant_updates_trigger"),
            ("TRUNCATE events_p2025_01", "suppress_redundant_updates_trigger"),
        ] {
            let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect_err(sql);
            assert!(error.to_string().contains(says), "{sql}: {error}");
        }
        assert_eq!(db.value("SELECT id FROM events_p2025_01").await, "202501");
    });
}

#[test]
fn what_is_kept_is_kept_for_ever() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let app = confirmed(&db, &[("events", POLICY)]).await;
        succeeded(&once(&app).await);
        let later = app.plan_at(JobName::Partitions, days_later(4_000)).await;
        assert!(later.actions.iter().all(|action| action.kind != "drop_partition"), "{later}");
        // To drop what was kept so far is a new policy, and is asked about.
        let app = tending(&db, &[("events", DROP)]).await;
        let outcome = app.once_at(JobName::Partitions, days_later(10)).await;
        let fault = outcome.first_fault().unwrap();
        assert!(fault.message.contains("would drop public.events_p2025_01"), "{fault}");
        assert_eq!(quarantined(&db).await, first_six());
    });
}

#[test]
fn a_longer_retention_is_taken_and_a_shorter_one_asked_about() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let long = tending(&db, &[("events", "retention = \"24 months\"")]).await;
        let first = once(&long).await;
        succeeded(&first);
        assert_eq!(first.done(), 0, "only its own record: {first:#?}");
        let short = tending(&db, &[("events", "retention = \"8 months\"")]).await;
        let fault = once(&short).await.first_fault().cloned().unwrap();
        assert!(fault.message.contains("what was agreed is retention = 2 years"), "{fault}");
        // What the policy on record would have expired goes on meanwhile. After so long a time there
        // must be a tomorrow first: until then the clock is not believed.
        let tomorrow = short.once_at(JobName::Partitions, days_later(400)).await;
        assert!(
            kinds(&tomorrow).iter().all(|(kind, _)| *kind == "create_partition"),
            "{tomorrow:#?}"
        );
        let outcome = short.once_at(JobName::Partitions, days_later(400)).await;
        let gone: Vec<_> =
            kinds(&outcome).into_iter().filter(|(kind, _)| *kind == "detach_partition").collect();
        assert_eq!(
            gone,
            [("detach_partition", "public.events_p2025_01".to_owned())],
            "{outcome:#?}"
        );
    });
}

#[test]
fn at_most_so_many_leave_in_one_run_and_never_the_last() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let policy = "retention = \"1 month\"\nexpire_max_per_run = 4\nexpire_max_share = 0.2";
        let app = confirmed(&db, &[("events", policy)]).await;
        let mut left = Vec::new();
        for _ in 0..7 {
            let outcome = once(&app).await;
            succeeded(&outcome);
            left.push(
                kinds(&outcome).iter().filter(|(kind, _)| *kind == "detach_partition").count(),
            );
        }
        // A fifth of 17, 14, 12, 10, 9, 8, 7; November 2025 is the last that is old enough.
        assert_eq!(left, [3, 2, 2, 2, 1, 1, 0]);
        assert!(shown(&db, "events").await.starts_with("events_p2025_12 "));
    });
}

/// `pg_partman` #776: the oldest partition is wider than the interval.
#[test]
fn a_wide_first_partition_is_kept_while_one_row_is_young_enough() {
    on_every_major(|db| async move {
        db.execute(
            "SET TimeZone = 'UTC'; CREATE TABLE events (id int, ts timestamptz) PARTITION BY RANGE (ts);
             CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2026-01-01');
             CREATE TABLE all_before PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2023-01-01');
             INSERT INTO events SELECT g, '2023-01-01'::timestamptz + g * interval '1 day' FROM generate_series(0, 999) g",
        )
        .await;
        let mut app =
            confirmed(&db, &[("events", "retention = \"12 months\"\nexpire_max_share = 1")]).await;
        let first = once(&app).await;
        assert!(
            first
                .spared
                .iter()
                .any(|spared| spared.reason.contains("its newest partition ends at")),
            "{first:#?}"
        );
        app.ask(&Task::Tend { confirm: false });
        succeeded(&once(&app).await);
        assert_eq!(quarantined(&db).await, ["public.all_before"]);
        assert_eq!(db.value("SELECT count(*) FROM events").await, "1000");
    });
}

#[test]
fn hand_made_tables_are_never_dropped() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        db.execute("CREATE TABLE events_p2024_12 (LIKE events)").await;
        let app = confirmed(&db, &[("events", DROP)]).await;
        succeeded(&once(&app).await);
        // One is taken into use again, one renamed, one replaced by another table, one dropped.
        db.execute(
            "ALTER TABLE events_p2025_01 DROP CONSTRAINT pgtend_quarantine;
             ALTER TABLE events_p2025_02 RENAME TO precious;
             DROP TABLE events_p2025_03; CREATE TABLE events_p2025_03 (id int);
             DROP TABLE events_p2025_04;
             CREATE VIEW on_it AS SELECT * FROM events_p2025_05",
        )
        .await;
        let outcome = app.once_at(JobName::Partitions, days_later(8)).await;
        let left = "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition \
                    AND relnamespace = 'public'::regnamespace ORDER BY 1";
        assert_eq!(
            db.column(left).await,
            [
                "events_p2024_12",
                "events_p2025_01",
                "events_p2025_03",
                "events_p2025_05",
                "precious"
            ],
            "{outcome:#?}"
        );
        assert_eq!(outcome.first_fault().unwrap().sqlstate.as_deref(), Some("2BP01"));
    });
}

#[test]
fn the_command_line_asks_confirms_and_tells() {
    on_every_major(|db| async move {
        // By the real clock: all of 2020 is old.
        db.execute(
            "SET TimeZone = 'UTC'; CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
             CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
             CREATE TABLE events_ahead PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2099-01-01')",
        )
        .await;
        let app = pgtend(
            &db,
            "[partitions]\nschedule = \"17 * * * *\"\n[partitions.tables.\"public.events\"]\ninterval = \"1 year\"\nretention = \"2 years\"\n",
        );
        let ran = app.run(&["plan", "partitions", "--check"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        assert!(ran.stdout.contains("pgtend once partitions --confirm"), "{ran}");
        let ran = app.run(&["plan", "partitions", "--confirm", "--check"]).await;
        assert!(
            ran.code == Some(3) && ran.stdout.contains("+ detach_partition public.events_2020"),
            "{ran}"
        );
        let ran = app.run(&["once", "partitions", "--confirm"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let ran = app.run(&["status"]).await;
        assert!(ran.stdout.contains("public.events in quarantine 1"), "{ran}");
        assert!(ran.stdout.contains("public.events next expiry 2101-01-01 00:00:00Z"), "{ran}");
        let ran = app.run(&["partitions", "restore", "public.events", "--plan"]).await;
        assert!(
            ran.code == Some(0)
                && ran.stdout.contains("ATTACH PARTITION public.events_2020 FOR VALUES"),
            "{ran}"
        );
        let ran = app.run(&["partitions", "restore", "events", "--partition", "nope"]).await;
        assert!(
            ran.code == Some(1) && ran.stdout.contains("in quarantine are public.events_2020"),
            "{ran}"
        );
        let ran = app.run(&["partitions", "restore", "events", "--format", "json"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(ran.json()["jobs"][0]["actions"][0]["kind"], "restore_partition", "{ran}");
        let ran = app.run(&["once", "partitions"]).await;
        assert!(ran.code == Some(0) && ran.stdout.contains("0 done"), "it stays: {ran}");
    });
}

#[test]
fn a_plan_works_before_the_schema_exists() {
    on_every_major(|db| async move {
        months(&db, "events", COLUMNS).await;
        let app = InProcess::without_schema(db.url(), &super::config(&[("events", POLICY)])).await;
        let shown = plan(&app).await;
        assert_eq!(shown.refused.len(), 1, "{shown}");
    });
}
