//! What a default partition holds, and all that taking it apart needs to know.

use std::time::Duration;

use super::super::carve::name_beside;
use super::super::facts::{Contents, Emptying, Seen};
use super::super::plan::{NAMES_TRIED, name_of};
use super::super::tended::{Tended, refused, tended};
use super::super::{Task, alike};
use super::plan::{REST, RETIRED, is_blocked};
use super::{RANGES_MAX, UNASKED_ROWS_MAX};
use crate::config::checked::Partitions;
use crate::jobs::partitions::grid::bounds::parse_edge_text;
use crate::jobs::partitions::grid::coverage::{Aim, Piece, coverage};
use crate::jobs::partitions::grid::key::KeyType;
use crate::pg::catalog::partition_contents::Asked;
use crate::pg::catalog::{carve, partition, traits};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::session::Reader;

/// The job looks every hour: a question that takes longer is a person's to ask.
const UNASKED_LIMIT: Duration = Duration::from_secs(10);
/// Whoever asks for a drain waits for the answer.
const ASKED_LIMIT: Duration = Duration::from_mins(10);

/// A default partition to look into.
struct Question {
    table: TableName,
    parent_oid: i64,
    source: TableName,
    source_oid: i64,
    key: Ident,
    key_type: String,
    /// Absent where an interrupted run decided already.
    ranges: Option<Ranges>,
}

/// What turns a row's key into a range.
struct Ranges {
    is_asked: bool,
    key: KeyType,
    aim: Aim,
}

/// Looks where rows are to be drained, or were being when a run was interrupted.
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
        let Question { table, parent_oid, source, source_oid, .. } = &question;
        let facts = carve::source(reader.conn, *parent_oid, *source_oid).await?;
        let version = reader.server.version;
        let relations = partition::relations(reader.conn, version, &[source]).await?;
        let Some(owner) = relations.into_iter().next().map(|relation| relation.owner) else {
            continue;
        };
        let mut traits = traits::of(reader.conn, &[*source_oid]).await?;
        let traits = traits.remove(source_oid).unwrap_or_default();
        let storage = traits::storage(reader.conn, *source_oid).await?;
        alike::complete(reader, seen, table).await?;
        let contents = match &question.ranges {
            None => None,
            Some(ranges) => {
                let contents = contents(section, reader, seen, &question, ranges).await;
                if let Err(fault) = &contents
                    && fault.kind == Kind::Unreachable
                {
                    return Err(fault.clone());
                }
                Some(contents)
            }
        };
        let candidates: Vec<TableName> = names(section, seen, &question, contents.as_ref());
        let taken = partition::taken_names(reader.conn, &candidates).await?;
        seen.taken.extend(
            taken.into_iter().filter_map(|(schema, name)| TableName::new(schema, name).ok()),
        );
        if let Some(facts_of) = seen.tables.get_mut(table) {
            let source = source_oid;
            facts_of.emptying.insert(*source, Emptying { facts, owner, traits, storage, contents });
        }
    }
    Ok(())
}

fn questions(section: &Partitions, task: &Task, reader: &Reader<'_>, seen: &Seen) -> Vec<Question> {
    let mut all = Vec::new();
    for (name, facts) in &seen.tables {
        let Some(config) = section.tables.get(name) else { continue };
        let Ok(table) = tended(name, config, facts, seen) else { continue };
        let Ok(aim) = table.aim(reader.now) else { continue };
        let question = |source: &TableName, source_oid, ranges| Question {
            table: name.clone(),
            parent_oid: facts.relation.oid,
            source: source.clone(),
            source_oid,
            key: table.key.clone(),
            key_type: facts.relation.key_type.clone().unwrap_or_default(),
            ranges,
        };
        if let Some(begun) = facts.begun.first() {
            if let Ok(source) = begun.name.parse() {
                all.push(question(&source, begun.source, None));
            }
            continue;
        }
        let (Some(default), Some(oid)) = (&facts.default, facts.relation.default_oid) else {
            continue;
        };
        let is_asked = matches!(task, Task::Drain { table } if table == name);
        let is_needed = matches!(task, Task::Tend { .. }) && is_blocked(&table, aim);
        if is_asked || is_needed {
            let ranges = Ranges { is_asked, key: table.axis.key, aim };
            all.push(question(&default.name, oid, Some(ranges)));
        }
    }
    all
}

/// Names that may be given.
fn names(
    section: &Partitions,
    seen: &Seen,
    question: &Question,
    contents: Option<&Result<Contents, Fault>>,
) -> Vec<TableName> {
    let mut names = Vec::new();
    for number in 1..=NAMES_TRIED {
        for suffix in [REST, RETIRED] {
            names.push(name_beside(&question.source, suffix, number));
        }
    }
    let name = &question.table;
    if let (Some(Ok(contents)), Some(config), Some(facts)) =
        (contents, section.tables.get(name), seen.tables.get(name))
        && let Ok(table) = tended(name, config, facts, seen)
    {
        for (piece, _) in &contents.pieces {
            names.extend((1..=NAMES_TRIED).map(|number| name_of(&table, piece, number)));
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
    ranges: &Ranges,
) -> Result<Contents, Fault> {
    let asked = Asked {
        table: &question.source,
        key: &question.key,
        key_type: &question.key_type,
        limit: if ranges.is_asked { ASKED_LIMIT } else { UNASKED_LIMIT },
    };
    if !ranges.is_asked && asked.has_more_than(reader.conn, UNASKED_ROWS_MAX).await? {
        return Err(refused(
            format!("default partition {} has more than {UNASKED_ROWS_MAX} rows", question.source),
            &format!("pgtend partitions drain {}", question.table),
        ));
    }
    let is_clock = matches!(ranges.key, KeyType::Date | KeyType::Timestamp | KeyType::TimestampTz);
    let least = asked.least(reader.conn, is_clock).await?;
    let Some(first) = least.as_deref().and_then(parse_edge_text) else {
        let counts = asked.spread(reader.conn, &[]).await?;
        return Ok(Contents { pieces: Vec::new(), left: counts.iter().sum() });
    };
    let name = &question.table;
    let (Some(config), Some(facts)) = (section.tables.get(name), seen.tables.get(name)) else {
        return Ok(Contents { pieces: Vec::new(), left: 0 });
    };
    let table: Tended<'_> = tended(name, config, facts, seen)?;
    let aim = Aim { first: first.min(ranges.aim.first), ..ranges.aim };
    let found = coverage(&table.existing, &table.axis, aim, RANGES_MAX);
    if found.cut {
        return Err(refused(
            format!(
                "the oldest row of default partition {} lies at {}: more than {RANGES_MAX} \
                 partitions before the end of premake",
                question.source,
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
