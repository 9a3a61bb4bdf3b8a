//! Files over files, the environment over all, and where each value says it comes from.

use std::time::Duration;

use super::{LEAST, Place, loads};
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
    let place = Place::new(&[
        ("pgtend.toml", MAIN),
        ("conf.d/20-late.toml", "[database]\nlock_timeout = \"3s\"\n"),
        ("conf.d/10-early.toml", "[database]\nlock_timeout = \"2s\"\nschema = \"early\"\n"),
        ("conf.d/30-table.toml", "[partitions.tables.\"public.events\"]\npremake = \"1 year\"\n"),
        ("conf.d/.hidden.toml", "nonsense"),
        ("conf.d/notes.txt", "nonsense"),
    ]);
    let env = [("PGTEND__DAEMON__TIMEZONE", "Europe/Berlin")];
    let loaded = place.load(&env).unwrap();
    assert_eq!(loaded.config.database.lock_timeout, Duration::from_secs(3));
    assert_eq!(loaded.config.database.schema.as_str(), "early");
    assert_eq!(loaded.files.len(), 4);
    let events = TableName::new("public", "events").unwrap();
    let partitions = loaded.config.partitions.unwrap();
    assert_eq!(partitions.tables[&events].premake.months(), 12);
    assert_eq!(partitions.tables[&events].timezone, chrono_tz::Europe::Berlin);
    insta::assert_snapshot!(place.show(&env));
}

#[test]
fn the_way_to_the_database_is_replaced_as_a_whole() {
    let place = Place::new(&[
        ("pgtend.toml", MAIN),
        ("conf.d/url.toml", "[database]\nurl_file = \"nowhere\"\n"),
    ]);
    let env = [("PGTEND__DATABASE__URL", "postgres://env@localhost/app")];
    assert!(place.load(&env).is_ok(), "the file is not read: the environment says another way");
    assert!(!place.show(&env).contains("url_file"));
    insta::assert_snapshot!(place.problems(&[]), @"conf.d/url.toml:2:12: database.url_file: nowhere: there is no such file; write it, or name another");
}

#[test]
fn problems_of_all_layers_come_at_once_and_in_order() {
    let place = Place::new(&[
        ("pgtend.toml", "[database]\nschema = 5\n[archive]\nschedule = \"x\"\n[colours]\n"),
        ("conf.d/a.toml", "[log]\nlevel = \"loud\"\n"),
        ("conf.d/b.toml", "[log\n"),
    ]);
    insta::assert_snapshot!(place.problems(&[("PGTEND__LOG__FROMAT", "json")]), @r#"pgtend.toml:2:10: database.schema: 5 is an integer, not an SQL name; write a name as SQL writes it, such as "created_at" or '"Created At"'
pgtend.toml:4:12: archive.schedule: `x` has 1 field(s); write five: minute hour day-of-month month day-of-week, for example `30 2 * * *`; there are no fields for seconds or years
pgtend.toml:5:2: colours: there is no such section; there are database, daemon, log, partitions, archive, analyze, slow_queries
conf.d/a.toml:2:9: log.level: "loud" is not one of the choices; write "error", "warn", "info", "debug" or "trace"
conf.d/b.toml:1:5: this is not TOML: unclosed table, expected `]`
PGTEND__LOG__FROMAT: there is no such variable; did you mean PGTEND__LOG__FORMAT?"#);
}

#[test]
fn what_is_missing_is_told_together_with_what_is_wrong() {
    let place = Place::new(&[(
        "pgtend.toml",
        "[database]\nlock_timeout = 5\n[partitions.tables.events]\nintervall = \"1 day\"\n",
    )]);
    insta::assert_snapshot!(place.problems(&[("PGTEND__ANALYZE__MAX_TABLES", "3")]), @r#"pgtend.toml:1:2: database.url: nothing says where the database is; write url or url_file, or set DATABASE_URL or libpq's PGHOST, PGDATABASE and PGUSER
pgtend.toml:2:16: database.lock_timeout: 5 is an integer, not a duration; write a text such as "30s", "1h 30m" or "100ms", from 1ms to 24d
pgtend.toml:3:2: partitions.schedule: is missing; write schedule = "17 * * * *"
pgtend.toml:4:1: partitions.tables."public.events".intervall: there is no such key; did you mean interval?
PGTEND__ANALYZE__MAX_TABLES: analyze.schedule: is missing; write schedule = "*/15 * * * *""#);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let place = Place::new(&[("conf.d/dir.toml/x", ""), ("other/x", "")]);
    std::fs::write(place.path("latin.toml"), b"[log]\nlevel = \"caf\xe9\"\n").unwrap();
    std::fs::create_dir(place.path("directory")).unwrap();
    let load = |name: &str| {
        let problems = crate::config::load(Some(&place.path(name)), std::iter::empty());
        place.relative(&problems.unwrap_err().to_string())
    };
    insta::assert_snapshot!(load("pgtend.toml"), @r#"pgtend.toml: there is no such file; name another with --config or PGTEND_CONFIG
conf.d/dir.toml: this is a directory; name a file"#);
    insta::assert_snapshot!(load("latin.toml"), @r#"latin.toml:2:13: the file is not UTF-8 here; save it as UTF-8
conf.d/dir.toml: this is a directory; name a file"#);
    insta::assert_snapshot!(load("directory"), @r#"directory: this is a directory; name a file
conf.d/dir.toml: this is a directory; name a file"#);
}

#[test]
fn what_is_shown_loads_again_to_the_same() {
    let secret = Place::new(&[("url", "postgres://pgtend@localhost/app\n")]);
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
        let place = Place::new(&[("pgtend.toml", &text)]);
        let before = place.load(&env).unwrap();
        let after = loads(&crate::config::show(&before));
        let values = |loaded: &crate::config::Loaded| {
            loaded.settings.iter().map(|(path, value, _)| (path, value)).collect::<Vec<_>>()
        };
        assert_eq!(values(&before), values(&after));
    }
}
