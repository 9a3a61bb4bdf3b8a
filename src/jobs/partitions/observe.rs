//! Questions to the server, and no policy. The first look is at the catalog only; then the highest
//! ids are asked for, where a table counts ids; the last look is about what was found missing: which
//! names are taken, and what the default partition holds.

use std::collections::{BTreeMap, BTreeSet};

use super::adopt;
use super::alike::{self, Drift};
use super::facts::{DefaultFacts, Facts, Seen};
use super::lacking::second_look;
use super::premake::attach::STALE_CHECK;
use super::retention::choice::Part;
use super::retention::leftovers;
use super::retention::plan::about_to_leave;
use super::tended::{all_tended, lay_out};
use super::{Task, drain, split};
use crate::config::checked::Partitions;
use crate::job::clocks::Clocks;
use crate::jobs::partitions::premake::frontier;
use crate::pg::catalog::foreign_keys::{self, Reference};
use crate::pg::catalog::leftover::Leftover;
use crate::pg::catalog::partition::{self, Child, Relation};
use crate::pg::catalog::quarantine::Held;
use crate::pg::catalog::traits::Traits;
use crate::pg::catalog::{adoption, carve, leftover, partition_default, quarantine, setting};
use crate::pg::fault::Fault;
use crate::pg::ident::{TableName, quoted};
use crate::pg::session::Reader;

/// Reads all facts.
///
/// # Errors
/// Where the server does not answer.
pub async fn observe(
    section: &Partitions,
    task: &Task,
    reader: &mut Reader<'_>,
) -> Result<Seen, Fault> {
    if let Task::Adopt(wish) = task {
        return Box::pin(adopt::observe::observe(section, wish, reader)).await;
    }
    let version = reader.server.version;
    let names: Vec<&TableName> = section.tables.keys().collect();
    let relations = partition::relations(reader.conn, version, &names).await?;
    let has_record = quarantine::exists(reader.conn).await?;
    let held = if has_record { quarantine::held(reader.conn, version).await? } else { Vec::new() };
    let configured: BTreeSet<i64> = relations.iter().map(|relation| relation.oid).collect();
    let (held, strays) = held.into_iter().partition(|held| configured.contains(&held.parent));
    let (leftovers, stray_leftovers): (Vec<_>, Vec<_>) = leftover::leftovers(reader.conn)
        .await?
        .into_iter()
        .partition(|leftover| configured.contains(&leftover.parent));
    let mut seen = Seen {
        version,
        role: reader.server.user.clone(),
        lock_timeout: setting::lock_timeout(reader.conn).await?,
        tables: facts(reader, &names, relations, held, leftovers).await?,
        strays,
        stray_leftovers,
        taken: BTreeSet::new(),
        clocks: Clocks::read(reader.conn).await?,
        own_schema: reader.server.schema.clone(),
        adoption: None,
        unfinished: Vec::new(),
    };
    lay_out(section, &mut seen);
    // Boxed: its state is part of every run's, and few tables count ids.
    Box::pin(frontier::highest_ids(section, reader, &mut seen)).await?;
    let lacking = second_look(section, reader, &mut seen).await?;
    alike::look(reader, &mut seen, &lacking).await?;
    Box::pin(carving_look(section, task, reader, &mut seen)).await?;
    leaving_look(section, task, reader, &mut seen).await?;
    Box::pin(leftovers_look(section, task, reader, &mut seen)).await?;
    Box::pin(unfinished_look(section, reader, &mut seen)).await?;
    Ok(seen)
}

/// Partitions whose rows are to be taken over, or were being when a run was interrupted.
async fn carving_look(
    section: &Partitions,
    task: &Task,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<(), Fault> {
    super::carve::look::begun(reader, seen).await?;
    drain::look::look(section, task, reader, seen).await?;
    split::look::look(section, task, reader, seen).await
}

/// Plain tables whose adoption somebody has begun: this run carries it on.
async fn unfinished_look(
    section: &Partitions,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<(), Fault> {
    let is_plain = |(_, facts): &(&TableName, &Facts)| facts.relation.kind == "r";
    let plain: Vec<(TableName, i64)> = seen
        .tables
        .iter()
        .filter(is_plain)
        .map(|(name, facts)| (name.clone(), facts.relation.oid))
        .collect();
    for (table, oid) in plain {
        let record = adoption::record(reader.conn, &table, Some(oid)).await?;
        if record.is_some_and(|record| record.adopted_at.is_none()) {
            let wish = adopt::Wish { table, column: None, abort: false };
            let found = adopt::observe::observe(section, &wish, reader).await?;
            seen.unfinished.push((wish, found));
        }
    }
    Ok(())
}

/// For partitions that are about to leave: whether rows refer to theirs.
async fn leaving_look(
    section: &Partitions,
    task: &Task,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<(), Fault> {
    let confirm = *task == (Task::Tend { confirm: true });
    let mut asked: Vec<(TableName, Vec<Reference>, Vec<Part>)> = Vec::new();
    for table in all_tended(section, seen).filter(|table| !table.facts.references.is_empty()) {
        let leaving = about_to_leave(&table, reader.now, confirm);
        asked.push((table.name.clone(), table.facts.references.clone(), leaving));
    }
    for (name, references, parts) in asked {
        for part in parts {
            let answer = referenced(reader, &part, &references).await;
            if let Some(facts) = seen.tables.get_mut(&name) {
                facts.referenced.insert(part.oid, answer);
            }
        }
    }
    Ok(())
}

/// For what is left of old partitions and is to be dropped: whether rows were written to it.
async fn leftovers_look(
    section: &Partitions,
    task: &Task,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<(), Fault> {
    if !matches!(task, Task::Tend { .. }) {
        return Ok(());
    }
    let mut asked: Vec<(TableName, i64, TableName)> = Vec::new();
    for table in all_tended(section, seen) {
        let due = leftovers::due(&table, reader.now);
        asked.extend(due.into_iter().map(|(left, now)| (table.name.clone(), left.relation, now)));
    }
    for (name, relation, now) in asked {
        let answer = leftover::is_written(reader.conn, &now, relation).await;
        if let Some(facts) = seen.tables.get_mut(&name) {
            facts.written.insert(relation, answer);
        }
    }
    Ok(())
}

async fn referenced(
    reader: &mut Reader<'_>,
    part: &Part,
    references: &[Reference],
) -> Result<Option<String>, Fault> {
    for reference in references {
        if foreign_keys::is_referenced(reader.conn, &part.name, reference).await? {
            let Reference { schema, table, constraint, .. } = reference;
            let table = format!("{}.{}", quoted(schema), quoted(table));
            return Ok(Some(format!("{} of {table}", quoted(constraint))));
        }
    }
    Ok(None)
}

async fn facts(
    reader: &mut Reader<'_>,
    names: &[&TableName],
    relations: Vec<Relation>,
    held: Vec<Held>,
    leftovers: Vec<Leftover>,
) -> Result<BTreeMap<TableName, Facts>, Fault> {
    let version = reader.server.version;
    let oids: Vec<i64> = relations.iter().map(|relation| relation.oid).collect();
    let all = partition::children(reader.conn, version, &oids).await?;
    let mut drift = Drift::of(reader, &all).await?;
    let mut children: BTreeMap<i64, Vec<Child>> = BTreeMap::new();
    for child in all {
        children.entry(child.parent).or_default().push(child);
    }
    let name_asked = |relation: &Relation| {
        usize::try_from(relation.asked).ok().and_then(|index| names.get(index).copied())
    };
    let defaults: Vec<i64> = relations.iter().filter_map(|relation| relation.default_oid).collect();
    let defaults = partition_default::in_catalog(reader.conn, &defaults, STALE_CHECK).await?;

    let references = foreign_keys::references(reader.conn, &oids).await?;
    let begun = carve::begun(reader.conn, &oids).await?;
    let agreed = if quarantine::exists(reader.conn).await? {
        quarantine::agreed(reader.conn, &oids).await?
    } else {
        Vec::new()
    };

    let mut tables = BTreeMap::new();
    for relation in relations {
        let Some(name) = name_asked(&relation) else { continue };
        let children = children.remove(&relation.oid).unwrap_or_default();
        let default = children
            .iter()
            .find(|child| Some(child.oid) == relation.default_oid)
            .and_then(|child| TableName::new(&child.schema, &child.name).ok())
            .map(|name| {
                let known = defaults.iter().find(|known| Some(known.oid) == relation.default_oid);
                DefaultFacts {
                    name,
                    has_stale_check: known.is_some_and(|known| known.has_check),
                    rows_estimate: known.and_then(|known| known.rows_estimate),
                    look: None,
                }
            });
        let oid = relation.oid;
        let facts = Facts {
            children,
            default,
            held: held.iter().filter(|held| held.parent == oid).cloned().collect(),
            leftovers: leftovers.iter().filter(|left| left.parent == oid).cloned().collect(),
            written: BTreeMap::new(),
            agreed: agreed.iter().find(|agreed| agreed.parent == oid).cloned(),
            references: references.iter().filter(|r| r.parent == oid).cloned().collect(),
            referenced: BTreeMap::new(),
            points_at: Vec::new(),
            traits: Traits::default(),
            policies: Ok(Vec::new()),
            storage: Vec::new(),
            differences: drift.take(oid),
            blockers: Vec::new(),
            highest_id: None,
            wide: None,
            begun: begun.iter().filter(|begun| begun.parent == oid).cloned().collect(),
            emptying: BTreeMap::new(),
            laid: None,
            relation,
        };
        tables.insert(name.clone(), facts);
    }
    Ok(tables)
}
