//! Several rules of one table.

use pgtend::job::{JobName, Outcome, Verdict};

use super::hand_over::{YEARS, partitions};
use super::{ARCHIVE, JOBS, keep, names, once};
use crate::support::{Db, InProcess, KillPoints, NO_ROWS, on_every_major, pgtend};

/// Where rows of the second and the third rule go.
const FURTHER: &str = "
CREATE TABLE jobs_failed (LIKE jobs_archive, PRIMARY KEY (id));
CREATE TABLE jobs_rest (LIKE jobs_archive, PRIMARY KEY (id));
INSERT INTO jobs (name, status, created_at) VALUES ('failed lately', 'failed', now() - interval '40 days');
";

/// The configuration for `jobs`, with these lines and these rules.
pub(super) fn config(table: &str, rules: &[(&str, &str)]) -> String {
    let rule =
        |(name, lines): &(&str, &str)| format!("[archive.tables.jobs.rules.{name}]\n{lines}\n");
    let rules: String = rules.iter().map(rule).collect();
    format!(
        "[archive]\nschedule = \"30 2 * * *\"\nmax_attempts = 1\n[archive.tables.jobs]\n\
         into = 'jobs_archive'\nage_column = 'created_at'\nolder_than = '30 days'\n{table}\n{rules}"
    )
}

/// Finished jobs after a month, failed ones after 50 days, and what else there is of that age.
pub(super) const THREE: [(&str, &str); 3] = [
    ("done", "where = \"status = 'done'\""),
    ("failed", "into = 'jobs_failed'\nolder_than = '50 days'\nwhere = \"status = 'failed'\""),
    ("rest", "into = 'jobs_rest'\nolder_than = '50 days'"),
];

pub(super) async fn world(db: &Db) {
    db.execute(&format!("{JOBS}{ARCHIVE}{FURTHER}")).await;
    keep(db, "jobs").await;
}

/// Each row is in exactly one of the tables, and unchanged.
pub(super) async fn assert_once(db: &Db, tables: &[&str]) {
    let of = |table: &&str| format!("SELECT id, name, status, created_at FROM {table}");
    let all = tables.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ");
    let kept = "SELECT id, name, status, created_at FROM kept";
    assert_eq!(db.rows(&format!("{kept} EXCEPT ALL ({all})")).await, NO_ROWS, "lost");
    assert_eq!(db.rows(&format!("({all}) EXCEPT ALL {kept}")).await, NO_ROWS, "doubled");
}

pub(super) const ALL: [&str; 4] = ["jobs", "jobs_archive", "jobs_failed", "jobs_rest"];

#[test]
fn each_rule_moves_its_rows_to_its_archive_and_the_first_one_comes_first() {
    on_every_major(|db| async move {
        world(&db).await;
        let program = pgtend(&db, &config("batch_rows = 3", &THREE));
        let plan = program.run(&["plan", "archive", "--format", "json"]).await.json();
        let actions = plan["jobs"][0]["actions"].as_array().unwrap().clone();
        let objects: Vec<_> = actions.iter().map(|action| action["object"].clone()).collect();
        assert_eq!(objects, ["public.jobs (done)", "public.jobs (failed)", "public.jobs (rest)"]);
        let ran = program.run(&["once", "archive", "--format", "json"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let stays = ["young", "ageless", "failed lately", "from the future"];
        assert_eq!(names(&db, "jobs").await, stays);
        // Both `failed` and `rest` claim it.
        assert_eq!(names(&db, "jobs_failed").await, ["old and failed"]);
        assert_eq!(names(&db, "jobs_rest").await, ["old and pending"]);
        assert_eq!(names(&db, "jobs_archive").await.len(), 10);
        assert_once(&db, &ALL).await;
        let verified = program.run(&["archive", "verify", "jobs"]).await;
        assert_eq!(verified.code, Some(0), "{verified}");
        for archive in ["jobs_archive", "jobs_failed", "jobs_rest"] {
            assert!(verified.stdout.contains(archive), "{verified}");
        }
        let status = program.run(&["status"]).await;
        assert!(status.stdout.contains("public.jobs (failed)"), "{status}");
        let again = program.run(&["plan", "archive", "--check"]).await;
        assert_eq!(again.code, Some(0), "nothing is left to do: {again}");
    });
}

#[test]
fn rules_that_are_cut_off_go_on_each_where_it_was() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute(
            "INSERT INTO jobs (name, status, created_at) SELECT 'failed ' || i, 'failed', \
             now() - interval '70 days' + i * interval '1 s' FROM generate_series(1, 5) AS i; \
             DROP TABLE kept",
        )
        .await;
        keep(&db, "jobs").await;
        let limited = THREE.map(|(rule, lines)| (rule, format!("{lines}\nmax_rows = 2")));
        let limited: Vec<_> = limited.iter().map(|(rule, lines)| (*rule, lines.as_str())).collect();
        let app = InProcess::new(&db, &config("batch_rows = 2", &limited[..2])).await;
        once(&app).await;
        let standing = "SELECT source FROM pgtend.archive_position ORDER BY 1";
        assert_eq!(db.column(standing).await, ["public.jobs (done)", "public.jobs (failed)"]);
        assert_eq!(names(&db, "jobs_failed").await, ["failed 1", "failed 2"]);
        assert_eq!(names(&db, "jobs_archive").await, ["old 1", "old 2"]);
        let plan = app.plan(JobName::Archive).await.to_string();
        assert_eq!(plan.matches("goes on where an earlier run stopped").count(), 2, "{plan}");
        once(&app).await;
        assert_eq!(
            names(&db, "jobs_failed").await,
            ["failed 1", "failed 2", "failed 3", "failed 4"]
        );
        assert_eq!(names(&db, "jobs_archive").await, ["old 1", "old 2", "old 3", "old 4"]);
        once(&InProcess::new(&db, &config("", &THREE)).await).await;
        assert_eq!(
            names(&db, "jobs").await,
            ["young", "ageless", "failed lately", "from the future"]
        );
        assert_eq!(db.rows(standing).await, NO_ROWS);
        assert_once(&db, &ALL).await;
    });
}

#[test]
fn two_rules_survive_every_kill() {
    on_every_major(|db| async move {
        world(&db).await;
        // The time of the move is another one in each run.
        db.execute(
            "ALTER TABLE jobs_archive DROP COLUMN archived_at; \
             ALTER TABLE jobs_failed DROP COLUMN archived_at; ANALYZE jobs",
        )
        .await;
        let config = config("batch_rows = 8", &THREE[..2]);
        let done = KillPoints::of(&db, &config, &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("INTO public.jobs_failed")), "{done:#?}");
    });
}

/// What the deletions of a run did, or said.
fn deletions(outcome: &Outcome) -> Vec<(String, Result<Option<u64>, String>)> {
    let of = outcome.actions.iter().filter(|action| action.kind != "agree_policy");
    let told = of.map(|action| {
        let result = action.result.as_ref();
        (action.object.clone(), result.map(|it| it.rows).map_err(ToString::to_string))
    });
    told.collect()
}

#[test]
fn each_rule_that_deletes_is_agreed_to_by_itself() {
    on_every_major(|db| async move {
        world(&db).await;
        let rules = |failed: &str| {
            let failed = format!("older_than = '{failed}'\nwhere = \"status = 'failed'\"");
            let rules = [THREE[0], ("failed", &failed), ("rest", "older_than = '50 days'")];
            config("", &rules).replace("into = 'jobs_archive'", "delete = true").replace(
                "[archive.tables.jobs.rules.done]",
                "[archive.tables.jobs.rules.done]\ninto = 'jobs_archive'",
            )
        };
        let app = InProcess::new(&db, &rules("50 days")).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Partial, "{outcome:#?}");
        let said = deletions(&outcome);
        assert_eq!(said.iter().filter(|(_, result)| result.is_err()).count(), 2, "{said:#?}");
        // What moves, moves; and before it could be deleted.
        assert_eq!(names(&db, "jobs_archive").await.len(), 10);
        let mut app = InProcess::new(&db, &rules("50 days")).await;
        app.confirm();
        let said = deletions(&once(&app).await);
        let expected =
            ["public.jobs (failed)", "public.jobs (rest)"].map(|it| (it.to_owned(), Ok(Some(1))));
        assert_eq!(said, expected);
        assert_eq!(
            names(&db, "jobs").await,
            ["young", "ageless", "failed lately", "from the future"]
        );

        // Only what deletes more is asked about again.
        db.execute("INSERT INTO jobs (name, status, created_at) VALUES ('x', 'new', now() - interval '60 days')").await;
        let said = deletions(&once(&InProcess::new(&db, &rules("35 days")).await).await);
        assert!(
            matches!(&said[0], (rule, Err(why)) if rule == "public.jobs (failed)" && why.contains("older than 50 days")),
            "{said:#?}"
        );
        assert_eq!(said[1..], [("public.jobs (rest)".to_owned(), Ok(Some(1)))]);
        assert_eq!(
            names(&db, "jobs").await,
            ["young", "ageless", "failed lately", "from the future"]
        );
    });
}

#[test]
fn what_came_back_is_taken_by_no_rule() {
    on_every_major(|db| async move {
        world(&db).await;
        db.execute("ALTER TABLE jobs ADD COLUMN ended_at date DEFAULT '2020-01-01'; ALTER TABLE jobs_archive ADD COLUMN ended_at date; ALTER TABLE jobs_failed ADD COLUMN ended_at date").await;
        let mut app = InProcess::new(&db, &config("", &THREE[..2])).await;
        once(&app).await;
        let program = pgtend(&db, &config("", &THREE[..2]));
        let condition = "name IN ('old 3', 'old and failed')";
        // By the age of each rule; another age would tell another time.
        let since = db.value("SELECT (now() - interval '100 days')::date").await;
        let restore = ["archive", "restore", "jobs", "--where", condition, "--since", &since];
        let ran = program.run(&restore).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let back = ["old 3", "old and failed"];
        let which = format!("jobs WHERE {condition}");
        assert_eq!(names(&db, &which).await, back, "out of both archives");
        // Neither by a rule that goes by another age, nor by one that deletes.
        let further = [
            THREE[0],
            THREE[1],
            ("gone", "delete = true\nage_column = 'ended_at'\nwhere = \"name <> 'young'\""),
        ];
        app = InProcess::new(&db, &config("", &further)).await;
        app.confirm();
        once(&app).await;
        assert_eq!(names(&db, "jobs").await, ["old 3", "young", "old and failed"]);
        let verified = program.run(&["archive", "verify", "jobs"]).await;
        assert_eq!(verified.code, Some(0), "{verified}");
    });
}

#[test]
fn a_partition_is_handed_over_once_no_other_rule_takes_rows_of_it() {
    on_every_major(|db| async move {
        db.execute(YEARS).await;
        db.execute(
            "CREATE TABLE jobs_failed (LIKE jobs, PRIMARY KEY (id)); \
             UPDATE jobs SET status = 'failed' WHERE name = 'also of 2020'",
        )
        .await;
        keep(&db, "jobs").await;
        let rules = [
            ("failed", "into = 'jobs_failed'\nwhere = \"status = 'failed'\""),
            ("most", "where = \"status <> 'pending'\""),
        ];
        let app = InProcess::new(&db, &config("", &rules)).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let why =
            "1 of its rows are not due, as the condition says, or go elsewhere by another rule";
        assert!(
            outcome
                .spared
                .iter()
                .any(|it| it.object == "public.jobs_2020" && it.reason.contains(why)),
            "{outcome:#?}"
        );
        assert_eq!(partitions(&db, "jobs_archive").await, ["jobs_2021"]);
        assert_eq!(names(&db, "jobs_failed").await, ["also of 2020"]);
        assert_once(&db, &["jobs", "jobs_archive", "jobs_failed"]).await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert_eq!(partitions(&db, "jobs_archive").await, ["jobs_2020", "jobs_2021"]);
        let by = "SELECT DISTINCT rule FROM pgtend.archive_batch WHERE part IS NOT NULL";
        assert_eq!(db.column(by).await, ["most"]);
        assert_once(&db, &["jobs", "jobs_archive", "jobs_failed"]).await;

        // A rule that takes anything leaves no partition whole.
        let rules = [("any", "into = 'jobs_failed'\nolder_than = '60 years'"), rules[1]];
        db.execute("CREATE TABLE jobs_2019 PARTITION OF jobs FOR VALUES FROM ('2019-01-01') TO ('2020-01-01'); \
                    INSERT INTO jobs (id, name, created_at) VALUES (9, 'of 2019', '2019-02-02')").await;
        let plan = InProcess::new(&db, &config("", &rules)).await.plan(JobName::Archive).await;
        assert!(plan.to_string().contains("rule any takes rows of any kind elsewhere"), "{plan}");
        assert!(plan.actions.is_empty(), "{plan}");
    });
}

#[test]
fn an_older_schema_knows_what_was_agreed() {
    on_every_major(|db| async move {
        world(&db).await;
        let config = config("", &[]).replace("into = 'jobs_archive'", "delete = true");
        let mut app = InProcess::new(&db, &config).await;
        app.confirm();
        once(&app).await;
        db.execute(
            "ALTER TABLE pgtend.archive_policy DROP COLUMN rule, ADD PRIMARY KEY (relation); \
             ALTER TABLE pgtend.archive_hold DROP COLUMN age; \
             ALTER TABLE pgtend.archive_batch DROP COLUMN rule; \
             ALTER TABLE pgtend.job_run DROP COLUMN wal_bytes, DROP COLUMN server_wal_bytes; \
             DELETE FROM pgtend._sqlx_migrations WHERE version >= 14; \
             INSERT INTO jobs (name, created_at) VALUES ('late', now() - interval '60 days'); \
             INSERT INTO pgtend.archive_hold (source, until, held_until) \
             VALUES ('public.jobs', '1999-01-01', now() + interval '1 day')",
        )
        .await;
        let program = pgtend(&db, &config);
        let plan = program.run(&["plan", "archive"]).await;
        assert!(plan.stdout.contains("+ delete_rows public.jobs: 1 row is due"), "{plan}");
        // `once` upgrades it, and asks for nothing.
        let ran = program.run(&["once", "archive"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(names(&db, "jobs WHERE name = 'late'").await, [""; 0]);
    });
}
