//! Several rules of one table: what is on record of each, and of the children that each takes along.

use super::children::events;
use super::rules::{ALL, THREE, assert_once, config, world};
use super::{assert_events_in_one, keep, names, once};
use crate::support::{Db, InProcess, NO_ROWS, on_every_major, pgtend, run};

/// By which rule how many rows came where.
async fn on_record(db: &Db) -> Vec<String> {
    db.column(
        "SELECT concat_ws(' ', source, '->', target, coalesce(rule, 'by none'), sum(row_count)) \
         FROM pgtend.archive_batch GROUP BY source, target, rule ORDER BY target, rule",
    )
    .await
}

/// One row is archived already, one is held: the batches go on record each on another way.
#[test]
fn every_batch_is_on_record_by_its_rule_and_verify_names_it() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute(
            "INSERT INTO jobs (name, status, created_at) VALUES \
               ('also failed', 'failed', now() - interval '60 days'), \
               ('also pending', 'pending', now() - interval '60 days'); \
             INSERT INTO jobs_failed SELECT *, now() - interval '1 year' FROM jobs WHERE name = 'old and failed'; \
             ALTER TABLE jobs_rest DROP COLUMN archived_at; DROP TABLE kept",
        )
        .await;
        keep(&db, "jobs").await;
        let text = config("batch_rows = 4", &THREE);
        let app = InProcess::new(&db, &text).await;
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM jobs WHERE name = 'old and pending' FOR UPDATE").await;
        once(&app).await;
        assert_eq!(names(&db, "jobs_rest").await, ["also pending"]);
        run(&mut other, "COMMIT").await;
        once(&app).await;
        assert_once(&db, &ALL).await;
        assert_eq!(
            on_record(&db).await,
            [
                "public.jobs -> public.jobs_archive done 10",
                "public.jobs -> public.jobs_failed failed 1",
                "public.jobs -> public.jobs_rest rest 2"
            ]
        );

        db.execute(
            "UPDATE jobs_failed SET name = name || '!' WHERE name = 'also failed'; \
             UPDATE jobs_rest SET name = name || '!' WHERE name = 'also pending'",
        )
        .await;
        let program = pgtend(&db, &text);
        let ran = program.run(&["archive", "verify", "jobs", "--format", "json"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        let found = ran.json();
        let tables = found["tables"].as_array().unwrap().iter();
        let named: Vec<_> = tables
            .flat_map(|table| table["differences"].as_array().unwrap())
            .map(|difference| (difference["rule"].as_str(), difference["batch_id"].is_string()))
            .collect();
        assert_eq!(named, [(Some("failed"), true), (Some("rest"), true)], "{found}");
        let said = program.run(&["archive", "verify", "jobs"]).await.stdout;
        for rule in ["failed", "rest"] {
            assert!(said.contains(&format!(", rule {rule}, moved ")), "{said}");
        }
    });
}

#[test]
fn each_rule_takes_the_children_of_its_rows_along() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute(&events("CASCADE")).await;
        db.execute("CREATE TABLE kept_events AS SELECT * FROM events").await;
        let table = "batch_rows = 3\nchildren = ['events']\ncreate_target = true";
        let program = pgtend(&db, &config(table, &THREE[..2]));
        let ran = program.run(&["once", "archive", "--format", "json"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let report = ran.json();
        let done = report["jobs"][0]["actions"].as_array().unwrap().iter();
        let done: Vec<_> = done.map(|action| action["object"].as_str().unwrap()).collect();
        assert_eq!(done, ["public.events_archive", "public.jobs (done)", "public.jobs (failed)"]);

        let stays = ["young", "ageless", "failed lately", "from the future", "old and pending"];
        assert_eq!(names(&db, "jobs").await, stays);
        assert_once(&db, &ALL).await;
        assert_events_in_one(&db).await;
        let of_them = stays.map(|job| format!("{job} 2"));
        assert_eq!(names(&db, "events WHERE name LIKE '% 2'").await, of_them);
        assert_eq!(
            on_record(&db).await,
            [
                "public.events -> public.events_archive done 20",
                "public.events -> public.events_archive failed 2",
                "public.jobs -> public.jobs_archive done 10",
                "public.jobs -> public.jobs_failed failed 1"
            ]
        );

        let condition = "name IN ('old 3', 'old and failed')";
        let ran = program.run(&["archive", "restore", "jobs", "--where", condition]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let back = format!("events WHERE job_id IN (SELECT id FROM jobs WHERE {condition})");
        assert_eq!(
            names(&db, &back).await,
            ["old 3 1", "old 3 2", "old and failed 1", "old and failed 2"]
        );
        assert_events_in_one(&db).await;
        let verified = program.run(&["archive", "verify"]).await;
        assert_eq!(verified.code, Some(0), "{verified}");
        // Held back from both rules, with what refers to it.
        let again = program.run(&["once", "archive"]).await;
        assert_eq!(again.code, Some(0), "{again}");
        assert_eq!(names(&db, &back).await.len(), 4);
        assert_eq!(db.rows("SELECT * FROM pgtend.archive_position").await, NO_ROWS);
    });
}
