//! Rows whose age an expression tells that an index leads with.

use pgtend::job::{JobName, Verdict};

use super::{assert_whole, keep, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, on_every_major, rows, run, wait_until};

/// Old ones, five of them of the very same age; young ones, enough that the table is not read as a whole.
const JOBS: &str = "
CREATE TABLE jobs (id bigint PRIMARY KEY, name text NOT NULL, finished_at timestamptz, created_at timestamptz);
INSERT INTO jobs SELECT i, 'old ' || i, now() - interval '50 days' + i * interval '1 hour', now() - interval '90 days'
  FROM generate_series(1, 4) AS i;
INSERT INTO jobs SELECT i, 'same ' || i, NULL, date_trunc('day', now()) - interval '40 days'
  FROM generate_series(9, 5, -1) AS i;
INSERT INTO jobs VALUES (10, 'ageless', NULL, NULL), (11, 'ended late', now(), now() - interval '90 days'),
  (12, 'young', NULL, now());
";

/// Nothing of these is looked at by name.
const MANY: &str = "
INSERT INTO jobs SELECT i, 'one of many', NULL, now() - interval '1 day' FROM generate_series(1000, 9000) AS i;
ANALYZE jobs;
";

const ARCHIVE: &str =
    "CREATE TABLE jobs_archive (LIKE jobs, archived_at timestamptz, PRIMARY KEY (id));";

const AGE: &str = "Coalesce( finished_at,created_at ) -- whichever there is";

/// On the expression alone, and with the key behind it.
const INDEXES: [&str; 2] = [
    "CREATE INDEX jobs_age ON jobs (coalesce(finished_at, created_at))",
    "CREATE INDEX jobs_age ON jobs (coalesce(finished_at, created_at), id)",
];

const STAY: [&str; 3] = ["young", "ageless", "ended late"];

fn config(age: &str, more: &str) -> String {
    format!(
        "[archive]\nschedule = \"30 2 * * *\"\nmax_attempts = 1\n[archive.tables.jobs]\n\
         into = 'jobs_archive'\nage_expression = \"\"\"{age}\"\"\"\nolder_than = '30 days'\n{more}\n"
    )
}

async fn world(db: &Db, index: &str) {
    let before =
        "DROP TABLE IF EXISTS jobs, jobs_archive, kept; DROP SCHEMA IF EXISTS pgtend CASCADE";
    db.execute(&format!("{before};{JOBS}{MANY}{ARCHIVE}{index}; ANALYZE jobs")).await;
    keep(db, "jobs").await;
}

async fn names_left(db: &Db) -> Vec<String> {
    names(db, "jobs WHERE id < 1000").await
}

/// How the server would run a statement that was printed, with values like those it is run with.
async fn explained(db: &Db, sql: &str) -> String {
    let values = (1..).take_while(|at| sql.contains(&format!("${at}")));
    let values: Vec<&str> = values
        .map(|at| match sql {
            // A number of rows, or the key behind an age.
            _ if sql.contains(&format!("${at}::bigint")) => "500",
            _ => "2020-02-02 00:00:00+00",
        })
        .collect();
    let (types, values) = (vec!["text"; values.len()].join(", "), values.join("', '"));
    let mut conn = db.connect().await;
    run(&mut conn, "SET search_path = pgtend").await;
    run(&mut conn, &format!("PREPARE printed ({types}) AS {sql}")).await;
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE printed ('{values}')");
    let lines = rows(&mut conn, &explain).await;
    lines.into_iter().flatten().flatten().collect::<Vec<_>>().join("\n")
}

#[test]
fn an_index_on_the_expression_finds_old_rows() {
    on_every_major(|db| async move {
        for index in INDEXES {
            world(&db, index).await;
            let app = InProcess::new(&db, &config(AGE, "batch_rows = 3")).await;
            let plan = app.plan(JobName::Archive).await;
            let why = "along ((Coalesce( finished_at,created_at ) -- whichever there is), id), as index \
                       jobs_age leads with (";
            assert!(plan.to_string().contains(why), "{plan}");
            let printed = &plan.actions[0].sql;
            let deletes = "-- counted and recorded by the batch itself\nWITH gone AS (\nDELETE FROM public.jobs\n";
            let inserts = "INSERT INTO public.jobs_archive";
            let walks = ["-- the first range", "-- the next range", inserts, deletes];
            for walk in walks {
                let sql = printed.iter().filter(|sql| sql.starts_with(walk));
                for sql in sql.inspect(|sql| assert!(sql.contains("Coalesce"), "{sql}")) {
                    let how = explained(&db, sql).await;
                    let is_served =
                        how.contains("using jobs_age on jobs") || how.contains("Scan on jobs_age");
                    let is_read =
                        how.contains("Seq Scan on jobs") || how.contains("using jobs_pkey");
                    assert!(is_served && !is_read, "{sql}\n{how}");
                }
                assert!(printed.iter().any(|sql| sql.starts_with(walk)), "{walk}: {printed:#?}");
            }
            assert_eq!(moved(&app).await.rows, Some(9));
            assert_eq!(names_left(&db).await, STAY);
            assert_whole(&db, "jobs", "jobs_archive").await;
            assert!(once(&app).await.actions.is_empty(), "nothing is left to do");
        }
    });
}

/// Five rows of one age, in batches of two, the one of the lowest key first; a run that ends among them
/// goes on among them.
#[test]
fn rows_of_the_same_expressed_age_go_each_once() {
    on_every_major(|db| async move {
        for index in INDEXES {
            world(&db, index).await;
            let more = "batch_rows = 2\norder = 'oldest'\nmax_rows = 6";
            let app = InProcess::new(&db, &config(AGE, more)).await;
            assert_eq!(moved(&app).await.rows, Some(6));
            let gone = names(&db, "jobs_archive").await;
            assert_eq!(gone, ["old 1", "old 2", "old 3", "old 4", "same 5", "same 6"]);
            assert_eq!(moved(&app).await.rows, Some(3));
            assert_eq!(names_left(&db).await, STAY);
            assert_whole(&db, "jobs", "jobs_archive").await;
        }
    });
}

#[test]
fn a_row_whose_expressed_age_changes_while_it_moves_stays() {
    on_every_major(|db| async move {
        for (index, is_old) in INDEXES.into_iter().flat_map(|index| [(index, true), (index, false)])
        {
            world(&db, index).await;
            let app = InProcess::new(&db, &config(AGE, "")).await;
            let mut other = db.connect().await;
            let age = if is_old { "interval '35 days'" } else { "interval '0'" };
            let update =
                format!("UPDATE jobs SET finished_at = now() - {age} WHERE name = 'old 3'");
            run(&mut other, &format!("BEGIN; {update}")).await;
            let editor = async {
                wait_until("the batch waits for the row", || waits(&db)).await;
                run(&mut other, "COMMIT").await;
            };
            let (outcome, ()) = tokio::join!(once(&app), editor);
            assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
            let (hot, gone) = if is_old { (0, 1) } else { (1, 0) };
            assert_eq!(names(&db, "jobs WHERE name = 'old 3'").await.len(), hot);
            assert_eq!(names(&db, "jobs_archive WHERE name = 'old 3'").await.len(), gone);
            let stale =
                "jobs_archive WHERE finished_at < now() - interval '36 days' AND name = 'old 3'";
            assert_eq!(names(&db, stale).await, [""; 0], "no old version");
            assert_eq!(names(&db, "jobs_archive").await.len(), 8 + gone);
        }
    });
}

async fn waits(db: &Db) -> bool {
    let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
               AND application_name LIKE 'pgtend%' AND wait_event_type = 'Lock'";
    !db.rows(sql).await.is_empty()
}

#[test]
fn rows_along_an_index_on_the_expression_survive_every_kill() {
    on_every_major(|db| async move {
        world(&db, INDEXES[0]).await;
        db.execute("ALTER TABLE jobs_archive DROP COLUMN archived_at; DROP TABLE kept").await;
        let config = config(AGE, "batch_rows = 4");
        let done = KillPoints::of(&db, &config, &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("), id) >= (")), "{done:#?}");
    });
}

/// Only what the server itself would use counts.
#[test]
fn other_indexes_on_expressions_serve_no_age() {
    on_every_major(|db| async move {
        for (index, age, serves) in [
            ("jobs (coalesce(finished_at, created_at)) WHERE id > 0", AGE, false),
            ("jobs (coalesce(created_at, finished_at))", AGE, false),
            ("jobs (id, coalesce(finished_at, created_at))", AGE, false),
            ("jobs USING hash (coalesce(finished_at, created_at))", AGE, false),
            ("jobs (coalesce(finished_at, created_at) DESC)", AGE, true),
            ("jobs (created_at)", "created_at", true),
            // Its constants are computed by the server, who sees through it.
            (
                "jobs (coalesce(finished_at, created_at, '2000-01-01Z'))",
                "coalesce(finished_at, created_at, timestamptz '2000-01-01Z')",
                true,
            ),
        ] {
            world(&db, &format!("CREATE INDEX jobs_age ON {index}")).await;
            let app = InProcess::new(&db, &config(age, "order = 'oldest'")).await;
            let plan = app.plan(JobName::Archive).await.to_string();
            let is_along = plan.contains("as index jobs_age leads with (");
            let is_refused = plan.contains("needs a key, and an index that leads with its age");
            assert_eq!((is_along, is_refused), (serves, !serves), "{index} {age}\n{plan}");
        }
    });
}

#[test]
fn each_partition_has_its_index_on_the_expression() {
    on_every_major(|db| async move {
        let parts = "
            CREATE TABLE jobs (id bigint, name text NOT NULL, finished_at timestamptz, created_at timestamptz,
                PRIMARY KEY (id)) PARTITION BY RANGE (id);
            CREATE TABLE jobs_1 PARTITION OF jobs FOR VALUES FROM (0) TO (5);
            CREATE TABLE jobs_2 PARTITION OF jobs FOR VALUES FROM (5) TO (100000);";
        let (_, rows) = JOBS.split_once(";\n").unwrap();
        db.execute(&format!("{parts}{rows}{MANY}{ARCHIVE}{}; ANALYZE jobs", INDEXES[0])).await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config(AGE, "batch_rows = 2")).await;
        let plan = app.plan(JobName::Archive).await.to_string();
        assert!(plan.contains("as an index of each partition leads with ("), "{plan}");
        assert_eq!(moved(&app).await.rows, Some(9));
        assert_eq!(names_left(&db).await, STAY);
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}
