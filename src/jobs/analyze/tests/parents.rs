//! Partitioned tables: their own signals, and the trees they make.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::world::*;
use crate::job::JobName;
use crate::jobs::analyze::seen::{Leaf, Memory, Seen, Table, TableKind};

#[test]
fn a_parent_is_due_by_what_its_leaves_counted_since() {
    let tree = || vec![parent(1, "p"), leaf(2, "p_1", 1), leaf(3, "p_2", 1)];
    let recorded = |leaves: &[(u32, u64, u64)]| {
        let leaves = leaves.iter().map(|&(oid, writes, rows)| Leaf { oid, writes, rows }).collect();
        let memory = Memory { lacking: Vec::new(), leaves: Some(leaves) };
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
    for (analyzed, changed, due) in [
        (recent, 0, false),
        (recent, 10, false),
        (recent, 1001, true),
        (old, 0, false),
        (old, 10, true),
    ] {
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
        vec![
            Table { lacking, ..parent(1, "p") },
            Table { changed: 5000, ..leaf(2, "p_1", 1) },
            busy,
        ]
    };
    let busy = tree(|table| table.busy = Some(77));
    let plan = planned(&seen(13, busy.clone()));
    assert_eq!(actions(&plan), ["analyze public.p_1"], "the other leaf goes on by itself");
    insta::assert_snapshot!(plan.spared[0].reason, @"its partition public.p_2, which its ANALYZE includes: process 77 is analyzing or vacuuming it now");
    assert_eq!(actions(&planned(&seen(18, busy)))[0], "analyze_parent public.p");

    let denied = tree(|table| table.permitted = false);
    let plan = planned(&seen(13, denied.clone()));
    insta::assert_snapshot!(plan.refused[0].fault, @"analyze public.p: its partition public.p_2, which its ANALYZE includes: role pgtend may not analyze what app owns; GRANT app TO pgtend (only an owner may analyze before PostgreSQL 17); or exclude it: analyze.exclude, analyze.schemas");
    assert_eq!(planned(&seen(18, denied)).refused.len(), 0);

    let foreign = tree(|table| table.kind = TableKind::Foreign);
    let plan = planned(&seen(18, foreign));
    assert_eq!(actions(&plan), ["analyze public.p_1"]);
    insta::assert_snapshot!(plan.spared[0].reason, @"its partition public.p_2 is a foreign table: sampling it would read another server");
}

#[test]
fn the_plan_shows_the_very_sql() {
    let tree = vec![parent(1, "p"), Table { changed: 5000, ..leaf(2, "p_1", 1) }];
    let plan = planned(&seen(18, tree));
    insta::assert_snapshot!(plan.view(JobName::Analyze), @r"
    analyze: 2 to do, 0 left alone
      + analyze_parent public.p: changed in its partitions since its last ANALYZE: at least 5000 of about 10000 rows; due above 1000
          ANALYZE ONLY public.p;
          DELETE FROM analyze_memory
          WHERE relation = ANY ($1::oid[]) OR NOT EXISTS (SELECT FROM pg_class WHERE oid = relation);
          INSERT INTO analyze_memory SELECT * FROM jsonb_populate_recordset(NULL::analyze_memory, $1::jsonb);
      + analyze public.p_1: changed since its last ANALYZE: 5000 of about 10000 rows; due above 1000
          ANALYZE public.p_1;
          DELETE FROM analyze_memory
          WHERE relation = ANY ($1::oid[]) OR NOT EXISTS (SELECT FROM pg_class WHERE oid = relation);
          INSERT INTO analyze_memory SELECT * FROM jsonb_populate_recordset(NULL::analyze_memory, $1::jsonb);
    ");
}
