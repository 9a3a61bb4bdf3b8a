//! pgtend's own schema: made by whoever comes first, under any name, or not at all.

use super::assert_refused;
use crate::daemon::{RARELY, TABLE, config, has_partitions};
use crate::support::{Db, Program, on_every_major, pgtend, run};

/// A role of this database's own.
async fn role(db: &Db) -> String {
    let name = format!("role_of_{}", &db.name()[..40.min(db.name().len())]);
    let mut conn = db.connect().await;
    run(&mut conn, &format!("CREATE ROLE \"{name}\" LOGIN PASSWORD 'x'")).await;
    name
}

async fn drop_role(db: &Db, role: &str) {
    db.execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
}

fn as_role(db: &Db, role: &str) -> Program {
    pgtend(db, &config(RARELY, "").replace("{url}", &db.url_as(role, "x")))
}

#[test]
fn odd_names_work_everywhere() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        for schema in [r#""Odd.Schéma""#, r#""it's \\ ""quoted""""#, "select", r#""pg tend""#] {
            let text = config(RARELY, &format!("schema = '''{schema}'''"));
            let program = pgtend(&db, &text);
            for command in [
                &["migrate"][..],
                &["check"],
                &["plan"],
                &["once"],
                &["status"],
                &["history"],
                &["pause", "partitions"],
                &["resume", "partitions"],
                &["trigger", "partitions"],
            ] {
                let ran = program.run(command).await;
                assert_eq!(ran.code, Some(0), "{schema}: {command:?}: {ran}");
            }
            let daemon = program.spawn(&["run"]);
            daemon.event("run.finished", |line| line["outcome"] == "succeeded").await;
            let quoted = if schema == "select" { r#""select""# } else { schema };
            let runs = format!("SELECT status FROM {quoted}.job_run ORDER BY run_id");
            assert_eq!(db.column(&runs).await, ["succeeded", "succeeded"], "{schema}");
        }
        assert!(has_partitions(&db).await);
    });
}

#[test]
fn many_may_come_first() {
    on_every_major(|db| async move {
        let program = pgtend(&db, &config(RARELY, ""));
        let all = (0..4).map(|_| program.run(&["migrate"]));
        for ran in futures_util::future::join_all(all).await {
            assert_eq!(ran.code, Some(0), "{ran}");
        }
        let twice = "SELECT version FROM pgtend._sqlx_migrations GROUP BY 1 HAVING count(*) > 1";
        assert_eq!(db.column(twice).await, Vec::<String>::new());
        // Nobody is left holding the lock that others would wait for.
        let locks = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert!(db.rows(locks).await.is_empty());
    });
}

#[test]
fn what_a_role_lacks_is_named() {
    on_every_major(|db| async move {
        let role = role(&db).await;
        let program = as_role(&db, &role);
        let grant = format!("GRANT CREATE ON DATABASE {} TO {role}", db.name());
        // No schema, and none may be made.
        let ran = program.run(&["once"]).await;
        assert_refused(&ran, 77, &["permission denied for database", &grant]);
        let checked = program.run(&["check"]).await;
        assert_eq!(checked.code, Some(1), "{checked}");
        assert!(checked.stdout.contains(&grant), "{checked}");
        // One that somebody else has made, empty or in use.
        db.execute("CREATE SCHEMA pgtend").await;
        let ran = program.run(&["once"]).await;
        assert_refused(&ran, 77, &["ALTER SCHEMA pgtend OWNER TO"]);
        let checked = program.run(&["check"]).await;
        assert!(checked.stdout.contains("ALTER SCHEMA pgtend OWNER TO"), "{checked}");
        db.execute(&format!("GRANT USAGE ON SCHEMA pgtend TO \"{role}\"")).await;
        let ran = program.run(&["once"]).await;
        assert_refused(&ran, 77, &["ALTER SCHEMA pgtend OWNER TO"]);
        // Its own.
        db.execute(&format!("ALTER SCHEMA pgtend OWNER TO \"{role}\"")).await;
        let ran = program.run(&["migrate"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        drop_role(&db, &role).await;
    });
}

#[test]
fn a_newer_schema_is_left_alone() {
    on_every_major(|db| async move {
        let program = pgtend(&db, &config(RARELY, ""));
        assert_eq!(program.run(&["migrate"]).await.code, Some(0));
        db.execute(
            "INSERT INTO pgtend._sqlx_migrations \
             VALUES (99999, 'of tomorrow', now(), true, '\\x00', 1)",
        )
        .await;
        for command in ["migrate", "once", "run", "status", "history"] {
            let ran = program.run(&[command]).await;
            assert_refused(&ran, 78, &["made by a newer pgtend"]);
        }
        let checked = program.run(&["check"]).await;
        assert_eq!(checked.code, Some(1), "{checked}");
        assert!(checked.stdout.contains("made by a newer pgtend (migration 99999)"), "{checked}");
    });
}
