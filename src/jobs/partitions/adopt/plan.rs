//! Policy, and no questions: what is left to be done for a table to be adopted, or to be as before.

use chrono::{DateTime, Utc};

use super::super::action::PartitionAction;
use super::super::draft::missing;
use super::super::facts::Seen;
use super::super::premake::new::NewPartition;
use super::super::refusal::configured;
use super::super::tended::tended;
use super::blueprint::Blueprint;
use super::checklist::checklist;
use super::decide::{Decided, decide, plain_table, refused};
use super::refusals::{Obstacle, obstacles};
use super::{Adoption, DOING, Facts, Wish, abort, parent, prove, swap};
use crate::config::checked::Partitions;
use crate::job::Plan;
use crate::pg::catalog::adoption::Record;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, quoted};
use crate::pg::step::Step;

/// Decides everything.
#[must_use]
pub fn plan(
    section: &Partitions,
    wish: &Wish,
    seen: &Seen,
    now: DateTime<Utc>,
) -> Plan<PartitionAction> {
    let mut plan = Plan::default();
    let Some(facts) = &seen.adoption else { return plan };
    let is_partitioned = facts.relation.as_ref().is_some_and(|relation| relation.kind == "p");
    let done = if is_partitioned {
        partitioned(wish, seen, facts, &mut plan)
    } else {
        unfinished(section, wish, seen, facts, now, &mut plan)
    };
    if let Err(fault) = done {
        plan.refuse(&wish.table, fault.on(&wish.table));
    }
    plan
}

/// The same beside what else is planned: an adoption that somebody began goes on.
pub fn carry_on(
    beside: &mut Plan<PartitionAction>,
    section: &Partitions,
    wish: &Wish,
    seen: &Seen,
    now: DateTime<Utc>,
) {
    let Plan { actions, spared, refused, warnings, checklist, .. } = plan(section, wish, seen, now);
    beside.actions.extend(actions);
    beside.spared.extend(spared);
    beside.refused.extend(refused);
    beside.warnings.extend(warnings);
    beside.checklist.extend(checklist);
}

/// It is partitioned: by us, perhaps a moment ago, or by somebody else.
fn partitioned(
    wish: &Wish,
    seen: &Seen,
    facts: &Facts,
    plan: &mut Plan<PartitionAction>,
) -> Result<(), Fault> {
    let record = facts.record.as_ref().filter(|record| record.adopted_at.is_some());
    let Some(Record { adopted_at: Some(at), .. }) = record else {
        if wish.abort {
            return Err(refused("it is partitioned, and not by an adoption", "leave it as it is"));
        }
        plan.spare(&wish.table, "it is a partitioned table already");
        return Ok(());
    };
    if wish.abort {
        return Err(refused(
            format!(
                "its adoption was finished at {}; what stands can be taken back only before the swap",
                at.format("%Y-%m-%d %H:%M:%SZ")
            ),
            "a partitioned table is made plain by copying its rows into another",
        ));
    }
    let references = facts.inventory.iter().flat_map(|inventory| &inventory.references_in);
    let steps: Vec<Step> = references
        .filter(|reference| !reference.is_valid)
        .map(|reference| {
            prove::validate(
                &wish.table,
                seen.lock_timeout,
                &reference.table,
                &quoted(&reference.name),
            )
        })
        .collect();
    if steps.is_empty() {
        plan.spare(&wish.table, format!("it was adopted at {}", at.format("%Y-%m-%d %H:%M:%SZ")));
    } else {
        let why = "the swap is done; foreign keys to it are to hold for old rows too".to_owned();
        plan.actions.push(action(wish, "adopt_table", why, steps, None));
    }
    Ok(())
}

fn unfinished(
    section: &Partitions,
    wish: &Wish,
    seen: &Seen,
    facts: &Facts,
    now: DateTime<Utc>,
    plan: &mut Plan<PartitionAction>,
) -> Result<(), Fault> {
    if wish.abort && facts.record.is_none() {
        plan.spare(&wish.table, "no adoption of it is under way");
        return Ok(());
    }
    let decided = decide(section, wish, seen, facts, now)?;
    let print = blueprint(wish, seen, facts, &decided)?;
    if let Some(record) = &facts.record
        && record.relation != print.relation.oid
    {
        return Err(refused(
            "on record is the adoption of another table that had this name",
            format!(
                "DELETE FROM partition_adoption WHERE relation = {}, in pgtend's own schema",
                record.relation
            ),
        ));
    }
    if wish.abort || decided.is_near {
        let why = if wish.abort {
            "asked for; nothing of it has touched a row".to_owned()
        } else {
            let cut = &print.cut;
            plan.warnings.push(format!(
                "{}: its adoption has come too close to {cut}, where rows would be refused; it is taken \
                 back, and can be begun anew",
                wish.table
            ));
            format!("rows from {cut} on would be refused soon")
        };
        let steps = abort::steps(&print);
        plan.actions.push(action(wish, "abort_adoption", why, steps, None));
        return Ok(());
    }
    let mut obstacles = obstacles(&print);
    obstacles.extend(facts.taken.iter().map(|name| Obstacle {
        object: name.to_string(),
        why: "it has a name that is needed".to_owned(),
        cure: "rename it".to_owned(),
    }));
    plan.checklist = checklist(&print, &obstacles);
    for Obstacle { object, why, cure } in obstacles {
        let message = format!("{object}: {why}");
        plan.refuse(&wish.table, refused(message, cure).on(&wish.table));
    }
    let next = next_partitions(section, wish, seen, &print, now, plan)?;
    if plan.refused.is_empty() {
        let steps = steps(&print, &next);
        let why = why(&print, next.len());
        plan.actions.push(action(wish, "adopt_table", why, steps, Some(prove::uncheck(&print))));
    }
    Ok(())
}

fn action(
    wish: &Wish,
    kind: &'static str,
    why: String,
    steps: Vec<Step>,
    uncheck: Option<Step>,
) -> PartitionAction {
    let table = wish.table.clone();
    PartitionAction::Adopt(Box::new(Adoption { table, kind, why, steps, uncheck }))
}

fn why(print: &Blueprint<'_>, next: usize) -> String {
    let goes_on = if print.record.is_some() { "carried on: " } else { "" };
    let next = if next == 0 { String::new() } else { format!(", {next} more are made ahead") };
    format!(
        "{goes_on}by {}, it becomes its own first partition {} up to {}{next}",
        print.key, print.names.old, print.cut
    )
}

/// What is left, in order: the check comes last before the swap, because it refuses rows beyond the cut.
fn steps(print: &Blueprint<'_>, next: &[NewPartition]) -> Vec<Step> {
    let mut steps = Vec::new();
    if print.record.is_none() {
        steps.push(prove::record(print));
    }
    steps.extend(prove::key_index(print));
    if print.record.is_none_or(|record| record.parent_name.is_none()) {
        steps.push(parent::make(print));
    }
    steps.extend(next.iter().flat_map(NewPartition::steps));
    steps.extend(prove::check(print));
    steps.push(swap::swap(print));
    for reference in &print.inventory.references_in {
        let name = quoted(&reference.name);
        steps.push(prove::validate(print.table, print.lock_timeout, &reference.table, &name));
    }
    steps
}

fn blueprint<'a>(
    wish: &'a Wish,
    seen: &'a Seen,
    facts: &'a Facts,
    decided: &Decided,
) -> Result<Blueprint<'a>, Fault> {
    let (relation, inventory) = plain_table(facts)?;
    let key = Ident::new(&decided.column.name)
        .map_err(|error| Fault::new(Kind::Bug, DOING, format!("its key: {error}")))?;
    Ok(Blueprint {
        table: &wish.table,
        key,
        key_is_not_null: decided.column.is_not_null,
        cut: decided.cut.clone(),
        names: decided.names.clone(),
        inventory,
        fingerprint: &facts.fingerprint,
        relation,
        traits: &facts.traits,
        policies: &facts.policies,
        storage: &facts.storage,
        owner: Ident::new(&relation.owner).ok().filter(|owner| owner.as_str() != seen.role),
        record: facts.record.as_ref(),
        progress: facts.progress,
        version: seen.version,
        lock_timeout: seen.lock_timeout,
    })
}

/// The partitions after the first, made and attached before anyone sees the new table.
fn next_partitions(
    section: &Partitions,
    wish: &Wish,
    seen: &Seen,
    print: &Blueprint<'_>,
    now: DateTime<Utc>,
    plan: &mut Plan<PartitionAction>,
) -> Result<Vec<NewPartition>, Fault> {
    let config = configured(section, &wish.table)?;
    let Some(future) = seen.tables.get(&wish.table) else { return Ok(Vec::new()) };
    let table = tended(&wish.table, config, future, seen)?;
    let mut found = missing(seen, &table, now);
    plan.warnings.append(&mut found.warnings);
    plan.refused.append(&mut found.refused);
    let creations = found.actions.into_iter().filter_map(|action| match action {
        // Of the table that does not have the name yet.
        PartitionAction::Create(new) => {
            Some(NewPartition { parent: print.names.parent.clone(), parent_oid: None, ..*new })
        }
        _ => None,
    });
    Ok(creations.collect())
}
