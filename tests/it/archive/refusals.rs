//! What is refused before the first row, in the words an operator reads.
use std::fmt::Write as _;

use pgtend::job::{JobName, Verdict};

use super::{ARCHIVE, JOBS, config, config_for, once};
use crate::support::{Db, InProcess, on_every_major, run};

/// A hazard: what is done to the tables, and the configuration's further lines.
type Hazard = (&'static str, &'static str, &'static str);

const OF_THE_SOURCE: &[Hazard] = &[
    ("missing", "DROP TABLE jobs", ""),
    ("a view", "ALTER TABLE jobs RENAME TO j; CREATE VIEW jobs AS SELECT * FROM j", ""),
    (
        "a foreign table",
        "CREATE EXTENSION IF NOT EXISTS file_fdw; DROP TABLE jobs; CREATE SERVER s FOREIGN DATA \
         WRAPPER file_fdw; CREATE FOREIGN TABLE jobs (id int, status text, created_at timestamptz) \
         SERVER s OPTIONS (filename '/dev/null')",
        "",
    ),
    (
        "foreign keys point at it",
        "CREATE TABLE events (job_id bigint REFERENCES jobs ON DELETE CASCADE, \
         last bigint CONSTRAINT last_job REFERENCES jobs ON DELETE SET NULL); \
         ALTER TABLE jobs ADD COLUMN parent bigint REFERENCES jobs; \
         ALTER TABLE jobs_archive ADD COLUMN parent bigint",
        "",
    ),
    (
        "foreign keys of partitions, named once",
        "CREATE TABLE events (job_id bigint REFERENCES jobs, at int) PARTITION BY LIST (at); \
         CREATE TABLE events_1 PARTITION OF events DEFAULT",
        "",
    ),
    ("row level security", "ALTER TABLE jobs ENABLE ROW LEVEL SECURITY", ""),
    (
        "a trigger that can keep rows",
        "CREATE TRIGGER keep BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION swallow()",
        "",
    ),
    ("a rule", "CREATE RULE soft_delete AS ON DELETE TO jobs DO INSTEAD NOTHING", ""),
    (
        "foreign partitions",
        "CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw; \
         ALTER TABLE jobs RENAME TO j; CREATE TABLE jobs (LIKE j) PARTITION BY RANGE (created_at); \
         CREATE FOREIGN TABLE jobs_1 PARTITION OF jobs FOR VALUES FROM (MINVALUE) TO (MAXVALUE) \
         SERVER s OPTIONS (filename '/dev/null')",
        "",
    ),
    ("heirs", "CREATE TABLE more_jobs () INHERITS (jobs)", ""),
    (
        "partitioned, and no key",
        "ALTER TABLE jobs RENAME TO j; CREATE TABLE jobs (LIKE j) PARTITION BY LIST (status)",
        "",
    ),
    (
        "published without a replica identity",
        "CREATE PUBLICATION p FOR TABLE jobs; ALTER TABLE jobs REPLICA IDENTITY NOTHING",
        "",
    ),
];

const OF_THE_TARGET: &[Hazard] = &[
    ("missing", "DROP TABLE jobs_archive", ""),
    ("no schema for it", "", "into = 'cold.jobs'\ncreate_target = true"),
    (
        "a partition of the source",
        "ALTER TABLE jobs RENAME TO j; CREATE TABLE jobs (LIKE j) PARTITION BY LIST (id); \
         ALTER TABLE jobs ADD PRIMARY KEY (id); \
         CREATE TABLE part PARTITION OF jobs FOR VALUES IN (1)",
        "into = 'part'",
    ),
    (
        "a view",
        "ALTER TABLE jobs_archive RENAME TO j; CREATE VIEW jobs_archive AS SELECT * FROM j",
        "",
    ),
    (
        "foreign partitions",
        "CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw; \
         ALTER TABLE jobs_archive RENAME TO j; \
         CREATE TABLE jobs_archive (LIKE j) PARTITION BY RANGE (created_at); \
         CREATE FOREIGN TABLE archive_1 PARTITION OF jobs_archive FOR VALUES FROM (MINVALUE) TO (MAXVALUE) \
         SERVER s OPTIONS (filename '/dev/null')",
        "",
    ),
    ("row level security", "ALTER TABLE jobs_archive ENABLE ROW LEVEL SECURITY", ""),
    (
        "a trigger that swallows",
        "CREATE TRIGGER swallow BEFORE INSERT ON jobs_archive FOR EACH ROW EXECUTE FUNCTION swallow()",
        "",
    ),
    ("a rule", "CREATE RULE nowhere AS ON INSERT TO jobs_archive DO INSTEAD NOTHING", ""),
    ("unlogged", "ALTER TABLE jobs_archive SET UNLOGGED", ""),
    ("a new column of the source", "ALTER TABLE jobs ADD COLUMN \"Extra\" varchar(9)[]", ""),
    (
        "other types, narrower columns",
        "ALTER TABLE jobs ADD COLUMN price numeric(10, 2), ADD COLUMN code varchar(20); \
         ALTER TABLE jobs_archive ADD COLUMN price numeric(10, 1), ADD COLUMN code varchar(10), \
         ALTER COLUMN id TYPE int, ALTER COLUMN status TYPE char(4)",
        "",
    ),
    ("a column that nobody fills", "ALTER TABLE jobs_archive ADD COLUMN reason text NOT NULL", ""),
    (
        "a generated column in place of a plain one",
        "ALTER TABLE jobs_archive DROP COLUMN name; \
         ALTER TABLE jobs_archive ADD COLUMN name text GENERATED ALWAYS AS (status) STORED",
        "",
    ),
];

const OF_THE_CONFIGURATION: &[Hazard] = &[
    ("an age column that is missing", "", "age_column = 'finished'"),
    ("an age column that is no time", "", "age_column = 'status'"),
    ("a column that is missing", "", "where = \"status = 'done' AND\\n  stauts <> 'x'\""),
    ("no boolean", "", "where = 'status'"),
    ("no SQL", "", "where = 'status = = 1'"),
    ("an aggregate", "", "where = 'count(*) > 1'"),
    ("a condition that fails on a row", "", "where = 'name::int > 0'"),
    ("random", "", "where = 'random() < 0.5'"),
    ("a function that is volatile by oversight", "", "where = 'public.is_done(status)'"),
];

/// A database for each hazard would be slow: a schema does.
async fn messages(db: &Db, hazards: &[Hazard]) -> String {
    let mut text = String::new();
    for (name, sql, more) in hazards {
        db.execute(
            "DROP SCHEMA public CASCADE; DROP PUBLICATION IF EXISTS p; DROP SERVER IF EXISTS s CASCADE; \
             CREATE SCHEMA public; CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RETURN NULL; END'; \
             CREATE FUNCTION is_done(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        )
        .await;
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(sql).await;
        let app = InProcess::new(db, &override_config(more)).await;
        let plan = app.plan(JobName::Archive).await;
        assert!(plan.actions.is_empty(), "{name}: {plan}");
        let _ = writeln!(text, "{name}");
        for refused in &plan.refused {
            let _ = writeln!(text, "  {}", refused.fault);
        }
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Failed, "{name}");
        assert_eq!(outcome.rows(), 0, "{name}");
    }
    text
}

/// The usual configuration, whose lines these replace.
fn override_config(more: &str) -> String {
    let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
    let replaced: Vec<_> = more.lines().filter_map(key).collect();
    let base = config("");
    let kept = base.lines().filter(|line| key(line).is_none_or(|key| !replaced.contains(&key)));
    kept.chain(more.lines()).collect::<Vec<_>>().join("\n")
}

#[test]
fn hazards_of_the_source_are_refused() {
    on_every_major(|db| async move {
        insta::assert_snapshot!("source", messages(&db, OF_THE_SOURCE).await);
    });
}

#[test]
fn hazards_of_the_target_are_refused() {
    on_every_major(|db| async move {
        insta::assert_snapshot!("target", messages(&db, OF_THE_TARGET).await);
    });
}

/// The server refuses the DELETE of what such a publication holds: since 15, when they came.
const OF_PUBLICATIONS: &[Hazard] = &[
    ("a row filter", "CREATE PUBLICATION p FOR TABLE jobs WHERE (status = 'done' AND id > 0)", ""),
    ("a list of columns", "CREATE PUBLICATION p FOR TABLE jobs (name, status)", ""),
    (
        "a list of columns of a whole row",
        "ALTER TABLE jobs REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE jobs (id, name)",
        "",
    ),
    (
        "both, with a column in both",
        "CREATE PUBLICATION p FOR TABLE jobs (id, status) WHERE (status = 'done')",
        "",
    ),
    (
        "a filter of the partitioned table",
        "ALTER TABLE jobs RENAME TO j; CREATE TABLE jobs (LIKE j, PRIMARY KEY (id)) PARTITION BY RANGE (id); \
         CREATE TABLE jobs_1 PARTITION OF jobs DEFAULT; INSERT INTO jobs SELECT * FROM j; \
         CREATE PUBLICATION p FOR TABLE jobs WHERE (name > '') WITH (publish_via_partition_root)",
        "",
    ),
];

#[test]
fn publications_that_keep_rows_from_being_deleted_are_refused() {
    on_every_major(|db| async move {
        if db.major() < 15 {
            return;
        }
        insta::assert_snapshot!("publications", messages(&db, OF_PUBLICATIONS).await);
        // The server says the same of each.
        for (name, sql, _) in OF_PUBLICATIONS {
            db.execute(
                "DROP SCHEMA public CASCADE; DROP PUBLICATION IF EXISTS p; CREATE SCHEMA public",
            )
            .await;
            db.execute(JOBS).await;
            db.execute(sql).await;
            let refused = sqlx::raw_sql("DELETE FROM jobs").execute(db.pool()).await;
            assert!(refused.is_err(), "{name}");
        }
    });
}

#[test]
fn publications_whose_filters_and_lists_fit_the_replica_identity_are_a_warning() {
    on_every_major(|db| async move {
        if db.major() < 15 {
            return;
        }
        for made in [
            "CREATE PUBLICATION p FOR TABLE jobs (id, name) WHERE (id > 3)",
            "CREATE PUBLICATION p FOR TABLE jobs WHERE (status = 'done') WITH (publish = 'insert')",
            "ALTER TABLE jobs REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE jobs WHERE (status = 'done')",
            "CREATE UNIQUE INDEX two ON jobs (name, status); ALTER TABLE jobs ALTER status SET NOT NULL, \
               REPLICA IDENTITY USING INDEX two; \
             CREATE PUBLICATION p FOR TABLE jobs (name, status) WHERE (status = 'done')",
        ] {
            db.execute("DROP TABLE IF EXISTS jobs, jobs_archive; DROP PUBLICATION IF EXISTS p")
                .await;
            db.execute(JOBS).await;
            db.execute(ARCHIVE).await;
            db.execute(made).await;
            let app = InProcess::new(&db, &config("")).await;
            assert_eq!(super::moved(&app).await.rows, Some(11), "{made}");
        }
    });
}

/// A temporary table is another session's; what it holds is not ours to keep.
#[test]
fn temporary_tables_are_refused() {
    on_every_major(|db| async move {
        let mut other = db.connect().await;
        let made =
            "CREATE TEMP TABLE jobs (id int PRIMARY KEY, status text, created_at timestamptz)";
        run(&mut other, made).await;
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        let schema = db.value("SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'jobs' AND relpersistence = 't'").await;
        let temporary = format!("{schema}.jobs");
        let of_source = config_for(&temporary, "created_at", "")
            .replace(".jobs_archive", ".none")
            .replace(&format!("{schema}.none"), "jobs_archive");
        let of_target = override_config(&format!("into = '{temporary}'"));
        for config in [of_source, of_target] {
            let app = InProcess::new(&db, &config).await;
            let said: Vec<String> = app
                .plan(JobName::Archive)
                .await
                .refused
                .iter()
                .map(|r| r.fault.to_string())
                .collect();
            assert!(
                said.iter().any(|said| said.contains(&format!("{temporary} is a temporary table"))),
                "{said:?}"
            );
            assert_eq!(once(&app).await.verdict, Verdict::Failed);
        }
    });
}

#[test]
fn hazards_of_the_configuration_are_refused() {
    on_every_major(|db| async move {
        insta::assert_snapshot!("configuration", messages(&db, OF_THE_CONFIGURATION).await);
    });
}

#[test]
fn missing_privileges_are_named_with_their_grants() {
    on_every_major(|db| async move {
        let role = format!("weak_{}", db.major());
        db.execute(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'secret'; \
             GRANT CREATE ON DATABASE \"{}\" TO {role}; CREATE SCHEMA hidden",
            db.name()
        ))
        .await;
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute("ALTER TABLE jobs_archive SET SCHEMA hidden").await;
        let config = override_config("into = 'hidden.jobs_archive'");
        let app = InProcess::without_schema(&db.url_as(&role, "secret"), &config).await;
        let plan = app.plan(JobName::Archive).await;
        let faults: Vec<String> = plan.refused.iter().map(|r| r.fault.to_string()).collect();
        insta::assert_snapshot!("privileges", faults.join("\n").replace(&role, "weak"));

        db.execute(&format!(
            "GRANT USAGE ON SCHEMA hidden TO {role}; GRANT SELECT, UPDATE, DELETE ON jobs TO {role}; \
             GRANT INSERT ON hidden.jobs_archive TO {role}"
        ))
        .await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        assert_eq!(super::moved(&app).await.rows, Some(11));
        db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

#[test]
fn what_only_watches_is_a_warning() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        db.execute(
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER watch AFTER DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION watch(); \
             CREATE TRIGGER asleep BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION watch(); \
             ALTER TABLE jobs DISABLE TRIGGER asleep; \
             CREATE TRIGGER watch AFTER INSERT ON jobs_archive FOR EACH ROW EXECUTE FUNCTION watch(); \
             CREATE TRIGGER other BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION watch(); \
             CREATE PUBLICATION p FOR TABLE jobs; \
             ALTER TABLE jobs_archive ALTER COLUMN created_at SET NOT NULL",
        )
        .await;
        let app = InProcess::new(&db, &config("")).await;
        insta::assert_snapshot!("warnings", once(&app).await.warnings.join("\n"));
    });
}

#[test]
fn one_table_that_is_refused_does_not_stop_the_others() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(ARCHIVE).await;
        let both = format!(
            "{}[archive.tables.aaa]\ninto = 'b'\nage_column = 'c'\nolder_than = '1 day'\n",
            config_for("jobs", "created_at", "")
        );
        let app = InProcess::new(&db, &both).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        assert_eq!(outcome.rows(), 12);
    });
}
