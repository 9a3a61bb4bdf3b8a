use proptest::prelude::*;

use crate::jobs::slow_queries::redact::{Class, TEXT_MAX, redact};

fn check(sql: &str, expected: &str) {
    let redacted = redact(sql);
    assert_eq!(redacted.text, expected, "of {sql}");
    assert_eq!(redact(&redacted.text), redacted, "twice: {sql}");
}

#[test]
fn literals_are_masked_and_names_are_not() {
    check("select 1", "select ?");
    check("SELECT t1.a2, $1 FROM t1 WHERE b = 'it''s'", "SELECT t1.a2, $1 FROM t1 WHERE b = ?");
    check("select E'a\\'b', e'\\\\', x", "select ?, ?, x");
    check(
        "select B'101', X'1F', N'n', U&'d\\0061t', U&'!0061' UESCAPE '!'",
        "select ?, ?, ?, ?, ? UESCAPE ?",
    );
    check("select $$a 'b' $1$$, $t$ $$ $t$, $1", "select ?, ?, $1");
    check("select 1e10, 1.5E-3, 0x1f, 0b11, 1_000, .5, 5., -7", "select ?, ?, ?, ?, ?, ?, ?, -?");
    check("select a[1:2], 1..3", "select a[?:?], ?");
    check(
        "select date '2025-01-01', interval '1 day', '5'::int",
        "select date ?, interval ?, ?::int",
    );
    check("select a$1 from b", "select a$1 from b");
    check("select $123456", "select ?");
    check("select 1 limit 10", "select ? limit ?");
}

#[test]
fn quoted_names_are_kept() {
    check(
        r#"select "Odd ""Name", U&"d\0061ta" from "s"."Order""#,
        r#"select "Odd ""Name", U&"d\0061ta" from "s"."Order""#,
    );
    let long = "x".repeat(64);
    check(&format!("select \"{long}\""), "select ?");
    check("select \"open name 'secret'", "select ?");
}

#[test]
fn comments_and_white_space_go() {
    check("  select\n\t1 -- token=abc\n from  t ", "select ? from t");
    check("/* traceparent='x' /* nested */ */ select/**/a", "select a");
    check("select a /* open", "select a");
    check("select a -- open", "select a");
    check("select 1 - -1", "select ? - -?");
}

#[test]
fn truncated_and_invalid_text_survives() {
    check("select 'open", "select ?");
    check("select $a$ open $b$", "select ?");
    check("select E'open\\", "select ?");
    check("select 'é", "select ?");
    check("select é, 'ü', ü", "select é, ?, ü");
    check("\u{0} \u{7f}", "…");
    check("", "");
    check(" ; ;", ";;");
}

/// Whether a backslash escapes a quote depends on a setting that the text does not show.
#[test]
fn after_an_uncertain_end_all_is_masked() {
    check(r"select 'a\' secret, 'b'", "select ?");
    check(r"select 'a\\', b", "select ?, b");
    check("select E'a'\n'b\\'secret', c", "select ? ?");
}

#[test]
fn of_a_command_only_tag_and_kind_remain() {
    check("CREATE ROLE app PASSWORD 's3cret'", "CREATE ROLE …");
    check("alter user app with password s3cret", "ALTER USER …");
    check("alter system set x.y = 'password=p'", "ALTER SYSTEM …");
    check("ALTER SYSTEM SET primary_conninfo TO secret", "ALTER SYSTEM …");
    check("DO $$ begin perform 'x'; end $$", "DO …");
    check("copy (select 'secret') to stdout", "COPY …");
    check("COMMENT ON TABLE t IS 'secret'", "COMMENT ON TABLE …");
    check("create or replace function f() returns text", "CREATE OR REPLACE FUNCTION …");
    check("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE UNIQUE INDEX …");
    check("create user mapping for u server s options (password 'x')", "CREATE USER MAPPING …");
    check("refresh materialized view v", "REFRESH MATERIALIZED VIEW …");
    check("explain (analyze) select 'x'", "EXPLAIN …");
    check("create table t as select 'x'", "CREATE TABLE …");
    check("declare c cursor for select 'x'", "DECLARE …");
    check("prepare p as select 'x'", "PREPARE …");
    check("execute p('x')", "EXECUTE …");
    check("call p('x')", "CALL …");
    check("set x = secret", "SET …");
    check("vacuum (analyze) public.t", "VACUUM …");
    check("BEGIN", "BEGIN");
    check("start transaction", "START TRANSACTION");
    check("secret words", "…");
    check("<insufficient privilege>", "…");
}

#[test]
fn each_statement_of_a_text_counts() {
    check(
        "select 1; create role r password s3cret ; select 2;",
        "select ?; CREATE ROLE …; select ?;",
    );
    assert_eq!(redact("select 1; vacuum").class, Class::Query);
    assert_eq!(redact("; vacuum; select 1").class, Class::Utility);
    assert_eq!(redact("((select 1) union (select 2))").class, Class::Query);
    assert_eq!(redact("/* x */ with a as (select 1) table a").class, Class::Query);
}

#[test]
fn long_text_is_cut_behind_a_token() {
    let sql = format!("select {}", "ü_é, ".repeat(1000));
    let redacted = redact(&sql);
    assert!(redacted.text.len() <= TEXT_MAX && redacted.text.len() > TEXT_MAX - 20);
    assert!(redacted.text.ends_with(" …"));
    assert_eq!(redact(&redacted.text).text, redacted.text);
    let exact = format!("select {}", "a".repeat(TEXT_MAX - 7));
    assert_eq!(redact(&exact).text, exact);
    assert_eq!(redact(&format!("{exact}a")).text, "select …");
}

#[test]
fn a_fingerprint_is_the_same_everywhere() {
    let same = |a: &str, b: &str| assert_eq!(redact(a).fingerprint, redact(b).fingerprint, "{a}");
    let other = |a: &str, b: &str| assert_ne!(redact(a).fingerprint, redact(b).fingerprint, "{a}");
    same("select * from t where a = $1", "SELECT *\nFROM t WHERE a=7 -- x");
    same("select 1 where a in ($1, $2, $3)", "select 1 where a in ($1 /*, ... */)");
    same("insert into t values ($1, $2)", "insert into t values ($3)");
    other("select a, $1 from t", "select a from t");
    other("select a from t", "select b from t");
    other("select \"A\" from t", "select a from t");
}

const CANARY: &str = "hunter2canary";

/// Ways to write a literal around the canary.
fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(format!("'{CANARY}'")),
        Just(format!("'a''{CANARY}'")),
        Just(format!("E'\\'{CANARY}\\\\'")),
        Just(format!("e'{CANARY}\n'\n'x{CANARY}'")),
        Just(format!("B'{CANARY}'")),
        Just(format!("x'{CANARY}'")),
        Just(format!("N'{CANARY}'")),
        Just(format!("U&'{CANARY}'")),
        Just(format!("$${CANARY}$$")),
        Just(format!("$t${CANARY} $$ $t$")),
        Just(format!("$é_1${CANARY}' $é_1$")),
        Just(format!("'\"{CANARY}'")),
        Just(format!("'/*{CANARY}'")),
        Just(format!("'--{CANARY}'")),
        Just(format!("/* {CANARY} /* '\" */ $$ {CANARY} */")),
        Just(format!("-- {CANARY} ' $$ \"\n")),
        Just(format!("7{CANARY}")),
        Just(format!("0x_{CANARY}")),
    ]
}

/// What may stand around it: whole tokens, none of them an open quote.
fn other() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "select",
        "with",
        "(",
        ")",
        ",",
        " ",
        "\n",
        ";",
        "t1",
        "\"Odd 'Name\"",
        "$1",
        "::text",
        "=",
        "-",
        "/",
        "*",
        "'x'",
        "5",
        "create role",
        "values",
        "é",
        ".",
        "/* c */",
        "-- c\n",
        "$$a$$",
        "E'\\''",
        "comment on",
        "…",
        "?",
        "&",
    ])
}

proptest! {
    #[test]
    fn no_literal_survives(
        before in prop::collection::vec(other(), 0..12),
        literal in literal(),
        after in prop::collection::vec(other(), 0..12),
    ) {
        let sql = format!("{} {literal} {}", before.join(" "), after.join(" "));
        let redacted = redact(&sql);
        prop_assert!(!redacted.text.contains(CANARY), "{sql} -> {}", redacted.text);
        for length in (0..sql.len()).filter(|&at| sql.is_char_boundary(at)) {
            prop_assert!(!redact(&sql[..length]).text.contains(CANARY), "{} of {}", length, sql);
        }
    }

    #[test]
    fn redacting_twice_changes_nothing(parts in prop::collection::vec(
        prop_oneof![other().prop_map(str::to_owned), literal(), "[ '\"$/*;?e1a\\\\\\-]{0,6}"], 0..30,
    )) {
        let redacted = redact(&parts.concat());
        prop_assert_eq!(redact(&redacted.text).text, redacted.text);
    }

    #[test]
    fn any_text_at_all(text in any::<String>()) {
        let redacted = redact(&text);
        prop_assert!(redacted.text.len() <= TEXT_MAX);
        prop_assert_eq!(redact(&redacted.text).text, redacted.text);
    }
}
