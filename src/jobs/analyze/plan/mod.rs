//! Which tables are analyzed, in which order, and which are left alone. Policy, no questions.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use self::denied::Denied;
use self::forest::Forest;
use self::judge::{Judge, Verdict};
use self::obstacle::{Obstacle, Obstacles};
use super::action::{Memo, Reach, Refresh, Witness};
use super::seen::{Seen, Table, TableKind};
use crate::config::checked;
use crate::job::Plan;

mod denied;
mod forest;
mod judge;
mod obstacle;

/// Tables left alone for one and the same cause: so many are named, the others are counted.
const SPARED_MAX: usize = 20;
/// Names spelt out in a sentence.
const NAMES_MAX: usize = 3;

/// A table to be analyzed.
struct Due<'a> {
    table: &'a Table,
    why: String,
    weight: u64,
}

/// The plan: the tables whose statistics are missing or stale, the most changed first.
pub(super) fn plan(policy: &checked::Analyze, seen: &Seen, now: DateTime<Utc>) -> Plan<Refresh> {
    let forest = Forest::of(seen);
    let judge = Judge { policy, seen, forest: &forest, now };
    let obstacles = Obstacles { policy, seen, forest: &forest };
    let mut plan = Plan::default();
    let (mut due, mut denied) = (Vec::new(), Vec::new());
    let (mut fresh, mut hopeless, mut hindered) = (Vec::new(), Vec::new(), Vec::new());
    for table in seen.tables.iter().filter(|table| in_scope(policy, table)) {
        if policy.exclude.contains(&table.name) {
            plan.spare(&table.name, "excluded by analyze.exclude");
            continue;
        }
        match judge.judge(table) {
            Verdict::Due { why, weight } => match obstacles.to(table, reach(seen, table)) {
                None => due.push(Due { table, why, weight }),
                Some(Obstacle::Now(reason)) => hindered.push((table, reason)),
                Some(Obstacle::Denied(reached)) => denied.push(Denied { due: table, reached }),
            },
            Verdict::Fresh { why, changed } => fresh.push((changed, table, why)),
            Verdict::Hopeless { why } => hopeless.push((table, why)),
            Verdict::Idle => {}
        }
    }
    // Both sorts are stable: equals stay in the order of their names.
    due.sort_by_key(|due| std::cmp::Reverse(due.weight));
    fresh.sort_by_key(|&(changed, ..)| std::cmp::Reverse(changed));
    act(policy, seen, &forest, due, &mut plan);
    denied::refuse(seen, denied, &mut plan);
    let fresh = fresh.into_iter().map(|(_, table, why)| (table, why)).collect();
    spare(hindered, "due, but something stands in the way", &mut plan);
    spare(hopeless, "ANALYZE does not make all their statistics", &mut plan);
    spare(fresh, "fewer rows changed than it takes", &mut plan);
    plan.warnings = obstacles.warnings();
    plan
}

fn in_scope(policy: &checked::Analyze, table: &Table) -> bool {
    policy.schemas.is_empty() || policy.schemas.contains(&table.name.schema)
}

fn reach(seen: &Seen, table: &Table) -> Reach {
    match table.kind {
        TableKind::Parent if seen.version.has_analyze_only() => Reach::ParentOnly,
        TableKind::Parent => Reach::Tree,
        TableKind::Plain | TableKind::Foreign => Reach::Table,
    }
}

/// Turns what is due into actions: none below a tree that is analyzed as a whole, and no more than
/// `max_tables`.
fn act(
    policy: &checked::Analyze,
    seen: &Seen,
    forest: &Forest<'_>,
    due: Vec<Due<'_>>,
    plan: &mut Plan<Refresh>,
) {
    let by_oid: HashMap<u32, &Table> = due.iter().map(|due| (due.table.oid, due.table)).collect();
    let covered = |table: &Table| {
        !seen.version.has_analyze_only()
            && forest.above(table).any(|parent| by_oid.contains_key(&parent.oid))
    };
    let max = usize::try_from(policy.max_tables).unwrap_or(usize::MAX);
    let limit = format!("limit: analyze.max_tables = {max} are analyzed in this run");
    let mut left = Vec::new();
    for Due { table, why, .. } in due.into_iter().filter(|due| !covered(due.table)) {
        if plan.actions.len() < max {
            plan.actions.push(refresh(seen, forest, &by_oid, table, why));
        } else {
            left.push((table, format!("{limit}; {why}")));
        }
    }
    spare(left, &limit, plan);
}

fn refresh(
    seen: &Seen,
    forest: &Forest<'_>,
    due: &HashMap<u32, &Table>,
    table: &Table,
    why: String,
) -> Refresh {
    let reach = reach(seen, table);
    let mut reached = vec![table];
    if reach == Reach::Tree {
        reached.extend(forest.below(table));
    }
    // What is due and what has no counters of its own; a leaf that is analyzed along with its tree,
    // though it is fresh, needs no memo.
    let memos = reached
        .iter()
        .filter(|table| table.kind == TableKind::Parent || due.contains_key(&table.oid))
        .map(|table| Memo {
            relation: table.oid,
            lacking: table.lacking.clone(),
            leaves: (table.kind == TableKind::Parent).then(|| forest.counters(table)),
        })
        .collect();
    let witnessed = seen.counted && seen.version.has_immediate_counters();
    Refresh {
        table: table.name.clone(),
        reach,
        why,
        memos,
        witness: witnessed.then_some(Witness { oid: table.oid, before: table.analyzed_at }),
        impossible: reached.iter().flat_map(|table| table.impossible.clone()).collect(),
    }
}

fn spare(tables: Vec<(&Table, String)>, all: &str, plan: &mut Plan<Refresh>) {
    let others = tables.len().saturating_sub(SPARED_MAX);
    for (table, why) in tables.into_iter().take(SPARED_MAX) {
        plan.spare(&table.name, why);
    }
    if others > 0 {
        plan.spare(format!("{others} more tables"), all);
    }
}

/// `a, b, c and 4 more`.
fn names(of: &[impl AsRef<str>]) -> String {
    let spelt: Vec<&str> = of.iter().take(NAMES_MAX).map(AsRef::as_ref).collect();
    match of.len().saturating_sub(NAMES_MAX) {
        0 => spelt.join(", "),
        more => format!("{} and {more} more", spelt.join(", ")),
    }
}
