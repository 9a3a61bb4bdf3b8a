//! Which rows leave the default partition, and by which method. Pure.

use chrono::{DateTime, Utc};

use super::super::Task;
use super::super::action::PartitionAction;
use super::super::carve::{AT_ONCE_ROWS_MAX, Carve, Method, PARTS_MAX, Part, Stage, name_beside};
use super::super::facts::{Emptying, Seen};
use super::super::plan::{MADE_MAX, NAMES_TRIED, name_of, range};
use super::super::tended::{DOING, Tended, missing, not_configured, refused, tended};
use crate::config::checked::Partitions;
use crate::job::Plan;
use crate::jobs::partitions::alike::given::Likeness;
use crate::jobs::partitions::grid::coverage::{Aim, Piece, coverage};
use crate::jobs::partitions::premake::beside::{Beside, beside_default};
use crate::pg::catalog::carve::Begun;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::range::Range;

/// What is behind the name of the part that becomes the default partition, while it is filled.
pub const REST: &str = "_rest";
/// What is behind the old default partition's name.
pub const RETIRED: &str = "_drained";

/// A range is needed and cannot be attached, because the default partition holds rows of it.
#[must_use]
pub fn is_blocked(table: &Tended<'_>, aim: Aim) -> bool {
    let missing = coverage(&table.existing, &table.axis, aim, MADE_MAX).missing;
    missing.iter().any(|piece| matches!(beside_default(table, piece), Beside::Blocked))
}

/// What a table's default partition comes to.
#[derive(Debug)]
pub struct Drained {
    /// What is done.
    pub action: Option<PartitionAction>,
    /// What stays, and why: of the default partition.
    pub stays: Vec<String>,
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
) -> Result<Drained, Fault> {
    if let Some(begun) = table.facts.begun.first() {
        return carry_on(seen, table, begun);
    }
    let nothing = |stays| Ok(Drained { action: None, stays });
    let is_asked = matches!(task, Task::Drain { .. });
    let (Some(default), Some(oid)) = (&table.facts.default, table.facts.relation.default_oid)
    else {
        let words = is_asked.then(|| "it has no default partition".to_owned());
        return nothing(words.into_iter().collect());
    };
    let Some(emptying) = table.facts.emptying.get(&oid) else { return nothing(Vec::new()) };
    let contents = match &emptying.contents {
        Some(Ok(contents)) => contents,
        Some(Err(fault)) => return Err(fault.clone().on(table.name)),
        None => return nothing(Vec::new()),
    };
    let mut pieces: Vec<(Piece, u64)> = contents
        .pieces
        .iter()
        .filter(|(piece, _)| is_asked || needed.contains(piece))
        .copied()
        .collect();
    let total = contents.left + contents.pieces.iter().map(|(_, rows)| rows).sum::<u64>();
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
    let taken: u64 = pieces.iter().map(|(_, rows)| rows).sum();
    if is_asked && contents.left > 0 {
        stays.push(format!(
            "{} rows stay in it: their keys lie beyond premake = {}, or are NULL",
            contents.left, table.config.premake
        ));
    }
    if pieces.is_empty() {
        if is_asked && contents.left == 0 {
            stays.push("it is empty".to_owned());
        }
        return nothing(stays);
    }
    stands_in_the_way(table, &default.name, emptying)?;
    let (method, reason) = method(table, emptying, total, taken, pieces.len())?;
    let carve = carve(seen, table, emptying, (&default.name, oid), &pieces, method)?;
    let lies_in: Vec<&Piece> = pieces.iter().map(|(piece, _)| piece).collect();
    let why = format!(
        "{taken} of its {total} rows lie in {}, which have no partition; {reason}",
        ranges(table, &lies_in)
    );
    let action = PartitionAction::Carve(Box::new(Carve { rows: Some(total), why, ..carve }));
    Ok(Drained { action: Some(action), stays })
}

/// What the job does by itself: what is needed and blocked.
///
/// # Errors
/// `Refused`: the blocked ranges, and why they cannot be drained.
pub fn needed(seen: &Seen, table: &Tended<'_>, blocked: &[&Piece]) -> Result<Drained, Fault> {
    let pieces: Vec<Piece> = blocked.iter().copied().copied().collect();
    let refusal = rows_in_default(table, blocked);
    match (drain(seen, table, &Task::Tend { confirm: false }, &pieces), refusal) {
        (Ok(Drained { action: None, .. }), Some(fault)) => Err(fault),
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
    let drained = section.tables.get(name).ok_or_else(|| not_configured(name)).and_then(|config| {
        let facts = seen.tables.get(name).ok_or_else(|| missing(name))?;
        let table = tended(name, config, facts, seen)?;
        table.aim(now)?;
        drain(seen, &table, task, &[])
    });
    match drained {
        Ok(Drained { action, stays }) => {
            let default = seen.tables.get(name).and_then(|facts| facts.default.as_ref());
            if let Some(default) = default.filter(|default| default.has_stale_check) {
                let (default, lock_timeout) = (default.name.clone(), seen.lock_timeout);
                plan.actions.push(PartitionAction::DropCheck { default, lock_timeout });
            }
            plan.actions.extend(action);
            let object = default.map_or(name, |default| &default.name);
            for reason in stays {
                plan.spare(object, reason);
            }
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

/// What belongs to the old partition alone would be lost, or go on looking at the old one.
fn stands_in_the_way(
    table: &Tended<'_>,
    default: &TableName,
    emptying: &Emptying,
) -> Result<(), Fault> {
    let child = table
        .facts
        .children
        .iter()
        .find(|child| Some(child.oid) == table.facts.relation.default_oid);
    if child.is_some_and(|child| child.kind != "r") {
        return Err(refused(
            format!("default partition {default} is not a plain table"),
            "move its rows by hand",
        )
        .on(table.name));
    }
    if table.facts.children.iter().any(|child| child.detach_pending) {
        return Err(refused(
            "a partition of it is half detached, so that none can be detached",
            "ALTER TABLE … DETACH PARTITION … FINALIZE first; the plan names it",
        )
        .on(table.name));
    }
    if emptying.facts.obstacles.is_empty() {
        return Ok(());
    }
    Err(refused(
        format!(
            "default partition {default} cannot be replaced by another table: {} would stay with the old one",
            emptying.facts.obstacles.join(", ")
        ),
        "drop that first and make it anew afterwards, or move the rows by hand",
    )
    .on(table.name))
}

/// The method, and why.
fn method(
    table: &Tended<'_>,
    emptying: &Emptying,
    total: u64,
    taken: u64,
    pieces: usize,
) -> Result<(Method, String), Fault> {
    if total <= AT_ONCE_ROWS_MAX {
        let why = format!("few enough (up to {AT_ONCE_ROWS_MAX}) to be copied under the lock");
        return Ok((Method::AtOnce, why));
    }
    if pieces == 1 && taken == total {
        let why = "it holds nothing else, so it becomes that partition itself: no row is moved";
        return Ok((Method::Whole, why.to_owned()));
    }
    if emptying.facts.identity.is_empty() {
        return Err(refused(
            format!(
                "default partition has {total} rows and no key that tells them apart, so they \
                 cannot be copied while they change"
            ),
            "add a primary key, or a unique index over NOT NULL columns, to the table",
        )
        .on(table.name));
    }
    let why = "too many to be copied under a lock: copied while changes are captured".to_owned();
    Ok((Method::Copy, why))
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

fn carve(
    seen: &Seen,
    table: &Tended<'_>,
    emptying: &Emptying,
    (default, oid): (&TableName, i64),
    pieces: &[(Piece, u64)],
    method: Method,
) -> Result<Carve, Fault> {
    let free = |name: &dyn Fn(u32) -> TableName| {
        (1..=NAMES_TRIED).map(name).find(|name| !seen.taken.contains(name)).ok_or_else(|| {
            refused("the names for its tables are taken", "rename or drop what has them")
                .on(table.name)
        })
    };
    let key = table.axis.key;
    let mut parts = Vec::new();
    for (piece, _) in pieces {
        let name = free(&|number| name_of(table, piece, number))?;
        let range = Range { from: key.literal(piece.from), to: key.literal(piece.to) };
        parts.push(Part { name, range: Some(range), takes_name: false });
    }
    let rest = free(&|number| name_beside(default, REST, number))?;
    parts.push(Part { name: rest, range: None, takes_name: true });
    let retired = match (method, parts.first()) {
        (Method::Whole, Some(part)) => part.name.clone(),
        _ => free(&|number| name_beside(default, RETIRED, number))?,
    };
    Ok(replacement(seen, table, emptying, (default, oid), (parts, method, retired)))
}

fn replacement(
    seen: &Seen,
    table: &Tended<'_>,
    emptying: &Emptying,
    (source, source_oid): (&TableName, i64),
    (parts, method, retired): (Vec<Part>, Method, TableName),
) -> Carve {
    let bound = table.facts.children.iter().find(|child| child.oid == source_oid);
    let siblings = table.facts.children.iter().filter(|child| child.oid != source_oid);
    let likeness = Likeness { with_indexes: true, ..Likeness::of(table, seen.version) };
    let mut source_likeness = Likeness {
        owner: Ident::new(&emptying.owner).ok().filter(|owner| owner.as_str() != seen.role),
        traits: emptying.traits.clone(),
        storage: emptying.storage.clone(),
        ..likeness.clone()
    };
    source_likeness.traits.replica_index = likeness.traits.replica_index;
    Carve {
        parent: table.name.clone(),
        parent_oid: table.facts.relation.oid,
        key: table.key.clone(),
        source: source.clone(),
        source_oid,
        source_bound: bound.map_or_else(|| "DEFAULT".to_owned(), |child| child.bound.clone()),
        facts: emptying.facts.clone(),
        siblings: siblings.filter_map(|child| Range::of_bound(&child.bound)).collect(),
        parts,
        method,
        stage: Stage::Planned,
        likeness,
        source_likeness,
        retired,
        own_schema: seen.own_schema.clone(),
        rows: None,
        lock_timeout: seen.lock_timeout,
        why: String::new(),
    }
}

/// An interrupted run decided; this one carries on, or takes back what is not whole any more.
fn carry_on(seen: &Seen, table: &Tended<'_>, begun: &Begun) -> Result<Drained, Fault> {
    let bug = |what: &str| {
        let message = format!("the record of {} cannot be read: {what}", begun.name);
        Fault::new(Kind::Bug, "carry on with", message).on(table.name)
    };
    let source: TableName = begun.name.parse().map_err(|_| bug("its name"))?;
    let Some(emptying) = table.facts.emptying.get(&begun.source) else {
        return Err(bug("the table is gone; DELETE that row of partition_carve"));
    };
    let mut parts = Vec::new();
    for part in &begun.parts {
        let name = part.name.parse().map_err(|_| bug("the name of a part"))?;
        let range = part.from.clone().zip(part.to.clone()).map(|(from, to)| Range { from, to });
        parts.push(Part { name, range, takes_name: part.takes_name });
    }
    let method = Method::of_word(&begun.method).ok_or_else(|| bug("its method"))?;
    let retired = begun.retired.parse().map_err(|_| bug("its later name"))?;
    let mut carve =
        replacement(seen, table, emptying, (&source, begun.source), (parts, method, retired));
    carve.stage = if begun.stage == "captured" { Stage::Captured } else { Stage::Made };
    let (why, action): (_, fn(Box<Carve>) -> PartitionAction) = if begun.is_whole {
        ("carries on where an interrupted run stopped", PartitionAction::Carve)
    } else {
        let why = "what an interrupted run made is not whole any more; it is taken back";
        (why, PartitionAction::GiveUp)
    };
    let action = action(Box::new(Carve { why: why.to_owned(), ..carve }));
    Ok(Drained { action: Some(action), stays: Vec::new() })
}
