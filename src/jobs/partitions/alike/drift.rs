//! Partitions that are no longer like their parent: told in every plan, repaired on request
//! (`pgtend partitions repair`).

use super::cure::{cures, words};
use super::repair::Repair;
use crate::job::Plan;
use crate::jobs::partitions::action::PartitionAction;
use crate::jobs::partitions::facts::Seen;
use crate::jobs::partitions::refusal::refused;
use crate::jobs::partitions::tended::Tended;
use crate::pg::catalog::likeness::{Aspect, Difference};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{TableName, quoted};

/// Partitions of one table that a plan tells of one by one, and new ones that a run does.
pub const TOLD_MAX: usize = 20;

/// One partition's differences.
struct Drifted<'a> {
    child: TableName,
    all: &'a [Difference],
    sql: Vec<String>,
}

/// The partitions that differ, each with what would cure it. One whose detach was interrupted is none
/// any more.
fn drifted<'a>(table: &Tended<'a>, differences: &'a [Difference]) -> Vec<Drifted<'a>> {
    let pending = |oid| table.facts.children.iter().any(|c| c.oid == oid && c.detach_pending);
    differences
        .chunk_by(|a, b| a.child == b.child)
        .filter(|all| !pending(all[0].child))
        .filter_map(|all| {
            let child = TableName::new(&all[0].schema, &all[0].name).ok()?;
            let sql = cures(&child, all, table.facts.policies.as_ref().ok());
            Some(Drifted { child, all, sql })
        })
        .collect()
}

/// Tells which partitions differ, in what, and the SQL that cures it.
pub fn tell<A>(plan: &mut Plan<A>, table: &Tended<'_>) {
    let differences = match &table.facts.differences {
        Ok(differences) => differences,
        Err(fault) => {
            plan.spare(table.name, format!("its partitions were not compared with it: {fault}"));
            return;
        }
    };
    let drifted = drifted(table, differences);
    if drifted.is_empty() {
        return;
    }
    plan.stands(table.name, "drifted_partitions", drifted.len().to_string());
    for Drifted { child, all, sql } in drifted.iter().take(TOLD_MAX) {
        let by_hand = all.iter().filter(|one| is_by_hand(one.aspect));
        let cure: Vec<String> =
            sql.iter().cloned().chain(by_hand.map(|one| rewrite(child, one))).collect();
        let (what, cure) = (words(all), cure.join("; "));
        plan.spare(child, format!("differs from {}: {what}; the cure: {cure}", table.name));
    }
    let told = drifted.len().min(TOLD_MAX);
    let which = if told < drifted.len() {
        format!("{told} shown of {} partitions that differ from it", drifted.len())
    } else {
        let differ = if told == 1 { "differs" } else { "differ" };
        format!("{told} of its partitions {differ} from it")
    };
    let repair = format!("pgtend partitions repair {}", shell(&table.name.to_string()));
    plan.spare(table.name, format!("{which}; {repair} makes them alike, --plan shows the SQL"));
}

/// As one word of a shell's line.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What `partitions repair` does: every partition that differs, or the one that is named.
///
/// # Errors
/// Where they could not be compared, or none of that name differs.
pub fn repair(
    plan: &mut Plan<PartitionAction>,
    seen: &Seen,
    table: &Tended<'_>,
    partition: Option<&str>,
) -> Result<(), Fault> {
    let differences =
        table.facts.differences.as_ref().map_err(|fault| fault.clone().on(table.name))?;
    let is_asked = |child: &TableName| {
        partition.is_none_or(|name| name == child.table.as_str() || name == child.to_string())
    };
    let mut found = drifted(table, differences);
    found.retain(|drifted| is_asked(&drifted.child));
    if let Some(name) = partition.filter(|_| found.is_empty()) {
        let message = format!("none of its partitions is called {name} and differs from it");
        let cure = "pgtend plan partitions tells which do";
        return Err(refused(message, cure).on(table.name));
    }
    if found.is_empty() {
        plan.spare(table.name, "its partitions are like it");
    }
    for Drifted { child, all, sql } in found {
        if let Some(fault) = not_ours(seen, &child, all) {
            plan.refuse(child, fault);
            continue;
        }
        for by_hand in all.iter().filter(|one| is_by_hand(one.aspect)) {
            let what = words(std::slice::from_ref(by_hand));
            let by_hand = rewrite(&child, by_hand);
            plan.spare(&child, format!("{what}: to change that rewrites it; by hand: {by_hand}"));
        }
        if !sql.is_empty() {
            plan.actions.push(PartitionAction::Repair(Box::new(Repair {
                why: format!("it differs from {}: {}", table.name, words(all)),
                child,
                child_oid: all[0].child,
                parent_oid: table.facts.relation.oid,
                sql,
                lock_timeout: seen.lock_timeout,
            })));
        }
    }
    Ok(())
}

/// To change it copies every row under a lock that stops everything: a person's decision.
fn is_by_hand(aspect: Aspect) -> bool {
    matches!(aspect, Aspect::AccessMethod | Aspect::Tablespace)
}

fn rewrite(child: &TableName, one: &Difference) -> String {
    let what = if one.aspect == Aspect::Tablespace { "TABLESPACE" } else { "ACCESS METHOD" };
    format!("ALTER TABLE {child} SET {what} {}", quoted(one.wanted.as_deref().unwrap_or_default()))
}

/// Only its owner may change it.
fn not_ours(seen: &Seen, child: &TableName, all: &[Difference]) -> Option<Fault> {
    let first = all.first().filter(|first| !first.acts_as_owner)?;
    let owner = quoted(&first.owner);
    let message = format!("it belongs to {owner}, whose rights {} lacks", quoted(&seen.role));
    let cure = format!("as a superuser: GRANT {owner} TO {}", quoted(&seen.role));
    Some(Fault::new(Kind::Permission, "repair", message).on(child).with_hint(cure))
}
