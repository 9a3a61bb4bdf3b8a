//! How far the ids of a table have come: the one place where the data says what is needed.

use crate::config::checked::Partitions;
use crate::jobs::partitions::facts::{Facts, Seen};
use crate::jobs::partitions::grid::bounds::{Edge, parse_bound};
use crate::jobs::partitions::grid::key::Point;
use crate::jobs::partitions::tended::tended;
use crate::pg::catalog::partition_ids::{highest_in, sequence};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::session::Reader;

/// Asks for the highest id of every table that counts ids.
///
/// # Errors
/// Where the server does not answer at all.
pub async fn highest_ids(
    section: &Partitions,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<(), Fault> {
    let mut asked = Vec::new();
    for (name, config) in &section.tables {
        if config.interval.period().is_some() {
            continue;
        }
        let Some(facts) = seen.tables.get(name) else { continue };
        let Ok(table) = tended(name, config, facts, seen) else { continue };
        asked.push((name.clone(), table.key));
    }
    for (name, key) in asked {
        let Some(facts) = seen.tables.get_mut(&name) else { continue };
        let promised = sequence(reader.conn, facts.relation.oid, &key).await?;
        let used = newest_used(reader, facts, &key).await?;
        facts.highest_id = used.max(promised);
    }
    Ok(())
}

/// The highest id of the newest partition that holds rows. A partition that cannot be read in time
/// counts as full: then at most one more is made than needed.
async fn newest_used(
    reader: &mut Reader<'_>,
    facts: &Facts,
    key: &Ident,
) -> Result<Option<i64>, Fault> {
    let mut newest: Vec<_> = facts
        .children
        .iter()
        .filter_map(|child| Some((parse_bound(&child.bound).ok()??, child)))
        .collect();
    newest.sort_by_key(|(span, _)| std::cmp::Reverse(span.to));
    for (span, child) in newest {
        let Ok(name) = TableName::new(&child.schema, &child.name) else { continue };
        match highest_in(reader.conn, &name, key).await {
            Ok(Some(id)) => return Ok(Some(id)),
            Ok(None) => {}
            Err(fault) if fault.kind == Kind::Unreachable => return Err(fault),
            Err(fault) => {
                tracing::debug!(%fault, "the partition counts as full");
                if let Edge::At(Point::Integer(end)) = span.to {
                    return Ok(Some(end.saturating_sub(1)));
                }
            }
        }
    }
    Ok(None)
}
