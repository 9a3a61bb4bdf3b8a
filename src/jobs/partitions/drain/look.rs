//! What a default partition holds, and all that taking it apart needs to know.

use std::time::Duration;

use super::super::Task;
use super::super::carve::look::Source;
use super::super::carve::{self, name_beside};
use super::super::facts::{Contents, Seen};
use super::super::naming::{NAMES_TRIED, name_of};
use super::super::refusal::refused;
use super::super::tended::{all_tended, tended_by_name};
use super::plan::{REST, RETIRED, is_blocked};
use super::{RANGES_MAX, UNASKED_ROWS_MAX};
use crate::config::checked::Partitions;
use crate::jobs::partitions::grid::bounds::parse_edge_text;
use crate::jobs::partitions::grid::coverage::{Aim, Piece, coverage};
use crate::jobs::partitions::grid::key::KeyType;
use crate::pg::catalog::partition_contents::Asked;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::session::Reader;

/// The job looks every hour: a question that takes longer is a person's to ask.
const UNASKED_LIMIT: Duration = Duration::from_secs(10);
/// Whoever asks for a drain waits for the answer.
const ASKED_LIMIT: Duration = Duration::from_mins(10);

/// A default partition to look into.
struct Question {
    source: Source,
    key: Ident,
    key_type: String,
    is_asked: bool,
    axis_key: KeyType,
    aim: Aim,
}

/// Looks where rows are to be drained.
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
        let Question { source, .. } = &question;
        carve::look::look(reader, seen, source).await?;
        let contents = contents(section, reader, seen, &question).await;
        if let Err(fault) = &contents
            && fault.kind == Kind::Unreachable
        {
            return Err(fault.clone());
        }
        let candidates = names(section, seen, source, contents.as_ref().ok());
        carve::look::taken(reader, seen, &candidates).await?;
        let facts = seen.tables.get_mut(&source.table);
        if let Some(emptying) = facts.and_then(|facts| facts.emptying.get_mut(&source.oid)) {
            emptying.contents = Some(contents);
        }
    }
    Ok(())
}

fn questions(section: &Partitions, task: &Task, reader: &Reader<'_>, seen: &Seen) -> Vec<Question> {
    let mut all = Vec::new();
    for table in all_tended(section, seen) {
        let (name, facts) = (table.name, table.facts);
        let Ok(aim) = table.aim(reader.now) else { continue };
        let (Some(default), Some(oid)) = (&facts.default, facts.relation.default_oid) else {
            continue;
        };
        let is_asked = matches!(task, Task::Drain { table, abort: false } if table == name);
        let is_needed = matches!(task, Task::Tend { .. }) && is_blocked(&table, aim);
        // What was begun goes on first.
        if (is_asked || is_needed) && facts.begun.is_empty() {
            all.push(Question {
                source: Source {
                    table: name.clone(),
                    parent_oid: facts.relation.oid,
                    name: default.name.clone(),
                    oid,
                },
                key: table.key.clone(),
                key_type: facts.relation.key_type.clone().unwrap_or_default(),
                is_asked,
                axis_key: table.axis.key,
                aim,
            });
        }
    }
    all
}

/// Names that may be given.
fn names(
    section: &Partitions,
    seen: &Seen,
    source: &Source,
    contents: Option<&Contents>,
) -> Vec<TableName> {
    let numbers = 1..=NAMES_TRIED;
    let beside = [REST, RETIRED].into_iter().flat_map(|suffix| {
        numbers.clone().map(move |number| name_beside(&source.name, suffix, number))
    });
    let mut names: Vec<TableName> = beside.collect();
    let name = &source.table;
    if let Some(contents) = contents
        && let Ok(table) = tended_by_name(section, seen, name)
    {
        for (piece, _) in &contents.pieces {
            names.extend(numbers.clone().map(|number| name_of(&table, piece, number)));
        }
    }
    names
}

/// How many rows lie in which range that has no partition.
async fn contents(
    section: &Partitions,
    reader: &mut Reader<'_>,
    seen: &Seen,
    question: &Question,
) -> Result<Contents, Fault> {
    let Question { source, key, key_type, is_asked, axis_key, aim } = question;
    let asked = Asked {
        table: &source.name,
        key,
        key_type,
        limit: if *is_asked { ASKED_LIMIT } else { UNASKED_LIMIT },
    };
    if !is_asked && asked.has_more_than(reader.conn, UNASKED_ROWS_MAX).await? {
        return Err(refused(
            format!("default partition {} has more than {UNASKED_ROWS_MAX} rows", source.name),
            &format!("pgtend partitions drain {}", source.table),
        ));
    }
    let is_clock = axis_key.is_clock();
    let least = asked.least(reader.conn, is_clock).await?;
    let Some(first) = least.as_deref().and_then(parse_edge_text) else {
        let counts = asked.spread(reader.conn, &[]).await?;
        return Ok(Contents { pieces: Vec::new(), left: counts.iter().sum() });
    };
    let table = tended_by_name(section, seen, &source.table)?;
    let aim = Aim { first: first.min(aim.first), ..*aim };
    let found = coverage(&table.existing, &table.axis, aim, RANGES_MAX);
    if found.cut {
        return Err(refused(
            format!(
                "the oldest row of default partition {} lies at {}: more than {RANGES_MAX} \
                 partitions before the end of premake",
                source.name,
                table.axis.key.words(first)
            ),
            "delete rows with a wrong key, or move them to a table of their own",
        ));
    }
    let bounds: std::collections::BTreeSet<_> =
        found.missing.iter().flat_map(|piece| [piece.from, piece.to]).collect();
    let bounds: Vec<_> = bounds.into_iter().collect();
    let literals: Vec<String> = bounds.iter().map(|at| table.axis.key.literal(*at)).collect();
    let counts = asked.spread(reader.conn, &literals).await?;
    let rows_of = |piece: &Piece| {
        let place = bounds.binary_search(&piece.from).map_or(0, |place| place + 1);
        counts.get(place).copied().unwrap_or(0)
    };
    let pieces: Vec<(Piece, u64)> = found
        .missing
        .iter()
        .map(|piece| (*piece, rows_of(piece)))
        .filter(|(_, n)| *n > 0)
        .collect();
    let placed: u64 = pieces.iter().map(|(_, rows)| rows).sum();
    Ok(Contents { pieces, left: counts.iter().sum::<u64>().saturating_sub(placed) })
}
