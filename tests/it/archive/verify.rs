//! `archive verify`: what was recorded, against what the archive holds.
use pgtend::job::Verdict;
use serde_json::Value;

use super::{ARCHIVE, JOBS, config, moved, names, once};
use crate::support::{Db, InProcess, Program, on_every_major, pgtend};

/// Without the column by which a row tells its batch.
const UNSTAMPED: &str = "CREATE TABLE jobs_archive (id bigint PRIMARY KEY, name text, status text, created_at timestamptz)";

/// Eleven rows archived in batches of four.
async fn world(db: &Db, archive: &str) -> Program {
    db.execute(JOBS).await;
    db.execute(archive).await;
    let text = config("batch_rows = 4");
    moved(&InProcess::new(db, &text).await).await;
    pgtend(db, &text)
}

async fn verified(program: &Program, code: i32) -> Value {
    let ran = program.run(&["archive", "verify", "jobs", "--format", "json"]).await;
    assert_eq!(ran.code, Some(code), "{ran}");
    ran.json()["tables"][0].clone()
}

#[test]
fn an_archive_as_recorded_is_clean() {
    on_every_major(|db| async move {
        for archive in [ARCHIVE, UNSTAMPED] {
            db.execute(
                "DROP TABLE IF EXISTS jobs, jobs_archive; DROP SCHEMA IF EXISTS pgtend CASCADE",
            )
            .await;
            let program = world(&db, archive).await;
            let found = verified(&program, 0).await;
            assert_eq!(found["batches"], 3, "{found}");
            assert_eq!(found["rows"], 11, "{found}");
            assert_eq!(found["clean"], true, "{found}");
            // So does an older schema, whose batches name no rule.
            db.execute("ALTER TABLE pgtend.archive_batch DROP COLUMN rule").await;
            verified(&program, 0).await;
        }
    });
}

#[test]
fn one_value_altered_by_hand_is_found_and_its_batch_named() {
    on_every_major(|db| async move {
        let program = world(&db, ARCHIVE).await;
        db.execute("UPDATE jobs_archive SET status = 'done ' WHERE name = 'old 5'").await;
        let batch = db
            .value(
                "SELECT batch_id FROM pgtend.archive_batch JOIN jobs_archive a ON archived_at = stamp \
                 WHERE a.name = 'old 5'",
            )
            .await;
        let found = verified(&program, 1).await;
        let differences = found["differences"].as_array().expect("a list");
        assert_eq!(differences.len(), 1, "{found}");
        assert_eq!(differences[0]["batch_id"], batch, "{found}");
        assert!(differences[0].get("rule").is_none(), "the table has but one: {found}");
        assert_eq!(differences[0]["rows_recorded"], differences[0]["rows_found"], "{found}");
        let look = differences[0]["look"].as_str().expect("a query");
        assert!(db.rows(look).await.iter().any(|row| row[1].as_deref() == Some("old 5")), "{look}");
    });
}

#[test]
fn two_rows_that_exchange_a_value_are_found() {
    on_every_major(|db| async move {
        let program = world(&db, ARCHIVE).await;
        db.execute(
            "UPDATE jobs_archive SET name = CASE name WHEN 'old 1' THEN 'old 2' ELSE 'old 1' END \
             WHERE name IN ('old 1', 'old 2')",
        )
        .await;
        let found = verified(&program, 1).await;
        assert_eq!(found["differences_total"], 1, "{found}");
    });
}

#[test]
fn a_row_too_few_and_a_row_too_many_are_found() {
    on_every_major(|db| async move {
        let program = world(&db, ARCHIVE).await;
        db.execute(
            "DELETE FROM jobs_archive WHERE name = 'old 3'; \
             INSERT INTO jobs_archive VALUES (4711, 'smuggled', 'done', now(), now())",
        )
        .await;
        let found = verified(&program, 1).await;
        let rows: Vec<(i64, i64)> = found["differences"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|d| (d["rows_recorded"].as_i64().unwrap(), d["rows_found"].as_i64().unwrap()))
            .collect();
        assert_eq!(rows, [(4, 3), (0, 1)], "{found}");
    });
}

#[test]
fn rows_that_tell_no_batch_are_compared_by_their_ages() {
    on_every_major(|db| async move {
        let program = world(&db, UNSTAMPED).await;
        db.execute("UPDATE jobs_archive SET status = 'x' WHERE name = 'old 10'").await;
        let found = verified(&program, 1).await;
        let differences = found["differences"].as_array().expect("a list");
        assert_eq!(differences.len(), 1, "{found}");
        assert_eq!(differences[0]["rows_found"], 3, "{found}");
    });
}

#[test]
fn rows_from_before_the_record_are_counted_and_no_difference() {
    on_every_major(|db| async move {
        let program = world(&db, ARCHIVE).await;
        db.execute(
            "INSERT INTO jobs_archive VALUES (4711, 'older', 'done', now(), now() - interval '1 year')",
        )
        .await;
        let found = verified(&program, 0).await;
        assert_eq!(found["rows_not_on_record"], 1, "{found}");
    });
}

#[test]
fn a_window_leaves_other_batches_out() {
    on_every_major(|db| async move {
        let program = world(&db, ARCHIVE).await;
        db.execute("UPDATE jobs_archive SET status = 'x' WHERE name = 'old 10'").await;
        let at = db
            .value("SELECT (min(created_at) + interval '1 minute')::date::text FROM jobs_archive")
            .await;
        let before = program.run(&["archive", "verify", "--until", &at]).await;
        assert_eq!(before.code, Some(0), "{before}");
        let since = program.run(&["archive", "verify", "--since", &at]).await;
        assert_eq!(since.code, Some(1), "{since}");
        assert!(since.stdout.contains("but not with the content that was moved"), "{since}");
    });
}

/// Types without a hash of their own, and values that are equal and not the same.
#[test]
fn any_type_is_compared_by_its_content() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TYPE pair AS (x int, y text);
             CREATE TABLE jobs (id uuid PRIMARY KEY, created_at timestamptz NOT NULL, status text,
               j json, jb jsonb, n numeric, b bytea, f float8, i interval, m mood, p pair, a int[],
               c char(4), r tstzrange, pt point, x xml, none text);
             INSERT INTO jobs SELECT md5(g::text)::uuid, now() - interval '60 days', 'done', '{\"a\":1}',
               '{\"a\": 1}', 1.0, '\\x00ff', 0.1, '1 day', 'a', ROW(1, 'y')::pair, '{1,2}', 'ab',
               tstzrange(now() - interval '1 day', now()), '(1,2)', '<a/>', NULL FROM generate_series(1, 3) g",
        )
        .await;
        let text = config("create_target = true");
        moved(&InProcess::new(&db, &text).await).await;
        let program = pgtend(&db, &text);
        verified(&program, 0).await;
        for (alter, back) in [
            ("j = '{\"a\": 1}'", "j = '{\"a\":1}'"),
            ("n = 1.00", "n = 1.0"),
            ("b = '\\x00fe'", "b = '\\x00ff'"),
            ("none = ''", "none = NULL"),
            ("f = 0.1::float8 + 2e-17", "f = 0.1"),
        ] {
            let row = "WHERE id = md5('2')::uuid";
            db.execute(&format!("UPDATE jobs_archive SET {alter} {row}")).await;
            verified(&program, 1).await;
            db.execute(&format!("UPDATE jobs_archive SET {back} {row}")).await;
            verified(&program, 0).await;
        }
    });
}

/// What leaves with a row is on record beside it, and compared in its own archive.
#[test]
fn an_altered_row_of_a_child_is_found() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(
            "CREATE TABLE events (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
               job_id bigint REFERENCES jobs ON DELETE CASCADE, name text);
             CREATE INDEX ON events (job_id);
             INSERT INTO events (job_id, name) SELECT id, name || ' ' || n FROM jobs, generate_series(1, 2) AS n",
        )
        .await;
        let text = config("batch_rows = 4\nchildren = ['events']\ncreate_target = true");
        moved(&InProcess::new(&db, &text).await).await;
        let program = pgtend(&db, &text);
        let clean = program.run(&["archive", "verify", "--format", "json"]).await;
        assert_eq!(clean.code, Some(0), "{clean}");
        let of_events = &clean.json()["tables"][1];
        assert_eq!(of_events["archive"], "public.events_archive", "{of_events}");
        assert_eq!((&of_events["batches"], &of_events["rows"]), (&3.into(), &22.into()));
        db.execute("UPDATE events_archive SET name = name || '!' WHERE name = 'old 5 2'").await;
        let ran = program.run(&["archive", "verify", "--format", "json"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        let found = ran.json();
        assert_eq!(found["tables"][0]["clean"], true, "{found}");
        let look = found["tables"][1]["differences"][0]["look"].as_str().expect("a query");
        assert!(
            db.rows(look).await.iter().any(|row| row[2].as_deref() == Some("old 5 2!")),
            "{look}"
        );
    });
}

/// What left the archive for good is on record too; what somebody took beside it is still missed.
#[test]
fn what_was_purged_is_not_missed() {
    on_every_major(|db| async move {
        for archive in [ARCHIVE, UNSTAMPED] {
            db.execute(
                "DROP TABLE IF EXISTS jobs, jobs_archive; DROP SCHEMA IF EXISTS pgtend CASCADE",
            )
            .await;
            let program = world(&db, archive).await;
            let all = names(&db, "jobs_archive").await;
            let retention = config("batch_rows = 4\narchive_retention = \"59 days 20 hours\"");
            let mut app = InProcess::new(&db, &retention).await;
            app.confirm();
            let outcome = once(&app).await;
            assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
            let kept = names(&db, "jobs_archive").await;
            assert!(all.contains(&"old 1".to_owned()) && !kept.contains(&"old 1".to_owned()));
            let found = verified(&program, 0).await;
            assert_eq!(found["clean"], true, "{found}");

            db.execute("DELETE FROM jobs_archive WHERE name = 'old 9'").await;
            let found = verified(&program, 1).await;
            assert_eq!(found["clean"], false, "{found}");
        }
    });
}
