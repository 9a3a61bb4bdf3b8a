//! Partitions that are not handed over, each with its reason; and what stands on those that are.
use std::fmt::Write as _;

use pgtend::job::{JobName, Spared};

use super::hand_over::{YEARS, config, nothing_left, partitions, told};
use super::{assert_whole, keep, names, once};
use crate::support::{Db, InProcess, on_every_major, pgtend, run};

/// What is done to the two tables, and its name. The last must be undone for the next one.
const HAZARDS: &[(&str, &str, &str)] = &[
    (
        "foreign key of the hot table",
        "CREATE TABLE users (name text PRIMARY KEY); INSERT INTO users SELECT name FROM jobs; \
      ALTER TABLE jobs ADD CONSTRAINT of_user FOREIGN KEY (name) REFERENCES users",
        "",
    ),
    (
        "foreign key of the archive",
        "CREATE TABLE users (name text PRIMARY KEY); \
      ALTER TABLE jobs_archive ADD CONSTRAINT of_user FOREIGN KEY (name) REFERENCES users",
        "",
    ),
    (
        "foreign key of the partition",
        "CREATE TABLE users (name text PRIMARY KEY); INSERT INTO users SELECT name FROM jobs; \
      ALTER TABLE jobs_2020 ADD CONSTRAINT of_user FOREIGN KEY (name) REFERENCES users",
        "",
    ),
    (
        "trigger that fires for deletes",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
      CREATE TRIGGER notes AFTER DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION f()",
        "",
    ),
    (
        "trigger of the archive",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
      CREATE TRIGGER notes AFTER INSERT ON jobs_archive FOR EACH ROW EXECUTE FUNCTION f()",
        "",
    ),
    (
        "trigger of the partition",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
      CREATE TRIGGER notes BEFORE UPDATE ON jobs_2020 FOR EACH ROW EXECUTE FUNCTION f()",
        "",
    ),
    (
        "publication of the hot table",
        "CREATE PUBLICATION hand_over_p FOR TABLE jobs WITH (publish = 'insert')",
        "DROP PUBLICATION hand_over_p",
    ),
    (
        "publication of the archive",
        "CREATE PUBLICATION hand_over_p FOR TABLE jobs_archive",
        "DROP PUBLICATION hand_over_p",
    ),
    (
        "publication of the partition",
        "CREATE PUBLICATION hand_over_p FOR TABLE jobs_2020",
        "DROP PUBLICATION hand_over_p",
    ),
    (
        "another type",
        "ALTER TABLE jobs_archive ALTER name TYPE varchar(200); ALTER TABLE jobs ALTER name TYPE varchar(100)",
        "",
    ),
    ("another collation", "ALTER TABLE jobs_archive ALTER name TYPE text COLLATE \"POSIX\"", ""),
    ("NOT NULL", "ALTER TABLE jobs ALTER name DROP NOT NULL", ""),
    (
        "another generator",
        "ALTER TABLE jobs ADD twice bigint GENERATED ALWAYS AS (id * 2) STORED; \
      ALTER TABLE jobs_archive ADD twice bigint GENERATED ALWAYS AS (id + id) STORED",
        "",
    ),
    ("a column that fills itself", "ALTER TABLE jobs_archive ADD kept text DEFAULT 'long'", ""),
    (
        "a check of the archive",
        "ALTER TABLE jobs_archive ADD CONSTRAINT named CHECK (name <> '')",
        "",
    ),
    (
        "a key of the archive",
        "ALTER TABLE jobs_archive ADD CONSTRAINT once UNIQUE (name, created_at)",
        "",
    ),
    (
        "unlogged",
        "DROP TABLE jobs_2020; CREATE UNLOGGED TABLE jobs_2020 (LIKE jobs INCLUDING ALL); \
      ALTER TABLE jobs ATTACH PARTITION jobs_2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); \
      INSERT INTO jobs VALUES (1, 'of 2020', 'done', '2020-02-02')",
        "",
    ),
    ("row security", "ALTER TABLE jobs_2020 ENABLE ROW LEVEL SECURITY", ""),
    (
        "partitions of its own",
        "DROP TABLE jobs_2020; CREATE TABLE jobs_2020 PARTITION OF jobs FOR VALUES FROM ('2020-01-01') \
      TO ('2021-01-01') PARTITION BY RANGE (created_at); CREATE TABLE jobs_2020_all PARTITION OF jobs_2020 DEFAULT; \
      INSERT INTO jobs VALUES (1, 'of 2020', 'done', '2020-02-02')",
        "",
    ),
    (
        "a default partition with rows",
        "CREATE TABLE rest PARTITION OF jobs_archive DEFAULT; \
      INSERT INTO jobs_archive VALUES (9, 'of 1999', 'done', '1999-01-01')",
        "",
    ),
    (
        "another key",
        "DROP TABLE jobs_archive; CREATE TABLE jobs_archive (LIKE jobs) PARTITION BY RANGE (id)",
        "",
    ),
    (
        "LIST",
        "DROP TABLE jobs_archive; CREATE TABLE jobs_archive (LIKE jobs) PARTITION BY LIST (status)",
        "",
    ),
    ("not partitioned", "DROP TABLE jobs_archive; CREATE TABLE jobs_archive (LIKE jobs)", ""),
];

/// Whatever the server would scan, build, keep or refuse is told before anything is begun, with the
/// cure; the other partition goes where the hazard concerns one alone.
#[test]
fn each_hazard_is_told_with_its_cure() {
    on_every_major(|db| async move {
        let mut said = String::new();
        for (name, bend, undo) in HAZARDS {
            db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
            db.execute(YEARS).await;
            db.execute("ANALYZE").await;
            db.execute(bend).await;
            let app = InProcess::new(&db, &config()).await;
            let plan = app.plan(JobName::Archive).await;
            writeln!(said, "== {name}").unwrap();
            for action in plan.actions.iter().filter(|action| action.kind != "move_rows") {
                writeln!(said, "+ {} {}", action.kind, action.object).unwrap();
            }
            let is_beside = |spared: &&Spared| {
                spared.object == "public.jobs_ahead" || spared.reason.starts_with("nothing older")
            };
            for spared in plan.spared.iter().filter(|spared| !is_beside(spared)) {
                writeln!(said, "· {}: {}", spared.object, spared.reason).unwrap();
            }
            for refused in &plan.refused {
                writeln!(said, "! {}", refused.fault).unwrap();
            }
            db.execute(undo).await;
        }
        insta::assert_snapshot!("why", said);
    });
}

/// Owner, privileges, identity, another order of columns, dropped ones: the partition is the archive's
/// afterwards, and the application's INSERT goes on.
#[test]
fn what_stands_on_the_tables_follows_or_stays() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE ROLE hand_over_owner; CREATE ROLE hand_over_clerk; CREATE ROLE hand_over_app; \
             CREATE TABLE jobs (gone int, id bigint GENERATED BY DEFAULT AS IDENTITY, name text NOT NULL, \
               status text DEFAULT 'done', created_at date NOT NULL, PRIMARY KEY (id, created_at)) \
               PARTITION BY RANGE (created_at); \
             CREATE TABLE jobs_2020 PARTITION OF jobs FOR VALUES FROM (MINVALUE) TO ('2021-01-01'); \
             ALTER TABLE jobs DROP gone; \
             CREATE TABLE jobs_ahead PARTITION OF jobs FOR VALUES FROM ('2021-01-01') TO ('2125-01-01'); \
             GRANT SELECT, UPDATE ON jobs_2020 TO hand_over_app; \
             INSERT INTO jobs (name, created_at) VALUES ('old', '2020-05-05'), ('young', current_date); \
             CREATE TABLE jobs_archive (status text, created_at date NOT NULL, name text NOT NULL, id bigint, \
               archived_at timestamptz NOT NULL, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at); \
             ALTER TABLE jobs_archive OWNER TO hand_over_owner; GRANT CREATE ON SCHEMA public TO hand_over_owner; \
             GRANT SELECT ON jobs_archive TO hand_over_clerk WITH GRANT OPTION",
        )
        .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config()).await;
        let first = told(&app).await;
        assert_eq!(first[0], "hand_over_partition public.jobs_2020 Some(1)", "{first:#?}");
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(
            db.rows(
                "SELECT relowner::regrole::text, (SELECT string_agg(grantee::regrole || ' ' || privilege_type || ' ' || \
                 is_grantable, ', ') FROM aclexplode(relacl) WHERE grantee <> relowner) \
                 FROM pg_class WHERE relname = 'jobs_2020'"
            )
            .await,
            [[Some("hand_over_owner".to_owned()), Some("hand_over_clerk SELECT true".to_owned())]]
        );
        let default = "SELECT count(*) FROM pg_attrdef WHERE adrelid = 'jobs_2020'::regclass \
                       AND pg_get_expr(adbin, adrelid) LIKE '%now()%'";
        assert_eq!(db.value(default).await, "0", "the archive has no default there");
        db.execute("INSERT INTO jobs (name, created_at) VALUES ('new', current_date)").await;
        assert_eq!(names(&db, "jobs").await, ["new", "young"]);
        nothing_left(&db).await;
        db.execute(
            "DROP OWNED BY hand_over_owner, hand_over_clerk, hand_over_app CASCADE; \
             DROP ROLE hand_over_owner, hand_over_clerk, hand_over_app",
        )
        .await;
    });
}

/// Retention and premake of the same table: what left by a hand-over is simply not there, and is not
/// made again.
#[test]
fn the_job_partitions_is_not_confused() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        db.execute("ALTER TABLE jobs DETACH PARTITION jobs_ahead; DROP TABLE jobs_ahead").await;
        let section = "[partitions]\nschedule = \"17 * * * *\"\n[partitions.tables.\"public.jobs\"]\n\
                       interval = \"1 year\"\npremake = \"1 year\"\nretention = \"2 years\"\nexpire_max_share = 1\n\n";
        let config = format!("{section}{}", config());
        let ran = pgtend(&db, &config).run(&["once", "archive"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(partitions(&db, "jobs_archive").await, ["jobs_2020", "jobs_2021"]);
        for _ in 0..2 {
            let ran = pgtend(&db, &config).run(&["once", "partitions", "--confirm"]).await;
            assert_eq!(ran.code, Some(0), "{ran}");
        }
        assert_eq!(partitions(&db, "jobs_archive").await, ["jobs_2020", "jobs_2021"]);
        let past = "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid \
                    WHERE inhparent = 'jobs'::regclass AND pg_get_expr(relpartbound, 0) ~ 'FROM ..20(1|20|21|22)'";
        assert_eq!(db.column(past).await, [""; 0]);
        assert_eq!(db.column("SELECT name FROM pgtend.partition_quarantine").await, [""; 0]);
    });
}

/// What the retention has begun to detach is left to it.
#[test]
fn what_is_in_quarantine_is_left_alone() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        let app = InProcess::new(&db, &config()).await;
        db.execute(
            "INSERT INTO pgtend.partition_quarantine (relation, name, parent, bound) \
             VALUES ('jobs_2020'::regclass, 'public.jobs_2020', 'jobs'::regclass, \
             'FOR VALUES FROM (''2020-01-01 00:00:00+00'') TO (''2021-01-01 00:00:00+00'')')",
        )
        .await;
        let first = told(&app).await;
        assert_eq!(first[0], "hand_over_partition public.jobs_2021 Some(1)", "{first:#?}");
        assert!(
            first[1].contains("public.jobs_2020: it is leaving by its retention"),
            "{first:#?}"
        );
        assert_eq!(partitions(&db, "jobs").await, ["jobs_2020", "jobs_ahead"]);
    });
}

async fn blocked(db: &Db, by: &str) -> (InProcess, sqlx::PgConnection, Vec<String>) {
    db.execute(YEARS).await;
    let app = InProcess::new(db, &config()).await;
    let mut other = db.connect().await;
    run(&mut other, by).await;
    let first = told(&app).await;
    (app, other, first)
}

/// A reader that stays holds nothing up but the hand-over, and is named; once it is gone, it is made up
/// for. The second partition is not tried after the first.
#[test]
fn an_open_reader_is_named_and_waited_out() {
    on_every_major(|db| async move {
        let (app, mut other, first) =
            blocked(&db, "BEGIN; LOCK TABLE ONLY jobs IN ACCESS SHARE MODE").await;
        assert!(first[0].contains("hand_over_partition public.jobs_2020 failed"), "{first:#?}");
        assert!(first[0].contains("pid"), "{first:#?}");
        assert_eq!(partitions(&db, "jobs").await, ["jobs_2020", "jobs_2021", "jobs_ahead"]);
        run(&mut other, "COMMIT").await;
        assert_eq!(told(&app).await[0], "hand_over_partition public.jobs_2020 Some(2)");
        nothing_left(&db).await;
    });
}

/// An old snapshot keeps the index from being finished; the next run begins it again.
#[test]
fn an_old_snapshot_delays_a_large_one() {
    on_every_major(|db| async move {
        let (app, mut other, first) =
            blocked(&db, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class").await;
        assert!(first[0].contains("hand_over_partition public.jobs_2020 failed"), "{first:#?}");
        run(&mut other, "COMMIT").await;
        assert_eq!(told(&app).await[0], "hand_over_partition public.jobs_2020 Some(2)");
        nothing_left(&db).await;
        assert!(once(&app).await.actions.is_empty());
    });
}
