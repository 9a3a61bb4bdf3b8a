//! What the oldest wide partition of a table holds.

use std::time::Duration;

use super::super::Task;
use super::super::carve::look::Source;
use super::super::carve::{self, AT_ONCE_ROWS_MAX};
use super::super::facts::{Holds, Seen, Wide};
use super::super::refusal::refused;
use super::super::tended::{all_tended, tended_by_name};
use super::CELLS_MAX;
use super::pieces::cells;
use super::plan::{candidates, is_to_split, names};
use crate::config::checked::Partitions;
use crate::jobs::partitions::grid::axis::Axis;
use crate::jobs::partitions::grid::bounds::{Span, parse_edge_text};
use crate::pg::catalog::partition_contents::Asked;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::session::Reader;

/// The job looks every hour. An index on the key answers at once.
const UNASKED_LIMIT: Duration = Duration::from_secs(30);
/// Whoever asks for a split waits for the answer.
const ASKED_LIMIT: Duration = Duration::from_mins(10);
/// Cells in one question at most: each is a subquery of its own.
const ASKED_MAX: usize = 200;

/// A table with partitions that may be split.
struct Question {
    candidates: Vec<(Source, Span)>,
    axis: Axis,
    key: Ident,
    key_type: String,
    limit: Duration,
}

/// Looks for what is to be split.
///
/// # Errors
/// Where the server does not answer.
pub async fn look(
    section: &Partitions,
    task: &Task,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<(), Fault> {
    for question in questions(section, task, reader, seen) {
        for (source, span) in &question.candidates {
            let holds = match holds(reader, &question, source, *span).await {
                Ok(None) => continue,
                Err(fault) if fault.kind == Kind::Unreachable => return Err(fault),
                Ok(Some(holds)) => Ok(holds),
                Err(fault) => Err(fault),
            };
            carve::look::look(reader, seen, source).await?;
            let table = &source.table;
            if let Some(facts) = seen.tables.get_mut(table) {
                facts.wide = Some(Box::new(Wide { oid: source.oid, holds }));
            }
            let candidates: Vec<TableName> = tended_by_name(section, seen, table)
                .map(|tended| names(&tended, source, reader.now))
                .unwrap_or_default();
            carve::look::taken(reader, seen, &candidates).await?;
            break;
        }
    }
    Ok(())
}

fn questions(section: &Partitions, task: &Task, reader: &Reader<'_>, seen: &Seen) -> Vec<Question> {
    let mut all = Vec::new();
    for table in all_tended(section, seen) {
        let (name, facts) = (table.name, table.facts);
        if !is_to_split(&table, task) || !facts.begun.is_empty() {
            continue;
        }
        let source = |(child, oid): (TableName, i64)| Source {
            table: name.clone(),
            parent_oid: facts.relation.oid,
            name: child,
            oid,
        };
        let found = candidates(&table, reader.now);
        all.push(Question {
            candidates: found.into_iter().map(|(part, span)| (source(part), span)).collect(),
            axis: table.axis,
            key: table.key.clone(),
            key_type: facts.relation.key_type.clone().unwrap_or_default(),
            limit: if matches!(task, Task::Split { .. }) { ASKED_LIMIT } else { UNASKED_LIMIT },
        });
    }
    all
}

/// What one holds; none where that is nothing with a place in the grid.
async fn holds(
    reader: &mut Reader<'_>,
    question: &Question,
    source: &Source,
    span: Span,
) -> Result<Option<Holds>, Fault> {
    let Question { axis, key, key_type, limit, .. } = question;
    let asked = Asked { table: &source.name, key, key_type, limit: *limit };
    let rows = asked.count_up_to(reader.conn, AT_ONCE_ROWS_MAX).await?;
    if rows == 0 {
        return Ok(None);
    }
    let is_clock = axis.key.is_clock();
    let least = asked.least(reader.conn, is_clock).await?;
    let greatest = asked.greatest(reader.conn, is_clock).await?;
    let ends = least
        .as_deref()
        .and_then(parse_edge_text)
        .zip(greatest.as_deref().and_then(parse_edge_text));
    let Some((oldest, newest)) = ends else { return Ok(None) };
    let Some(cells) = cells(axis, span, oldest, newest, CELLS_MAX) else {
        return Err(refused(
            format!(
                "the rows of {} reach from {} to {}: over more than {CELLS_MAX} partitions",
                source.name,
                axis.key.words(oldest),
                axis.key.words(newest)
            ),
            "delete rows with a wrong key, or choose a longer interval",
        ));
    };
    let conditions: Vec<String> =
        cells.iter().map(|cell| cell.range(axis.key).holds(key)).collect();
    let mut found = Vec::new();
    for (cells, conditions) in cells.chunks(ASKED_MAX).zip(conditions.chunks(ASKED_MAX)) {
        let answer = asked.which(reader.conn, conditions).await?;
        found.extend(cells.iter().zip(answer).filter(|(_, holds)| *holds).map(|(cell, _)| *cell));
    }
    Ok(Some(Holds { cells: found, rows }))
}
