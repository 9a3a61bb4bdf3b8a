//! Made-up facts, and how they change.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::checked;
use crate::job::{Action, Plan};
use crate::jobs::analyze::action::Refresh;
use crate::jobs::analyze::plan::plan;
use crate::jobs::analyze::seen::{Memory, Seen, Table, TableKind};
use crate::pg::ident::TableName;
use crate::pg::version::Version;

pub(super) fn now() -> DateTime<Utc> {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

pub(super) fn policy() -> checked::Analyze {
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

pub(super) fn name(text: &str) -> TableName {
    text.parse().unwrap()
}

/// An analyzed table of 10,000 rows with nothing to do.
pub(super) fn fresh(oid: u32, text: &str) -> Table {
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
pub(super) fn empty(oid: u32, text: &str) -> Table {
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
pub(super) fn parent(oid: u32, text: &str) -> Table {
    Table { kind: TableKind::Parent, live: 0, writes: 0, touched: false, ..fresh(oid, text) }
}

pub(super) fn leaf(oid: u32, text: &str, parent: u32) -> Table {
    Table { parent: Some(parent), ..fresh(oid, text) }
}

pub(super) fn seen(major: u32, tables: Vec<Table>) -> Seen {
    Seen {
        version: Version(major * 10_000),
        role: "pgtend".into(),
        counted: true,
        tables,
        memory: HashMap::new(),
    }
}

pub(super) fn planned(seen: &Seen) -> Plan<Refresh> {
    plan(&policy(), seen, now())
}

/// `kind object` of each action.
pub(super) fn actions(plan: &Plan<Refresh>) -> Vec<String> {
    plan.actions.iter().map(|action| format!("{} {}", action.kind(), action.object())).collect()
}

/// What the server and pgtend know after the planned actions have been run.
pub(super) fn apply(seen: &mut Seen, plan: &Plan<Refresh>) {
    for action in &plan.actions {
        for memo in &action.memos {
            let memory = Memory { lacking: memo.lacking.clone(), leaves: memo.leaves.clone() };
            seen.memory.insert(memo.relation, memory);
        }
        let table = seen.tables.iter_mut().find(|table| table.name == action.table).unwrap();
        table.changed = 0;
        table.analyzed_at = Some(now());
    }
}
