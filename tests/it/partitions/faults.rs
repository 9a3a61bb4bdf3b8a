//! What goes wrong: tables that cannot be tended, missing rights, crashes half-way.

use pgtend::job::{JobName, Verdict};
use pgtend::pg::fault::Kind;

use super::{config, now, once, shown, succeeded, tend, tending};
use crate::support::{InProcess, on_every_major, run};

/// Cases 18 and 20: keys of several columns and expressions are refused by name, and what is broken stops
/// nobody.
#[test]
fn twenty_broken_tables_do_not_stop_three() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE fine_1 (ts date) PARTITION BY RANGE (ts);
            CREATE TABLE fine_2 (ts timestamp) PARTITION BY RANGE (ts);
            CREATE TABLE fine_3 (ts timestamptz) PARTITION BY RANGE (ts);
            CREATE TABLE plain (ts date);
            CREATE VIEW a_view AS SELECT * FROM plain;
            CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM plain;
            CREATE SEQUENCE a_sequence;
            CREATE TABLE by_list (ts date) PARTITION BY LIST (ts);
            CREATE TABLE by_hash (ts date) PARTITION BY HASH (ts);
            CREATE TABLE two_columns (ts date, id int) PARTITION BY RANGE (ts, id);
            CREATE TABLE expression (ts date) PARTITION BY RANGE ((ts + 1));
            CREATE TABLE by_id (id bigint) PARTITION BY RANGE (id);
            CREATE TABLE by_uuid (id uuid) PARTITION BY RANGE (id);
            CREATE TABLE by_text (id text) PARTITION BY RANGE (id);
            CREATE DOMAIN day AS date;
            CREATE TABLE by_domain (ts day) PARTITION BY RANGE (ts);
        ",
        )
        .await;
        let broken = [
            "plain",
            "a_view",
            "a_matview",
            "a_sequence",
            "by_list",
            "by_hash",
            "two_columns",
            "expression",
            "by_id",
            "by_uuid",
            "by_text",
            "by_domain",
            "missing_1",
            "missing_2",
            "missing_3",
            "missing_4",
            "missing_5",
            "no_schema.missing",
            "pg_catalog.pg_class",
            "\"Missing\"",
        ];
        let fine = ["fine_1", "fine_2", "fine_3"];
        let tables: Vec<_> = broken.iter().chain(&fine).map(|table| (*table, "")).collect();
        let app = tending(&db, &tables).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial);
        assert_eq!((outcome.done(), outcome.failed()), (9, 20), "{outcome:#?}");
        for action in &outcome.actions {
            if let Err(fault) = &action.result {
                assert_eq!(fault.kind, Kind::Refused, "{fault}");
                assert!(fault.hint.is_some() && fault.object.is_some(), "{fault}");
            }
        }
        for table in fine {
            assert_eq!(shown(&db, table).await.lines().count(), 3);
        }
    });
}

#[test]
fn missing_rights_are_told_with_the_grant_that_cures_them() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE ROLE rights_owner; CREATE ROLE rights_tend LOGIN PASSWORD 'secret' NOINHERIT;
            CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO rights_owner;
            CREATE TABLE app.events (id int, ts date, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
            ALTER TABLE app.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
            GRANT SELECT ON app.events TO PUBLIC;
        ",
        )
        .await;
        db.execute(&format!("ALTER TABLE app.events OWNER TO rights_owner; GRANT CREATE ON DATABASE \"{}\" TO rights_tend", db.name())).await;
        let url = db.url_as("rights_tend", "secret");
        let app =
            InProcess::without_schema(&url, &config(&[("app.events", "premake = \"1 day\"")]))
                .await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        let mut told = Vec::new();
        loop {
            let outcome = once(&app).await;
            let Some(fault) = outcome.first_fault() else { break };
            assert_eq!(fault.kind, Kind::Permission, "{outcome:#?}");
            let grant = fault.hint.clone().expect("the grant");
            assert!(!told.contains(&grant), "{grant} did not help: {fault}");
            db.execute(&grant).await;
            told.push(grant);
        }
        let owner: &[&str] = if db.major() >= 16 {
            &["GRANT rights_owner TO rights_tend WITH INHERIT TRUE, SET TRUE"]
        } else {
            &["GRANT rights_owner TO rights_tend", "ALTER ROLE rights_tend INHERIT"]
        };
        let schema = [
            "GRANT USAGE, CREATE ON SCHEMA app TO rights_tend",
            "GRANT CREATE ON SCHEMA app TO rights_owner",
        ];
        assert_eq!(told, [owner, &schema].concat());
        let rights = "SELECT DISTINCT relowner::regrole || ' ' || relacl::text FROM pg_class \
                      WHERE relnamespace = 'app'::regnamespace AND relkind IN ('p', 'r')";
        let rights = db.column(rights).await;
        assert!(rights.len() == 1 && rights[0].starts_with("rights_owner"), "{rights:?}");
        assert_eq!(shown(&db, "app.events").await.lines().count(), 1);
        app.server().close().await;
        db.execute("DROP SCHEMA app, pgtend CASCADE; DROP OWNED BY rights_owner, rights_tend; DROP ROLE rights_owner, rights_tend").await;
    });
}

#[test]
fn a_half_detached_partition_is_named_with_its_cure() {
    on_every_major(|db| async move {
        if db.major() < 14 {
            return;
        }
        db.execute("CREATE TABLE events (ts date) PARTITION BY RANGE (ts)").await;
        let app = tending(&db, &[("events", "")]).await;
        tend(&app).await;
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM events").await;
        let mut conn = db.connect().await;
        run(&mut conn, "SET lock_timeout = '100ms'").await;
        let detach =
            sqlx::raw_sql("ALTER TABLE events DETACH PARTITION events_p2026_02 CONCURRENTLY");
        detach.execute(&mut conn).await.expect_err("the reader is in the way");
        let outcome = once(&app).await;
        let fault = outcome.first_fault().expect("a fault");
        assert_eq!(
            fault.hint.as_deref(),
            Some("ALTER TABLE public.events DETACH PARTITION public.events_p2026_02 FINALIZE")
        );
        assert_eq!(
            outcome.spared[0].reason,
            "covered until 2026-02-01; premake = 2 months asks for 2026-03-20 10:00:00"
        );
        run(&mut reader, "COMMIT").await;
        db.execute(&fault.hint.clone().unwrap()).await;
        // The detached table keeps the name; the range is covered all the same.
        let outcome = app.once_at(JobName::Partitions, now()).await;
        succeeded(&outcome);
        assert!(shown(&db, "events").await.contains("events_p2026_02_2 "));
    });
}
