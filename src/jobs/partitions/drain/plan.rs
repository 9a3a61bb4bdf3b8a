//! Which rows leave the default partition, and by which method. Pure.

use chrono::{DateTime, Utc};

use super::super::Task;
use super::super::action::PartitionAction;
use super::super::carve::plan::{Answer, Request, called_off, carried_on};
use super::super::carve::{Asker, Carve, Method, PARTS_MAX, Part, name_beside};
use super::super::facts::{Contents, Seen};
use super::super::naming::{MADE_MAX, name_of, range};
use super::super::refusal::DOING;
use super::super::tended::{Tended, tended_by_name};
use crate::config::checked::Partitions;
use crate::job::Plan;
use crate::jobs::partitions::grid::coverage::{Aim, Piece, coverage};
use crate::jobs::partitions::premake::beside::{Beside, beside_default};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// What is behind the name of the part that becomes the default partition, while it is filled.
pub const REST: &str = "_rest";
/// What is behind the old default partition's name.
pub const RETIRED: &str = "_drained";

/// A range is needed and cannot be attached, because the default partition holds rows of it.
#[must_use]
pub fn is_blocked(table: &Tended<'_>, aim: Aim) -> bool {
    // It is asked about its rows only where a partition is missing.
    if table.facts.default.as_ref().is_none_or(|default| default.look.is_none()) {
        return false;
    }
    let missing = coverage(&table.existing, &table.axis, aim, MADE_MAX).missing;
    missing.iter().any(|piece| matches!(beside_default(table, piece), Beside::Blocked))
}

/// Decides for one table. `needed` are the ranges whose partitions are missing and blocked.
///
/// # Errors
/// `Refused`, with the cure.
pub fn drain(
    seen: &Seen,
    table: &Tended<'_>,
    task: &Task,
    needed: &[Piece],
) -> Result<Answer, Fault> {
    let is_asked = matches!(task, Task::Drain { .. });
    if let Task::Drain { abort: true, .. } = task {
        return called_off(seen, table, Asker::Drain);
    }
    if let Some(begun) = table.facts.begun.first() {
        return carried_on(seen, table, begun, is_asked);
    }
    let (Some(default), Some(oid)) = (&table.facts.default, table.facts.relation.default_oid)
    else {
        let words =
            is_asked.then(|| (table.name.clone(), "it has no default partition".to_owned()));
        return Ok(Answer::nothing(words.into_iter().collect()));
    };
    let Some(emptying) = table.facts.emptying.get(&oid) else { return Ok(Answer::default()) };
    let contents = match &emptying.contents {
        Some(Ok(contents)) => contents,
        Some(Err(fault)) => return Err(fault.clone().on(table.name)),
        None => return Ok(Answer::default()),
    };
    let (pieces, stays) = chosen(table, contents, (!is_asked).then_some(needed));
    let stays = stays.into_iter().map(|words| (default.name.clone(), words)).collect();
    if pieces.is_empty() {
        return Ok(Answer::nothing(stays));
    }
    let request = Request {
        seen,
        table,
        source: &default.name,
        source_oid: oid,
        emptying,
        asker: Asker::Drain,
    };
    request.is_possible()?;
    let total = contents.left + contents.pieces.iter().map(|(_, rows)| rows).sum::<u64>();
    let taken: u64 = pieces.iter().map(|(_, rows)| rows).sum();
    let (method, reason) = method(&request, total, taken, pieces.len())?;
    let carve = carve(&request, &pieces, method)?;
    let lies_in: Vec<&Piece> = pieces.iter().map(|(piece, _)| piece).collect();
    let why = format!(
        "{taken} of its {total} rows lie in {}, which have no partition; {reason}",
        ranges(table, &lies_in)
    );
    let action = PartitionAction::Carve(Box::new(Carve { rows: Some(total), why, ..carve }));
    Ok(Answer { action: Some(action), stays })
}

/// Of the ranges it holds rows of, those that one drain takes, and what is to be said of the rest.
/// `needed`: only these; absent: all.
fn chosen(
    table: &Tended<'_>,
    contents: &Contents,
    needed: Option<&[Piece]>,
) -> (Vec<(Piece, u64)>, Vec<String>) {
    let is_asked = needed.is_none();
    let is_wanted = |piece: &Piece| needed.is_none_or(|needed| needed.contains(piece));
    let mut pieces: Vec<(Piece, u64)> =
        contents.pieces.iter().filter(|(piece, _)| is_wanted(piece)).copied().collect();
    let mut stays = Vec::new();
    // The newest are written to, and looked for.
    pieces.reverse();
    if pieces.len() >= PARTS_MAX {
        let more = pieces.len() - (PARTS_MAX - 1);
        stays.push(format!(
            "rows of {more} further ranges wait for the next run: one takes {}",
            PARTS_MAX - 1
        ));
        pieces.truncate(PARTS_MAX - 1);
    }
    pieces.reverse();
    if is_asked && contents.left > 0 {
        stays.push(format!(
            "{} rows stay in it: their keys lie beyond premake = {}, or are NULL",
            contents.left, table.config.premake
        ));
    }
    if is_asked && pieces.is_empty() && contents.left == 0 {
        stays.push("it is empty".to_owned());
    }
    (pieces, stays)
}

/// What the job does by itself: what is needed and blocked.
///
/// # Errors
/// `Refused`: the blocked ranges, and why they cannot be drained.
pub fn needed(seen: &Seen, table: &Tended<'_>, blocked: &[&Piece]) -> Result<Answer, Fault> {
    let pieces: Vec<Piece> = blocked.iter().copied().copied().collect();
    let refusal = rows_in_default(table, blocked);
    match (drain(seen, table, &Task::Tend { confirm: false }, &pieces), refusal) {
        (Ok(Answer { action: None, .. }), Some(fault)) => Err(fault),
        (Ok(drained), _) => Ok(drained),
        (Err(why), None) => Err(why),
        (Err(why), Some(fault)) => {
            let hint = [Some(why.message), why.hint].into_iter().flatten().collect::<Vec<_>>();
            Err(fault.with_hint(hint.join("; ")))
        }
    }
}

/// The plan where one table's drain is asked for.
#[must_use]
pub fn asked(
    section: &Partitions,
    task: &Task,
    seen: &Seen,
    now: DateTime<Utc>,
    name: &TableName,
) -> Plan<PartitionAction> {
    let mut plan = Plan::default();
    let drained = tended_by_name(section, seen, name).and_then(|table| {
        table.aim(now)?;
        drain(seen, &table, task, &[])
    });
    match drained {
        Ok(answer) => {
            let default = seen.tables.get(name).and_then(|facts| facts.default.as_ref());
            if let Some(default) = default.filter(|default| default.has_stale_check) {
                let (default, lock_timeout) = (default.name.clone(), seen.lock_timeout);
                plan.actions.push(PartitionAction::DropCheck { default, lock_timeout });
            }
            let action = answer.told(&mut plan);
            plan.actions.extend(action);
        }
        Err(fault) => plan.refuse(name, fault),
    }
    plan
}

/// One refusal for all ranges of a table.
fn rows_in_default(table: &Tended<'_>, blocked: &[&Piece]) -> Option<Fault> {
    let default = &table.facts.default.as_ref().filter(|_| !blocked.is_empty())?.name;
    let message = format!(
        "rows in default partition {default} lie in {}, so no partition can be attached there",
        ranges(table, blocked)
    );
    let cure =
        format!("pgtend partitions drain {} moves them to partitions of their own", table.name);
    Some(Fault::new(Kind::Refused, DOING, message).on(table.name).with_hint(cure))
}

/// The method, and why.
fn method(
    request: &Request<'_>,
    total: u64,
    taken: u64,
    pieces: usize,
) -> Result<(Method, String), Fault> {
    if let Some(at_once) = request.at_once(total) {
        return Ok(at_once);
    }
    if pieces == 1 && taken == total {
        let why = "it holds nothing else, so it becomes that partition itself: no row is moved";
        return Ok((Method::Whole, why.to_owned()));
    }
    request.copied(total)
}

/// The first few, and how many more.
fn ranges(table: &Tended<'_>, pieces: &[&Piece]) -> String {
    const SHOWN_MAX: usize = 3;
    let mut shown: Vec<String> =
        pieces.iter().take(SHOWN_MAX).map(|piece| range(table, piece)).collect();
    if pieces.len() > SHOWN_MAX {
        shown.push(format!("{} more ranges", pieces.len() - SHOWN_MAX));
    }
    shown.join(", ")
}

fn carve(request: &Request<'_>, pieces: &[(Piece, u64)], method: Method) -> Result<Carve, Fault> {
    let (table, default) = (request.table, request.source);
    let key = table.axis.key;
    let mut parts = Vec::new();
    for (piece, _) in pieces {
        let name = request.free(|number| name_of(table, piece, number))?;
        let range = piece.span().range(key);
        parts.push(Part { name, range: Some(range), takes_name: false });
    }
    let rest = request.free(|number| name_beside(default, REST, number))?;
    parts.push(Part { name: rest, range: None, takes_name: true });
    let retired = match (method, parts.first()) {
        (Method::Whole, Some(part)) => part.name.clone(),
        _ => request.free(|number| name_beside(default, RETIRED, number))?,
    };
    Ok(request.carve(parts, method, retired))
}
