//! What cannot be carried over is refused by name, with the reason and what to do, and nothing is
//! touched.

use super::super::once;
use super::{WORLD, adopting, kind, left_over, refusals};
use crate::support::{Db, on_every_major};
use pgtend::job::Verdict;

/// What is made, what its refusal must say, and what is run to cure it.
const CASES: &[(u32, &str, &[&str], &str)] = &[
    (13, "ALTER TABLE events SET UNLOGGED", &["UNLOGGED"], "ALTER TABLE events SET LOGGED"),
    (
        13,
        "CREATE MATERIALIZED VIEW sums AS SELECT sum(v) FROM events",
        &["materialized view public.sums", "DROP MATERIALIZED VIEW"],
        "DROP MATERIALIZED VIEW sums",
    ),
    (
        13,
        "CREATE TABLE notes (e bigint CONSTRAINT about REFERENCES events)",
        &["foreign key about of public.notes", "without the partition key ts"],
        "DROP TABLE notes",
    ),
    (
        13,
        "ALTER TABLE events ADD parent bigint CONSTRAINT up REFERENCES events",
        &["foreign key up of public.events"],
        "ALTER TABLE events DROP parent",
    ),
    (
        13,
        "ALTER TABLE events ADD code int CONSTRAINT only_once UNIQUE",
        &["unique index only_once", "keeps code unique without the partition key ts"],
        "ALTER TABLE events DROP code",
    ),
    (
        13,
        "CREATE UNIQUE INDEX lowest ON events ((v + id))",
        &["unique index lowest"],
        "DROP INDEX lowest",
    ),
    (
        13,
        "CREATE EXTENSION btree_gist; ALTER TABLE events ADD CONSTRAINT apart EXCLUDE USING gist (id WITH =)",
        &["constraint apart", "within one partition only"],
        "DROP EXTENSION btree_gist CASCADE",
    ),
    (
        13,
        "ALTER TABLE events ADD CONSTRAINT young CHECK (v > 99) NOT VALID",
        &["check young", "NOT VALID"],
        "ALTER TABLE events DROP CONSTRAINT young",
    ),
    (
        13,
        "ALTER TABLE events ADD CONSTRAINT mine CHECK (v < 99) NO INHERIT",
        &["check mine", "NO INHERIT"],
        "ALTER TABLE events DROP CONSTRAINT mine",
    ),
    (
        13,
        "ALTER TABLE events ADD w int; ALTER TABLE events ADD CONSTRAINT later FOREIGN KEY (w) REFERENCES users NOT VALID",
        &["foreign key later", "VALIDATE CONSTRAINT later"],
        "ALTER TABLE events VALIDATE CONSTRAINT later",
    ),
    (
        13,
        "CREATE UNIQUE INDEX named ON events (id, ts); ALTER TABLE events REPLICA IDENTITY USING INDEX named",
        &["replica identity named", "REPLICA IDENTITY DEFAULT"],
        "ALTER TABLE events REPLICA IDENTITY DEFAULT; DROP INDEX named",
    ),
    (
        13,
        "CREATE RULE quiet AS ON DELETE TO events DO INSTEAD NOTHING",
        &["rule quiet"],
        "DROP RULE quiet ON events",
    ),
    (
        13,
        "CREATE FUNCTION sum_of(events) RETURNS bigint LANGUAGE sql AS 'SELECT $1.v'",
        &["function public.sum_of(public.events)", "row type"],
        "DROP FUNCTION sum_of",
    ),
    (
        13,
        "CREATE TABLE copies (e events)",
        &["column e of table public.copies"],
        "DROP TABLE copies",
    ),
    (13, "CREATE VIEW whole AS SELECT e FROM events e", &["whole", "row type"], "DROP VIEW whole"),
    (
        13,
        "CREATE TABLE heirs () INHERITS (events)",
        &["other tables inherit from it"],
        "DROP TABLE heirs",
    ),
    (
        13,
        "CREATE TABLE above (v bigint); ALTER TABLE events INHERIT above",
        &["it inherits from another table"],
        "ALTER TABLE events NO INHERIT above",
    ),
    (
        13,
        "CREATE PUBLICATION leaves FOR TABLE events",
        &["publication leaves", "publish_via_partition_root = true"],
        "ALTER PUBLICATION leaves SET (publish_via_partition_root = true)",
    ),
    (
        13,
        "CREATE PUBLICATION everything FOR ALL TABLES",
        &["publication everything", "publish_via_partition_root"],
        "DROP PUBLICATION everything",
    ),
    (
        15,
        "CREATE PUBLICATION few FOR TABLE events WHERE (id > 3) WITH (publish_via_partition_root = true)",
        &["publication few", "some rows or columns"],
        "DROP PUBLICATION few",
    ),
    (
        13,
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER many AFTER UPDATE ON events REFERENCING NEW TABLE AS fresh FOR EACH ROW EXECUTE FUNCTION t()",
        &["trigger many", "transition tables"],
        "DROP TRIGGER many ON events",
    ),
    (
        13,
        "CREATE FUNCTION t2() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER asleep AFTER UPDATE ON events FOR EACH ROW EXECUTE FUNCTION t2(); ALTER TABLE events DISABLE TRIGGER asleep",
        &["trigger asleep", "disabled"],
        "ALTER TABLE events ENABLE TRIGGER asleep",
    ),
    (
        13,
        "CREATE TABLE gated (id int); ALTER TABLE gated ENABLE ROW LEVEL SECURITY; CREATE POLICY through ON gated USING (id IN (SELECT id FROM events))",
        &["policy through on table public.gated"],
        "DROP TABLE gated",
    ),
    (
        13,
        "CREATE TABLE events_until_2026_03_01 ()",
        &["public.events_until_2026_03_01", "rename it"],
        "DROP TABLE events_until_2026_03_01",
    ),
    (
        13,
        "INSERT INTO events (id, ts) VALUES (7777, '9999-12-31')",
        &["highest ts is 9999-12-31", "raise premake"],
        "DELETE FROM events WHERE id = 7777",
    ),
    (
        13,
        "INSERT INTO events (id, ts) VALUES (7778, 'infinity')",
        &["highest ts is infinity"],
        "DELETE FROM events WHERE id = 7778",
    ),
];

#[test]
fn each_thing_that_cannot_be_carried_over() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        let app = adopting(&db).await;
        assert_eq!(refusals(&app).await, [""; 0]);
        for (_, made, says, cure) in CASES.iter().filter(|case| case.0 <= db.major()) {
            db.execute(made).await;
            let refused = refusals(&app).await;
            let all = refused.iter().any(|line| says.iter().all(|part| line.contains(part)));
            assert!(all, "{made}\nis refused as {refused:#?}\nwhich does not say {says:?}");
            let outcome = once(&app).await;
            assert!(
                matches!(outcome.verdict, Verdict::Failed | Verdict::Partial),
                "{made}: {outcome:#?}"
            );
            untouched(&db, made).await;
            db.execute(cure).await;
            assert_eq!(refusals(&app).await, [""; 0], "after {cure}");
        }
    });
}

async fn untouched(db: &Db, made: &str) {
    assert_eq!(kind(db).await, "r", "{made}");
    assert_eq!(left_over(db).await, [""; 0], "{made}");
}

#[test]
fn what_is_no_plain_table_is_not_adopted() {
    on_every_major(|db| async move {
        let app = adopting(&db).await;
        assert!(refusals(&app).await[0].contains("there is no such table"));
        db.execute("CREATE TABLE base (id int, ts date NOT NULL); CREATE VIEW events AS SELECT * FROM base").await;
        assert!(
            refusals(&app).await[0].contains("it is no plain table"),
            "{:?}",
            refusals(&app).await
        );
        db.execute(
            "DROP VIEW events; CREATE TABLE events (ts date NOT NULL) PARTITION BY RANGE (ts)",
        )
        .await;
        let outcome = once(&app).await;
        super::super::succeeded(&outcome);
        assert_eq!(outcome.spared[0].reason, "it is a partitioned table already");
        db.execute("DROP TABLE events; CREATE TEMP TABLE nothing (a int); CREATE TABLE whole (ts date NOT NULL) PARTITION BY RANGE (ts); CREATE TABLE events PARTITION OF whole DEFAULT").await;
        assert!(
            refusals(&app).await.concat().contains("it is a partition itself"),
            "{:?}",
            refusals(&app).await
        );
    });
}
