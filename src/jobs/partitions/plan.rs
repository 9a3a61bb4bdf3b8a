//! Policy, and no questions: what each task makes of what was seen.

use chrono::{DateTime, Utc};

use super::Task;
use super::action::PartitionAction;
use super::adopt;
use super::alike::drift;
use super::draft::Draft;
use super::drain;
use super::facts::Seen;
use super::refusal::missing;
use super::retention;
use super::split;
use super::tended::{tended, tended_by_name};
use crate::config::checked::Partitions;
use crate::job::Plan;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;

/// Decides everything.
#[must_use]
pub fn plan(
    section: &Partitions,
    task: &Task,
    seen: &Seen,
    now: DateTime<Utc>,
) -> Plan<PartitionAction> {
    match task {
        Task::Tend { confirm } => tend(section, seen, now, *confirm),
        Task::Repair { table, partition } => {
            let mut plan = Plan::default();
            if let Err(fault) = repair(&mut plan, section, seen, table, partition.as_deref()) {
                plan.refuse(table, fault);
            }
            plan
        }
        Task::Adopt(wish) => adopt::plan::plan(section, wish, seen, now),
        Task::Restore { table, partition } => {
            let mut plan = Plan::default();
            match restore(section, seen, now, table, partition.as_deref()) {
                Ok(action) => plan.actions.push(action),
                Err(fault) => plan.refuse(table, fault),
            }
            plan
        }
        Task::Drain { table, .. } => drain::plan::asked(section, task, seen, now, table),
        Task::Split { table, .. } => split::plan::asked(section, task, seen, now, table),
    }
}

fn repair(
    plan: &mut Plan<PartitionAction>,
    section: &Partitions,
    seen: &Seen,
    name: &TableName,
    partition: Option<&str>,
) -> Result<(), Fault> {
    drift::repair(plan, seen, &tended_by_name(section, seen, name)?, partition)
}

fn restore(
    section: &Partitions,
    seen: &Seen,
    now: DateTime<Utc>,
    name: &TableName,
    partition: Option<&str>,
) -> Result<PartitionAction, Fault> {
    retention::restore::restore(seen, &tended_by_name(section, seen, name)?, partition, now)
}

fn tend(
    section: &Partitions,
    seen: &Seen,
    now: DateTime<Utc>,
    confirm: bool,
) -> Plan<PartitionAction> {
    let mut draft = Draft::new(seen);
    for (name, config) in &section.tables {
        if let Some((wish, seen)) = seen.unfinished.iter().find(|(wish, _)| wish.table == *name) {
            adopt::plan::carry_on(&mut draft.plan, section, wish, seen, now);
            continue;
        }
        let Some(facts) = seen.tables.get(name) else {
            draft.plan.refuse(name, missing(name));
            continue;
        };
        match tended(name, config, facts, seen) {
            Ok(table) => {
                let leaving = retention::plan::expire(&mut draft.plan, seen, &table, now, confirm);
                draft.leaving.extend(leaving);
                let ending = retention::leftovers::end(&mut draft.plan, seen, &table, now);
                draft.leaving.extend(ending);
                draft.table(&table, now);
            }
            Err(fault) => {
                draft.plan.refuse(name, fault);
                retention::strays::carry_on(&mut draft.plan, seen, &facts.held, now);
                retention::leftovers::of_strays(&mut draft.plan, seen, &facts.leftovers);
            }
        }
    }
    retention::strays::carry_on(&mut draft.plan, seen, &seen.strays, now);
    retention::leftovers::of_strays(&mut draft.plan, seen, &seen.stray_leftovers);
    draft.finish()
}
