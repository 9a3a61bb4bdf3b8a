//! What a row may hold: every value arrives as it was.
use super::{config_for, moved};
use crate::support::{Db, InProcess, NO_ROWS, on_every_major};

/// Moves everything in `odd` and compares both sides bit by bit: `=` calls different values equal
/// (1.0 and 1.00), and there is none for json, xml and point.
async fn everything_arrives(db: &Db, more: &str) {
    db.execute("CREATE TABLE kept AS SELECT * FROM odd").await;
    let app = InProcess::new(db, &config_for("odd", "at", more)).await;
    let rows: u64 = db.value("SELECT count(*) FROM kept").await.parse().unwrap();
    assert!(rows > 0, "the world is not empty");
    assert_eq!(moved(&app).await.rows, Some(rows));
    assert_eq!(db.rows("SELECT id FROM odd").await, NO_ROWS);
    let columns = db
        .value(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = 'kept'::regclass AND attnum > 0 AND NOT attisdropped",
        )
        .await;
    let changed = db
        .rows(&format!(
            "SELECT was.id FROM (SELECT {columns} FROM kept) AS was \
             FULL JOIN (SELECT {columns} FROM odd_archive) AS \"is\" ON \"is\".id = was.id \
             WHERE was.id IS NULL OR \"is\".id IS NULL \
                OR NOT was OPERATOR(pg_catalog.*=) \"is\""
        ))
        .await;
    assert_eq!(changed, NO_ROWS, "changed on the way");
}

const OLD: &str = "at timestamptz NOT NULL DEFAULT now() - interval '60 days'";

/// One value after another, each in a row of its own, with a column of its type.
async fn values_arrive(db: &Db, types_and_values: &[(&str, &[&str])]) {
    let columns: Vec<String> = types_and_values
        .iter()
        .enumerate()
        .map(|(number, (name, _))| format!("c{number} {name}"))
        .collect();
    let columns = columns.join(", ");
    db.execute(&format!(
        "CREATE TABLE odd (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {OLD}, {columns})"
    ))
    .await;
    for (number, (name, values)) in types_and_values.iter().enumerate() {
        for value in *values {
            db.execute(&format!("INSERT INTO odd (c{number}) VALUES ({value}::{name})")).await;
        }
    }
    everything_arrives(db, "batch_rows = 7\ncreate_target = true").await;
}

#[test]
fn numbers_that_are_none_and_numbers_without_end_arrive() {
    on_every_major(|db| async move {
        let infinite: &[&str] =
            if db.major() >= 14 { &["'Infinity'", "'-Infinity'"] } else { &["'NaN'"] };
        let numbers: &[(&str, &[&str])] = &[
            ("numeric", &["'NaN'", "1.0", "1.00", "'12345678901234567890.123456789'", "1e130000"]),
            ("numeric", infinite),
            ("float8", &["'NaN'", "'-0'", "'Infinity'", "5e-324", "0.1"]),
            ("float4", &["'NaN'", "'-Infinity'", "0.1"]),
            ("money", &["'-92233720368547758.08'"]),
        ];
        values_arrive(&db, numbers).await;
    });
}

#[test]
fn times_at_the_edges_arrive() {
    on_every_major(|db| async move {
        let times: &[(&str, &[&str])] = &[
            ("timestamptz", &["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'294276-12-31'"]),
            ("timestamp", &["'infinity'", "'2025-03-30 02:30:00'"]),
            ("date", &["'infinity'", "'-infinity'", "'5874897-12-31'"]),
            ("time", &["'24:00:00'"]),
            ("timetz", &["'23:59:59.999999-15:59'"]),
            ("interval", &["'1 month -30 days 0.000001 s'", "'24 hours'", "'1 day'"]),
            ("timestamptz(3)", &["'2025-01-01 00:00:00.1239'"]),
        ];
        values_arrive(&db, times).await;
    });
}

#[test]
fn json_and_other_types_without_equality_arrive() {
    on_every_major(|db| async move {
        let documents: &[(&str, &[&str])] = &[
            ("json", &[r#"'{"b": 1,  "a": [1, 1.0], "a": null}'"#, "'null'"]),
            ("jsonb", &[r#"'{"b": 1.00, "a": "\u00ef"}'"#, "'null'", "NULL"]),
            ("json[]", &[r#"ARRAY['{"a": 1}'::json, NULL]"#]),
            ("point", &["'(1, -0)'"]),
            ("polygon", &["'((0,0),(0,1),(1,0))'"]),
            ("txid_snapshot", &["'10:20:10,14,15'"]),
        ];
        values_arrive(&db, documents).await;
    });
}

#[test]
fn texts_bits_and_addresses_arrive() {
    on_every_major(|db| async move {
        let texts: &[(&str, &[&str])] = &[
            ("text", &["''", "E'tab\\tback\\\\slash\\nline'", "'\u{1f980}'", "'NULL'", "'\\N'"]),
            ("char(5)", &["'a'", "''"]),
            ("varchar(3)", &["'abc'"]),
            ("\"char\"", &["'x'"]),
            ("name", &["'Odd Name'"]),
            ("bytea", &["''", "'\\x00ff5c'"]),
            ("bit(3)", &["B'101'"]),
            ("varbit(9)", &["B''", "B'11'"]),
            ("inet", &["'::ffff:1.2.3.4/96'"]),
            ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
            ("tsvector", &["'fat:2A cat:1'"]),
            ("uuid", &["'00000000-0000-7000-8000-000000000000'"]),
        ];
        values_arrive(&db, texts).await;
    });
}

#[test]
fn arrays_with_odd_bounds_arrive() {
    on_every_major(|db| async move {
        let arrays: &[(&str, &[&str])] = &[
            ("int[]", &["'{}'", "'[5:6]={1,NULL}'", "'{{1,2},{3,4}}'"]),
            ("text[]", &["ARRAY['', 'NULL', NULL, '{', '\"']"]),
            ("int2vector", &["'1 2'"]),
        ];
        values_arrive(&db, arrays).await;
    });
}

#[test]
fn enums_domains_ranges_and_composites_arrive() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TYPE mood AS ENUM ('good', 'bad'); ALTER TYPE mood ADD VALUE 'so' BEFORE 'bad'; \
             CREATE DOMAIN label AS text CHECK (VALUE <> 'forbidden'); \
             CREATE DOMAIN short AS label CHECK (length(VALUE) < 9); \
             CREATE TYPE pair AS (a json, b numeric, m mood); \
             CREATE TYPE span AS RANGE (subtype = float8)",
        )
        .await;
        let own: &[(&str, &[&str])] = &[
            ("mood", &["'good'", "'so'"]),
            ("mood[]", &["ARRAY['bad', NULL]"]),
            ("label", &["'x'", "NULL"]),
            ("short", &["'nested'"]),
            ("label[]", &["ARRAY['x']"]),
            ("pair", &["ROW('{\"a\":1}', 1.0, 'so')", "ROW(NULL, NULL, NULL)", "NULL"]),
            ("pair[]", &["ARRAY[ROW('1', 'NaN', 'bad')::public.pair]"]),
            ("span", &["'[1, infinity)'", "'empty'"]),
            ("int4range", &["'(,5]'"]),
            ("tstzrange", &["'[-infinity, 2025-01-01)'"]),
        ];
        values_arrive(&db, own).await;
    });
}

#[test]
fn multiranges_arrive() {
    on_every_major(|db| async move {
        if db.major() >= 14 {
            values_arrive(&db, &[("int4multirange", &["'{[1,2), [5,9)}'", "'{}'"])]).await;
        }
    });
}

#[test]
fn large_values_arrive_whole_and_stay_stored_as_they_were() {
    on_every_major(|db| async move {
        // Random text does not compress; zeros do.
        db.execute(&format!(
            "CREATE TABLE odd (id int PRIMARY KEY, {OLD}, plain text, external text, main text, \
             json json); \
             ALTER TABLE odd ALTER external SET STORAGE EXTERNAL, ALTER main SET STORAGE MAIN; \
             INSERT INTO odd SELECT i, now() - interval '60 days', noise, repeat('0', 300000), \
               repeat('0', 300000), json_build_array(noise) \
             FROM generate_series(1, 3) AS i, LATERAL ( \
               SELECT string_agg(md5(i::text || n), '') AS noise FROM generate_series(1, 9000) AS n) AS n"
        ))
        .await;
        let storage = |table: &str| {
            format!(
                "SELECT concat(attname, attstorage) FROM pg_attribute WHERE attrelid = '{table}'::regclass \
                 AND attnum > 2 AND attname <> 'archived_at' ORDER BY attnum"
            )
        };
        let of_the_source = db.column(&storage("odd")).await;
        let sizes = "sum(pg_column_size(plain)), sum(pg_column_size(external)), \
                     sum(pg_column_size(main))";
        let before = db.rows(&format!("SELECT {sizes} FROM odd")).await;
        everything_arrives(&db, "create_target = true").await;
        assert_eq!(db.column(&storage("odd_archive")).await, of_the_source);
        assert_eq!(db.rows(&format!("SELECT {sizes} FROM odd_archive")).await, before);
    });
}

#[test]
fn what_is_compressed_otherwise_arrives() {
    on_every_major(|db| async move {
        let lz4 = "SELECT 'lz4' = ANY (enumvals) FROM pg_settings \
                   WHERE name = 'default_toast_compression'";
        if db.column(lz4).await != ["t"] {
            return;
        }
        db.execute(&format!(
            "CREATE TABLE odd (id int PRIMARY KEY, {OLD}, body text COMPRESSION lz4); \
             INSERT INTO odd VALUES (1, DEFAULT, repeat('0', 300000))"
        ))
        .await;
        everything_arrives(&db, "create_target = true").await;
        let compression = "SELECT pg_column_compression(body) FROM odd_archive";
        assert_eq!(db.column(compression).await, ["lz4"]);
    });
}

#[test]
fn dropped_and_reordered_columns_do_not_mix_values() {
    on_every_major(|db| async move {
        db.execute(&format!(
            "CREATE TABLE odd (gone int, id int PRIMARY KEY, a text, gone_too text, b text, {OLD}); \
             ALTER TABLE odd DROP gone, DROP gone_too; \
             INSERT INTO odd (id, a, b) VALUES (1, 'a', 'b'); \
             CREATE TABLE odd_archive (b text, x int, at timestamptz, a text, id int); \
             ALTER TABLE odd_archive DROP x; ALTER TABLE odd_archive ADD x text DEFAULT 'own'"
        ))
        .await;
        everything_arrives(&db, "").await;
        assert_eq!(db.column("SELECT x FROM odd_archive").await, ["own"]);
    });
}

#[test]
fn generated_columns_of_either_kind_are_kept_as_values() {
    on_every_major(|db| async move {
        let kinds = if db.major() >= 18 {
            "s text GENERATED ALWAYS AS (upper(a)) STORED, v text GENERATED ALWAYS AS (lower(a)) VIRTUAL"
        } else {
            "s text GENERATED ALWAYS AS (upper(a)) STORED"
        };
        db.execute(&format!("CREATE TABLE odd (id int PRIMARY KEY, a text, {kinds}, {OLD})")).await;
        db.execute("INSERT INTO odd (id, a) VALUES (1, 'Abc')").await;
        everything_arrives(&db, "create_target = true").await;
        let generated = "SELECT attname FROM pg_attribute WHERE attrelid = 'odd_archive'::regclass \
                         AND attgenerated <> ''";
        assert_eq!(db.column(generated).await, [""; 0]);
    });
}
