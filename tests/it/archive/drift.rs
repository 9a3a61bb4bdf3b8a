//! The source got columns, or room, that its archive has not.
use pgtend::job::{JobName, Verdict};

use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, names, once};
use crate::support::{Db, InProcess, KillPoints, on_every_major, run};

const ADOPT: &str = "batch_rows = 4\nadopt_new_columns = true";

const GROWN: &str = "\
ALTER TABLE jobs_archive ADD COLUMN code varchar(10), ADD COLUMN price numeric(8, 2);
ALTER TABLE jobs ADD COLUMN code varchar(20) DEFAULT 'a code of 20 letters',
    ADD COLUMN price numeric(10, 2) DEFAULT 12345678.90,
    ADD COLUMN \"Extra\" varchar(9)[] NOT NULL DEFAULT '{x}',
    ADD COLUMN number int GENERATED ALWAYS AS IDENTITY";

/// The usual tables, and what is done to them.
async fn world(db: &Db, sql: &str) {
    db.execute(JOBS).await;
    db.execute(ARCHIVE).await;
    db.execute(sql).await;
    keep(db, "jobs").await;
}

#[test]
fn the_archive_adopts_columns_and_room_and_then_rows_move() {
    on_every_major(|db| async move {
        world(&db, GROWN).await;
        let app = InProcess::new(&db, &config(ADOPT)).await;
        let plan = app.plan(JobName::Archive).await;
        insta::assert_snapshot!("adopts", plan.actions[0].sql.join(";\n"));
        assert_eq!(moved(&app).await.rows, Some(11));
        assert_whole(&db, "jobs", "jobs_archive").await;
        let again = app.plan(JobName::Archive).await;
        assert!(again.actions.is_empty(), "{again}");
    });
}

#[test]
fn nothing_is_altered_while_nothing_is_due() {
    on_every_major(|db| async move {
        world(
            &db,
            &format!("{GROWN}; DELETE FROM jobs WHERE created_at < now() - interval '30 days'"),
        )
        .await;
        let app = InProcess::new(&db, &config(ADOPT)).await;
        let plan = app.plan(JobName::Archive).await;
        assert!(plan.actions.is_empty(), "{plan}");
    });
}

#[test]
fn what_would_rewrite_the_archive_is_still_refused() {
    on_every_major(|db| async move {
        world(&db, &format!("{GROWN}; ALTER TABLE jobs_archive ALTER id TYPE int")).await;
        let app = InProcess::new(&db, &config(ADOPT)).await;
        let plan = app.plan(JobName::Archive).await;
        let said: Vec<String> = plan.refused.iter().map(|r| r.fault.to_string()).collect();
        assert_eq!(
            said,
            [
                "archive public.jobs: column id is integer in public.jobs_archive, bigint in the source; \
              ALTER TABLE public.jobs_archive ALTER COLUMN id TYPE bigint"
            ]
        );
        assert!(plan.actions.is_empty(), "{plan}");
    });
}

#[test]
fn a_role_that_may_not_alter_the_archive_is_told_what_to_do() {
    on_every_major(|db| async move {
        let role = format!("guest_{}", db.major());
        db.execute(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'secret'"
        ))
        .await;
        let owner = format!("keeper_{}", db.major());
        db.execute(&format!("DROP ROLE IF EXISTS {owner}; CREATE ROLE {owner}")).await;
        world(&db, GROWN).await;
        db.execute(&format!(
            "GRANT SELECT, UPDATE, DELETE ON jobs TO {role}; GRANT INSERT ON jobs_archive TO {role}; \
             ALTER TABLE jobs_archive OWNER TO {owner}"
        ))
        .await;
        let app = InProcess::without_schema(&db.url_as(&role, "secret"), &config(ADOPT)).await;
        let plan = app.plan(JobName::Archive).await;
        let said: Vec<String> = plan.refused.iter().map(|r| r.fault.to_string()).collect();
        let said = said.join("\n").replace(&role, "guest").replace(&owner, "keeper");
        insta::assert_snapshot!("may_not_alter", said);
        db.execute(&format!("DROP OWNED BY {role}, {owner}; DROP ROLE {role}, {owner}")).await;
    });
}

#[test]
fn a_reader_of_the_archive_is_named_and_not_queued_behind() {
    on_every_major(|db| async move {
        world(&db, GROWN).await;
        let app = InProcess::new(&db, &config(ADOPT)).await;
        let mut reader = db.connect().await;
        run(&mut reader, "SET application_name = 'a report'; BEGIN; SELECT FROM jobs_archive")
            .await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
        let fault = outcome.actions[0].result.as_ref().unwrap_err();
        assert_eq!(fault.blockers[0].application, "a report", "{fault}");
        assert_eq!(names(&db, "jobs_archive").await, [""; 0]);
        run(&mut reader, "COMMIT").await;
        moved(&app).await;
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn an_adoption_survives_every_kill() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute("CREATE TABLE jobs_archive (LIKE jobs, PRIMARY KEY (id))").await;
        db.execute("ALTER TABLE jobs ADD COLUMN extra int DEFAULT 7").await;
        let done = KillPoints::of(&db, &config(ADOPT), &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("ADD COLUMN extra")), "{done:#?}");
    });
}

#[test]
fn old_rows_leave_an_archive_in_the_run_behind_the_one_that_alters_it() {
    on_every_major(|db| async move {
        world(&db, GROWN).await;
        db.execute(
            "CREATE INDEX ON jobs_archive (created_at); \
             INSERT INTO jobs_archive (id, name, created_at, archived_at) \
               VALUES (900, 'very old', now() - interval '900 days', now())",
        )
        .await;
        let mut app =
            InProcess::new(&db, &config(&format!("{ADOPT}\narchive_retention = '800 days'"))).await;
        app.confirm();
        let old = "jobs_archive WHERE name = 'very old'";
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let why = "this run gives public.jobs_archive what it lacks: the next one deletes";
        assert!(outcome.spared.iter().any(|it| it.reason.contains(why)), "{outcome:#?}");
        assert_eq!(names(&db, old).await, ["very old"]);
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        assert!(names(&db, old).await.is_empty(), "{outcome:#?}");
    });
}
