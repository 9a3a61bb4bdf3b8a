//! What the planner decides, as an operator reads it.

use std::fmt::Write;

use chrono_tz::Tz;

use super::world::{Table, look, table, world};
use crate::pg::fault::{Fault, Kind};

const NOW: &str = "2026-01-20T10:00:00Z";

/// The plan as of [`NOW`].
fn shown(tables: impl IntoIterator<Item = Table>) -> String {
    world(tables).show(NOW)
}

#[test]
fn an_empty_table_gets_its_whole_horizon() {
    insta::assert_snapshot!(shown([table("public.events")]), @r"
    create_partition public.events_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.events_p2026_02 '2026-02-01 00:00:00+00' '2026-03-01 00:00:00+00'
    create_partition public.events_p2026_03 '2026-03-01 00:00:00+00' '2026-04-01 00:00:00+00'
    spared public.events: no partition holds now; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}

#[test]
fn nothing_is_made_where_all_is_covered() {
    insta::assert_snapshot!(shown([table("public.events").children("events_p", &["2025-12-01", "2026-06-01"])]), @"spared public.events: covered until 2026-06-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC");
    insta::assert_snapshot!(shown([table("public.events").child("all", "MINVALUE", "MAXVALUE")]), @"spared public.events: covered for ever; premake = 2 months asks for 2026-03-20 10:00:00 UTC");
}

#[test]
fn gaps_ahead_are_filled_and_gaps_behind_are_told() {
    let events = table("public.events")
        .children("events_", &["2025-06-01", "2025-07-01"])
        .children("events_", &["2025-09-01", "2025-10-01", "2025-11-01"])
        .children("events_", &["2026-02-01", "2026-03-01"]);
    insta::assert_snapshot!(shown([events]), @r"
    create_partition public.events_2026_01_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.events_2026_03_01 '2026-03-01 00:00:00+00' '2026-04-01 00:00:00+00'
    spared public.events: no partition holds now; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    spared public.events: 2025-07-01 UTC to 2025-09-01 UTC has no partition and is past; only what is ahead is made
    spared public.events: 2025-11-01 UTC to 2026-01-01 UTC has no partition and is past; only what is ahead is made
    ");
}

#[test]
fn a_wide_partition_ahead_is_respected_and_continued_after() {
    let events = table("public.events")
        .premake("6 months")
        .children("events_p", &["2026-01-01", "2026-02-10"])
        .children("events_p", &["2026-03-05", "2026-06-15"]);
    insta::assert_snapshot!(shown([events]), @r"
    create_partition public.events_p2026_02_10_to_2026_03_01 '2026-02-10 00:00:00+00' '2026-03-01 00:00:00+00'
    create_partition public.events_p2026_03_01_to_2026_03_05 '2026-03-01 00:00:00+00' '2026-03-05 00:00:00+00'
    create_partition public.events_p2026_06_15_to_2026_07_01 '2026-06-15 00:00:00+00' '2026-07-01 00:00:00+00'
    create_partition public.events_p2026_07 '2026-07-01 00:00:00+00' '2026-08-01 00:00:00+00'
    spared public.events: covered until 2026-02-10 UTC; premake = 6 months asks for 2026-07-20 10:00:00 UTC
    ");
}

#[test]
fn an_odd_gap_gets_a_partition_that_fills_it() {
    let events = table("public.events")
        .interval("1 week")
        .premake("1 week")
        .children("w", &["2026-01-15", "2026-01-18"])
        .child("noon", "'2026-01-21 12:00:00+00'", "'2026-01-22 00:00:00+00'");
    insta::assert_snapshot!(shown([events]), @r"
    create_partition public.events_p2026_01_19_to_2026_01_21_1200 '2026-01-19 00:00:00+00' '2026-01-21 12:00:00+00'
    create_partition public.events_p2026_01_22_to_2026_01_26 '2026-01-22 00:00:00+00' '2026-01-26 00:00:00+00'
    create_partition public.events_p2026w05 '2026-01-26 00:00:00+00' '2026-02-02 00:00:00+00'
    spared public.events: no partition holds now; premake = 1 week asks for 2026-01-27 10:00:00 UTC
    spared public.events: 2026-01-18 UTC to 2026-01-19 UTC has no partition and is past; only what is ahead is made
    ");
}

#[test]
fn each_key_type_writes_its_own_literals() {
    let berlin = |name| table(name).zone(Tz::Europe__Berlin).interval("1 day").premake("1 day");
    insta::assert_snapshot!(shown([
        berlin("public.a_tz"), berlin("public.b_ts").timestamp_key(), berlin("public.c_date").date_key()]), @r"
    create_partition public.a_tz_p2026_01_20 '2026-01-19 23:00:00+00' '2026-01-20 23:00:00+00'
    create_partition public.b_ts_p2026_01_20 '2026-01-20 00:00:00' '2026-01-21 00:00:00'
    create_partition public.c_date_p2026_01_20 '2026-01-20' '2026-01-21'
    create_partition public.a_tz_p2026_01_21 '2026-01-20 23:00:00+00' '2026-01-21 23:00:00+00'
    create_partition public.b_ts_p2026_01_21 '2026-01-21 00:00:00' '2026-01-22 00:00:00'
    create_partition public.c_date_p2026_01_21 '2026-01-21' '2026-01-22'
    spared public.a_tz: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.b_ts: no partition holds now; premake = 1 day asks for 2026-01-21 11:00:00
    spared public.c_date: no partition holds now; premake = 1 day asks for 2026-01-21 11:00:00
    ");
}

#[test]
fn daylight_saving_leaves_no_gap() {
    let beirut = table("public.events").zone(Tz::Asia__Beirut).interval("1 day").premake("2 days");
    insta::assert_snapshot!(world([beirut]).show("2026-03-27T12:00:00Z"), @r"
    create_partition public.events_p2026_03_27 '2026-03-26 22:00:00+00' '2026-03-27 22:00:00+00'
    create_partition public.events_p2026_03_28 '2026-03-27 22:00:00+00' '2026-03-28 22:00:00+00'
    create_partition public.events_p2026_03_29 '2026-03-28 22:00:00+00' '2026-03-29 21:00:00+00'
    spared public.events: no partition holds now; premake = 2 days asks for 2026-03-29 11:00:00 UTC
    ");
}

#[test]
fn a_local_key_knows_the_zones_date() {
    let tokyo =
        table("public.events").zone(Tz::Asia__Tokyo).date_key().interval("1 day").premake("1 day");
    insta::assert_snapshot!(world([tokyo]).show("2026-01-20T20:00:00Z"), @r"
    create_partition public.events_p2026_01_21 '2026-01-21' '2026-01-22'
    create_partition public.events_p2026_01_22 '2026-01-22' '2026-01-23'
    spared public.events: no partition holds now; premake = 1 day asks for 2026-01-22 05:00:00
    ");
}

#[test]
fn names_follow_the_siblings_or_the_configuration() {
    let siblings = &["2025-11-01", "2025-12-01", "2026-01-01", "2026-04-01"];
    insta::assert_snapshot!(shown([
        table("public.a").children("a_log_", siblings).premake("3 months"),
        table("public.b").children("b_", siblings).premake("3 months").template("{year}-{month} {table}")]), @r#"
    create_partition public.a_log_2026_04_01 '2026-04-01 00:00:00+00' '2026-05-01 00:00:00+00'
    create_partition public."2026-04 b" '2026-04-01 00:00:00+00' '2026-05-01 00:00:00+00'
    spared public.a: covered until 2026-04-01 UTC; premake = 3 months asks for 2026-04-20 10:00:00 UTC
    spared public.b: covered until 2026-04-01 UTC; premake = 3 months asks for 2026-04-20 10:00:00 UTC
    "#);
}

#[test]
fn a_name_that_is_taken_is_told_and_the_range_covered() {
    let world =
        world([table("public.events").premake("1 month"), table("public.jobs").premake("1 month")])
            .taken("public.events_p2026_01")
            .taken("public.jobs_p2026_02")
            .taken("public.jobs_p2026_02_2")
            .taken("public.jobs_p2026_02_3")
            .taken("public.jobs_p2026_02_4")
            .taken("public.jobs_p2026_02_5");
    insta::assert_snapshot!(world.show(NOW), @r"
    create_partition public.events_p2026_01_2 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.jobs_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.events_p2026_02 '2026-02-01 00:00:00+00' '2026-03-01 00:00:00+00'
    spared public.events: no partition holds now; premake = 1 month asks for 2026-02-20 10:00:00 UTC
    spared public.jobs: no partition holds now; premake = 1 month asks for 2026-02-20 10:00:00 UTC
    refused tend partitions of public.jobs: public.jobs_p2026_02 and its alternatives are taken by other tables; rename or drop one of them
    warning public.events: public.events_p2026_01 exists and is not a partition for 2026-01-01 UTC to 2026-02-01 UTC; the partition is called public.events_p2026_01_2
    ");
}

#[test]
fn tables_with_a_long_prefix_in_common_stay_apart() {
    let long = |end: &str| table(&format!("public.{}{end}", "x".repeat(55))).premake("1 day");
    insta::assert_snapshot!(shown([long("one"), long("two"), table(&format!("public.\"{}\"", "Ж".repeat(31))).premake("1 day")]), @r#"
    create_partition public.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_a66b34ed_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_7b0c0127_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public."ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ_8d5dc85b_p2026_01" '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    spared public.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxone: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxtwo: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    spared public."ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ": no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    "#);
}

#[test]
fn rows_in_the_default_partition_block_their_range_only() {
    let events = table("public.events").default(Some(look(
        &[
            ("2026-01-01", "2026-02-01", true),
            ("2026-02-01", "2026-03-01", false),
            ("2026-03-01", "2026-04-01", false),
        ],
        false,
    )));
    insta::assert_snapshot!(shown([events]), @r"
    create_partition public.events_p2026_02 '2026-02-01 00:00:00+00' '2026-03-01 00:00:00+00'
    create_partition public.events_p2026_03 '2026-03-01 00:00:00+00' '2026-04-01 00:00:00+00'
    spared public.events: no partition holds now; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    refused tend partitions of public.events: rows in default partition public.dflt lie in 2026-01-01 UTC to 2026-02-01 UTC, so no partition can be attached there; pgtend partitions drain public.events moves them to partitions of their own
    ");
}

#[test]
fn a_large_default_partition_is_scanned_under_a_check() {
    let plan = world([table("public.events").premake("1 day").default(None)]).plan(NOW);
    insta::assert_snapshot!(sql(&plan), @r"
    -- add a check to public.dflt, lock_timeout [20, 20, 50, 50, 80, 80, 80, 80] ms
    ALTER TABLE public.dflt ADD CONSTRAINT pgtend_hole CHECK (ts < '2026-01-01 00:00:00+00' OR ts >= '2026-02-01 00:00:00+00') NOT VALID
    -- validate the check of public.dflt, lock_timeout [2000, 2000, 2000] ms
    ALTER TABLE public.dflt VALIDATE CONSTRAINT pgtend_hole
    -- make public.events_p2026_01, lock_timeout [20, 20, 50, 50, 80, 80, 80, 80] ms
    CREATE TABLE public.events_p2026_01 (LIKE public.events INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS INCLUDING STATISTICS);
    ALTER TABLE public.events ATTACH PARTITION public.events_p2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
    ALTER TABLE public.dflt DROP CONSTRAINT IF EXISTS pgtend_hole
    SELECT inhparent = 16400 FROM pg_inherits WHERE inhrelid = 'public.events_p2026_01'::regclass
    ");
}

#[test]
fn an_interrupted_run_is_carried_on() {
    let events = table("public.events")
        .premake("1 month")
        .default(None)
        .seen(|facts| facts.default.as_mut().unwrap().has_stale_check = true);
    insta::assert_snapshot!(world([events]).taken("public.events_p2026_02").show(NOW), @r"
    drop_check public.dflt
    create_partition public.events_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.events_p2026_02_2 '2026-02-01 00:00:00+00' '2026-03-01 00:00:00+00'
    spared public.events: no partition holds now; premake = 1 month asks for 2026-02-20 10:00:00 UTC
    warning public.events: public.events_p2026_02 exists and is not a partition for 2026-02-01 UTC to 2026-03-01 UTC; the partition is called public.events_p2026_02_2
    ");
}

#[test]
fn a_half_detached_partition_is_told() {
    let ahead = table("public.a")
        .children("a_p", &["2026-01-01", "2026-02-01", "2026-03-01"])
        .detach_pending()
        .children("a_p", &["2026-03-01", "2026-05-01"]);
    let behind = table("public.b")
        .children("b_p", &["2025-12-01", "2026-01-01"])
        .detach_pending()
        .children("b_p", &["2026-01-01", "2026-05-01"]);
    insta::assert_snapshot!(shown([ahead, behind]), @r"
    spared public.a: covered until 2026-02-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    spared public.b: covered until 2026-05-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    refused tend partitions of public.a: partition public.a_p2026_02_01 takes no rows, because its DETACH CONCURRENTLY was interrupted; ALTER TABLE public.a DETACH PARTITION public.a_p2026_02_01 FINALIZE
    warning public.b: partition public.b_p2025_12_01 takes no rows, because its DETACH CONCURRENTLY was interrupted; ALTER TABLE public.b DETACH PARTITION public.b_p2025_12_01 FINALIZE
    ");
}

#[test]
fn what_cannot_be_tended_is_refused_with_the_cure() {
    // On the heap: so many tables are large.
    let mut world = world(vec![
        table("a.plain").seen(|f| (f.relation.kind, f.relation.strategy) = ("r".into(), None)),
        table("b.view").seen(|f| (f.relation.kind, f.relation.strategy) = ("v".into(), None)),
        table("c.list").seen(|f| f.relation.strategy = Some("l".into())),
        table("d.hash").seen(|f| f.relation.strategy = Some("h".into())),
        table("e.two").seen(|f| f.relation.key_parts = Some(2)),
        table("f.expression").seen(|f| f.relation.key_column = None),
        table("g.number").seen(|f| {
            f.relation.key_type_oid = Some(20);
            f.relation.key_type = Some("bigint".into());
        }),
        table("h.order").seen(|f| f.relation.key_order_usual = Some(false)),
        table("i.stranger").seen(|f| {
            f.relation.owner = "App Owner".into();
            f.relation.rights.acts_as_owner = false;
        }),
        table("j.no_create").seen(|f| f.relation.rights.may_create = false),
        table("k.owner").seen(|f| {
            f.relation.owner = "app".into();
            f.relation.rights.owner_may_create = false;
        }),
        table("l.no_set").seen(|f| {
            f.relation.owner = "app".into();
            f.relation.rights.may_give_to_owner = false;
        }),
        table("m.mixed").interval("1 month 1 day"),
        table("o.temporary").seen(|f| f.relation.temporary = true),
        table("z.fine").premake("1 day"),
    ]);
    let missing = table("y.missing");
    world.section.tables.insert(missing.name, missing.config);
    insta::assert_snapshot!(world.show(NOW), @r#"
    create_partition z.fine_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    spared z.fine: no partition holds now; premake = 1 day asks for 2026-01-21 10:00:00 UTC
    refused tend partitions of a.plain: it is a plain table, not a partitioned one; pgtend partitions adopt a.plain makes it one, or remove it from [partitions.tables]
    refused tend partitions of b.view: it is a view, not a partitioned table; name the partitioned table itself in [partitions.tables]
    refused tend partitions of c.list: it is partitioned by LIST; only RANGE has a tomorrow; remove it from [partitions.tables]
    refused tend partitions of d.hash: it is partitioned by HASH; only RANGE has a tomorrow; remove it from [partitions.tables]
    refused tend partitions of e.two: its key has 2 columns; one is supported; partition it by its time column alone, or remove it from [partitions.tables]
    refused tend partitions of f.expression: its key is an expression, not a plain column; partition it by a column, or remove it from [partitions.tables]
    refused tend partitions of g.number: its key ts is of type bigint, which does not say how it tells time, but interval = 1 month; write key = "epoch_s", "epoch_ms", "epoch_us", "epoch_ns" or "snowflake", whichever it is, or interval as a number of ids, such as 1000000
    refused tend partitions of h."order": its key ts is ordered by an operator class of its own; partition it by the type's default order, or remove it from [partitions.tables]
    refused tend partitions of i.stranger: only the rights of its owner "App Owner" allow to attach a partition; GRANT "App Owner" TO tend WITH INHERIT TRUE, SET TRUE
    refused tend partitions of j.no_create: tend may not create tables in schema j; GRANT USAGE, CREATE ON SCHEMA j TO tend
    refused tend partitions of k.owner: its owner app may not own tables in schema k; GRANT CREATE ON SCHEMA k TO app
    refused tend partitions of l.no_set: tend may not give a new partition to the owner app; GRANT app TO tend WITH SET TRUE
    refused tend partitions of m.mixed: `1 month 1 day` cannot be an interval; write minutes and hours, or one larger unit: `15 minutes`, `1 hour`, `1 day`, `1 week`, `1 month`, `1 quarter`, `1 year`, or a multiple of one
    refused tend partitions of o.temporary: it is a temporary table; remove it from [partitions.tables]
    refused tend partitions of y.missing: there is no such table; check the name in [partitions.tables]: schema.table, each part quoted as in SQL
    "#);
}

#[test]
fn one_run_makes_a_thousand_the_nearest_first() {
    let days = |name| table(name).interval("1 day").premake("600 days");
    let world = world([days("public.a"), days("public.b")]);
    let plan = world.plan(NOW);
    let made: Vec<String> = plan.actions.iter().map(crate::job::Action::object).collect();
    assert_eq!(made.len(), 1_000);
    assert_eq!(made[..2], ["public.a_p2026_01_20", "public.b_p2026_01_20"]);
    assert_eq!(made[998..], ["public.a_p2027_06_03", "public.b_p2027_06_03"]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @"more partitions are missing than the 1000 that one run makes; the nearest come first, the next run goes on. Is premake meant to be so long?");
}

#[test]
fn the_sql_is_like_the_parent() {
    let events = table("\"Odd.Schema\".\"Order\"").premake("1 day").seen(|facts| {
        let relation = &mut facts.relation;
        relation.owner = "app owner".into();
        relation.foreign_keys = true;
        facts.points_at = vec!["public.users".parse().unwrap()];
        let traits = &mut facts.traits;
        traits.row_security = true;
        traits.row_security_forced = true;
        traits.replica_identity = "i".into();
        traits.replica_index = Some(16_405);
        traits.access_method = Some("heap".into());
        traits.tablespace = Some("fast disk".into());
        traits.default_grantees = vec![Some("reader".into()), None];
        let grant = |grantee: Option<&str>, privileges: &str, grantable| {
            crate::pg::catalog::traits::Grant {
                grantee: grantee.map(str::to_owned),
                privileges: privileges.into(),
                grantable,
            }
        };
        traits.grants =
            vec![grant(Some("Writer"), "INSERT, SELECT", true), grant(None, "SELECT", false)];
    });
    insta::assert_snapshot!(sql(&world([events]).plan(NOW)), @r#"
    -- make "Odd.Schema"."Order_p2026_01", lock_timeout [20, 20, 50, 50, 80, 80, 80, 80] ms
    CREATE TABLE "Odd.Schema"."Order_p2026_01" (LIKE "Odd.Schema"."Order" INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS INCLUDING STATISTICS) USING heap TABLESPACE "fast disk";
    REVOKE ALL ON TABLE "Odd.Schema"."Order_p2026_01" FROM reader, PUBLIC;
    ALTER TABLE "Odd.Schema"."Order_p2026_01" OWNER TO "app owner";
    GRANT INSERT, SELECT ON TABLE "Odd.Schema"."Order_p2026_01" TO "Writer" WITH GRANT OPTION;
    GRANT SELECT ON TABLE "Odd.Schema"."Order_p2026_01" TO PUBLIC;
    ALTER TABLE "Odd.Schema"."Order_p2026_01" ENABLE ROW LEVEL SECURITY;
    ALTER TABLE "Odd.Schema"."Order" ATTACH PARTITION "Odd.Schema"."Order_p2026_01" FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
    DO 'BEGIN EXECUTE (SELECT format(''ALTER TABLE %s REPLICA IDENTITY USING INDEX %I'', x.indrelid::regclass, c.relname) FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid JOIN pg_class c ON c.oid = x.indexrelid WHERE i.inhparent = 16405 AND x.indrelid = ''"Odd.Schema"."Order_p2026_01"''::regclass); END';
    ALTER TABLE "Odd.Schema"."Order_p2026_01" FORCE ROW LEVEL SECURITY
    SELECT inhparent = 16400 FROM pg_inherits WHERE inhrelid = '"Odd.Schema"."Order_p2026_01"'::regclass
    "#);
}

#[test]
fn the_sql_of_13_has_no_compression() {
    let mut world = world([table("public.events").premake("1 day").date_key()]);
    world.seen.version = crate::pg::version::Version(130_023);
    insta::assert_snapshot!(sql(&world.plan(NOW)), @r"
    -- make public.events_p2026_01, lock_timeout [2000, 2000, 2000] ms
    CREATE TABLE public.events_p2026_01 (LIKE public.events INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS INCLUDING STATISTICS);
    ALTER TABLE public.events ATTACH PARTITION public.events_p2026_01 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')
    SELECT inhparent = 16400 FROM pg_inherits WHERE inhrelid = 'public.events_p2026_01'::regclass
    ");
}

/// Each transaction with its ladder, and its statements.
fn sql(plan: &crate::job::Plan<super::super::PartitionAction>) -> String {
    let mut text = String::new();
    for step in plan.actions.iter().flat_map(super::super::PartitionAction::steps) {
        let millis: Vec<u128> =
            step.lock.tries.iter().map(std::time::Duration::as_millis).collect();
        let _ = writeln!(text, "-- {} {}, lock_timeout {millis:?} ms", step.doing, step.object);
        for sql in step.sql() {
            text.push_str(&sql);
            text.push('\n');
        }
    }
    text
}

#[test]
fn an_unanswered_question_takes_the_safe_way() {
    let mut unknown = look(&[("2026-01-01", "2026-02-01", false)], false);
    unknown.answer = Err(Fault::new(Kind::TimedOut, "look into the default partition", "time"));
    let plan = world([table("public.events").premake("1 day").default(Some(unknown))]).plan(NOW);
    assert!(sql(&plan).contains("NOT VALID"));
}
