//! Tables: missing and stale statistics, limits, rights.

use super::world::*;
use crate::config::checked;
use crate::jobs::analyze::plan::plan;
use crate::jobs::analyze::seen::Table;
use crate::pg::ident::Ident;

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
fn hidden_statistics_are_reported_and_a_table_never_analyzed_is_found_all_the_same() {
    let hidden = |table: Table| Table { visible: false, lacking: Vec::new(), ..table };
    let loaded = Table { live: 10, ..hidden(empty(2, "loaded")) };
    let plan = planned(&seen(18, vec![hidden(fresh(1, "fresh")), loaded]));
    assert_eq!(actions(&plan), ["analyze public.loaded"]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @"role pgtend may not see the statistics of public.fresh, public.loaded, so that what is missing there is not found; GRANT SELECT on them TO pgtend, and BYPASSRLS where row security is on");
}

#[test]
fn a_refusal_names_the_grant() {
    let due = |permitted, reachable| {
        vec![Table { permitted, reachable, changed: 9000, ..fresh(1, "\"Odd\".\"T\"") }]
    };
    let cure = |major, tables| planned(&seen(major, tables)).refused[0].fault.to_string();
    insta::assert_snapshot!(cure(18, due(false, true)), @r#"analyze "Odd"."T": role pgtend may not analyze what app owns; GRANT MAINTAIN ON TABLE "Odd"."T" TO pgtend; or exclude it: analyze.exclude, analyze.schemas"#);
    insta::assert_snapshot!(cure(16, due(true, false)), @r#"analyze "Odd"."T": role pgtend may not use schema "Odd"; GRANT USAGE ON SCHEMA "Odd" TO pgtend; or exclude it: analyze.exclude, analyze.schemas"#);
}

#[test]
fn many_refusals_of_one_cause_are_one_line() {
    let due = |oid, text: &str| Table { permitted: false, changed: 9000, ..fresh(oid, text) };
    let mut tables: Vec<Table> =
        (1..=5).map(|oid| due(oid, &format!("app.t{oid}"))).chain([due(6, "other.t")]).collect();
    let plan = planned(&seen(18, tables.clone()));
    let refused: Vec<String> = plan.refused.iter().map(|r| r.fault.to_string()).collect();
    insta::assert_snapshot!(refused.join("\n"), @r"
    analyze schema app: app.t1, app.t2, app.t3 and 2 more are due, but role pgtend may not analyze what app owns; GRANT MAINTAIN ON ALL TABLES IN SCHEMA app TO pgtend; or exclude it: analyze.exclude, analyze.schemas
    analyze other.t: role pgtend may not analyze what app owns; GRANT MAINTAIN ON TABLE other.t TO pgtend; or exclude it: analyze.exclude, analyze.schemas
    ");
    for table in &mut tables {
        table.owner_is_superuser = true;
    }
    let plan = planned(&seen(16, tables));
    insta::assert_snapshot!(plan.refused[1].fault, @"analyze other.t: role pgtend may not analyze what app owns; ALTER TABLE other.t OWNER TO pgtend (only an owner may analyze before PostgreSQL 17); or exclude it: analyze.exclude, analyze.schemas");
}

#[test]
fn long_lists_are_counted() {
    let tables = (1..=50).map(|oid| Table { changed: 10, ..fresh(oid, &format!("t{oid}")) });
    let plan = planned(&seen(18, tables.collect()));
    assert_eq!(plan.spared.len(), 21);
    assert_eq!(plan.spared[20].object, "30 more tables");
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
