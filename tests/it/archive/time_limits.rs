//! How long a run may work on one table, and in which hours.

use chrono::{DateTime, NaiveTime, TimeDelta, Timelike, Utc};
use pgtend::job::{JobName, Outcome, Verdict};

use super::hand_over::YEARS;
use super::purge::deletes;
use super::{ARCHIVE, assert_whole, config_for, keep, names, once};
use crate::support::{Db, InProcess, NO_ROWS, on_every_major, pgtend, wait_until};

/// So many that the gentle pace takes seconds.
pub(super) const ROWS: u64 = 90_000;

pub(super) async fn backlog(db: &Db) {
    db.execute(&format!(
        "CREATE TABLE jobs (id bigint PRIMARY KEY, name text, status text, created_at timestamptz) \
           WITH (autovacuum_enabled = off); \
         CREATE INDEX ON jobs (created_at); \
         INSERT INTO jobs SELECT i, 'job ' || i, 'done', now() - interval '60 days' + i * interval '1 s' \
         FROM generate_series(1, {ROWS}) AS i; {ARCHIVE}"
    ))
    .await;
    keep(db, "jobs").await;
}

/// The note of the action of this kind.
fn note(outcome: &Outcome, kind: &str) -> String {
    let action = outcome.actions.iter().find(|action| action.kind == kind);
    let action = action.unwrap_or_else(|| panic!("{outcome:#?}"));
    action.result.as_ref().unwrap().note.clone().unwrap_or_default()
}

/// Some rows have moved, the oldest first, and not all: each is in one table.
async fn assert_begun(db: &Db) {
    let moved: u64 = db.value("SELECT count(*) FROM jobs_archive").await.parse().unwrap();
    assert!((1..ROWS).contains(&moved), "{moved}");
    assert_eq!(db.value("SELECT max(id) FROM jobs_archive").await, moved.to_string());
    assert_whole(db, "jobs", "jobs_archive").await;
}

#[test]
fn a_run_ends_at_max_duration_and_the_next_goes_on() {
    on_every_major(|db| async move {
        backlog(&db).await;
        let program = pgtend(&db, &config_for("jobs", "created_at", "max_duration = '300ms'"));
        let ran = program.run(&["once", "archive", "--format", "json"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let job = &ran.json()["jobs"][0];
        assert_eq!(job["outcome"], "succeeded", "{job}");
        let note = job["actions"][0]["note"].as_str().unwrap();
        let expected = "stopped at max_duration = 300ms; the next run goes on, with about ";
        assert!(note.contains(expected), "{note}");
        assert_begun(&db).await;

        let before = names(&db, "jobs_archive").await;
        let app = InProcess::new(&db, &config_for("jobs", "created_at", "pace = 'full'")).await;
        let plan = app.plan(JobName::Archive).await.to_string();
        assert!(plan.contains("goes on where an earlier run stopped"), "{plan}");
        assert_eq!(once(&app).await.verdict, Verdict::Succeeded);
        assert_eq!(db.rows("SELECT * FROM jobs").await, NO_ROWS);
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(names(&db, &format!("jobs_archive WHERE id <= {}", before.len())).await, before);
    });
}

#[test]
fn what_waits_for_the_server_waits_no_longer_than_that() {
    on_every_major(|db| async move {
        backlog(&db).await;
        let sleep = "SELECT pg_sleep(3600)";
        let sleepers = [db.connect().await, db.connect().await].map(|mut conn| {
            tokio::spawn(async move { sqlx::raw_sql(sleep).execute(&mut conn).await.is_ok() })
        });
        let asleep = "FROM pg_stat_activity WHERE datname = current_database() \
                      AND query = 'SELECT pg_sleep(3600)' AND state = 'active'";
        let count = format!("SELECT count(*) {asleep}");
        wait_until("they sleep", || async { db.value(&count).await == "2" }).await;
        let config = config_for("jobs", "created_at", "max_duration = '1s'");
        let app =
            InProcess::new(&db, &format!("{config}[archive.limits]\nactive_sessions = 1")).await;
        let outcome = once(&app).await;
        let note = note(&outcome, "move_rows");
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert!(note.contains("stopped at max_duration = 1s"), "{note}");
        assert!(note.contains(" s for active_sessions"), "{note}");
        db.execute(&format!("SELECT pg_terminate_backend(pid) {asleep}")).await;
        for sleeper in sleepers {
            assert!(!sleeper.await.unwrap(), "it slept all the while");
        }
    });
}

/// Hours that end at the full minute after the next one, and a moment shortly before.
fn ending_soon() -> (String, DateTime<Utc>) {
    let end = pgtend::time::clock::wall() + TimeDelta::minutes(2);
    let end =
        end.date_naive().and_time(NaiveTime::from_hms_opt(end.hour(), end.minute(), 0).unwrap());
    let hours = format!("{}-{}", (end - TimeDelta::hours(1)).format("%H:%M"), end.format("%H:%M"));
    (hours, end.and_utc() - TimeDelta::milliseconds(700))
}

#[test]
fn a_run_ends_with_its_hours_and_outside_of_them_none_begins() {
    on_every_major(|db| async move {
        backlog(&db).await;
        let (hours, shortly_before) = ending_soon();
        let app =
            InProcess::new(&db, &config_for("jobs", "created_at", &format!("hours = '{hours}'")))
                .await;
        let outcome = app.once_at(JobName::Archive, shortly_before).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let expected =
            format!("stopped as its hours are over, {hours} in UTC; the next run goes on");
        assert!(note(&outcome, "move_rows").contains(&expected), "{outcome:#?}");
        assert_begun(&db).await;

        // A second later they are over: nothing is planned, and the next time is named.
        let before = names(&db, "jobs").await;
        let outcome = app.once_at(JobName::Archive, shortly_before + TimeDelta::seconds(1)).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert!(outcome.actions.is_empty(), "{outcome:#?}");
        let again = shortly_before + TimeDelta::days(1) - TimeDelta::minutes(59);
        let expected = format!("which begin again on {}", again.format("%Y-%m-%d at %H:%M UTC"));
        assert!(outcome.spared[0].reason.contains(&expected), "{expected}: {outcome:#?}");
        assert_eq!(names(&db, "jobs").await, before);
    });
}

/// What moved leaves more dead rows than a VACUUM waits for.
#[test]
fn no_vacuum_is_begun_outside_of_the_hours() {
    on_every_major(|db| async move {
        backlog(&db).await;
        db.execute("UPDATE jobs SET name = name").await;
        let (hours, shortly_before) = ending_soon();
        let limited = config_for("jobs", "created_at", &format!("hours = '{hours}'"));
        let app = InProcess::new(&db, &limited).await;
        let outcome = app.once_at(JobName::Archive, shortly_before).await;
        let said = note(&outcome, "vacuum");
        let expected = format!(
            "left to autovacuum: it is outside of its hours {hours}, which begin again on "
        );
        assert!(said.starts_with(&expected), "{said}");
        // A VACUUM, or an ANALYZE, would have counted the table's pages.
        let pages = "SELECT relpages FROM pg_class WHERE oid = 'jobs'::regclass";
        assert_eq!(db.value(pages).await, "0");

        let app = InProcess::new(&db, &format!("{limited}pace = 'full'")).await;
        let within = shortly_before - TimeDelta::minutes(5);
        let outcome = app.once_at(JobName::Archive, within).await;
        let said = note(&outcome, "vacuum");
        assert!(said.contains(" dead rows removed"), "{said}");
        assert_ne!(db.value(pages).await, "0");
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

/// The same rows and a young one, of which the old ones are deleted for good.
async fn deletion(db: &Db, more: &str) -> InProcess {
    backlog(db).await;
    db.execute("INSERT INTO jobs VALUES (0, 'young', 'done', now())").await;
    let mut app = InProcess::new(db, &deletes(more)).await;
    app.confirm();
    app
}

/// Some rows are gone, the oldest first, and not all.
async fn assert_partly_gone(db: &Db) {
    let left: u64 = db.value("SELECT count(*) FROM jobs WHERE id > 0").await.parse().unwrap();
    assert!((1..ROWS).contains(&left), "{left}");
    let oldest = db.value("SELECT min(id) FROM jobs WHERE id > 0").await;
    assert_eq!(oldest, (ROWS - left + 1).to_string());
    assert_eq!(names(db, "jobs WHERE id = 0").await, ["young"]);
}

#[test]
fn a_deletion_ends_at_max_duration_and_the_next_goes_on() {
    on_every_major(|db| async move {
        let outcome = once(&deletion(&db, "max_duration = '300ms'").await).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let said = note(&outcome, "delete_rows");
        let expected = "stopped at max_duration = 300ms; the next run goes on, with about ";
        assert!(said.contains(expected), "{said}");
        assert_partly_gone(&db).await;

        let app = InProcess::new(&db, &deletes("pace = 'full'")).await;
        let plan = app.plan(JobName::Archive).await.to_string();
        assert!(plan.contains("goes on where an earlier run stopped"), "{plan}");
        assert_eq!(once(&app).await.verdict, Verdict::Succeeded);
        assert_eq!(names(&db, "jobs").await, ["young"]);
    });
}

#[test]
fn a_deletion_ends_with_its_hours_and_outside_of_them_none_begins() {
    on_every_major(|db| async move {
        let (hours, shortly_before) = ending_soon();
        let app = deletion(&db, &format!("hours = '{hours}'")).await;
        let outcome = app.once_at(JobName::Archive, shortly_before).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let expected =
            format!("stopped as its hours are over, {hours} in UTC; the next run goes on");
        assert!(note(&outcome, "delete_rows").contains(&expected), "{outcome:#?}");
        let said = note(&outcome, "vacuum");
        assert!(said.starts_with("left to autovacuum: it is outside of its hours"), "{said}");
        assert_partly_gone(&db).await;

        let before = names(&db, "jobs").await;
        let outcome = app.once_at(JobName::Archive, shortly_before + TimeDelta::seconds(1)).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert!(outcome.actions.is_empty(), "{outcome:#?}");
        let why = &outcome.spared[0].reason;
        assert!(why.contains("rows are due, and it is outside of its hours"), "{why}");
        assert_eq!(names(&db, "jobs").await, before);
    });
}

#[test]
fn a_partition_is_not_handed_over_when_the_time_is_over() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        keep(&db, "jobs").await;
        let (hours, shortly_before) = ending_soon();
        let outside = shortly_before + TimeDelta::seconds(1);
        let config =
            config_for("jobs", "created_at", &format!("hours = '{hours}'\nmax_duration = '1ms'"));
        let app = InProcess::new(&db, &config).await;
        assert!(app.once_at(JobName::Archive, outside).await.actions.is_empty());
        let partitions = "SELECT inhrelid::regclass::text FROM pg_inherits \
                          WHERE inhparent = 'jobs_archive'::regclass ORDER BY 1";
        assert_eq!(db.rows(partitions).await, NO_ROWS);

        // The first one takes all of the time.
        let outcome = app.once_at(JobName::Archive, shortly_before - TimeDelta::minutes(5)).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let notes: Vec<_> =
            outcome.actions.iter().map(|a| a.result.as_ref().unwrap().note.clone()).collect();
        let not_begun = "not begun at max_duration = 1ms; the next run does it";
        assert_eq!(notes, [None, Some(not_begun.to_owned())], "{outcome:#?}");
        assert_eq!(db.column(partitions).await, ["jobs_2020"]);
        app.once_at(JobName::Archive, shortly_before - TimeDelta::minutes(4)).await;
        assert_eq!(db.column(partitions).await, ["jobs_2020", "jobs_2021"]);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}
