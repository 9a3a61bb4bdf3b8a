//! What to move. Policy, no questions.

use chrono::{DateTime, Utc};

use super::account::Part;
use super::action::ArchiveAction;
use super::columns;
use super::count::Due;
use super::observe::Facts;
use super::preflight;
use super::purge;
use super::seen::Seen;
use super::vacuum;
use crate::config::checked::{Allowance, Archive, ArchiveTable, Limits, Pace, Rule};
use crate::job::pace::blind_spots;
use crate::job::{Action, Plan};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

mod work;

use work::Work;

/// Plans every table by itself.
#[must_use]
pub fn plan(
    config: &Archive,
    seen: &Seen,
    now: DateTime<Utc>,
    is_confirmed: bool,
) -> Plan<ArchiveAction> {
    let mut plan = Plan::default();
    for rules in seen.tables.chunk_by(|one, next| one.0.table == next.0.table) {
        table(config, rules, now, &mut plan);
    }
    for (rule, facts) in &seen.purges {
        let Some(policy) = config.purges.get(rule) else { continue };
        let when = (now, is_confirmed);
        match facts {
            Ok(facts) => purge::plan(rule, (policy, &config.limits), facts, when, &mut plan),
            Err(fault) => plan.refuse(rule, fault.clone()),
        }
    }
    plan
}

/// All rules of one table: what moves by each of them, one VACUUM behind them all, then what their sweeps
/// left.
fn table(
    config: &Archive,
    rules: &[(Rule, Result<Facts, Fault>)],
    now: DateTime<Utc>,
    plan: &mut Plan<ArchiveAction>,
) {
    let before = plan.actions.len();
    let mut works = Vec::with_capacity(rules.len());
    for (rule, facts) in rules {
        let Some(policy) = config.tables.get(rule) else { continue };
        match facts {
            Ok(facts) => works.extend(prepared(rule, (policy, &config.limits), facts, now, plan)),
            Err(fault) => plan.refuse(rule, fault.clone()),
        }
    }
    let vacuum = vacuum_behind(&works, plan);
    let rows = works.iter().map(|work| work.rows(&config.limits, vacuum.is_some()));
    let (moves, rests): (Vec<_>, Vec<_>) = rows.unzip();
    plan.actions.extend(moves.into_iter().flatten().chain(vacuum));
    plan.actions.extend(rests.into_iter().flatten());
    let of_children = vacuum_children(&works, plan);
    plan.actions.extend(of_children);
    if rules.len() > 1 {
        let all = plan.actions.split_off(before);
        plan.actions.extend(once_each(all));
    }
}

/// What several rules ask for is done once, and nothing is taken back that another one is about to use.
fn once_each(actions: Vec<ArchiveAction>) -> Vec<ArchiveAction> {
    let is_of_rule = |kind: &str| kind.starts_with("move_") || kind == "vacuum";
    let mut kept: Vec<ArchiveAction> = Vec::with_capacity(actions.len());
    let handed_over: Vec<String> = actions
        .iter()
        .filter(|action| matches!(action, ArchiveAction::HandOver(_)))
        .map(Action::object)
        .collect();
    for action in actions {
        let (kind, object) = (action.kind(), action.object());
        let is_used = matches!(action, ArchiveAction::Tidy(_)) && handed_over.contains(&object);
        let is_again = kept.iter().any(|one| one.kind() == kind && one.object() == object);
        if is_of_rule(kind) || !(is_used || is_again) {
            kept.push(action);
        }
    }
    kept
}

/// At which pace, and when, the tables of a rule are vacuumed; `None`: they are not.
fn wants(work: &Work<'_>) -> Option<(Pace, Allowance)> {
    work.policy.vacuum.then_some((work.policy.pace, work.policy.allowance))
}

/// The VACUUM behind the moves of one table.
fn vacuum_behind(works: &[Work<'_>], plan: &mut Plan<ArchiveAction>) -> Option<ArchiveAction> {
    let counted: Option<u64> = works.iter().map(|work| work.facts.due.rows.counted()).sum();
    let due = counted.map_or(Due::Uncounted, Due::Rows);
    let first = works.first()?;
    vacuum::after_move((first.name, works.iter().find_map(wants)), first.source, &due, plan)
}

/// Those behind the moves of its children, each of which several rules may name.
fn vacuum_children(works: &[Work<'_>], plan: &mut Plan<ArchiveAction>) -> Vec<ArchiveAction> {
    let mut kept: Vec<ArchiveAction> = Vec::new();
    for work in works {
        let due = &work.facts.due.rows;
        let children = work.facts.children.iter();
        let children = children.map(|child| (&child.name, child.source.as_ref()));
        let behind = vacuum::after_move_of_children(wants(work), work.source, due, children, plan);
        for vacuum in behind {
            if kept.iter().all(|one| one.object() != vacuum.object()) {
                kept.push(vacuum);
            }
        }
    }
    kept
}

/// Plans what comes before the rows of one rule move; `None`: none do.
fn prepared<'a>(
    rule: &'a Rule,
    (policy, limits): (&'a ArchiveTable, &Limits),
    facts: &'a Facts,
    now: DateTime<Utc>,
    plan: &mut Plan<ArchiveAction>,
) -> Option<Work<'a>> {
    let name = &rule.table;
    let findings = preflight::check(name, policy, facts);
    let refused = !findings.refusals.is_empty();
    for refusal in findings.refusals {
        plan.refuse(rule, refusal.fault("archive", rule));
    }
    if let Due::Unasked(Some(fault)) = &facts.due.rows {
        plan.refuse(rule, fault.clone().on(rule));
        return None;
    }
    if refused {
        return None;
    }
    plan.warnings.extend(findings.warnings.iter().map(|warning| format!("{rule}: {warning}")));
    let Some(work) = Work::new(rule, policy, facts, findings.adopts, now) else {
        let why = "its key and age column could not be read";
        plan.refuse(rule, Fault::new(Kind::Bug, "archive", why).on(rule));
        return None;
    };
    plan.stands(rule, "rows_due", facts.due.rows.in_short());
    if let Some(shut) = policy.allowance.shut(now) {
        plan.spare(rule, format!("{}, and {shut}", facts.due.rows.rows_are_due()));
        return None;
    }
    for hold in &facts.holds {
        plan.spare(rule, hold.words(&policy.age));
    }
    unread(name, policy, facts, plan);
    let hands_over = work.hand_over(plan);
    if let Due::Rows(0) = facts.due.rows
        && work.course.after().is_none()
    {
        if !hands_over {
            plan.spare(rule, work.nothing_due());
        }
        return None;
    }
    let blind = blind_spots(limits, facts.sight, &facts.user);
    plan.warnings.extend(blind.filter(|warning| !plan.warnings.contains(warning)));
    plan.actions.extend(work.create_target());
    plan.actions.extend(work.create_children());
    plan.actions.extend(work.alter_target());
    Some(work)
}

/// What an earlier run handed over, and was cut off before it read it.
pub fn unread(
    name: &TableName,
    policy: &ArchiveTable,
    facts: &Facts,
    plan: &mut Plan<ArchiveAction>,
) {
    let (Some(source), Some(target)) = (&facts.source, &facts.target) else { return };
    for part in &facts.unread {
        if !part.is_readable {
            let why = "it is not on record what it holds: GRANT SELECT ON it to pgtend's role";
            plan.spare(&part.name, why);
            continue;
        }
        plan.actions.push(ArchiveAction::Record(Part {
            source: name.clone(),
            target: policy.into.clone(),
            name: part.name.clone(),
            layout: part.layout.clone(),
            age: policy.age.clone(),
            stamps: columns::map(&source.columns, &target.columns).stamps,
        }));
    }
}
