//! Whether rows can be brought back. Policy, no questions.

use chrono::{DateTime, Utc};

use super::super::action::ArchiveAction;
use super::super::children::ChildFacts;
use super::super::columns;
use super::super::observe::Facts;
use super::super::plan::unread;
use super::super::refusal::Refusal;
use super::super::seen::Seen;
use super::super::side::{Source, Target};
use super::action::Restore;
use super::{Hold, Wish};
use crate::config::checked::{Archive, ArchiveTable, Rule};
use crate::job::Plan;
use crate::job::pace::Pacing;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// Plans what the person asks for.
#[must_use]
pub fn plan(config: &Archive, wish: &Wish, seen: &Seen, now: DateTime<Utc>) -> Plan<ArchiveAction> {
    let mut plan = Plan::default();
    let table = &wish.table;
    let rules: Vec<(&Rule, &ArchiveTable)> = config.rules_of(table).collect();
    if rules.is_empty() {
        let fault = Fault::new(Kind::Configuration, "restore", "it is not in [archive.tables]");
        plan.refuse(table, fault.on(table));
    }
    let mut archives: Vec<&TableName> = Vec::new();
    for (rule, policy) in rules {
        let Some((_, facts)) = seen.tables.iter().find(|(seen, _)| seen == rule) else { continue };
        if archives.contains(&&policy.into) {
            continue;
        }
        archives.push(&policy.into);
        let restore = match facts {
            Ok(facts) => restore(config, policy, wish, facts, now),
            Err(fault) => Err(fault.clone()),
        };
        match restore {
            Ok(restore) => {
                // Before rows leave it again.
                if let Ok(facts) = facts {
                    unread(table, policy, facts, &mut plan);
                }
                plan.actions.push(ArchiveAction::Restore(Box::new(restore)));
            }
            Err(fault) => plan.refuse(rule, fault),
        }
    }
    plan
}

fn restore(
    config: &Archive,
    policy: &ArchiveTable,
    wish: &Wish,
    facts: &Facts,
    now: DateTime<Utc>,
) -> Result<Restore, Fault> {
    let (table, archive) = (&wish.table, &policy.into);
    let refused = |why: String, cure: String| Refusal::new(why, cure).fault("archive", table);
    let no_table = |name| refused(format!("there is no table {name}"), "create it".to_owned());
    let source = facts.source.as_ref().ok_or_else(|| no_table(table))?;
    let target = facts.target.as_ref().ok_or_else(|| no_table(archive))?;
    if let Some(refusal) = obstacle((table, source), (archive, target)) {
        return Err(refusal.fault("archive", table));
    }
    if let Some(refusal) = facts.children.iter().find_map(obstacle_of_child) {
        return Err(refusal.fault("archive", table));
    }
    let held_until = now.max(wish.keep.after(now, chrono_tz::UTC));
    let hold = Hold {
        age: Some(policy.age.clone()),
        since: wish.since,
        until: wish.until,
        condition: wish.condition.clone(),
        held_until,
    };
    let tables = (source, target);
    let (age, children) = (&policy.age, &facts.children);
    let restore = Restore::new(wish, facts.version, tables, children, age, archive, &hold);
    let restore = restore.ok_or_else(|| {
        refused(
            format!(
                "{archive} is partitioned and has no key: neither a key nor their places tell its rows \
                 apart"
            ),
            format!("CREATE UNIQUE INDEX CONCURRENTLY on NOT NULL columns of {archive}"),
        )
    })?;
    let pacing = Pacing::of(policy.pace, policy.batch_rows.into(), config.limits.clone());
    let reason = format!(
        "asked for; they stay until {}, then they are archived again where the policy still says so",
        held_until.format("%Y-%m-%d %H:%M:%SZ")
    );
    Ok(Restore { pacing, reason, ..restore })
}

/// Why rows of an archive cannot go back as they are.
fn obstacle(
    (table, source): (&TableName, &Source),
    (archive, target): (&TableName, &Target),
) -> Option<Refusal> {
    for (relation, name) in [(&source.relation, table), (&target.relation, archive)] {
        if relation.row_security {
            return Some(Refusal::new(
                format!("row level security is on for {name}: it decides which rows are seen"),
                format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
            ));
        }
    }
    columns::way_back((archive, &target.columns), (table, &source.columns))
}

/// The same of what refers to them: rows that stay behind would refer to nothing in the archive.
fn obstacle_of_child(child: &ChildFacts) -> Option<Refusal> {
    let ChildFacts { name, into, source, target, keys, .. } = child;
    let target = target.as_ref()?;
    let found = match source {
        Some(source) if keys.len() == 1 => obstacle((name, source), (into, target)),
        _ => Some(Refusal::new(
            format!(
                "its rows in {into} cannot come with the rows they refer to, as it has no foreign key, or several"
            ),
            "give it its one foreign key, or take it out of `children`: its rows then stay in its archive",
        )),
    };
    found.map(|refusal| refusal.of_child(name))
}
