//! Files over files, the environment over all, and where each value says it comes from.

use std::time::Duration;

use super::{LEAST, World, loads};
use crate::pg::ident::TableName;

const MAIN: &str = r#"[database]
url = "postgres://main@localhost/app"
schema = "main"
lock_timeout = "1s"

[partitions]
schedule = "17 * * * *"
[partitions.tables.Events]
interval = "1 month"
"#;

#[test]
fn later_layers_win_and_every_value_tells_its_origin() {
    let world = World::new(&[
        ("pgtend.toml", MAIN),
        ("conf.d/20-late.toml", "[database]\nlock_timeout = \"3s\"\n"),
        ("conf.d/10-early.toml", "[database]\nlock_timeout = \"2s\"\nschema = \"early\"\n"),
        ("conf.d/30-table.toml", "[partitions.tables.\"public.events\"]\npremake = \"1 year\"\n"),
        ("conf.d/.hidden.toml", "nonsense"),
        ("conf.d/notes.txt", "nonsense"),
    ]);
    let env = [("PGTEND__DAEMON__TIMEZONE", "Europe/Berlin")];
    let loaded = world.load(&env).unwrap();
    assert_eq!(loaded.config.database.lock_timeout, Duration::from_secs(3));
    assert_eq!(loaded.config.database.schema.as_str(), "early");
    assert_eq!(loaded.files.len(), 4);
    let events = TableName::new("public", "events").unwrap();
    let partitions = loaded.config.partitions.unwrap();
    assert_eq!(partitions.tables[&events].premake.to_string(), "1 year");
    assert_eq!(partitions.tables[&events].timezone, chrono_tz::Europe::Berlin);
    insta::assert_snapshot!(world.show(&env));
}

#[test]
fn the_way_to_the_database_is_replaced_as_a_whole() {
    let world = World::new(&[
        ("pgtend.toml", MAIN),
        ("conf.d/url.toml", "[database]\nurl_file = \"nowhere\"\n"),
    ]);
    let env = [("PGTEND__DATABASE__URL", "postgres://env@localhost/app")];
    assert!(world.load(&env).is_ok(), "the file is not read: the environment says another way");
    assert!(!world.show(&env).contains("url_file"));
    insta::assert_snapshot!(world.problems(&[]), @"conf.d/url.toml:2:12: database.url_file: nowhere: there is no such file; write it, or name another");
}

#[test]
fn problems_of_all_layers_come_at_once_and_in_order() {
    let world = World::new(&[
        ("pgtend.toml", "[database]\nschema = 5\n[archive]\nschedule = \"x\"\n[colours]\n"),
        ("conf.d/a.toml", "[log]\nlevel = \"loud\"\n"),
        ("conf.d/b.toml", "[log\n"),
    ]);
    insta::assert_snapshot!(world.problems(&[("PGTEND__LOG__FROMAT", "json")]), @r#"
    pgtend.toml:2:10: database.schema: 5 is an integer, not an SQL name; write a name as SQL writes it, such as "created_at" or '"Created At"'
    pgtend.toml:4:12: archive.schedule: `x` has 1 field(s); write five: minute hour day-of-month month day-of-week, for example `30 2 * * *`; there are no fields for seconds or years
    pgtend.toml:5:2: colours: there is no such section; there are database, daemon, log, partitions, archive, analyze, slow_queries
    conf.d/a.toml:2:9: log.level: "loud" is not one of the choices; write "error", "warn", "info", "debug" or "trace"
    conf.d/b.toml:1:5: this is not TOML: unclosed table, expected `]`
    PGTEND__LOG__FROMAT: there is no such variable; did you mean PGTEND__LOG__FORMAT?
    "#);
}

#[test]
fn what_is_missing_is_told_together_with_what_is_wrong() {
    let world = World::new(&[(
        "pgtend.toml",
        "[database]\nlock_timeout = 5\n[partitions.tables.events]\nintervall = \"1 day\"\n",
    )]);
    insta::assert_snapshot!(world.problems(&[("PGTEND__ANALYZE__MAX_TABLES", "3")]), @r#"
    pgtend.toml:1:2: database.url: nothing says where the database is; write url or url_file, or set DATABASE_URL or libpq's PGHOST, PGDATABASE and PGUSER
    pgtend.toml:2:16: database.lock_timeout: 5 is an integer, not a duration; write a text such as "30s", "1h 30m" or "100ms", from 1ms to 24d
    pgtend.toml:3:2: partitions.schedule: is missing; write schedule = "17 * * * *"
    pgtend.toml:4:1: partitions.tables."public.events".intervall: there is no such key; did you mean interval?
    PGTEND__ANALYZE__MAX_TABLES: analyze.schedule: is missing; write schedule = "*/15 * * * *"
    "#);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let world = World::new(&[("conf.d/dir.toml/x", ""), ("other/x", "")]);
    std::fs::write(world.path("latin.toml"), b"[log]\nlevel = \"caf\xe9\"\n").unwrap();
    std::fs::create_dir(world.path("directory")).unwrap();
    let load = |name: &str| {
        let problems = crate::config::load(Some(&world.path(name)), std::iter::empty());
        world.relative(&problems.unwrap_err().to_string())
    };
    insta::assert_snapshot!(load("pgtend.toml"), @r#"
    pgtend.toml: there is no such file; name another with --config or PGTEND_CONFIG
    conf.d/dir.toml: this is a directory; name a file
    "#);
    insta::assert_snapshot!(load("latin.toml"), @r#"
    latin.toml:2:13: the file is not UTF-8 here; save it as UTF-8
    conf.d/dir.toml: this is a directory; name a file
    "#);
    insta::assert_snapshot!(load("directory"), @r#"
    directory: this is a directory; name a file
    conf.d/dir.toml: this is a directory; name a file
    "#);
}

#[test]
fn what_is_shown_loads_again_to_the_same() {
    let secret = World::new(&[("url", "postgres://pgtend@localhost/app\n")]);
    let secret_file = secret.path("url");
    std::fs::set_permissions(&secret_file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    let url_file = secret_file.display().to_string();
    let sample = include_str!("../../../config/pgtend.toml");
    let odd = "[archive]\nschedule = \"5 * * * *\"\n\
               [archive.tables.\"\\\"Odd.Schema\\\".\\\"It's\\\"\"]\ninto = 'a.\"b\"'\nage_column = '\"A\\\"'\n\
               older_than = \"1 month\"\nwhere = \"\"\"a = 'x\\u007f'\nAND b\"\"\"\n";
    for (text, env) in [
        (LEAST.to_owned(), vec![]),
        (MAIN.to_owned(), vec![("PGTEND__ANALYZE__SCHEDULE", "5 * * * *")]),
        (sample.to_owned(), vec![("PGTEND__ANALYZE__EXCLUDE", "public.a,b")]),
        (format!("{LEAST}{odd}"), vec![]),
        (String::new(), vec![("PGTEND__DATABASE__URL_FILE", url_file.as_str())]),
    ] {
        let world = World::new(&[("pgtend.toml", &text)]);
        let before = world.load(&env).unwrap();
        let after = loads(&crate::config::show(&before));
        assert_eq!(after.settings.changed_since(&before.settings), [].into());
    }
}

#[test]
fn a_reload_can_tell_what_changed_even_where_it_is_masked() {
    let load =
        |text: &str, env: &[(&str, &str)]| World::new(&[("pgtend.toml", text)]).load(env).unwrap();
    let url =
        |password: &str| format!("[database]\nurl = \"postgres://a:{password}@localhost/a\"\n");
    let before = load(&url("one"), &[]);
    assert_eq!(load(&url("one"), &[]).changed_since(&before), Vec::<String>::new());
    assert_eq!(load(&url("two"), &[]).changed_since(&before), ["database.url"]);
    let more = load(&format!("{}[log]\nlevel = \"debug\"\n", url("one")), &[]);
    assert_eq!(more.changed_since(&before), ["log.level"]);
    let zone = load(&url("one"), &[("PGTEND__ANALYZE__SCHEDULE", "* * * * *")]);
    assert!(zone.changed_since(&before).contains(&"analyze.schedule".to_owned()));
    assert!(before.changed_since(&zone).contains(&"analyze.schedule".to_owned()));
}

#[test]
fn a_url_that_is_no_setting_is_shown_with_its_source() {
    let world = World::new(&[("pgtend.toml", "")]);
    let first = |env| world.show(env).lines().take(2).collect::<Vec<_>>().join("\n");
    let env = [("DATABASE_URL", "postgres://app:canary@localhost/app")];
    assert_eq!(
        first(&env),
        "[database]\n# url is taken from DATABASE_URL: postgres://app:***@localhost/app"
    );
    assert_eq!(
        first(&[("PGHOST", "/tmp")]),
        "[database]\n# url is taken from libpq's PG* variables"
    );
}
