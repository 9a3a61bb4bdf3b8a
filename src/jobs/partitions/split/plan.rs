//! Which partition is split, into what, and by which method. Pure.

use chrono::{DateTime, Utc};

use super::super::Task;
use super::super::action::PartitionAction;
use super::super::carve::look::Source;
use super::super::carve::plan::{Answer, Request, called_off, carried_on};
use super::super::carve::{Asker, Carve, Method, Part, RUN_ROWS_MAX, name_beside};
use super::super::facts::{Holds, Seen};
use super::super::naming::{NAMES_TRIED, name_of};
use super::super::refusal::refused;
use super::super::retention::choice::{Policy, parts};
use super::super::tended::{Tended, tended_by_name};
use super::pieces::{grouped, is_wide, pieces};
use crate::config::checked::Partitions;
use crate::job::Plan;
use crate::jobs::partitions::grid::bounds::{Edge, Span};
use crate::jobs::partitions::grid::coverage::Piece;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::partition_name::{beside, since, until};
use crate::pg::range::Range;

/// What is behind the old partition's name.
pub const RETIRED: &str = "_split";
/// With more rows in a default partition nothing is attached beside it: each of the new partitions
/// has the server read all of them under the lock.
const BESIDE_ROWS_MAX: i64 = 2_000;

/// Whether this task splits partitions of a table.
#[must_use]
pub fn is_to_split(table: &Tended<'_>, task: &Task) -> bool {
    match task {
        Task::Split { table: name, abort } => name == table.name && !abort,
        Task::Tend { .. } => table.config.split,
        _ => false,
    }
}

/// The wide partitions of a table, oldest first. One that is expired is retention's.
#[must_use]
pub fn candidates(table: &Tended<'_>, now: DateTime<Utc>) -> Vec<((TableName, i64), Span)> {
    let policy = table.config.expiry.as_ref().map(Policy::of);
    let is_expired = |span| policy.is_some_and(|policy| policy.expires(span, &table.axis, now));
    parts(table.facts)
        .into_iter()
        .filter(|part| part.is_plain && !part.is_pending)
        .filter(|part| is_wide(&table.axis, part.span) && !is_expired(part.span))
        .map(|part| ((part.name, part.oid), part.span))
        .collect()
}

/// Names that may be given.
#[must_use]
pub fn names(table: &Tended<'_>, source: &Source, now: DateTime<Utc>) -> Vec<TableName> {
    let Some(span) = parts(table.facts).into_iter().find(|part| part.oid == source.oid) else {
        return Vec::new();
    };
    let spans = match (&table.facts.wide, table.aim(now)) {
        (Some(wide), Ok(aim)) => match &wide.holds {
            Ok(holds) => grouped(&pieces(&table.axis, span.span, &holds.cells, &aim)),
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    let numbers = 1..=NAMES_TRIED;
    let mut names: Vec<TableName> =
        numbers.clone().map(|number| name_beside(&source.name, RETIRED, number)).collect();
    for span in spans {
        names.extend(numbers.clone().map(|number| name(table, span, number)));
    }
    names
}

/// Decides for one table.
///
/// # Errors
/// `Refused`, with the cure.
pub fn split(
    seen: &Seen,
    table: &Tended<'_>,
    task: &Task,
    now: DateTime<Utc>,
) -> Result<Answer, Fault> {
    let is_asked = matches!(task, Task::Split { .. });
    if let Task::Split { abort: true, .. } = task {
        return called_off(seen, table, Asker::Split);
    }
    if let Some(begun) = table.facts.begun.first() {
        return carried_on(seen, table, begun, is_asked);
    }
    let Some(wide) = &table.facts.wide else {
        let words = "no partition of it holds rows and spans more than one interval".to_owned();
        return Ok(Answer::nothing(
            is_asked.then(|| (table.name.clone(), words)).into_iter().collect(),
        ));
    };
    let holds = wide.holds.as_ref().map_err(|fault| fault.clone().on(table.name))?;
    let found = parts(table.facts).into_iter().find(|part| part.oid == wide.oid);
    let (Some(part), Some(emptying)) = (found, table.facts.emptying.get(&wide.oid)) else {
        return Ok(Answer::default());
    };
    let pieces = pieces(&table.axis, part.span, &holds.cells, &table.aim(now)?);
    let spans = grouped(&pieces);
    if spans.len() < 2 {
        return Ok(Answer::default());
    }
    let request = Request {
        seen,
        table,
        source: &part.name,
        source_oid: part.oid,
        emptying,
        asker: Asker::Split,
    };
    request.is_possible()?;
    stands_beside(table)?;
    let (method, reason) = method(&request, holds)?;
    let carve = carve(&request, &part.bound, &spans, holds, method)?;
    let why = format!("{}; {reason}", words(table, holds, &pieces, &spans));
    let carve = Carve {
        rows: Some(holds.rows),
        rows_max: (!is_asked).then_some(RUN_ROWS_MAX),
        why,
        ..carve
    };
    Ok(Answer { action: Some(PartitionAction::Carve(Box::new(carve))), stays: Vec::new() })
}

/// The plan where one table's split is asked for.
#[must_use]
pub fn asked(
    section: &Partitions,
    task: &Task,
    seen: &Seen,
    now: DateTime<Utc>,
    name: &TableName,
) -> Plan<PartitionAction> {
    let mut plan = Plan::default();
    let answer =
        tended_by_name(section, seen, name).and_then(|table| split(seen, &table, task, now));
    match answer {
        Ok(answer) => {
            let action = answer.told(&mut plan);
            plan.actions.extend(action);
        }
        Err(fault) => plan.refuse(name, fault),
    }
    plan
}

fn words(table: &Tended<'_>, holds: &Holds, pieces: &[Span], spans: &[Span]) -> String {
    let interval = table.config.interval;
    let cells = match holds.cells.len() {
        1 => "one has".to_owned(),
        n => format!("{n} have"),
    };
    let mut words = format!(
        "it spans more than interval = {interval}: it becomes {} partitions at the bounds of the grid, of \
         which {cells} its rows now",
        pieces.len()
    );
    if spans.len() < pieces.len() {
        words = format!(
            "it spans more than interval = {interval}, {} partitions of which {cells} its rows now; one \
             exchange makes {}: the oldest are of one interval, the newer of several, to be split in turn",
            pieces.len(),
            spans.len()
        );
    }
    words
}

fn method(request: &Request<'_>, holds: &Holds) -> Result<(Method, String), Fault> {
    if let Some(at_once) = request.at_once(holds.rows) {
        return Ok(at_once);
    }
    let is_keyed = !request.emptying.facts.identity.is_empty();
    // The rows of an unknown number of other cells would be refused while it is proven to be one.
    if !is_keyed && holds.cells.len() == 1 {
        let why = "all its rows are of one interval, and it becomes that partition itself: no row is moved";
        return Ok((Method::Whole, why.to_owned()));
    }
    request.copied(holds.rows.max(request.emptying.facts.rows_estimate.unsigned_abs()))
}

/// Nothing is attached beside a default partition that takes long to read.
fn stands_beside(table: &Tended<'_>) -> Result<(), Fault> {
    let Some(default) = &table.facts.default else { return Ok(()) };
    match default.rows_estimate {
        Some(rows) if rows <= BESIDE_ROWS_MAX => Ok(()),
        rows => {
            let about =
                rows.map_or("it is not known how many".to_owned(), |rows| format!("about {rows}"));
            Err(refused(
                format!(
                    "its default partition {} has rows ({about}; {BESIDE_ROWS_MAX} at most), which the \
                     server would read under the lock for each partition that is made",
                    default.name
                ),
                &format!("pgtend partitions drain {}, then ANALYZE {}", table.name, default.name),
            )
            .on(table.name))
        }
    }
}

fn carve(
    request: &Request<'_>,
    bound: &str,
    spans: &[Span],
    holds: &Holds,
    method: Method,
) -> Result<Carve, Fault> {
    let (table, source) = (request.table, request.source);
    let ends = Range::of_bound(bound).ok_or_else(|| {
        refused(format!("the bound of {source} cannot be read"), "split it by hand").on(table.name)
    })?;
    let mut parts = Vec::with_capacity(spans.len());
    for (place, &span) in (1..).zip(spans) {
        // The outer bounds are written as they were: they may be finer than the grid.
        let mut range = span.range(table.axis.key);
        if place == 1 {
            range.from.clone_from(&ends.from);
        }
        if place == spans.len() {
            range.to.clone_from(&ends.to);
        }
        let name = request.free(|number| name(table, span, number))?;
        parts.push(Part { name, range: Some(range), takes_name: false });
    }
    let retired = if method == Method::Whole {
        // It becomes the part that holds its rows, which goes first.
        let is_held = |span: &Span| {
            holds.cells.first().is_some_and(|cell| cell.from >= span.from && cell.to <= span.to)
        };
        let held = spans.iter().position(is_held).unwrap_or_default();
        parts[..=held].rotate_right(1);
        parts[0].name.clone()
    } else {
        request.free(|number| name_beside(source, RETIRED, number))?
    };
    Ok(request.carve(parts, method, retired))
}

/// The name of a partition for a piece.
fn name(table: &Tended<'_>, span: Span, number: u32) -> TableName {
    let parent = &table.name.table;
    let numbered = |ident| match number {
        1 => table.name.sibling(ident),
        number => table.name.sibling(beside(&ident, &format!("_{number}"))),
    };
    match (span.from, span.to) {
        (Edge::At(from), Edge::At(to)) => {
            let whole_cell = table.axis.is_boundary(from) && table.axis.next(from) == Some(to);
            name_of(table, &Piece { from, to, whole_cell }, number)
        }
        (Edge::At(from), _) => numbered(since(parent, table.axis.mark(from))),
        (_, Edge::At(to)) => numbered(until(parent, table.axis.mark(to))),
        _ => numbered(parent.clone()),
    }
}
