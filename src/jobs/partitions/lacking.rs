//! The look at what is missing: which names are taken, and what default partitions hold.

use std::collections::BTreeMap;

use super::alike;
use super::facts::{Look, Seen};
use super::naming::{MADE_MAX, NAMES_TRIED, name_of};
use super::tended::all_tended;
use crate::config::checked::Partitions;
use crate::jobs::partitions::grid::coverage::coverage;
use crate::pg::catalog::{partition, partition_default};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;
use crate::pg::session::Reader;

/// Asks about what is missing. The tables that lack a partition, each with the one that new ones are to
/// be like.
pub(super) async fn second_look(
    section: &Partitions,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<BTreeMap<TableName, Option<i64>>, Fault> {
    let mut candidates = Vec::new();
    let mut questions = Vec::new();
    let mut lacking = BTreeMap::new();
    for table in all_tended(section, seen) {
        let (name, facts) = (table.name, table.facts);
        let Ok(aim) = table.aim(reader.now) else { continue };
        let found = coverage(&table.existing, &table.axis, aim, MADE_MAX);
        if !found.missing.is_empty() {
            lacking.insert(name.clone(), alike::model(facts, found.aim.now));
        }
        for piece in &found.missing {
            candidates.extend((1..=NAMES_TRIED).map(|number| name_of(&table, piece, number)));
        }
        if let Some(default) = facts.default.as_ref().filter(|_| !found.missing.is_empty()) {
            let ranges =
                found.missing.iter().map(|piece| (piece.from, piece.to)).collect::<Vec<_>>();
            let literal = |at| table.axis.key.literal(at);
            let asked =
                ranges.iter().map(|&(from, to)| (literal(from), literal(to))).collect::<Vec<_>>();
            questions.push((name.clone(), default.name.clone(), table.key.clone(), ranges, asked));
        }
    }
    if !candidates.is_empty() {
        let taken = partition::taken_names(reader.conn, &candidates).await?;
        seen.taken = taken
            .into_iter()
            .filter_map(|(schema, name)| TableName::new(schema, name).ok())
            .collect();
    }
    for (name, default, key, ranges, asked) in questions {
        let answer = partition_default::rows_in(reader.conn, &default, &key, &asked).await;
        if let Err(fault) = &answer
            && fault.kind == Kind::Unreachable
        {
            return Err(fault.clone());
        }
        if let Some(default) = seen.tables.get_mut(&name).and_then(|facts| facts.default.as_mut()) {
            default.look = Some(Look { ranges, answer });
        }
    }
    Ok(lacking)
}
