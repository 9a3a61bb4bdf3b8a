//! The policy, on made-up facts: no server.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::action::Refresh;
use super::plan::plan;
use super::seen::{Leaf, Memory, Seen, Table, TableKind};
use crate::config::checked;
use crate::job::{JobName, Plan};
use crate::pg::ident::{Ident, TableName};
use crate::pg::version::Version;

fn now() -> DateTime<Utc> {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

fn policy() -> checked::Analyze {
    checked::Analyze {
        schedule: checked::Schedule {
            cron: "*/15 * * * *".parse().unwrap(),
            timezone: chrono_tz::UTC,
            jitter: std::time::Duration::ZERO,
            timeout: std::time::Duration::from_mins(10),
            max_attempts: 1,
            catchup: checked::Catchup::Latest,
            start_deadline: None,
        },
        stale_fraction: 0.05,
        stale_rows: 1000,
        max_tables: 100,
        schemas: Vec::new(),
        exclude: Vec::new(),
    }
}

fn name(text: &str) -> TableName {
    text.parse().unwrap()
}

/// An analyzed table of 10,000 rows with nothing to do.
fn fresh(oid: u32, text: &str) -> Table {
    Table {
        oid,
        name: name(text),
        kind: TableKind::Plain,
        parent: None,
        reltuples: Some(10_000),
        live: 10_000,
        changed: 0,
        writes: 10_000,
        touched: true,
        analyzed_at: Some(now() - TimeDelta::hours(1)),
        autoanalyzed_at: None,
        own_due_from: None,
        lacking: Vec::new(),
        impossible: Vec::new(),
        owner: "app".into(),
        owner_is_superuser: false,
        reachable: true,
        permitted: true,
        visible: true,
        busy: None,
    }
}

/// As CREATE TABLE leaves it.
fn empty(oid: u32, text: &str) -> Table {
    Table {
        reltuples: None,
        live: 0,
        writes: 0,
        touched: false,
        analyzed_at: None,
        lacking: vec!["column id".into()],
        ..fresh(oid, text)
    }
}

/// An analyzed parent.
fn parent(oid: u32, text: &str) -> Table {
    Table { kind: TableKind::Parent, live: 0, writes: 0, touched: false, ..fresh(oid, text) }
}

fn leaf(oid: u32, text: &str, parent: u32) -> Table {
    Table { parent: Some(parent), ..fresh(oid, text) }
}

fn seen(major: u32, tables: Vec<Table>) -> Seen {
    Seen {
        version: Version(major * 10_000),
        role: "pgtend".into(),
        counted: true,
        tables,
        memory: HashMap::new(),
    }
}

fn planned(seen: &Seen) -> Plan<Refresh> {
    plan(&policy(), seen, now())
}

/// `kind object` of each action.
fn actions(plan: &Plan<Refresh>) -> Vec<String> {
    use crate::job::Action;
    plan.actions.iter().map(|action| format!("{} {}", action.kind(), action.object())).collect()
}

/// What the server and pgtend know after the planned actions have been run.
fn apply(seen: &mut Seen, plan: &Plan<Refresh>) {
    for action in &plan.actions {
        for memo in &action.memos {
            let memory = Memory {
                analyzed_at: now() - TimeDelta::minutes(1),
                lacking: memo.lacking.clone(),
                leaves: memo.leaves.clone(),
            };
            seen.memory.insert(memo.relation, memory);
        }
        let table = seen.tables.iter_mut().find(|table| table.name == action.table).unwrap();
        table.changed = 0;
        table.analyzed_at = Some(now());
    }
}

#[test]
fn fresh_and_empty_tables_are_left_alone() {
    for major in [13, 18] {
        let unanalyzed = if major == 13 { Some(0) } else { None };
        let premade = Table { reltuples: unanalyzed, ..empty(2, "premade") };
        let emptied = Table { analyzed_at: Some(now()), reltuples: Some(0), ..empty(3, "emptied") };
        let plan = planned(&seen(major, vec![fresh(1, "fresh"), premade, emptied]));
        assert_eq!(actions(&plan), Vec::<String>::new());
        assert_eq!(plan.spared, []);
    }
}

#[test]
fn a_table_with_any_trace_of_rows_is_analyzed_once() {
    for change in [
        |table: &mut Table| table.live = 5,
        |table: &mut Table| table.changed = 5,
        |table: &mut Table| table.writes = 5,
        |table: &mut Table| table.touched = true,
    ] {
        let mut table = empty(1, "loaded");
        change(&mut table);
        let mut world = seen(18, vec![table]);
        let plan = planned(&world);
        assert_eq!(actions(&plan), ["analyze public.loaded"]);
        // It had no rows after all, so that nothing but the times has changed.
        apply(&mut world, &plan);
        world.tables[0].reltuples = Some(0);
        assert_eq!(actions(&planned(&world)), Vec::<String>::new());
    }
}

#[test]
fn staleness_counts_from_whichever_threshold_is_larger() {
    for (rows, changed, own_due_from, due) in [
        (10_000, 1000, None, false), // stale_rows
        (10_000, 1001, None, true),
        (100_000, 5000, None, false), // stale_fraction
        (100_000, 5001, None, true),
        (10_000, 1001, Some(4000), false), // someone set autovacuum_analyze_* for this table
        (10_000, 4001, Some(4000), true),
        (10_000, 500, Some(100), false), // autovacuum is earlier anyway
    ] {
        let table = Table { reltuples: Some(rows), changed, own_due_from, ..fresh(1, "t") };
        let plan = planned(&seen(18, vec![table]));
        assert_eq!(plan.actions.len(), usize::from(due), "{rows} {changed} {own_due_from:?}");
        assert_eq!(plan.spared.len(), usize::from(!due), "{rows} {changed} {own_due_from:?}");
    }
}

#[test]
fn what_an_analyze_cannot_mend_is_tried_once() {
    let lacking: Vec<String> = vec!["column shape".into(), "index t_partial".into()];
    let mut world = seen(18, vec![Table { lacking, ..fresh(1, "t") }]);
    let plan = planned(&world);
    assert_eq!(actions(&plan), ["analyze public.t"]);
    apply(&mut world, &plan);
    let plan = planned(&world);
    assert_eq!(actions(&plan), Vec::<String>::new());
    assert!(plan.spared[0].reason.starts_with("ANALYZE makes no statistics for column shape"));

    // Something else is missing now, or enough has changed.
    world.tables[0].lacking.push("statistics s".into());
    let plan = planned(&world);
    assert_eq!(plan.actions[0].why, "no statistics for statistics s");
    world.tables[0].lacking.pop();
    world.tables[0].changed = 5000;
    assert_eq!(actions(&planned(&world)), ["analyze public.t"]);
}

#[test]
fn counters_that_have_not_caught_up_with_our_own_analyze_are_not_believed() {
    for (major, since, due) in [(14, 1, false), (14, 3, true), (15, 1, true)] {
        let mut world = seen(major, vec![Table { changed: 9000, ..fresh(1, "t") }]);
        let analyzed_at = now() - TimeDelta::seconds(since);
        let memory = Memory { analyzed_at, lacking: Vec::new(), leaves: None };
        world.memory.insert(1, memory);
        assert_eq!(!planned(&world).actions.is_empty(), due, "{major}, {since} s");
        // What is missing is in the catalog, and certain.
        world.tables[0].lacking.push("statistics s".into());
        assert_eq!(actions(&planned(&world)), ["analyze public.t"]);
    }
}

#[test]
fn hidden_statistics_are_reported_and_a_table_never_analyzed_is_found_all_the_same() {
    let hidden = |table: Table| Table { visible: false, lacking: Vec::new(), ..table };
    let loaded = Table { live: 10, ..hidden(empty(2, "loaded")) };
    let plan = planned(&seen(18, vec![hidden(fresh(1, "fresh")), loaded]));
    assert_eq!(actions(&plan), ["analyze public.loaded"]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @"role pgtend may not see the statistics of public.fresh, public.loaded, so that what is missing there is not found; GRANT SELECT on them TO pgtend, and BYPASSRLS where row security is on");
}

#[test]
fn a_parent_is_due_by_what_its_leaves_counted_since() {
    let tree = || vec![parent(1, "p"), leaf(2, "p_1", 1), leaf(3, "p_2", 1)];
    let recorded = |leaves: &[(u32, u64, u64)]| {
        let leaves = leaves.iter().map(|&(oid, writes, rows)| Leaf { oid, writes, rows }).collect();
        let analyzed_at = now() - TimeDelta::hours(1);
        let memory = Memory { analyzed_at, lacking: Vec::new(), leaves: Some(leaves) };
        HashMap::from([(1, memory)])
    };
    for (leaves, expected) in [
        // Just as recorded, and below 5 % of 20,000.
        (vec![(2, 10_000, 10_000), (3, 10_000, 10_000)], None),
        (vec![(2, 9_500, 10_000), (3, 9_500, 10_000)], None),
        (vec![(2, 9_000, 10_000), (3, 9_999, 10_000)], Some("1001 of about 20000 rows")),
        // A leaf with rows has come, or gone; an empty one does not matter.
        (
            vec![(2, 10_000, 10_000)],
            Some("10000 (partitions attached: 1, detached: 0) of about 20000 rows"),
        ),
        (
            vec![(2, 10_000, 10_000), (3, 10_000, 10_000), (9, 7, 5000)],
            Some("5000 (partitions attached: 0, detached: 1) of about 20000 rows"),
        ),
        (vec![(2, 10_000, 10_000), (3, 10_000, 10_000), (9, 0, 0)], None),
        // The counters were reset since: whatever they say now is new.
        (vec![(2, 90_000, 10_000), (3, 10_000, 10_000)], Some("10000 of about 20000 rows")),
    ] {
        let world = Seen { memory: recorded(&leaves), ..seen(18, tree()) };
        let plan = planned(&world);
        let why = plan.actions.first().map(|action| action.why.as_str());
        assert_eq!(why.is_some(), expected.is_some(), "{leaves:?}: {why:?}");
        let expected = expected.unwrap_or_default();
        assert!(why.unwrap_or_default().contains(expected), "{leaves:?}: {why:?}");
    }
}

#[test]
fn a_parent_without_a_record_gets_one_but_not_right_after_somebody_analyzed_it() {
    let tree = |analyzed: DateTime<Utc>, changed: u64| {
        let analyzed_at = Some(analyzed);
        let parent = Table { analyzed_at, reltuples: Some(10_000), ..parent(1, "p") };
        vec![parent, Table { changed, analyzed_at, ..leaf(2, "p_1", 1) }]
    };
    let recent = now() - TimeDelta::hours(2);
    let old = now() - TimeDelta::days(2);
    for (analyzed, changed, due) in
        [(recent, 0, false), (recent, 10, false), (recent, 1001, true), (old, 0, false), (old, 10, true)]
    {
        let mut world = seen(18, tree(analyzed, changed));
        let plan = planned(&world);
        assert_eq!(!plan.actions.is_empty(), due, "{analyzed} {changed}");
        // ANALYZE ONLY leaves the leaf's own counter as it was.
        let leaf_is_due = changed > 1000;
        apply(&mut world, &plan);
        world.tables[1].changed = if leaf_is_due { 0 } else { changed };
        assert_eq!(actions(&planned(&world)), Vec::<String>::new());
    }
    // 13 keeps nothing about the parent; the oldest leaf stands for it.
    let mut world = seen(13, tree(recent, 10));
    world.tables[0].analyzed_at = None;
    assert_eq!(actions(&planned(&world)), Vec::<String>::new());
    world.tables[1].analyzed_at = None;
    assert_eq!(actions(&planned(&world)), ["analyze_tree public.p"]);
}

#[test]
fn no_relation_is_analyzed_twice_in_a_run() {
    let lacking = || vec!["column a".to_owned()];
    let tree = || {
        vec![
            Table { lacking: lacking(), ..parent(1, "p") },
            Table { parent: Some(1), lacking: lacking(), ..parent(2, "p_mid") },
            Table { changed: 5000, ..leaf(3, "p_1", 2) },
            Table { changed: 2000, ..leaf(4, "p_2", 1) },
            Table { changed: 3000, ..fresh(5, "other") },
        ]
    };
    let plan = planned(&seen(13, tree()));
    assert_eq!(actions(&plan), ["analyze_tree public.p", "analyze public.other"]);
    // What the tree covers is remembered too, or the next run would not know.
    let memos: Vec<u32> = plan.actions[0].memos.iter().map(|memo| memo.relation).collect();
    assert_eq!(memos, [1, 2, 4, 3]);
    let plan = planned(&seen(18, tree()));
    assert_eq!(
        actions(&plan),
        [
            "analyze_parent public.p",
            "analyze_parent public.p_mid",
            "analyze public.p_1",
            "analyze public.other",
            "analyze public.p_2",
        ]
    );
}

#[test]
fn what_stands_in_the_way_of_a_partition_stands_in_the_way_of_its_tree() {
    let tree = |change: fn(&mut Table)| {
        let mut busy = leaf(3, "p_2", 1);
        change(&mut busy);
        let lacking = vec!["column a".to_owned()];
        vec![Table { lacking, ..parent(1, "p") }, Table { changed: 5000, ..leaf(2, "p_1", 1) }, busy]
    };
    let busy = tree(|table| table.busy = Some(77));
    let plan = planned(&seen(13, busy.clone()));
    assert_eq!(actions(&plan), ["analyze public.p_1"], "the other leaf goes on by itself");
    insta::assert_snapshot!(plan.spared[0].reason, @"its partition public.p_2, which its ANALYZE includes: process 77 is analyzing or vacuuming it now");
    assert_eq!(actions(&planned(&seen(18, busy)))[0], "analyze_parent public.p");

    let denied = tree(|table| table.permitted = false);
    let plan = planned(&seen(13, denied.clone()));
    insta::assert_snapshot!(plan.refused[0].fault, @"analyze public.p_2: its partition public.p_2, which its ANALYZE includes: role pgtend may not analyze what app owns; GRANT app TO pgtend (only an owner may analyze before PostgreSQL 17); or exclude it: analyze.exclude");
    assert_eq!(planned(&seen(18, denied)).refused.len(), 0);

    let foreign = tree(|table| table.kind = TableKind::Foreign);
    let plan = planned(&seen(18, foreign));
    assert_eq!(actions(&plan), ["analyze public.p_1"]);
    insta::assert_snapshot!(plan.spared[0].reason, @"its partition public.p_2 is a foreign table: sampling it would read another server");
}

#[test]
fn a_refusal_names_the_grant() {
    let due = |permitted, reachable| {
        vec![Table { permitted, reachable, changed: 9000, ..fresh(1, "\"Odd\".\"T\"") }]
    };
    let cure = |major, tables| planned(&seen(major, tables)).refused[0].fault.to_string();
    insta::assert_snapshot!(cure(18, due(false, true)), @r#"analyze "Odd"."T": role pgtend may not analyze what app owns; GRANT MAINTAIN ON TABLE "Odd"."T" TO pgtend; or exclude it: analyze.exclude"#);
    insta::assert_snapshot!(cure(16, due(true, false)), @r#"analyze "Odd"."T": role pgtend may not use its schema; GRANT USAGE ON SCHEMA "Odd" TO pgtend; or exclude it: analyze.exclude"#);
}

#[test]
fn the_limit_leaves_the_least_changed_for_the_next_run() {
    let stale = |oid, text, changed| Table { changed, ..fresh(oid, text) };
    let world = seen(18, vec![stale(1, "a", 2000), stale(2, "b", 9000), stale(3, "c", 3000)]);
    let plan = plan(&checked::Analyze { max_tables: 2, ..policy() }, &world, now());
    assert_eq!(actions(&plan), ["analyze public.b", "analyze public.c"]);
    insta::assert_snapshot!(plan.spared[0].reason, @"limit: analyze.max_tables = 2 are analyzed in this run; changed since its last ANALYZE: 2000 of about 10000 rows; due above 1000");
}

#[test]
fn schemas_and_exclude_bound_what_is_touched() {
    let stale = |oid, text| Table { changed: 9000, ..fresh(oid, text) };
    let tables = vec![stale(1, "app.a"), stale(2, "app.b"), stale(3, "other.c")];
    let policy = checked::Analyze {
        schemas: vec![Ident::new("app").unwrap()],
        exclude: vec![name("app.b")],
        ..policy()
    };
    let plan = plan(&policy, &seen(18, tables), now());
    assert_eq!(actions(&plan), ["analyze app.a"]);
    assert_eq!(plan.spared.len(), 1);
}

#[test]
fn the_plan_shows_the_very_sql() {
    let tree = vec![parent(1, "p"), Table { changed: 5000, ..leaf(2, "p_1", 1) }];
    let plan = planned(&seen(18, tree));
    insta::assert_snapshot!(plan.view(JobName::Analyze), @r"
    analyze: 2 to do, 0 left alone
      + analyze_parent public.p: changed in its partitions since its last ANALYZE: at least 5000 of about 10000 rows; due above 1000
          ANALYZE ONLY public.p;
          INSERT INTO analyze_memory (relation, analyzed_at, lacking, leaves, writes, row_counts)
          SELECT relation, now(), lacking, leaves, writes, row_counts
          FROM jsonb_to_recordset($1::jsonb)
               AS memo (relation oid, lacking text[], leaves oid[], writes bigint[], row_counts bigint[])
          ON CONFLICT (relation) DO UPDATE
          SET analyzed_at = excluded.analyzed_at, lacking = excluded.lacking, leaves = excluded.leaves,
              writes = excluded.writes, row_counts = excluded.row_counts;
          DELETE FROM analyze_memory
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = relation);
      + analyze public.p_1: changed since its last ANALYZE: 5000 of about 10000 rows; due above 1000
          ANALYZE public.p_1;
          INSERT INTO analyze_memory (relation, analyzed_at, lacking, leaves, writes, row_counts)
          SELECT relation, now(), lacking, leaves, writes, row_counts
          FROM jsonb_to_recordset($1::jsonb)
               AS memo (relation oid, lacking text[], leaves oid[], writes bigint[], row_counts bigint[])
          ON CONFLICT (relation) DO UPDATE
          SET analyzed_at = excluded.analyzed_at, lacking = excluded.lacking, leaves = excluded.leaves,
              writes = excluded.writes, row_counts = excluded.row_counts;
          DELETE FROM analyze_memory
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = relation);
    ");
}
