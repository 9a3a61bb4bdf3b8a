//! Every key, every name.
use super::{assert_whole, config_for, keep, moved, names};
use crate::support::{InProcess, on_every_major, pgtend};

/// Names of rows that break careless quoting; each also sorts its own way.
const HARD: &str = "ARRAY['it''s', 'a\"b', 'back\\slash', 'na\u{ef}ve', '\u{1f980} crab', '', ' ', 'a', \
                    'A', 'zz', '{1,2}', '(1,2)', 'NULL', '10', '9']";

/// Creates a table by this definition with rows of hard names, half of them due, moves them in
/// batches of 2, and checks that exactly these went.
async fn check(db: &crate::support::Db, table: &str, columns: &str, insert: &str, age: &str) {
    let archive = match table.strip_suffix('"') {
        Some(quoted) => format!("{quoted}_archive\""),
        None => format!("{table}_archive"),
    };
    db.execute(&format!("DROP TABLE IF EXISTS kept; CREATE TABLE {table} ({columns})")).await;
    db.execute(&format!(
        "INSERT INTO {table} {insert} FROM unnest({HARD}) WITH ORDINALITY AS h (h, n)"
    ))
    .await;
    keep(db, table).await;
    let due = format!("\"name\" <> '' AND {age} < now() - interval '30 days'");
    let expected = names(db, &format!("{table} WHERE {due}")).await;
    assert!(expected.len() > 5, "{expected:?}");

    let more = "batch_rows = 2\ncreate_target = true\nwhere = \"name <> ''\"";
    let app = InProcess::new(db, &config_for(table, age, more)).await;
    let applied = moved(&app).await;
    assert_eq!(applied.rows, Some(expected.len() as u64), "{columns}");
    assert_eq!(names(db, &archive).await, expected, "{columns}");
    assert_whole(db, table, &archive).await;
}

const AT: &str = "now() - interval '60 days' + (n % 2) * interval '50 days' + n * interval '1 min'";

#[test]
fn rows_of_any_key_move() {
    on_every_major(|db| async move {
        let keys = [
            ("id int PRIMARY KEY", "n"),
            ("id text PRIMARY KEY", "h"),
            ("id text COLLATE \"C\" PRIMARY KEY", "h"),
            ("id varchar(20) PRIMARY KEY", "h"),
            ("id char(12) PRIMARY KEY", "'x' || n"),
            ("id uuid PRIMARY KEY", "md5(h)::uuid"),
            ("id numeric PRIMARY KEY", "n / 7.0"),
            ("id float8 PRIMARY KEY", "n / 7.0::float8"),
            ("id bytea PRIMARY KEY", "convert_to(h, 'UTF8')"),
            ("id inet PRIMARY KEY", "'10.0.0.1'::inet + n"),
            ("id interval PRIMARY KEY", "n * interval '1 month 1 day 1.5 s'"),
            ("id text[] PRIMARY KEY", "ARRAY[h, NULL]"),
            ("id bigint NOT NULL UNIQUE", "n"),
        ];
        for (number, (key, value)) in keys.into_iter().enumerate() {
            let columns = format!("{key}, name text, at timestamptz");
            let insert = format!("SELECT {value}, h, {AT}");
            check(&db, &format!("t{number}"), &columns, &insert, "at").await;
        }
    });
}

#[test]
fn rows_of_composite_keys_and_types_of_our_own_move() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TYPE mood AS ENUM ('good', 'bad'); \
             CREATE DOMAIN label AS text CHECK (VALUE <> 'forbidden'); \
             CREATE DOMAIN moment AS timestamptz",
        )
        .await;
        for (table, columns, insert) in [
            (
                "pair",
                "a text, b uuid, name text, at moment, PRIMARY KEY (a, b)",
                format!("SELECT (n % 3)::text, md5(h)::uuid, h, {AT}"),
            ),
            (
                "moody",
                "m mood, l label, name text, at timestamptz, PRIMARY KEY (m, l)",
                format!("SELECT (ARRAY['good', 'bad'])[1 + n % 2]::mood, h, h, {AT}"),
            ),
            (
                "by_age",
                "id int, name text, at timestamptz, PRIMARY KEY (at, id)",
                format!("SELECT n, h, {AT}"),
            ),
            // Half of the rows share one moment.
            (
                "tied",
                "id text PRIMARY KEY, name text, at timestamptz",
                "SELECT h, h, now() - (n % 2) * interval '60 days'".to_owned(),
            ),
        ] {
            check(&db, table, columns, &insert, "at").await;
        }
    });
}

#[test]
fn tables_of_any_name_move() {
    on_every_major(|db| async move {
        db.execute("CREATE SCHEMA \"Odd.Schema\"").await;
        let insert = format!("SELECT n, h, {AT}");
        for table in [
            "\"Odd.Schema\".\"Sel\"\"ect\"",
            "\"order\"",
            "\"na\u{ef}ve \u{1f980}\"",
            // With _archive behind it: 63 bytes.
            "a_name_that_takes_all_the_bytes_the_server_has_room_for",
        ] {
            let columns = "\"user\" int PRIMARY KEY, name text, \"Created At\" timestamptz";
            check(&db, table, columns, &insert, "\"Created At\"").await;
        }
    });
}

#[test]
fn rows_of_a_partitioned_table_move() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE parts (id int, name text, at timestamptz, PRIMARY KEY (id, at)) \
             PARTITION BY RANGE (at); \
             CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2020-01-01'); \
             CREATE TABLE parts_new (at timestamptz NOT NULL, name text, id int NOT NULL); \
             ALTER TABLE parts ATTACH PARTITION parts_new FOR VALUES FROM ('2020-01-01') TO (MAXVALUE); \
             CREATE INDEX ON parts (at); \
             INSERT INTO parts SELECT n, 'row ' || n, '2019-12-01'::timestamptz + n * interval '10 days' \
               FROM generate_series(1, 8) AS n; \
             INSERT INTO parts VALUES (9, 'young', now()); \
             CREATE TABLE parts_archive (id int, name text, at timestamptz, archived_at timestamptz) \
             PARTITION BY HASH (id); \
             CREATE TABLE parts_a0 PARTITION OF parts_archive FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
             CREATE TABLE parts_a1 PARTITION OF parts_archive FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        )
        .await;
        keep(&db, "parts").await;
        let app = InProcess::new(&db, &config_for("parts", "at", "batch_rows = 3")).await;
        assert_eq!(moved(&app).await.rows, Some(8));
        assert_eq!(names(&db, "parts").await, ["young"]);
        assert_whole(&db, "parts", "parts_archive").await;
    });
}

/// A row's key from its number.
const KEYS: [(&str, &str); 3] = [
    ("id uuid PRIMARY KEY", "md5(n::text)::uuid"),
    ("tenant uuid, id bigint, PRIMARY KEY (tenant, id)", "md5((n % 3)::text)::uuid, n"),
    (
        "region text, day date, id int, PRIMARY KEY (region, day, id)",
        "(n % 2)::text, '2020-01-01'::date + n % 4, n",
    ),
];

/// Moved, verified, brought back and moved again, by the program itself.
#[test]
fn the_program_serves_uuids_and_composite_keys() {
    on_every_major(|db| async move {
        for (number, (key, value)) in KEYS.into_iter().enumerate() {
            let table = format!("t{number}");
            db.execute(&format!(
                "CREATE TABLE {table} (name text, at timestamptz, {key}); CREATE INDEX ON {table} (at); \
                 INSERT INTO {table} SELECT 'row ' || n, {AT}, {value} FROM generate_series(1, 40) AS n; \
                 DROP TABLE IF EXISTS kept"
            ))
            .await;
            keep(&db, &table).await;
            let archive = format!("{table}_archive");
            let old = db.column(&format!("SELECT name FROM {table} WHERE at < now() - interval '30 days' ORDER BY length(name), name")).await;
            let config = config_for(&table, "at", "batch_rows = 7\ncreate_target = true");
            let program = pgtend(&db, &config);
            let run = async |arguments: &[&str]| {
                let ran = program.run(arguments).await;
                assert_eq!(ran.code, Some(0), "{key}: {ran}");
                assert_whole(&db, &table, &archive).await;
            };
            run(&["once", "archive"]).await;
            assert_eq!(names(&db, &archive).await, old, "{key}");
            run(&["archive", "verify"]).await;
            let which = "name IN ('row 4', 'row 8', 'row 12')";
            run(&["archive", "restore", &table, "--where", which]).await;
            let back = names(&db, &format!("{table} WHERE {which}")).await;
            assert_eq!(back, ["row 4", "row 8", "row 12"], "{key}");
            run(&["archive", "verify"]).await;
            db.execute("UPDATE pgtend.archive_hold SET held_until = now()").await;
            run(&["once", "archive"]).await;
            assert_eq!(names(&db, &archive).await, old, "{key}");
            run(&["archive", "verify"]).await;
        }
    });
}
