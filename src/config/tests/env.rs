//! The environment: what it can set, and what it gets told.

use std::time::Duration;

use super::{LEAST, World};
use crate::config::checked::{Level, Rule, UrlSource};
use crate::pg::ident::TableName;

const JOBS: &str = r#"
[database]
url = "postgres://pgtend@localhost/app"
[archive]
schedule = "5 * * * *"
[archive.tables."public.ml_jobs"]
into = "public.ml_jobs_archive"
age_column = "created_at"
older_than = "30 days"
[archive.tables.'"Odd.Schema"."Order"']
into = "public.orders_archive"
age_column = "created_at"
older_than = "30 days"
[analyze]
schedule = "5 * * * *"
"#;

#[test]
fn variables_reach_every_kind_of_value() {
    let world = World::new(&[("pgtend.toml", JOBS)]);
    let loaded = world
        .load(&[
            ("PGTEND__LOG__LEVEL", "debug"),
            ("PGTEND__DATABASE__LOCK_TIMEOUT", "1s 500ms"),
            ("PGTEND__DATABASE__MAX_CONNECTIONS", "7"),
            ("PGTEND__DATABASE__SCHEMA", "\"00123\""),
            ("PGTEND__ARCHIVE__TABLES__PUBLIC_ML_JOBS__CREATE_TARGET", "true"),
            ("PGTEND__ARCHIVE__TABLES__ODD_SCHEMA_ORDER__MAX_ROWS", "0005"),
            ("PGTEND__ANALYZE__STALE_FRACTION", "0.5"),
            ("PGTEND__ANALYZE__EXCLUDE", "public.a, app.\"B\""),
            ("PGTEND__SLOW_QUERIES__SCHEDULE", "* * * * *"),
            ("PGTEND__LOG__FILE__DIRECTORY", "/var/log/pgtend"),
        ])
        .unwrap();
    let config = loaded.config;
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.database.lock_timeout, Duration::from_millis(1_500));
    assert_eq!(config.database.max_connections, 7);
    assert_eq!(config.database.schema.as_str(), "00123");
    let tables = config.archive.unwrap().tables;
    assert!(tables[&Rule::of(TableName::new("public", "ml_jobs").unwrap())].create_target);
    assert_eq!(tables[&Rule::of(TableName::new("Odd.Schema", "Order").unwrap())].max_rows, Some(5));
    let analyze = config.analyze.unwrap();
    assert!((0.4..0.6).contains(&analyze.stale_fraction));
    let excluded = [("public", "a"), ("app", "B")].map(|(s, t)| TableName::new(s, t).unwrap());
    assert_eq!(analyze.exclude, excluded);
    assert!(config.slow_queries.is_some(), "a section may come from the environment alone");
    assert!(config.log.file.is_some());
}

#[test]
fn everything_may_come_from_the_environment() {
    let env = [
        ("PGTEND__DATABASE__URL", "postgres://app@localhost/app"),
        ("PGTEND__ANALYZE__SCHEDULE", "5 * * * *"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = crate::config::load(None, env.into_iter()).unwrap();
    assert!(loaded.config.analyze.is_some());
    assert_eq!(loaded.files.len(), 0);
}

#[test]
fn an_empty_variable_is_not_set() {
    let world = World::new(&[("pgtend.toml", LEAST)]);
    let empty = [("PGTEND__DATABASE__LOCK_TIMEOUT", ""), ("PGTEND__NONSENSE", "")];
    assert!(world.load(&empty).is_ok());
}

#[test]
fn names_that_are_not_ours_to_judge_are_left_alone() {
    let world = World::new(&[("pgtend.toml", LEAST)]);
    let others = [
        ("PGTEND_CONFIG", "x"),
        ("PGTEND_TEST_PARALLEL", "x"),
        ("PGTEND_POSTGRES_DIRECTORY", "x"),
        ("PGTEND_SERVICE_HOST", "10.0.0.1"),
        ("PGTEND_PORT", "tcp://10.0.0.1:9743"),
        ("AGENT__DATABASE", "x"),
        ("OTHER__DATABASE__URL", "x"),
        ("PATH", "/bin"),
    ];
    assert!(world.load(&others).is_ok());
}

#[test]
fn wrong_variables_get_messages_to_act_on() {
    let world = World::new(&[("pgtend.toml", JOBS)]);
    let messages = world.problems(&[
        ("PGTEND_DATABASE__URL", "postgres://app:canary@localhost/app"),
        ("PGTEND_LOG_LEVEL", "debug"),
        ("PGTEDN__DATABASE__SCHEMA", "x"),
        ("pgtend__log__format", "json"),
        ("PGTEND__DATABASE__SHCEMA", "x"),
        ("PGTEND__NOTHING__LIKE__THIS", "x"),
        ("PGTEND__HTTP__LISTEN", "127.0.0.1:9743"),
        ("PGTEND__ARCHIVE__TABLES__PUBLIC_EVENTS__INTO", "public.x"),
        ("PGTEND__PARTITIONS__TABLES__PUBLIC_EVENTS__INTERVAL", "1 month"),
        ("PGTEND__ARCHIVE__TABLES__PUBLIC_ML_JOBS__CREATE_TARGET", "yes"),
        ("PGTEND__ARCHIVE__TABLES__PUBLIC_ML_JOBS__BATCH_ROWS", "+5"),
        ("PGTEND__DATABASE__LOCK_TIMEOUT", "2"),
        ("PGTEND__DATABASE__URL", "postgres://app:canary@localhost:port/app"),
        ("PGTEND__ANALYZE__EXCLUDE", "public.a,,b"),
        ("PGTEND__SLOW_QUERIES__MIN_CALLS", "5"),
    ]);
    assert!(!messages.contains("canary"));
    insta::assert_snapshot!(messages);
}

#[test]
fn a_variable_that_could_mean_two_tables_is_refused() {
    let text = format!(
        "{LEAST}[partitions]\nschedule = \"5 * * * *\"\n\
         [partitions.tables.\"a.b_c\"]\ninterval = \"1 month\"\n\
         [partitions.tables.\"a_b.c\"]\ninterval = \"1 month\"\n"
    );
    let world = World::new(&[("pgtend.toml", &text)]);
    let messages = world.problems(&[("PGTEND__PARTITIONS__TABLES__A_B_C__PREMAKE", "1 year")]);
    insta::assert_snapshot!(messages, @r#"PGTEND__PARTITIONS__TABLES__A_B_C__PREMAKE: this could mean partitions.tables."a.b_c" and partitions.tables."a_b.c"; set it in a file"#);
}

#[test]
fn database_url_counts_only_if_nothing_of_ours_does() {
    let url = |env: &[(&str, &str)], text: &str| {
        let loaded = World::new(&[("pgtend.toml", text)]).load(env).unwrap();
        match crate::config::secret::read(&loaded.config.database.url).unwrap() {
            Some(url) => secrecy::ExposeSecret::expose_secret(&url).to_owned(),
            None => "libpq".to_owned(),
        }
    };
    let ours = ("PGTEND__DATABASE__URL", "postgres://ours@localhost/app");
    let common = ("DATABASE_URL", "postgres://common@localhost/app");
    let libpq = ("PGHOST", "localhost");
    assert_eq!(url(&[ours, common, libpq], LEAST), ours.1);
    assert_eq!(url(&[common, libpq], LEAST), "postgres://pgtend@localhost/app");
    assert_eq!(url(&[common, libpq], ""), common.1);
    assert_eq!(url(&[libpq], ""), "libpq");
    // A DATABASE_URL that is not used may be anything.
    assert_eq!(url(&[("DATABASE_URL", "sqlite:x")], LEAST), "postgres://pgtend@localhost/app");
}

#[test]
fn libpq_variables_need_no_file() {
    let env = [("PGDATABASE".to_owned(), "app".to_owned())];
    let loaded = crate::config::load(None, env.into_iter()).unwrap();
    assert!(matches!(loaded.config.database.url, UrlSource::Libpq));
    let env = [("PGSERVICE".to_owned(), "app".to_owned())];
    let problems = crate::config::load(None, env.into_iter()).unwrap_err();
    insta::assert_snapshot!(problems, @"PGSERVICE: service files are not read; set PGHOST, PGDATABASE and PGUSER, or DATABASE_URL");
}
